"""AuthPolicy v1alpha1: one set of typed declarations. The validation, the CRD and the reference page are made from it.

A type's `cel` are the CEL rules of the CRD; here the same is checked by validators, so that a file
and the API server say the same thing.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

GROUP = "ingress-authz.dev"
VERSION = "v1alpha1"
KIND = "AuthPolicy"

Name = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
HeaderName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^/")]
PathValue = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!#-\[\]-~]+$")]
Method = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Z][A-Z_-]*$")]
Url = Annotated[str, StringConstraints(min_length=8, max_length=2048, pattern=r"^https?://[^\s/?#]+")]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
ModeName = Literal["Enforce", "Shadow"]


class Object(BaseModel):
    """The base of every type here: unknown fields are mistakes, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
    # What CEL on the API server checks: (rule, message). The validators below say the same.
    cel: ClassVar[tuple[tuple[str, str], ...]] = ()
    # The field that tells apart the items of a list of this type.
    list_key: ClassVar[str] = ""


def _exactly_one(self: Object, *names: str) -> None:
    given = [name for name in names if getattr(self, name) is not None]
    if len(given) != 1:
        raise ValueError(_one_of(*(type(self).model_fields[name].alias or name for name in names)))


def _one_of(*names: str) -> str:
    return f"exactly one of {', '.join(names)} must be given"


def _one_rule(*names: str) -> tuple[str, str]:
    return " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names) + " == 1", _one_of(*names)


class TokenPlace(Object):
    """One place where a token may stand in a request."""

    cel = (
        _one_rule("header", "query", "cookie"),
        ("!has(self.scheme) || has(self.header)", "scheme goes with header"),
    )
    header: HeaderName | None = None
    """Name of a request header."""
    scheme: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] | None = None
    """The word before the token in the header, such as `Bearer`. Without it the whole header is the token."""
    query: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._~-]+$")] | None = None
    """Name of a query parameter."""
    cookie: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")] | None = None
    """Name of a cookie. Browsers send cookies unasked: mind cross-site requests."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        _exactly_one(self, "header", "query", "cookie")
        if self.scheme is not None and self.header is None:
            raise ValueError("scheme goes with header")
        return self


class Issuer(Object):
    """Who may vouch for a token. Keys belong to their issuer: no other issuer's key verifies its tokens."""

    list_key = "name"
    cel = (
        (
            "(has(self.discoveryURL) ? 1 : 0) + (has(self.jwksURL) ? 1 : 0) + (has(self.jwks) ? 1 : 0) <= 1",
            "at most one of discoveryURL, jwksURL, jwks may be given",
        ),
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
    algorithms: Annotated[list[Algorithm], Field(min_length=1, max_length=10)] = Field(default=["RS256", "ES256"])
    """The signature algorithms that its tokens may use."""
    clock_skew_seconds: Annotated[int, Field(ge=0, le=300)] = Field(30, alias="clockSkewSeconds")
    """How far the clocks may differ when `exp`, `nbf` and `iat` are compared, in seconds."""
    token_from: Annotated[list[TokenPlace], Field(min_length=1, max_length=8)] | None = Field(None, alias="tokenFrom")
    """Where its tokens are looked for, in this order; two different tokens are refused. The default is the header
    `Authorization` with the scheme `Bearer`."""

    @model_validator(mode="after")
    def _keys(self) -> Self:
        if sum(value is not None for value in (self.discovery_url, self.jwks_url, self.jwks)) > 1:
            raise ValueError("at most one of discoveryURL, jwksURL, jwks may be given")
        without_source = self.discovery_url is None and self.jwks_url is None and self.jwks is None
        if without_source and not self.issuer.startswith(("https://", "http://")):
            raise ValueError("the issuer is no URL, so its keys cannot be discovered: add discoveryURL, jwksURL or jwks")
        return self


class Claim(Object):
    """What one claim must say."""

    path: Annotated[list[Text], Field(min_length=1, max_length=8)]
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


class AddressRange(Object):
    """From one address to another, both included."""

    from_: Annotated[str, StringConstraints(min_length=2, max_length=45)] = Field(alias="from")
    """The first address."""
    to: Annotated[str, StringConstraints(min_length=2, max_length=45)]
    """The last address."""


class ClientIP(Object):
    """Which client addresses are meant. How the address is found, the operator says (`--client-address`)."""

    cel = (("has(self.cidrs) || has(self.ranges)", "give cidrs, ranges or both"),)
    cidrs: Annotated[list[Annotated[str, StringConstraints(min_length=2, max_length=49)]], Field(min_length=1, max_length=1024)] | None = (
        None
    )
    """Networks in CIDR form, or single addresses."""
    ranges: Annotated[list[AddressRange], Field(min_length=1, max_length=256)] | None = None
    """Ranges of addresses."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.cidrs is None and self.ranges is None:
            raise ValueError("give cidrs, ranges or both")
        return self


class HeaderMatch(Object):
    """A header that the request must have."""

    name: HeaderName
    """Its name; case does not matter."""
    values: Annotated[list[Text], Field(min_length=1, max_length=64)] | None = None
    """The values, one of which it must have. Without them any non-empty value will do."""
    ignore_case: bool = Field(default=False, alias="ignoreCase")
    """Whether case does not matter in the values."""


class Anonymous(Object):
    """An empty object: the alternative names no caller."""


class Allow(Object):
    """One alternative. Its members must all hold; it says who the caller is by exactly one of `jwt` and `anonymous`."""

    list_key = "name"
    cel = (_one_rule("jwt", "anonymous"),)
    name: Name
    """How logs and explanations call it."""
    jwt: Jwt | None = None
    """The caller has such a token."""
    anonymous: Anonymous | None = None
    """Nobody in particular: write `anonymous: {}`. A token that was sent on purpose and fails verification is still refused."""
    client_ip: ClientIP | None = Field(None, alias="clientIP")
    """The caller's address is one of these."""
    headers: Annotated[list[HeaderMatch], Field(min_length=1, max_length=16)] | None = None
    """The request has these headers, all of them."""

    @model_validator(mode="after")
    def _caller(self) -> Self:
        if (self.jwt is None) == (self.anonymous is None):
            raise ValueError(
                "an alternative names its caller by exactly one of jwt, anonymous must be given: "
                "an address or a header alone opens nothing (write anonymous: {} if nobody in particular is meant)"
                if self.jwt is None
                else "exactly one of jwt, anonymous must be given"
            )
        return self


class Deny(Object):
    """One denial. It fires unless one of its members is certainly false."""

    list_key = "name"
    cel = (("has(self.jwt) || has(self.clientIP) || has(self.headers)", "give jwt, clientIP or headers"),)
    name: Name
    """How logs and explanations call it."""
    jwt: Jwt | None = None
    """The caller has such a token."""
    client_ip: ClientIP | None = Field(None, alias="clientIP")
    """The caller's address is one of these."""
    headers: Annotated[list[HeaderMatch], Field(min_length=1, max_length=16)] | None = None
    """The request has these headers, all of them."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.jwt is None and self.client_ip is None and self.headers is None:
            raise ValueError("give jwt, clientIP or headers")
        return self


class PathMatch(Object):
    """How the path is compared, in its canonical form (RFC 3986 §6.2.2) and without the query."""

    type: Literal["Exact", "PathPrefix", "Template", "RegularExpression"]
    """`Exact`: the path, with or without one trailing slash. `PathPrefix`: it and everything below, by whole segments.
    `Template`: `{name}` stands for one segment. `RegularExpression`: RE2, over the whole path."""
    value: PathValue
    """The path, template or expression."""


class RequestMatch(Object):
    """One kind of request: path and methods, both of which must fit."""

    cel = (("has(self.path) || has(self.methods)", "give path, methods or both"),)
    path: PathMatch | None = None
    """The path. Without it, every path."""
    methods: Annotated[list[Method], Field(min_length=1, max_length=16)] | None = None
    """The methods. Without them, every method."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.path is None and self.methods is None:
            raise ValueError("give path, methods or both")
        return self


class ClaimSource(Object):
    """Where a forwarded value comes from."""

    claim: Annotated[list[Text], Field(min_length=1, max_length=8)]
    """Path of a claim of the caller's token. Lists are joined with commas; what is not printable ASCII is percent-encoded."""


class ForwardedHeader(Object):
    """One header for the upstream. Where there is no value, what the client sent is removed."""

    list_key = "name"
    cel = (_one_rule("value", "from"),)
    name: HeaderName
    """`x-auth-…`, or a name that the operator gave away (`--identity-header`)."""
    value: Text | None = None
    """A fixed value."""
    from_: ClaimSource | None = Field(None, alias="from")
    """A value out of the caller's token."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.value is None) == (self.from_ is None):
            raise ValueError(_one_of("value", "from"))
        return self


class Forward(Object):
    """What the upstream sees."""

    headers: Annotated[list[ForwardedHeader], Field(min_length=1, max_length=32)] | None = None
    """Headers that it gets. They overwrite what the client sent."""
    credentials: Literal["Remove", "Keep"] = "Remove"
    """Whether the credentials are taken away, in every place where the policy's issuers look."""


class AnswerHeader(Object):
    """One header of a denial."""

    name: HeaderName
    """Its name."""
    value: Text
    """Its value."""


class Answer(Object):
    """How a denial looks to the client."""

    status_code: Annotated[int, Field(ge=300, le=599)] | None = Field(None, alias="statusCode")
    """The HTTP status, instead of 401 or 403. 302 with a `Location` points to a login elsewhere."""
    message: Text | None = None
    """The title of the answer's body."""
    headers: Annotated[list[AnswerHeader], Field(min_length=1, max_length=16)] | None = None
    """Further headers."""

    @field_validator("status_code")
    @classmethod
    def _has_body(cls, value: int | None) -> int | None:
        if value == 304:
            raise ValueError("304 has no body and means something else; use another status")
        return value


class Denied(Object):
    """The policy's own words for a denial. A 400 or 503 is never rewritten."""

    unauthenticated: Answer | None = None
    """Instead of 401: the caller is unknown."""
    forbidden: Answer | None = None
    """Instead of 403: the caller, or anyone, is not permitted."""


class Rule(Object):
    """Which requests it is for, and who may make them. The first rule that matches decides."""

    list_key = "name"
    name: Name
    """How logs, metrics and explanations call it."""
    mode: ModeName = "Enforce"
    """`Shadow`: the rule decides nothing; what it would have decided is logged and counted."""
    matches: Annotated[list[RequestMatch], Field(min_length=1, max_length=64)] | None = None
    """The requests that it is for, any of them. Without it, every request."""
    deny: Annotated[list[Deny], Field(min_length=1, max_length=32)] | None = None
    """Who may not, whatever `allow` says."""
    allow: Annotated[list[Allow], Field(max_length=32)]
    """Who may: the first alternative that holds. `[]` lets nobody in."""
    forward: Forward | None = None
    """What the upstream sees."""
    denied: Denied | None = None
    """Instead of the policy's `denied`."""


class DefinitionsRef(Object):
    """Another AuthPolicy whose definitions this one may use."""

    namespace: ObjectName
    """Its namespace."""
    name: ObjectName
    """Its name."""


class AuthPolicySpec(Object):
    """Who may make which requests to some hosts. Whatever no rule allows is denied."""

    hosts: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=253)]], Field(min_length=1, max_length=64)] | None = (
        None
    )
    """The hosts it is for: exact, or `*.` before a name. Without hosts and rules it only defines."""
    path_prefixes: Annotated[list[Path], Field(min_length=1, max_length=64)] | None = Field(None, alias="pathPrefixes")
    """The paths it is for, by whole segments, so that several APIs can share a host. The default is every path."""
    mode: ModeName = "Enforce"
    """`Shadow`: the policy decides nothing; what it would have decided is logged and counted."""
    preflight: Literal["Deny", "Allow"] = "Deny"
    """`Allow`: a CORS preflight passes after the path check and `deny`, without credentials."""
    definitions_from: Annotated[list[DefinitionsRef], Field(min_length=1, max_length=8)] | None = Field(None, alias="definitionsFrom")
    """AuthPolicies whose issuers may be named here; one level, and a local name wins."""
    audiences: Annotated[list[Text], Field(min_length=1, max_length=16)] | None = None
    """For whom a token must be: one of these must be in `aud`. Required where `jwt` is used."""
    issuers: Annotated[list[Issuer], Field(min_length=1, max_length=32)] | None = None
    """Who may vouch for a token."""
    deny: Annotated[list[Deny], Field(min_length=1, max_length=64)] | None = None
    """Who may not, before every rule."""
    rules: Annotated[list[Rule], Field(min_length=1, max_length=64)] | None = None
    """The rules; the first that matches a request decides it."""
    denied: Denied | None = None
    """How denials look to the client."""
