"""The text of revocation lists: from PEM or DER to what is listed, once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from authz.authn import pem
from authz.authn.subject_names import shown

MAX_OCTETS: Final = 32 * 1024 * 1024
_KNOWN: Final = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    }
)
_KNOWN_OF_ENTRIES: Final = frozenset({CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE})


@dataclass(frozen=True, slots=True)
class Listed:
    """One list, whose signature was not looked at.

    Attributes:
        issuer: who says to have made it.
        begins: from when it counts, Unix time in seconds; until `expires`, included, when the next was to come.
        points: the distribution points that it is of; none where it is of all.
        serials: the numbers of the certificates that are revoked or held.
        content: the list itself, for its signature.
        digest: SHA-256 of it.
    """

    issuer: x509.Name
    begins: float
    expires: float
    points: frozenset[x509.GeneralName]
    serials: frozenset[int] = field(repr=False)
    content: x509.CertificateRevocationList = field(repr=False)
    digest: bytes = field(repr=False)


class _Unusable(Exception):
    """Why a list is not used."""


def read(texts: Iterable[str | bytes]) -> tuple[list[Listed], tuple[str, ...]]:
    """Return the lists that can be used, and why others cannot."""
    found: list[Listed] = []
    problems: list[str] = []
    for at, text in enumerate(texts, 1):
        try:
            found += map(_listed, _contents(text))
        except _Unusable as why:
            problems.append(f"revocation list {at}: {why}")
        except Exception:  # noqa: BLE001 - what strange lists raise are many types; the others must live
            problems.append(f"revocation list {at}: not a list that can be read")
    return found, tuple(problems)


def points(certificate: x509.Certificate) -> Iterator[x509.DistributionPoint]:
    """Yield the places where a certificate says that lists are; none where that cannot be read."""
    try:
        yield from certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return


def _contents(text: str | bytes) -> list[bytes]:
    if len(text) > MAX_OCTETS:
        raise _Unusable(f"larger than {MAX_OCTETS // (1024 * 1024)} MiB")
    if isinstance(text, bytes):
        if text[:1] == b"\x30":  # A SEQUENCE, so DER.
            return [text]
        text = text.decode("ascii")
    try:
        found = pem.blocks(text, alone=False) or [("X509 CRL", pem.octets(text))]
    except ValueError as fault:
        raise _Unusable(str(fault)) from fault
    if any(label != "X509 CRL" for label, _ in found):
        raise _Unusable("PEM of something else than X509 CRL")
    return [der for _, der in found]


def _listed(der: bytes) -> Listed:
    content = x509.load_der_x509_crl(der)
    named = _of_points(content)
    if content.next_update_utc is None:
        raise _Unusable(f"of {shown(content.issuer)}: it does not say when the next comes (nextUpdate)")
    begins, expires = content.last_update_utc.timestamp(), content.next_update_utc.timestamp()
    serials = frozenset(entry.serial_number for entry in content if _counts(entry))
    return Listed(content.issuer, begins, expires, named, serials, content, sha256(der).digest())


def _of_points(content: x509.CertificateRevocationList) -> frozenset[x509.GeneralName]:
    """Return the distribution points that a list is of. Raises _Unusable where it is not complete for them."""
    named: frozenset[x509.GeneralName] = frozenset()
    for extension in content.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator) or (extension.critical and extension.oid not in _KNOWN):
            raise _Unusable(
                f"of {shown(content.issuer)}: a delta, or with a critical extension that is unknown ({extension.oid.dotted_string})"
            )
        if isinstance(value, x509.IssuingDistributionPoint):
            if _is_partial(value):
                raise _Unusable(f"of {shown(content.issuer)}: indirect, or of some certificates or reasons only; publish a complete list")
            named = frozenset(value.full_name or ())
    return named


def _is_partial(value: x509.IssuingDistributionPoint) -> bool:
    of_some = value.only_contains_user_certs or value.only_contains_ca_certs or value.only_contains_attribute_certs
    return bool(of_some or value.only_some_reasons or value.indirect_crl or value.relative_name)


def _counts(entry: x509.RevokedCertificate) -> bool:
    """Return whether an entry revokes. A certificate on hold does (RFC 5280 §5.3.1); removeFromCRL releases it (§6.3.3 (k))."""
    removed = False
    for extension in entry.extensions:
        if extension.oid == CRLEntryExtensionOID.CERTIFICATE_ISSUER or (extension.critical and extension.oid not in _KNOWN_OF_ENTRIES):
            raise _Unusable("an entry with a critical extension that is unknown, or of another issuer")
        removed = removed or (isinstance(extension.value, x509.CRLReason) and extension.value.reason is x509.ReasonFlags.remove_from_crl)
    return not removed
