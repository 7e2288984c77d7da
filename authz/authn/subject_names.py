"""The names in a client's certificate, read so that each means one thing; a certificate with others has none."""

import re
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

# What can stand in a name and be seen. URIs, addresses and DNS names are ASCII in certificates (RFC 5280 §7).
_ASCII: Final = re.compile(r"[\x21-\x7e]{1,2048}")
# Control characters, line separators, marks of direction, lone surrogates: what hides the rest of a name, or shows another one.
_HIDING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_MAX_NAMES: Final = 1000


class StrangeName(ValueError):
    """A name with characters that no name of its kind has (CVE-2025-66220); the message says of which kind."""


class Names(NamedTuple):
    """The subject's alternative names of the kinds that policies can ask for."""

    dns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()


def alternative(certificate: x509.Certificate) -> Names:
    """Return the alternative names. Raises StrangeName. Names of other kinds (otherName) are not looked at, and match nothing."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Names()
    except ValueError as fault:
        raise StrangeName("an alternative name that cannot be read") from fault
    if len(list(names)) > _MAX_NAMES:
        raise StrangeName(f"more than {_MAX_NAMES} alternative names")
    return Names(
        _plain(names.get_values_for_type(x509.DNSName), "DNS"),
        _plain(names.get_values_for_type(x509.UniformResourceIdentifier), "URI"),
        _plain(names.get_values_for_type(x509.RFC822Name), "e-mail"),
        tuple(str(each) for each in names.get_values_for_type(x509.IPAddress)),
    )


def distinguished(name: x509.Name) -> str:
    """Return a subject or issuer in RFC 4514. Raises StrangeName."""
    if any(isinstance(each.value, str) and _HIDING.search(each.value) for each in name):
        raise StrangeName("a distinguished name with characters that cannot be seen")
    return name.rfc4514_string()


def common(name: x509.Name) -> str:
    """Return the common name, or "" where there is none, or several, of which one would have to be chosen."""
    values = [each.value for each in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


def shown(name: x509.Name) -> str:
    """Return a name for people: short, and without characters that cannot be seen."""
    try:
        text = name.rfc4514_string()
    except Exception:  # noqa: BLE001 - a name of any kind must not keep from saying what is wrong with its certificate
        return "a name that cannot be read"
    text = _HIDING.sub("\N{REPLACEMENT CHARACTER}", text)
    return (text if len(text) <= 200 else text[:199] + "…") or "an empty name"


def _plain(values: list[str], kind: str) -> tuple[str, ...]:
    if not all(map(_ASCII.fullmatch, values)):
        raise StrangeName(f"a {kind} name with characters that none has")
    return tuple(values)
