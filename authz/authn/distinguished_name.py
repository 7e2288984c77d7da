"""Distinguished names as people write them (RFC 4514), to be compared with those in certificates.

Read are also spaces around separators (as OpenSSL and .NET print) and values in double quotes (`O="Contoso, Inc."`, RFC 2253).
"""

import re
from typing import Final

from cryptography import x509

# One relative name: its attributes as (object identifier, value), in no order.
Rdn = frozenset[tuple[str, str]]
Dn = tuple[Rdn, ...]

MAX_TEXT: Final = 2048
_TYPES: Final = {
    "CN": "2.5.4.3",
    "SN": "2.5.4.4",
    "SURNAME": "2.5.4.4",
    "SERIALNUMBER": "2.5.4.5",
    "C": "2.5.4.6",
    "L": "2.5.4.7",
    "ST": "2.5.4.8",
    "S": "2.5.4.8",
    "STREET": "2.5.4.9",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "T": "2.5.4.12",
    "TITLE": "2.5.4.12",
    "G": "2.5.4.42",
    "GN": "2.5.4.42",
    "GIVENNAME": "2.5.4.42",
    "INITIALS": "2.5.4.43",
    "DNQUALIFIER": "2.5.4.46",
    "UID": "0.9.2342.19200300.100.1.1",
    "DC": "0.9.2342.19200300.100.1.25",
    "E": "1.2.840.113549.1.9.1",
    "EMAIL": "1.2.840.113549.1.9.1",
    "EMAILADDRESS": "1.2.840.113549.1.9.1",
}
_OID: Final = re.compile(r"(?:OID\.)?([0-2](?:\.(?:0|[1-9]\d{0,38})){1,30})", re.IGNORECASE | re.ASCII)
# A value is quoted, or bare; a bare one holds no separator that no backslash stands before, and does not begin with "#".
_ATTRIBUTE: Final = re.compile(r' *([A-Za-z0-9.]+) *= *(?:"((?:[^"\\]|\\.)*)" *|((?![#"])(?:[^",;+<>\\]|\\.)*))(?:([,+])|\Z)', re.DOTALL)
_ESCAPES: Final = re.compile(rb"\\([0-9A-Fa-f]{2}|[ \"#+,;<=>\\])|\\")


def parse(text: str) -> Dn:
    """Return the relative names of a distinguished name in the order written. Raises ValueError with what is wrong, in words."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT} characters")
    found: list[Rdn] = []
    current: list[tuple[str, str]] = []
    at, separator = 0, ","
    while separator:
        match = _ATTRIBUTE.match(text, at)
        if match is None:
            raise ValueError('not a distinguished name such as CN=client,O="Contoso, Inc.",C=US (RFC 4514)')
        name, quoted, bare, separator = match.groups()
        current.append((_oid(name), _unescaped(_stripped(bare) if quoted is None else quoted)))
        at = match.end()
        if separator != "+":
            found.append(_rdn(current))
            current = []
    return tuple(found)


def of_name(name: x509.Name) -> Dn:
    """Return the relative names of a certificate's subject or issuer, in the certificate's order."""
    return tuple(frozenset((each.oid.dotted_string, _text(each.value)) for each in rdn) for rdn in name.rdns)


def is_same(written: Dn, name: Dn) -> bool:
    """Return whether what was written is the name: in its own order or in the reverse.

    RFC 4514 writes the last relative name first and OpenSSL the first; no other order is the same name.
    """
    return bool(written) and (written == name or written == name[::-1])


def _rdn(attributes: list[tuple[str, str]]) -> Rdn:
    rdn = frozenset(attributes)
    if len(rdn) != len(attributes):
        raise ValueError("an attribute that is given twice in one relative name")
    return rdn


def _oid(name: str) -> str:
    dotted = _OID.fullmatch(name)
    found = dotted[1] if dotted else _TYPES.get(name.upper())
    if found is None:
        raise ValueError(f"the attribute type {name[:32]} is unknown: write its object identifier, such as 2.5.4.3=client")
    return found


def _stripped(bare: str) -> str:
    """Return a bare value without the spaces around it; one that a backslash stands before belongs to the value."""
    left = bare.lstrip(" ")
    right = left.rstrip(" ")
    backslashes = len(right) - len(right.rstrip("\\"))
    return right + left[len(right) :][:1] if backslashes % 2 else right


def _unescaped(value: str) -> str:
    """Return a value without its escapes, of which pairs of hexadecimal digits are octets of UTF-8."""

    def plain(match: re.Match[bytes]) -> bytes:
        escaped = match[1]
        if escaped is None:
            raise ValueError("a backslash before a character that needs none")
        return bytes.fromhex(escaped.decode()) if len(escaped) == 2 else escaped

    try:
        text = _ESCAPES.sub(plain, value.encode()).decode()
    except UnicodeError as fault:
        raise ValueError("escapes that are not UTF-8") from fault
    if not text:
        raise ValueError("a value that is empty")
    return text


def _text(value: str | bytes) -> str:
    # A bit string can be nothing that is written as text: a lone surrogate in front keeps it apart.
    return value if isinstance(value, str) else "\udcff" + value.hex()
