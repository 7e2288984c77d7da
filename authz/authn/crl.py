"""Revocation lists (RFC 5280 §5): which certificates of a verified path their issuers took back.

Only complete lists are read: no delta, no indirect list, none of some reasons or of some certificates alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from authz.authn import crl_text
from authz.authn.crl_text import Listed
from authz.authn.subject_names import shown
from authz.model.certificate import Certificate
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

_DIGESTS: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_MAX_POINTS: Final = 16
_MAX_URL: Final = 2048


class Standing(StrEnum):
    """What the lists say of a path."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Status:
    """How a path stands, and of which certificate that is said, in words."""

    standing: Standing
    got: str = ""

    @property
    def failure(self) -> Failure | None:
        """The failure that this is, or None where every certificate is good."""
        want = "a client certificate that is not revoked"
        match self.standing:
            case Standing.GOOD:
                return None
            case Standing.REVOKED:
                return Failure(Reason.CERT_REVOKED, Rank.NOT_VERIFIED, want, self.got)
            case Standing.UNKNOWN:
                return Failure(Reason.CERT_REVOCATION_UNKNOWN, Rank.NOT_VERIFIED, want, self.got, undecided=True)


class Revocations:
    """Lists as their text says, PEM (one or several) or DER each.

    Attributes:
        problems: why lists are not used, one sentence each; whom they alone would cover is unknown.
    """

    __slots__ = ("_by_issuer", "_signed", "problems")

    def __init__(self, texts: Iterable[str | bytes], further: Iterable[Listed] = ()) -> None:
        """Read lists; `further` are some that were read before."""
        lists, self.problems = crl_text.read(texts)
        self._by_issuer: dict[x509.Name, list[Listed]] = {}
        for each in (*lists, *further):
            self._by_issuer.setdefault(each.issuer, []).append(each)
        # The newest first: what it does not name any more was held, and is released.
        for every in self._by_issuer.values():
            every.sort(key=lambda each: each.begins, reverse=True)
        self._signed: dict[tuple[bytes, x509.Certificate], bool] = {}

    def status(self, certificate: Certificate, now: float) -> Status:
        """Return how the path stands at `now`: revoked where any certificate is, unknown where of any nothing is known.

        The trust anchor is the operator's to take back.
        """
        unknown: Status | None = None
        for each, issuer in zip(certificate.chain, certificate.chain[1:], strict=False):
            found = self._of_one(each, issuer, now)
            if found.standing is Standing.REVOKED:
                return found
            if found.standing is Standing.UNKNOWN:
                unknown = unknown or found
        return unknown or Status(Standing.GOOD)

    def _of_one(self, certificate: x509.Certificate, issuer: x509.Certificate, now: float) -> Status:
        newest: float | None = None
        for each in self._by_issuer.get(issuer.subject, ()):
            if newest is not None and each.begins < newest:
                break
            if each.begins <= now <= each.expires and _covers(each, certificate) and self._is_signed(each, issuer):
                newest = each.begins
                if certificate.serial_number in each.serials:
                    return Status(Standing.REVOKED, f"{shown(certificate.subject)}, revoked by {shown(issuer.subject)}")
        if newest is None:
            return Status(Standing.UNKNOWN, f"{shown(certificate.subject)}: no list of {shown(issuer.subject)} that can be used now")
        return Status(Standing.GOOD)

    def _is_signed(self, listed: Listed, issuer: x509.Certificate) -> bool:
        """Return whether the issuer signed this list and may sign lists. Remembered: a list may be long."""
        key = (listed.digest, issuer)
        if key not in self._signed:
            if len(self._signed) >= 1000:  # Issuers are of verified paths, so of authorities; many more than lists they cannot be.
                self._signed.clear()
            self._signed[key] = _signed_by(listed.content, issuer)
        return self._signed[key]


def distribution_points(certificate: Certificate) -> tuple[str, ...]:
    """Return the http and https URLs where the verified path says that its lists are, each once, the client's certificate's first."""
    found: dict[str, None] = {}
    for each in certificate.chain[:-1]:
        for point in crl_text.points(each):
            # A list of some reasons, or of another issuer, is none that is read here.
            if point.reasons is None and point.crl_issuer is None:
                found.update(dict.fromkeys(url for url in map(_url, point.full_name or ()) if url))
    return tuple(found)[:_MAX_POINTS]


def _url(name: x509.GeneralName) -> str:
    value = name.value if isinstance(name, x509.UniformResourceIdentifier) else ""
    is_plain = value.isascii() and value.isprintable() and " " not in value and len(value) <= _MAX_URL
    return value if is_plain and value.lower().startswith(("http://", "https://")) else ""


def _covers(listed: Listed, certificate: x509.Certificate) -> bool:
    """Return whether a list that is of some distribution points is of one of the certificate's (RFC 5280 §6.3.3 (b)(2))."""
    if not listed.points:
        return True
    return any(not listed.points.isdisjoint(point.full_name or ()) for point in crl_text.points(certificate) if point.crl_issuer is None)


def _signed_by(content: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        try:
            if not issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign:
                return False
        except x509.ExtensionNotFound:
            pass  # RFC 5280 §6.3.3 (f): only a usage that is there forbids.
        # The key is a CA's of a verified path, so of a kind that signs.
        return isinstance(content.signature_hash_algorithm, _DIGESTS) and content.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - keys and signatures of unknown kinds raise many types
        return False
