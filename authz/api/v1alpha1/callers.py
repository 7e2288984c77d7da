"""Items of `allow` and `deny`: who the caller is, and what else must hold."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from authz.api.v1alpha1.credentials import ApiKey, ClientCertificate
from authz.api.v1alpha1.tokens import Jwt
from authz.api.v1alpha1.words import HeaderName, Name, Object, Text

_NO_CALLER = (
    "the alternative does not say who the caller is, and an address, a header or an expression alone opens nothing: "
    "add jwt, apiKey or clientCertificate, or anonymous: {} if nobody in particular is meant"
)
_TWO_MINDS = "anonymous: {} says that nobody in particular is meant, and excludes jwt, apiKey and clientCertificate; write two alternatives"
_NOTHING = "give jwt, apiKey, clientCertificate, clientIP, headers or when"
_SOME_ADDRESSES = "give cidrs, ranges or sets"
_CREDENTIALS = ("jwt", "apiKey", "clientCertificate")
Cidr = Annotated[str, StringConstraints(min_length=2, max_length=49)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class AddressRange(Object):
    """From one address to another, both included."""

    from_: Annotated[str, StringConstraints(min_length=2, max_length=45)] = Field(alias="from")
    """The first address."""
    to: Annotated[str, StringConstraints(min_length=2, max_length=45)]
    """The last address."""


class ClientIP(Object):
    """Which client addresses are meant. How the address is found, the operator says (`--client-address`)."""

    cel = (("has(self.cidrs) || has(self.ranges) || has(self.sets)", _SOME_ADDRESSES),)
    cidrs: Annotated[list[Cidr], Field(min_length=1, max_length=1024)] | None = None
    """Networks in CIDR form, or single addresses."""
    ranges: Annotated[list[AddressRange], Field(min_length=1, max_length=256)] | None = None
    """Ranges of addresses."""
    sets: Annotated[list[Name], Field(min_length=1, max_length=16)] | None = None
    """Names of sets of addresses (`spec.ipSets`)."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.cidrs is None and self.ranges is None and self.sets is None:
            raise ValueError(_SOME_ADDRESSES)
        return self


class IpSet(Object):
    """Addresses by name."""

    list_keys = ("name",)
    cel = (("has(self.cidrs) || has(self.ranges)", "give cidrs, ranges or both"),)
    name: Name
    """How `clientIP` calls it."""
    cidrs: Annotated[list[Cidr], Field(min_length=1, max_length=16384)] | None = None
    """Networks in CIDR form, or single addresses."""
    ranges: Annotated[list[AddressRange], Field(min_length=1, max_length=1024)] | None = None
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
    """One alternative. Its members must all hold. Who the caller is: `jwt`, `apiKey`, `clientCertificate` or several, or `anonymous`."""

    list_keys = ("name",)
    cel = (
        (f"has(self.anonymous) || {' || '.join(f'has(self.{name})' for name in _CREDENTIALS)}", _NO_CALLER),
        (f"!has(self.anonymous) || !({' || '.join(f'has(self.{name})' for name in _CREDENTIALS)})", _TWO_MINDS),
    )
    name: Name
    """How logs and explanations call it."""
    jwt: Jwt | None = None
    """The caller has such a token."""
    api_key: ApiKey | None = Field(None, alias="apiKey")
    """The caller has such an API key."""
    client_certificate: ClientCertificate | None = Field(None, alias="clientCertificate")
    """The caller has such a client certificate."""
    anonymous: Anonymous | None = None
    """Nobody in particular: write `anonymous: {}`. A token or key that was sent on purpose and fails verification is still refused."""
    client_ip: ClientIP | None = Field(None, alias="clientIP")
    """The caller's address is one of these."""
    headers: Annotated[list[HeaderMatch], Field(min_length=1, max_length=16)] | None = None
    """The request has these headers, all of them."""
    when: Expression | None = None
    """A CEL expression that must be true, of the request, the caller's credentials, the address and the time."""

    @model_validator(mode="after")
    def _caller(self) -> Self:
        named = any(each is not None for each in (self.jwt, self.api_key, self.client_certificate))
        if not named and self.anonymous is None:
            raise ValueError(_NO_CALLER)
        if named and self.anonymous is not None:
            raise ValueError(_TWO_MINDS)
        return self


class Deny(Object):
    """One denial. It fires unless one of its members is certainly false."""

    list_keys = ("name",)
    cel = ((f"{' || '.join(f'has(self.{name})' for name in (*_CREDENTIALS, 'clientIP', 'headers', 'when'))}", _NOTHING),)
    name: Name
    """How logs and explanations call it."""
    jwt: Jwt | None = None
    """The caller has such a token."""
    api_key: ApiKey | None = Field(None, alias="apiKey")
    """The caller has such an API key."""
    client_certificate: ClientCertificate | None = Field(None, alias="clientCertificate")
    """The caller has such a client certificate."""
    client_ip: ClientIP | None = Field(None, alias="clientIP")
    """The caller's address is one of these."""
    headers: Annotated[list[HeaderMatch], Field(min_length=1, max_length=16)] | None = None
    """The request has these headers, all of them."""
    when: Expression | None = None
    """A CEL expression that is true, of the request, the caller's credentials, the address and the time."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        members = (self.jwt, self.api_key, self.client_certificate, self.client_ip, self.headers, self.when)
        if all(each is None for each in members):
            raise ValueError(_NOTHING)
        return self
