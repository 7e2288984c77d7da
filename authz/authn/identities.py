"""What a policy asks of a verified client certificate: read strictly when written, then a test of certificates.

A thumbprint allows one certificate and forbids none: its holder can change the frame around the signature, and has another thumbprint
for the same certificate. Who is to be kept out is named by issuer and serial number, or revoked.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from authz.authn import distinguished_name
from authz.model.certificate import Certificate, CertificateIdentity

Test = Callable[[Certificate], bool]

_HEX: Final = re.compile(r"[0-9a-f]+")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_ONE_LABEL: Final = re.compile(_LABEL)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+")
# A prefix has a scheme, an authority, and whole segments.
_URI_PREFIX: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#*%]+(?:/[^/?#*%]+)*/\*")
# What stands under a prefix is plain: nothing that could be read as other segments than are written.
_SEGMENTS: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*")
_EMAIL: Final = re.compile(r"[\x21-\x3f\x41-\x7e]+@[\x21-\x3f\x41-\x7e]+")


def identity_problem(identity: CertificateIdentity) -> str:
    """Return what is wrong with an identity as written, in words, or "" where nothing is."""
    try:
        return "" if list(_tests(identity)) else "it asks for nothing; name at least one of what a certificate says"
    except ValueError as why:
        return str(why)


def identity_test(identity: CertificateIdentity) -> Test:
    """Return whether a certificate says all that the identity asks; one with a problem is nobody's."""
    try:
        tests = tuple(_tests(identity))
    except ValueError:
        tests = ()
    if not tests:
        return lambda certificate: False
    return tests[0] if len(tests) == 1 else lambda certificate: all(test(certificate) for test in tests)


def _tests(identity: CertificateIdentity) -> Iterator[Test]:
    """Yield a test for each member that is given. Raises ValueError where one cannot be read."""
    for name, read in _READERS.items():
        written = getattr(identity, name)
        if written:
            try:
                yield read(name, written)
            except ValueError as fault:
                raise ValueError(f"{name}: {fault}") from fault


def _equal(name: str, value: str) -> Test:
    return lambda certificate: bool(getattr(certificate, name) == value)


def _thumbprint(digits: int) -> Callable[[str, str], Test]:
    def read(name: str, written: str) -> Test:
        value = written.replace(":", "").lower()
        if len(value) != digits or not _HEX.fullmatch(value):
            raise ValueError(f"not {digits} hexadecimal digits, with or without colons")
        return _equal(name, value)

    return read


def _serial(name: str, written: str) -> Test:
    value = written.replace(":", "").lower()
    if len(value) > 64 or not _HEX.fullmatch(value) or not value.strip("0"):
        raise ValueError("not a serial number in hexadecimal digits, with or without colons")
    return _equal(name, value.lstrip("0"))


def _exact(name: str, written: str) -> Test:
    if len(written) > distinguished_name.MAX_TEXT or not written.isprintable():
        raise ValueError("characters that no certificate's name may have here")
    return _equal(name, written)


def _dn(name: str, written: str) -> Test:
    wanted = distinguished_name.parse(written)

    def test(certificate: Certificate) -> bool:
        leaf: Any = certificate.chain[0]
        return distinguished_name.is_same(wanted, distinguished_name.of_name(getattr(leaf, name)))

    return test


def _dns_name(name: str, written: str) -> Test:
    """Read a DNS name, or `*.` and one: the star is one label of a name in the certificate. A star there is only itself."""
    wanted = written.lower()
    if len(wanted) > 253 or not _HOST.fullmatch(wanted):
        raise ValueError("not a DNS name in ASCII such as client.partner.example, nor one with *. before it")
    if not wanted.startswith("*."):
        return lambda certificate: any(each.lower() == wanted for each in certificate.dns_names)
    suffix = wanted[1:]

    def test(certificate: Certificate) -> bool:
        lower = (each.lower() for each in certificate.dns_names)
        return any(each == wanted or (each.endswith(suffix) and bool(_ONE_LABEL.fullmatch(each[: -len(suffix)]))) for each in lower)

    return test


def _uri(name: str, written: str) -> Test:
    """Read a URI that is compared octet by octet, or one that ends in `/*`: at least one more whole segment follows there."""
    if "*" not in written:
        if len(written) > distinguished_name.MAX_TEXT or not _URI.fullmatch(written):
            raise ValueError("not a URI such as spiffe://partner.example/ns/shop/sa/orders")
        return lambda certificate: written in certificate.uris
    if len(written) > distinguished_name.MAX_TEXT or not written.isascii() or not _URI_PREFIX.fullmatch(written):
        raise ValueError("a star may only end a URI, after a slash, as in spiffe://partner.example/ns/*")
    prefix = written[:-1]
    return lambda certificate: any(each.startswith(prefix) and _is_below(each[len(prefix) :]) for each in certificate.uris)


def _is_below(rest: str) -> bool:
    return bool(_SEGMENTS.fullmatch(rest)) and not {".", ".."} & set(rest.split("/"))


def _email(name: str, written: str) -> Test:
    """Read an address. What is before the at sign is compared as it is, the domain without regard to case (RFC 5280 §7.5)."""
    if len(written) > 320 or not _EMAIL.fullmatch(written):
        raise ValueError("not an e-mail address in ASCII")
    wanted = _folded(written)
    return lambda certificate: any(_folded(each) == wanted for each in certificate.emails)


def _folded(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


_READERS: Final[dict[str, Callable[[str, str], Test]]] = {
    "sha256": _thumbprint(64),
    "sha1": _thumbprint(40),
    "serial": _serial,
    "subject": _dn,
    "common_name": _exact,
    "dns_name": _dns_name,
    "uri": _uri,
    "email": _email,
    "issuer": _dn,
    "issuer_sha256": _thumbprint(64),
    "issuer_sha1": _thumbprint(40),
}
