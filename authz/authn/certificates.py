"""Client certificates: verified against an authority (RFC 5280 §6), at a time that the caller says.

Paths are built and verified by `cryptography`, whose rules for CAs are the web's: basicConstraints and keyUsage required, RSA of 2048
bits or more, P-256, P-384 or P-521, SHA-2, no unknown critical extension, so many signatures and name constraints and no more.
For the client's own certificate they differ: alternative names and authorityKeyIdentifier are optional, its key may be of Ed25519,
and extendedKeyUsage must be there and say clientAuth. anyExtendedKeyUsage alone is not enough: RFC 5280 §4.2.1.12 lets an application
insist on its own. Constraints on directory names, which the library passes over where they are not critical, are refused.
"""

from collections import Counter
from collections.abc import Iterable
from hashlib import sha1, sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store

from authz.authn import authorities, roca, small_order, subject_names
from authz.authn.forwarded_certificate import MAX_CERTIFICATES
from authz.authn.subject_names import Names, StrangeName
from authz.model.certificate import Certificate, Chain
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

_WANT: Final = "a client certificate that an authority of the policy vouches for"
# How many other times are tried to tell a certificate that is only out of date; each costs a verification.
_MOST_OF_A_NAME: Final = 2
_OTHER_TIMES: Final = 4
_RSA_BITS: Final = range(2048, 8193)


class Authority:
    """Who vouches for client certificates. Raises authorities.AuthorityError for a PEM that cannot be used."""

    __slots__ = ("_anchors", "_builder", "_intermediates", "digest")

    def __init__(self, pem: str) -> None:
        self._anchors, self._intermediates = authorities.read(pem)
        self._builder = (
            PolicyBuilder()
            .store(Store(self._anchors))
            .max_chain_depth(MAX_CERTIFICATES)
            .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=_client_policy())
        )
        self.digest = sha256(pem.encode("utf-8", "surrogateescape")).digest()

    def verify(self, chain: Chain, now: float) -> Certificate | Failure:
        """Return the verified certificate, or why nobody vouches for it at `now`, Unix time in seconds."""
        try:
            leaf, *told = (authorities.load(der) for der in (chain.leaf, *chain.intermediates))
            names = subject_names.alternative(leaf)
            # Every name that will be shown or compared can be read.
            subject_names.distinguished(leaf.subject)
            subject_names.distinguished(leaf.issuer)
        except StrangeName as why:
            return Failure(Reason.CERT_UNTRUSTED, Rank.NOT_VERIFIED, _WANT, f"one with {why}")
        except Exception:  # noqa: BLE001 - what strange certificates raise are many types
            return Failure(Reason.CERT_UNTRUSTED, Rank.UNREADABLE, _WANT, "one that cannot be read", undecided=True)
        if not _is_strong(leaf):
            got = f"{_described(leaf)}: its key is too weak, or of a kind that is not taken"
            return Failure(Reason.CERT_UNTRUSTED, Rank.NOT_VERIFIED, _WANT, got)
        told = _few_of_each_name(told)
        path = self._path(leaf, told, now)
        if not path:
            return self._failure(leaf, told, now)
        begins, expires = _window(path)
        if not begins <= now <= expires:  # The library compares whole seconds.
            return _untimely(leaf)
        return _certificate(path, names, begins, expires)

    def _path(self, leaf: x509.Certificate, told: list[x509.Certificate], now: float) -> list[x509.Certificate]:
        """Return the certificates from the client's to an anchor, or none where no path holds."""
        try:
            zone = leaf.not_valid_after_utc
            verifier = self._builder.time(zone.fromtimestamp(now, zone.tzinfo)).build_client_verifier()
            path = verifier.verify(leaf, [*told, *self._intermediates]).chain
            return [] if any(map(_constrains_directory_names, path)) else path
        except Exception:  # noqa: BLE001 - VerificationError, and what strange extensions and times raise
            return []

    def _failure(self, leaf: x509.Certificate, told: list[x509.Certificate], now: float) -> Failure:
        above = [*told, *self._intermediates, *self._anchors]
        untimely = [each for each in (leaf, *above) if not _is_timely(each, now)]
        if untimely:
            times = [*_window([leaf]), *(_window([each])[1] for each in untimely)]
            if any(self._path(leaf, told, time) for time in tuple(dict.fromkeys(times))[:_OTHER_TIMES]):
                return _untimely(leaf)
        return Failure(Reason.CERT_UNTRUSTED, Rank.NOT_VERIFIED, _WANT, f"{_described(leaf)}: {_why(leaf, above)}")


def _few_of_each_name(told: list[x509.Certificate]) -> list[x509.Certificate]:
    """Return what may lead to an anchor without what only takes time: of one name a CA has few certificates, and a client can make many."""
    seen = Counter[x509.Name]()
    kept = []
    for each in told:
        seen[each.subject] += 1
        if seen[each.subject] <= _MOST_OF_A_NAME:
            kept.append(each)
    return kept


def _client_policy() -> ExtensionPolicy:
    return (
        ExtensionPolicy.webpki_defaults_ee()
        .may_be_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
        .may_be_present(x509.AuthorityKeyIdentifier, Criticality.AGNOSTIC, None)
        .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients)
    )


def _for_clients(policy: Policy, certificate: x509.Certificate, usage: x509.ExtendedKeyUsage) -> None:
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise ValueError("not for clients")


def _is_strong(leaf: x509.Certificate) -> bool:
    """Return whether the client's key is one that nobody else has: of CAs' keys the library asks, of the client's it does not."""
    try:
        key = leaf.public_key()
    except Exception:  # noqa: BLE001 - keys of unknown kinds raise many types
        return False
    if isinstance(key, RSAPublicKey):
        return key.key_size in _RSA_BITS and not roca.is_suspect(key.public_numbers().n)
    if isinstance(key, EllipticCurvePublicKey):
        return isinstance(key.curve, SECP256R1 | SECP384R1 | SECP521R1)
    return isinstance(key, Ed25519PublicKey) and not small_order.is_suspect(key.public_bytes_raw())


def _constrains_directory_names(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    every = [*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())]
    return any(isinstance(each, x509.DirectoryName) for each in every)


def _window(path: Iterable[x509.Certificate]) -> tuple[float, float]:
    """Return from when and until when all are valid, Unix time in seconds, both included (RFC 5280 §4.1.2.5)."""
    path = tuple(path)
    begins = max(each.not_valid_before_utc.timestamp() for each in path)
    return begins, min(each.not_valid_after_utc.timestamp() for each in path)


def _is_timely(certificate: x509.Certificate, now: float) -> bool:
    begins, expires = _window([certificate])
    return begins <= now <= expires


def _certificate(path: list[x509.Certificate], names: Names, begins: float, expires: float) -> Certificate:
    leaf, above = path[0], path[min(1, len(path) - 1)]
    der, above_der = leaf.public_bytes(Encoding.DER), above.public_bytes(Encoding.DER)
    subject, issuer = subject_names.distinguished(leaf.subject), subject_names.distinguished(leaf.issuer)
    common_name, serial, digest = subject_names.common(leaf.subject), f"{leaf.serial_number:x}", sha256(der).hexdigest()
    facts = {
        "subject": subject,
        "commonName": common_name,
        "issuer": issuer,
        "serial": serial,
        "sha256": digest,
        "dnsNames": list(names.dns),
        "uris": list(names.uris),
        "emails": list(names.emails),
    }
    return Certificate(
        subject=subject,
        common_name=common_name,
        serial=serial,
        sha256=digest,
        sha1=_sha1(der),
        issuer=issuer,
        issuer_sha256=sha256(above_der).hexdigest(),
        issuer_sha1=_sha1(above_der),
        dns_names=names.dns,
        uris=names.uris,
        emails=names.emails,
        ip_addresses=names.ip_addresses,
        begins=begins,
        expires=expires,
        chain=tuple(path),
        facts=facts,
    )


def _sha1(der: bytes) -> str:
    """Return the thumbprint that other gateways ask for. Nobody can make a second certificate for one that an authority signed."""
    return sha1(der, usedforsecurity=False).hexdigest()


def _untimely(leaf: x509.Certificate) -> Failure:
    got = f"{_described(leaf)}: it, or a certificate above it, is past its end or not valid yet"
    return Failure(Reason.CERT_EXPIRED, Rank.NOT_VERIFIED, "a client certificate that is valid now", got)


def _described(leaf: x509.Certificate) -> str:
    return f"{subject_names.shown(leaf.subject)}, issued by {subject_names.shown(leaf.issuer)}"


def _why(leaf: x509.Certificate, above: list[x509.Certificate]) -> str:
    """Return the likeliest reason why no path holds, in words."""
    if not any(each.subject == leaf.issuer for each in above):
        return "neither the policy's authority nor what the gateway forwards has a certificate of that issuer"
    try:
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except Exception:  # noqa: BLE001 - absent, or not to be read: both are no usage
        return "its extended key usage, which must say clientAuth, is absent"
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        return "its extended key usage does not say clientAuth"
    return "its path to an authority of the policy does not hold"
