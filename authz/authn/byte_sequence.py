"""Byte sequences of structured fields (RFC 9651 §3.3.5): octets between colons, in base64."""

import binascii
import re
from typing import Final

_SHAPE: Final = re.compile(r":[A-Za-z0-9+/]*={0,2}:")


def item(text: str) -> bytes:
    """Return the octets of an Item without parameters. Raises ValueError. Padding is required: one spelling is enough."""
    bare = text.strip(" ")
    if not _SHAPE.fullmatch(bare):
        raise ValueError("not a byte sequence (RFC 9651 §3.3.5)")
    return binascii.a2b_base64(bare[1:-1].encode("ascii"), strict_mode=True)


def items(text: str) -> tuple[bytes, ...]:
    """Return the octets of each member of a List of byte sequences, none of an empty one. Raises ValueError.

    The lines of a header that was sent several times arrive joined with a comma, as lists are written.
    """
    return tuple(item(member.strip(" \t")) for member in text.split(",")) if text.strip(" ") else ()
