"""Credentials beside tokens: API keys and client certificates, who may have issued them, and what they must be."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from authz.api.v1alpha1.references import KeySource, TextSource
from authz.api.v1alpha1.tokens import TokenPlace
from authz.api.v1alpha1.words import HOST, Name, Object, Text

KeyScope = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9*][A-Za-z0-9._/:*-]*$")]
Hex = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[0-9A-Fa-f:]+$")]
_SOME_MEMBER = "say at least one thing of the certificate, as in dnsName"
_NOT_LOOKED_AT = "revocation is None, so no list is looked at: write Require or Prefer, or leave the lists out"
_NO_LIST = "revocation is Require, and there is no list, so every certificate would be refused: add crls or crlHosts"
_MEMBERS = ("sha256", "sha1", "serial", "subject", "commonName", "dnsName", "uri", "email", "issuer", "issuerSHA256", "issuerSHA1")


class ApiKeySet(Object):
    """API keys. Only their digests are stored: `authz apikey` makes records."""

    list_keys = ("name",)
    name: Name
    """How the rules of this policy call the set."""
    from_: KeySource = Field(alias="from")
    """Where the records of its keys are."""
    in_: Annotated[list[TokenPlace], Field(min_length=1, max_length=8)] = Field(alias="in")
    """Where a key is looked for, in this order. Two different keys are refused."""


class CertificateAuthority(Object):
    """Who may issue client certificates."""

    list_keys = ("name",)
    cel = (
        ("self.revocation != 'None' || !(has(self.crls) || has(self.crlHosts))", _NOT_LOOKED_AT),
        ("self.revocation != 'Require' || has(self.crls) || has(self.crlHosts)", _NO_LIST),
    )
    name: Name
    """How the rules of this policy call it."""
    from_: TextSource = Field(alias="from")
    """Its certificates, PEM. Those that are self-signed are trusted; others lead to them. Without a self-signed one all are trusted."""
    revocation: Literal["Require", "Prefer", "None"]
    """`Require`: a certificate of which no current revocation list speaks is refused. `Prefer`: it passes. `None`: no list is looked at."""
    crls: Annotated[list[TextSource], Field(min_length=1, max_length=16)] | None = None
    """Revocation lists, PEM or DER in Base64: one for each CA of the chain."""
    crl_hosts: (
        Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=HOST)]], Field(min_length=1, max_length=16)]
        | None
    ) = Field(None, alias="crlHosts")
    """Hosts from which the lists that certificates of a verified chain name may be fetched."""

    @model_validator(mode="after")
    def _looked_at(self) -> Self:
        if self.revocation == "None" and (self.crls is not None or self.crl_hosts is not None):
            raise ValueError(_NOT_LOOKED_AT)
        if self.revocation == "Require" and self.crls is None and self.crl_hosts is None:
            raise ValueError(_NO_LIST)
        return self


class ApiKey(Object):
    """What the caller's API key must be. State and dates are always checked."""

    from_: Name = Field(alias="from")
    """Name of the key set that it must be of."""
    scopes: Annotated[list[KeyScope], Field(min_length=1, max_length=32)] | None = None
    """The key must have one of these scopes, or `*`, which is every scope. The default is the name of the policy."""


class Identity(Object):
    """What a certificate must be: all that is said here."""

    cel = ((" || ".join(f"has(self.{name})" for name in _MEMBERS), _SOME_MEMBER),)
    sha256: Hex | None = None
    """SHA-256 of the certificate (its thumbprint), hex, with or without colons."""
    sha1: Hex | None = None
    """SHA-1 of the certificate, hex, for thumbprints of other gateways; prefer `sha256`."""
    serial: Hex | None = None
    """Its serial number, hex."""
    subject: Text | None = None
    """Its subject, a distinguished name (RFC 4514): `CN=orders,O=Acme`."""
    common_name: Text | None = Field(None, alias="commonName")
    """The common name in its subject."""
    dns_name: Text | None = Field(None, alias="dnsName")
    """One of its DNS names; `*.` before a name stands for one label."""
    uri: Text | None = None
    """One of its URIs, such as a SPIFFE ID; `/*` at the end stands for everything below."""
    email: Text | None = None
    """One of its e-mail addresses."""
    issuer: Text | None = None
    """The subject of the certificate that it was issued by."""
    issuer_sha256: Hex | None = Field(None, alias="issuerSHA256")
    """SHA-256 of the certificate that it was issued by, hex."""
    issuer_sha1: Hex | None = Field(None, alias="issuerSHA1")
    """SHA-1 of the certificate that it was issued by, hex; prefer `issuerSHA256`."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(_SOME_MEMBER)
        return self


class ClientCertificate(Object):
    """What the caller's certificate must be. Where it is told the operator says (`--client-certificate`)."""

    authority: Name
    """Name of the certificate authority that must vouch for it."""
    identities: Annotated[list[Identity], Field(min_length=1, max_length=32)] | None = None
    """The certificate is one of these. Without them, any that the authority vouches for."""
