"""Ed25519 public keys of small order: for some of them a signature that nobody made verifies for every message (RFC 8032 §5.1)."""

from typing import Final

_PRIME: Final = 2**255 - 19
# The y coordinates of the eight points whose order divides 8: of order 1, 2, 4 and, two of them, 8.
_Y8: Final = 2707385501144840649318225287225658788936804267575313519463743609750303402022
_SMALL: Final = frozenset({0, 1, _PRIME - 1, _Y8, _PRIME - _Y8})


def is_suspect(octets: bytes) -> bool:
    """Return whether an encoded point (RFC 8032 §5.1.2) has small order, in whichever way it is encoded."""
    return (int.from_bytes(octets, "little") & ~(1 << 255)) % _PRIME in _SMALL
