"""Client certificates: as they were told, as they were verified, and what a policy asks of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any


@dataclass(frozen=True, slots=True)
class Chain:
    """A client's certificate as a proxy told it, each in DER. Nothing in it is trusted yet.

    Attributes:
        leaf: the certificate that the client proved to hold.
        intermediates: certificates that may lead from it to an authority.
        digest: SHA-256 over all of them, in this order; other chains have others.
    """

    leaf: bytes = field(repr=False)
    intermediates: tuple[bytes, ...] = field(default=(), repr=False)
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        # Of digests, not of the octets themselves: where one certificate ends must count.
        each = b"".join(sha256(der).digest() for der in (self.leaf, *self.intermediates))
        object.__setattr__(self, "digest", sha256(each).digest())


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate that an authority vouches for.

    Attributes:
        subject: the distinguished name (RFC 4514); `issuer` likewise.
        common_name: the only CN of the subject, or "" where there is none or are several.
        serial: hexadecimal, lower case, without leading zeros.
        sha256: the thumbprint, hexadecimal and lower case; likewise `sha1`, and of the certificate above it `issuer_sha256` and
            `issuer_sha1`.
        dns_names: of the subject's alternative names; likewise `uris`, `emails` and `ip_addresses`.
        begins: from when every certificate of `chain` is valid, Unix time in seconds.
        expires: until when, this second included.
        chain: the verified path, this certificate first, the trust anchor last. Their type is the verifying library's own.
        facts: what expressions and forwarded headers can name.
    """

    subject: str
    common_name: str
    serial: str
    sha256: str
    sha1: str
    issuer: str
    issuer_sha256: str
    issuer_sha1: str
    dns_names: tuple[str, ...]
    uris: tuple[str, ...]
    emails: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    begins: float
    expires: float
    chain: tuple[Any, ...] = field(repr=False, compare=False)
    facts: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """What a certificate must say: everything that is given here; "" is not asked."""

    sha256: str = ""
    sha1: str = ""
    serial: str = ""
    subject: str = ""
    common_name: str = ""
    dns_name: str = ""
    uri: str = ""
    email: str = ""
    issuer: str = ""
    issuer_sha256: str = ""
    issuer_sha1: str = ""
