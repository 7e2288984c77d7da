"""What the upstream sees of an allowed request, and the client of a denied one."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from authz.api.v1alpha1.words import PRINTABLE, PRINTABLE_MESSAGE, ClaimPath, HeaderName, Object, Text, exactly_one, one_of, one_rule


class ClaimSource(Object):
    """Where a forwarded value comes from."""

    cel = (one_rule("claim", "apiKey", "clientCertificate"),)
    claim: ClaimPath | None = None
    """Path of a claim of the caller's token. Lists are joined with commas; what is not printable ASCII is percent-encoded."""
    api_key: ClaimPath | None = Field(None, alias="apiKey")
    """What of the caller's API key: `[id]`, `[subscription]` or `[labels, NAME]`."""
    client_certificate: ClaimPath | None = Field(None, alias="clientCertificate")
    """What of the caller's certificate: `[subject]`, `[commonName]`, `[issuer]`, `[serial]`, `[sha256]`, `[dnsNames]`, `[uris]` or
    `[emails]`."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "claim", "api_key", "client_certificate")
        return self


class ForwardedHeader(Object):
    """One header for the upstream. Where there is no value, what the client sent is removed."""

    list_keys = ("name",)
    cel = (
        one_rule("value", "from"),
        (
            "self.name.matches('^[A-Za-z0-9]+([-_][A-Za-z0-9]+)*$') && !(self.name.lowerAscii() in ['connection', 'content-length',"
            " 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'])",
            "this header cannot be forwarded: letters, digits and single - or _ between them, and no hop-by-hop header",
        ),
        (
            "!self.name.matches('([-_].*){6}')",
            "this header has more than 5 separators; its look-alikes could not all be removed",
        ),
        (f"!has(self.value) || {PRINTABLE}", PRINTABLE_MESSAGE),
    )
    name: HeaderName
    """`x-auth-…`, or a name that the operator gave away (`--identity-header`)."""
    value: Text | None = None
    """A fixed value."""
    from_: ClaimSource | None = Field(None, alias="from")
    """A value out of one of the caller's credentials."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.value is None) == (self.from_ is None):
            raise ValueError(one_of("value", "from"))
        return self


class Forward(Object):
    """What the upstream sees."""

    headers: Annotated[list[ForwardedHeader], Field(min_length=1, max_length=32)] | None = None
    """Headers that it gets. They overwrite what the client sent."""
    credentials: Literal["Remove", "Keep"] = "Remove"
    """Whether the credentials are taken away, in every place where the policy's issuers look."""


class AnswerHeader(Object):
    """One header of a denial."""

    cel = (
        (
            "!(self.name.lowerAscii() in ['cache-control', 'content-length', 'content-type', 'retry-after', 'www-authenticate',"
            " 'x-request-id', 'connection', 'host', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',"
            " 'grpc-message', 'grpc-status'])",
            "this header is not the policy's to set; leave it out",
        ),
        (PRINTABLE, PRINTABLE_MESSAGE),
    )
    name: HeaderName
    """Its name."""
    value: Text
    """Its value."""


class Answer(Object):
    """How a denial looks to the client."""

    cel = (
        ("!has(self.statusCode) || self.statusCode != 304", "304 has no body and means something else; use another status"),
        (
            "!has(self.statusCode) || self.statusCode >= 400"
            " || (has(self.headers) && self.headers.exists(header, header.name.lowerAscii() == 'location'))",
            "a 3xx status needs a Location among the headers",
        ),
    )
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
