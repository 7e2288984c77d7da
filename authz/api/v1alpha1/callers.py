"""Items of `allow` and `deny`: who the caller is, and what else must hold."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from authz.api.v1alpha1.tokens import Jwt
from authz.api.v1alpha1.words import HeaderName, Name, Object, Text, exactly_one, one_of

_NO_CALLER = (
    "the alternative does not say who the caller is, and an address or a header alone opens nothing: "
    "add jwt, or anonymous: {} if nobody in particular is meant"
)


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

    list_keys = ("name",)
    cel = (
        ("has(self.jwt) || has(self.anonymous)", _NO_CALLER),
        ("!has(self.jwt) || !has(self.anonymous)", one_of("jwt", "anonymous")),
    )
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
        if self.jwt is None and self.anonymous is None:
            raise ValueError(_NO_CALLER)
        exactly_one(self, "jwt", "anonymous")
        return self


class Deny(Object):
    """One denial. It fires unless one of its members is certainly false."""

    list_keys = ("name",)
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
