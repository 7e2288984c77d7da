"""A JWKS as fetched or written: refused, or keys that take no signature made up."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import shake_256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authz.authn.keys import ALGORITHMS, Key, KeySetError, key_set
from tests.builders import a_jwk

FOUND: Mapping[str, bytes] = {}


def fuzz(data: bytes) -> None:
    try:
        found = key_set(data, ALGORITHMS)
    except KeySetError:
        return
    assert found.kids
    assert found.text == data
    for kid in (None, *found.kids):
        for algorithm in ALGORITHMS:
            key = found.find(kid, algorithm)
            if key is not None:
                assert key.algorithm == algorithm
                for signature in (b"", data[:64], data[-256:]):
                    assert not key.verifies(b"signed", signature)
            # An issuer that uses this algorithm alone has the same key, and for another none.
            narrowed = _narrowed(data, algorithm, kid)
            assert (narrowed is None) == (key is None)


def _narrowed(data: bytes, algorithm: str, kid: str | None) -> Key | None:
    """The key of an issuer that uses one algorithm."""
    try:
        key = key_set(data, (algorithm,)).find(kid, algorithm)
    except KeySetError:
        return None
    assert key is None or key.algorithm == algorithm
    return key


def seeds() -> Iterable[bytes]:
    # The same in each process. Whether the modulus has two prime factors nobody asks.
    modulus = bytes([0xC5, *shake_256(b"modulus").digest(254), 0x0D])
    keys: dict[str, dict[str, Any]] = {
        "rsa": {"kty": "RSA", "n": urlsafe_b64encode(modulus).rstrip(b"=").decode(), "e": "AQAB", "kid": "r"},
        "ec": a_jwk(ec.derive_private_key(7, ec.SECP256R1()), kid="e"),
        "ed": a_jwk(Ed25519PrivateKey.from_private_bytes(bytes(32)), kid=None),
    }
    for each in keys.values():
        yield json.dumps({"keys": [each]}).encode()
    yield json.dumps({"keys": [*keys.values(), keys["rsa"] | {"kid": "r", "alg": "PS256", "use": "sig", "key_ops": ["verify"]}]}).encode()
    yield json.dumps({"keys": [keys["ec"] | {"d": "AAAA"}, keys["ed"] | {"alg": "Ed25519"}, {"kty": "oct", "k": "AAAA"}]}).encode()
    yield json.dumps({"keys": [keys["ec"] | {"crv": "P-521"}, keys["rsa"] | {"e": "Aw"}, keys["ed"] | {"use": "enc"}, 7, {}]}).encode()
    yield b'{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["MIIB"],"kid":"k"}]}'
