"""Keys for which anybody can sign."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from authz.authn.keys import KeySetError, key_set
from authz.authn.small_order import is_suspect
from tests.builders import a_jwks

PRIME = 2**255 - 19
IDENTITY = (1).to_bytes(32, "little")


def doubled(point: tuple[int, int]) -> tuple[int, int]:
    """Twice a point of the curve -x² + y² = 1 + dx²y² (RFC 8032 §5.1)."""
    d = -121665 * pow(121666, -1, PRIME) % PRIME
    x, y = point
    t = d * x * x % PRIME * y % PRIME * y % PRIME
    return 2 * x * y * pow(1 + t, -1, PRIME) % PRIME, (y * y + x * x) * pow(1 - t, -1, PRIME) % PRIME


def on_curve(y: int) -> tuple[int, int]:
    """A point with this y."""
    d = -121665 * pow(121666, -1, PRIME) % PRIME
    square = (y * y - 1) * pow(d * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    x = x if x * x % PRIME == square else x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    assert x * x % PRIME == square
    return x, y


EIGHTH = 2707385501144840649318225287225658788936804267575313519463743609750303402022
YS = [0, 1, PRIME - 1, EIGHTH, PRIME - EIGHTH]


@pytest.mark.parametrize("y", YS)
def test_the_points_are_those_of_which_eight_times_is_nothing(y: int) -> None:
    point = on_curve(y)
    for _ in range(3):
        point = doubled(point)
    assert point == (0, 1)


@pytest.mark.parametrize("y", [*YS, PRIME, PRIME + 1])
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_each_is_refused_in_whichever_way_it_is_written(y: int, sign: int) -> None:
    octets = (y | sign).to_bytes(32, "little")
    assert is_suspect(octets)
    member = {"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": base64.urlsafe_b64encode(octets).rstrip(b"=").decode()}
    with pytest.raises(KeySetError, match="no usable key"):
        key_set(a_jwks(member).encode(), ("EdDSA",))


def test_such_a_key_verifies_what_nobody_signed() -> None:
    key = Ed25519PublicKey.from_public_bytes(IDENTITY)
    for message in (b"a", b"b"):
        key.verify(IDENTITY + bytes(32), message)
    with pytest.raises(InvalidSignature):
        Ed25519PrivateKey.generate().public_key().verify(IDENTITY + bytes(32), b"a")


def test_no_other_key_is_suspect() -> None:
    assert not any(is_suspect(Ed25519PrivateKey.generate().public_key().public_bytes_raw()) for _ in range(100))
