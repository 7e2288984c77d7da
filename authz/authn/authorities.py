"""The text of a certificate authority: from PEM to trust anchors, and certificates that may stand between."""

from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz.authn import pem
from authz.authn.subject_names import shown

MAX_TEXT: Final = 2 * 1024 * 1024
MAX_CERTIFICATES: Final = 500


class AuthorityError(ValueError):
    """A PEM that cannot be used as an authority; the message says why, and what to do."""


def read(text: str) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """Return the trust anchors and the other CA certificates. Raises AuthorityError.

    Self-signed certificates are anchors. Where none is, all are: whoever writes an intermediate alone means to trust it.
    """
    if len(text) > MAX_TEXT:
        raise AuthorityError(f"the PEM is larger than {MAX_TEXT // 1024} KiB; name only the authorities that issue clients' certificates")
    every = {sha256(der).digest(): _certificate(at, der) for at, der in enumerate(_certificates(text), 1)}
    if not every:
        raise AuthorityError("there is no certificate; write CA certificates in PEM, each from -----BEGIN CERTIFICATE-----")
    if len(every) > MAX_CERTIFICATES:
        raise AuthorityError(f"there are more than {MAX_CERTIFICATES} certificates; name only those that issue clients' certificates")
    anchors = [each for each in every.values() if is_self_signed(each)]
    others = [each for each in every.values() if each not in anchors]
    return (anchors, others) if anchors else (others, [])


def load(der: bytes) -> x509.Certificate:
    """Return a certificate whose names and times can be read, which the library puts off. Raises exceptions of many types."""
    certificate = x509.load_der_x509_certificate(der)
    # Each is read now: what is asked for again later is known not to raise.
    _ = certificate.subject, certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Return whether a certificate names itself as its issuer and is signed with its own key."""
    if certificate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception:  # noqa: BLE001 - a signature that is wrong, or of a kind that is unknown, raises one of many types
        return False
    return True


def _certificates(text: str) -> list[bytes]:
    try:
        found = pem.blocks(text, alone=False)
    except ValueError as fault:
        raise AuthorityError(f"the PEM cannot be read: {fault}; write the certificates as the authority publishes them") from fault
    for label, _ in found:
        if "PRIVATE KEY" in label:
            raise AuthorityError("the PEM holds a private key; take it out, and consider it known to whoever reads this")
        if label != "CERTIFICATE":
            raise AuthorityError("the PEM holds something else than certificates; write CA certificates only")
    return [der for _, der in found]


def _certificate(at: int, der: bytes) -> x509.Certificate:
    try:
        certificate = load(der)
        certificate.public_key()
        problem = _problem(certificate)
        whose = shown(certificate.subject)
        is_whole = certificate.public_bytes(Encoding.DER) == der
    except Exception as fault:  # what strange certificates raise are many types
        raise AuthorityError(f"certificate {at} cannot be read; ask the authority for it anew") from fault
    if problem or not is_whole:
        raise AuthorityError(f"certificate {at} ({whose}) {problem or 'is not in DER'}")
    return certificate


def _problem(certificate: x509.Certificate) -> str:
    extensions = certificate.extensions
    try:
        is_ca = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if not is_ca:
        return "is not a CA's (basicConstraints without CA:TRUE); write the CA that issued it, and pin it with `identities: [{sha256: …}]`"
    try:
        signs = extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return "has no key usage, which a CA's must have (RFC 5280 §4.2.1.3); ask the authority for one that has"
    return "" if signs else "may not sign certificates (keyUsage without keyCertSign); write the CA that issued the clients' certificates"
