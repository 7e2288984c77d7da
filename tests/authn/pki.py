"""Certificate authorities, certificates and revocation lists for tests of client certificates, made on the spot at one fixed time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from authz.model.certificate import Chain

DATE = datetime(2026, 6, 1, tzinfo=UTC)
NOW = DATE.timestamp()
DAY = 86400.0
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
Extension = tuple[x509.ExtensionType, bool]


def dn(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def cn(name: str) -> x509.Name:
    return dn((NameOID.COMMON_NAME, name))


def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


@dataclass(frozen=True)
class Node:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def chain(self, *intermediates: "Node") -> Chain:
        return Chain(self.der, tuple(each.der for each in intermediates))


def usage(*, cert_sign: bool = True, crl_sign: bool = True) -> x509.KeyUsage:
    return x509.KeyUsage(False, False, False, False, False, cert_sign, crl_sign, False, False)


def _deterministic(key: Any) -> bool | None:
    """What makes a signature the same in each process, where a key can sign so."""
    return True if isinstance(key, ec.EllipticCurvePrivateKey) else None


def issue(
    subject: x509.Name,
    by: Node | None,
    extensions: Iterable[Extension],
    *,
    key: Any = None,
    days: tuple[float, float] = (-1, 1),
    serial: int | None = None,
    digest: Any = None,
    with_aki: bool = True,
) -> Node:
    """A certificate signed by `by`, or by itself."""
    key = key or a_key()
    signer = by.key if by else key
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(DATE + timedelta(days=days[0]))
        .not_valid_after(DATE + timedelta(days=days[1]))
    )
    for value, critical in extensions:
        built = built.add_extension(value, critical)
    if with_aki and by:
        built = built.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    return Node(built.sign(signer, digest or hashes.SHA256(), ecdsa_deterministic=_deterministic(signer)), key)


def a_ca(
    name: str = "root",
    by: Node | None = None,
    *,
    length: int | None = None,
    more: Sequence[Extension] = (),
    key_usage: x509.KeyUsage | None = None,
    key: Any = None,
    **how: Any,
) -> Node:
    key = key or a_key()
    basic = (x509.BasicConstraints(ca=True, path_length=length), True)
    identifier = (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return issue(cn(name), by, [basic, (key_usage or usage(), True), identifier, *more], key=key, **how)


def san(*names: x509.GeneralName) -> Extension:
    return x509.SubjectAlternativeName(names), False


def a_leaf(
    by: Node | None, *more: Extension, subject: x509.Name | None = None, eku: x509.ExtendedKeyUsage | None = CLIENT, **how: Any
) -> Node:
    extensions = [*([(eku, False)] if eku else []), *more]
    return issue(cn("client") if subject is None else subject, by, extensions, **how)


def a_crl(
    by: Node,
    *serials: int,
    days: tuple[float, float] = (-0.5, 0.5),
    extensions: Iterable[Extension] = (),
    entry: Iterable[Extension] = (),
    issuer: x509.Name | None = None,
) -> bytes:
    """A list by `by`, in DER."""
    built = x509.CertificateRevocationListBuilder().issuer_name(issuer or by.certificate.subject)
    built = built.last_update(DATE + timedelta(days=days[0])).next_update(DATE + timedelta(days=days[1]))
    for serial in serials:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(DATE - timedelta(days=1))
        for value, critical in entry:
            one = one.add_extension(value, critical)
        built = built.add_revoked_certificate(one.build())
    for value, critical in extensions:
        built = built.add_extension(value, critical)
    return built.sign(by.key, hashes.SHA256(), ecdsa_deterministic=_deterministic(by.key)).public_bytes(Encoding.DER)


def tlv(tag: int, content: bytes) -> bytes:
    """One element of DER."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def elements(content: bytes) -> list[tuple[int, bytes]]:
    """The tags and contents that stand in the content of an element."""
    found = []
    while content:
        tag, length, start = content[0], content[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(content[2:start], "big")
        found.append((tag, content[start : start + length]))
        content = content[start + length :]
    return found


Fields = list[tuple[int, bytes]]


def resigned(leaf: Node, by: Node, edit: Callable[[Fields], Fields], digest: Any = None) -> Chain:
    """The certificate with other fields than any builder makes, signed by a P-256 key as it is then."""
    _, whole = elements(leaf.der)[0]
    fields = edit(elements(elements(whole)[0][1]))
    algorithm = next(content for tag, content in fields if tag == 0x30)  # The first sequence in it says how it is signed.
    body = tlv(0x30, b"".join(tlv(tag, content) for tag, content in fields))
    signature = by.key.sign(body, ec.ECDSA(digest or hashes.SHA256()))
    return Chain(tlv(0x30, body + tlv(0x30, algorithm) + tlv(0x03, b"\0" + signature)))
