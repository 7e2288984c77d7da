"""Who may vouch for a token, where it is looked for, and what it must say."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from authz.api.v1alpha1.references import CaRef, HmacSource, JwksRef
from authz.api.v1alpha1.words import (
    Algorithm,
    ClaimPath,
    HeaderName,
    Name,
    Object,
    Scope,
    Text,
    TokenType,
    Url,
    exactly_one,
    one_rule,
)

_KEYS = ("discoveryURL", "jwksURL", "jwks", "jwksFrom", "hmacFrom")
_IS_URL = ("self.issuer.startsWith('https://')", "self.issuer.startsWith('http://')")
_ONE_SOURCE = f"at most one of {', '.join(_KEYS)} may be given"
_NO_SOURCE = f"the issuer is no URL, so its keys cannot be discovered: add {', '.join(_KEYS[:-1])} or {_KEYS[-1]}"
_NOTHING_SHARED = "HS256, HS384 and HS512 take a secret that issuer and service share: add hmacFrom, or take algorithms with public keys"
_SECRETS_ONLY = "with hmacFrom algorithms are HS256, HS384 or HS512 alone: an issuer has public keys or shared secrets, not both"
_NOTHING_FETCHED = "caRef is for keys that are fetched, and with hmacFrom none are; leave it out"


class TokenPlace(Object):
    """One place where a token or key may stand in a request."""

    cel = (
        one_rule("header", "query", "cookie"),
        ("!has(self.scheme) || has(self.header)", "scheme goes with header"),
    )
    header: HeaderName | None = None
    """Name of a request header."""
    scheme: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] | None = None
    """The word before it in the header, such as `Bearer`. Without it the whole header is the token or key."""
    query: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._~-]+$")] | None = None
    """Name of a query parameter."""
    cookie: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")] | None = None
    """Name of a cookie. Browsers send cookies unasked: mind cross-site requests."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "header", "query", "cookie")
        if self.scheme is not None and self.header is None:
            raise ValueError("scheme goes with header")
        return self


class Issuer(Object):
    """Who may vouch for a token. Keys belong to their issuer: no other issuer's key verifies its tokens."""

    list_keys = ("name",)
    cel = (
        (" + ".join(f"(has(self.{name}) ? 1 : 0)" for name in _KEYS) + " <= 1", _ONE_SOURCE),
        (" || ".join((*(f"has(self.{name})" for name in _KEYS), *_IS_URL)), _NO_SOURCE),
        ("has(self.hmacFrom) || !has(self.algorithms) || !self.algorithms.exists(each, each.startsWith('HS'))", _NOTHING_SHARED),
        ("!has(self.hmacFrom) || !has(self.algorithms) || self.algorithms.all(each, each.startsWith('HS'))", _SECRETS_ONLY),
        ("!has(self.hmacFrom) || !has(self.caRef)", _NOTHING_FETCHED),
    )
    name: Name
    """How the rules of this policy call the issuer."""
    issuer: Text
    """What the token's `iss` and the discovery document's `issuer` must equal, byte for byte."""
    discovery_url: Url | None = Field(None, alias="discoveryURL")
    """Where the OpenID Connect discovery document is. The default is the issuer followed by `/.well-known/openid-configuration`."""
    jwks_url: Url | None = Field(None, alias="jwksURL")
    """Where the key set is, for an issuer without discovery."""
    jwks: Annotated[str, StringConstraints(min_length=2, max_length=65536)] | None = None
    """The key set itself, as JSON text: public keys only."""
    jwks_from: JwksRef | None = Field(None, alias="jwksFrom")
    """The key set in a ConfigMap or Secret: public keys only."""
    hmac_from: HmacSource | None = Field(None, alias="hmacFrom")
    """Secrets that the issuer shares with this service, instead of public keys: one key in Base64 on one line, or a key set of
    `oct` keys. Each has the length of the hash at least (32 octets for HS256). Whoever can verify with such a key can sign tokens,
    too: prefer an issuer with public keys."""
    ca_ref: CaRef | None = Field(None, alias="caRef")
    """The CAs that vouch for the issuer's servers, instead of those that the operator trusts."""
    algorithms: Annotated[list[Algorithm], Field(min_length=1, max_length=10)] | None = None
    """The signature algorithms that its tokens may use. The default is RS256 and ES256; with `hmacFrom` it is HS256."""
    clock_skew_seconds: Annotated[int, Field(ge=0, le=300)] | None = Field(None, alias="clockSkewSeconds")
    """How far the clocks may differ when `exp`, `nbf` and `iat` are compared, in seconds. The default is 30; with
    `compatibility: APIM` it is 0."""
    token_types: Annotated[list[TokenType], Field(min_length=1, max_length=8)] = Field(default=["at+jwt", "JWT"], alias="tokenTypes")
    """Which `typ` its tokens may have, in any case, with or without `application/`. A token without `typ` counts as `JWT`. An
    issuer that marks its access tokens (RFC 9068) is held to that by `[at+jwt]`: its ID tokens, of type `JWT`, pass no more."""
    max_lifetime_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = Field(None, alias="maxLifetimeSeconds")
    """How long its tokens may be made for: the longest time from `iat` to `exp`, in seconds. A token without `iat` is refused."""
    max_age_seconds: Annotated[int, Field(ge=1, le=31_536_000)] | None = Field(None, alias="maxAgeSeconds")
    """How old its tokens may get, whatever their `exp` says: the longest time since `iat`, in seconds. A token without `iat` is
    refused."""
    token_from: Annotated[list[TokenPlace], Field(min_length=1, max_length=8)] | None = Field(None, alias="tokenFrom")
    """Where its tokens are looked for, in this order; two different tokens are refused. The default is the header
    `Authorization` with the scheme `Bearer`."""

    @model_validator(mode="after")
    def _keys(self) -> Self:
        given = [each for each in (self.discovery_url, self.jwks_url, self.jwks, self.jwks_from, self.hmac_from) if each is not None]
        if len(given) > 1:
            raise ValueError(_ONE_SOURCE)
        if not given and not self.issuer.startswith(("https://", "http://")):
            raise ValueError(_NO_SOURCE)
        if self.hmac_from is not None and self.ca_ref is not None:
            raise ValueError(_NOTHING_FETCHED)
        return self

    @model_validator(mode="after")
    def _signatures(self) -> Self:
        symmetric = [name.startswith("HS") for name in self.algorithms or ()]
        if self.hmac_from is None and any(symmetric):
            raise ValueError(_NOTHING_SHARED)
        if self.hmac_from is not None and not all(symmetric):
            raise ValueError(_SECRETS_ONLY)
        return self


class Claim(Object):
    """What one claim must say."""

    path: ClaimPath
    """Where the claim is: one name for each level, so that names with dots need no escape."""
    match: Literal["Any", "All", "None"]
    """`Any`: it has at least one of the values. `All`: it has every one. `None`: it is there and has none of them."""
    values: Annotated[list[Text], Field(min_length=1, max_length=256)]
    """The values. Numbers and booleans are compared as text: `7`, `true`."""
    separator: Annotated[str, StringConstraints(min_length=1, max_length=8)] | None = None
    """Splits a string claim into several values."""


class Jwt(Object):
    """What the caller's token must be. Signature, times and `spec.audiences` are always checked."""

    issuers: Annotated[list[Name], Field(min_length=1, max_length=16)]
    """Names of the issuers that may have vouched for it."""
    audiences: Annotated[list[Text], Field(min_length=1, max_length=16)] | None = None
    """Narrows `spec.audiences` for this item."""
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=32)] | None = None
    """Scopes that it must have, all of them (`scope` or `scp`)."""
    claims: Annotated[list[Claim], Field(min_length=1, max_length=32)] | None = None
    """Claims that it must have, all of them."""
