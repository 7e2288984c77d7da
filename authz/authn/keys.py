"""Issuers' public keys: from the text of a JWKS (RFC 7517) to keys that are ready to verify.

The algorithm comes from the key, never from the token alone: a key is prepared for exactly the algorithms that the issuer
may use and that fit its type and curve. Members that are no public signing keys are dropped one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.algorithms import Algorithm

from authz.authn import json_text, roca, small_order

MAX_KEYS: Final = 100
MAX_BYTES: Final = 512 * 1024
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
_RSA: Final = frozenset(name for name in ALGORITHMS if name[:2] in ("RS", "PS"))
_CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_RSA_BITS: Final = range(2048, 8193)
_EXPONENTS: Final = range(65537, 1 << 32)


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, prepared for one algorithm."""

    kid: str
    algorithm: str
    verifier: Algorithm = field(repr=False)
    material: Any = field(repr=False)  # The type is PyJWT's own, one per algorithm.

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Return whether `signature` over `signed` was made with the private half of this key."""
        return bool(self.verifier.verify(signed, self.material, signature))


class VerifyingKey(Protocol):
    """What verifies a signature."""

    @property
    def kid(self) -> str:
        """Its name, or ""."""

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Return whether `signature` over `signed` was made with its private half, or the secret that it is."""


class Keys(Protocol):
    """The keys of one issuer, public ones or secrets."""

    @property
    def kids(self) -> tuple[str, ...]:
        """Their names."""

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """Return what verifies a token with this header, or None."""


class KeySet:
    """The keys of one issuer, found by `kid` and algorithm.

    Attributes:
        dropped: why members of the JWKS were not used, one sentence each.
        text: the JWKS itself, so that an unchanged one is recognised.
    """

    __slots__ = ("_by_algorithm", "_by_kid", "dropped", "kids", "text")

    def __init__(self, keys: list[Key], dropped: tuple[str, ...], text: bytes) -> None:
        by_kid: dict[tuple[str, str], Key | None] = {}
        by_algorithm: dict[str, list[Key]] = {}
        for key in keys:
            # Two keys of one name and algorithm: which one a token means cannot be told.
            by_kid[key.kid, key.algorithm] = None if (key.kid, key.algorithm) in by_kid else key
            by_algorithm.setdefault(key.algorithm, []).append(key)
        self._by_kid: Mapping[tuple[str, str], Key | None] = by_kid
        self._by_algorithm: Mapping[str, list[Key]] = by_algorithm
        self.kids = tuple(dict.fromkeys(key.kid for key in keys))
        self.dropped = dropped
        self.text = text

    def find(self, kid: str | None, algorithm: str) -> Key | None:
        """Return the key that a token's header names; without a `kid`, the only key that fits the algorithm."""
        if kid is not None:
            return self._by_kid.get((kid, algorithm))
        fitting = self._by_algorithm.get(algorithm, ())
        return fitting[0] if len(fitting) == 1 else None


class KeySetError(ValueError):
    """A JWKS that cannot be used as a whole; the message says why."""


def key_set(text: bytes, algorithms: tuple[str, ...]) -> KeySet:
    """Return the usable keys of a JWKS. Raises KeySetError where it is no JWKS at all, or holds no usable key."""
    if len(text) > MAX_BYTES:
        raise KeySetError(f"the key set is larger than {MAX_BYTES // 1024} KiB")
    try:
        value = json_text.parse(text)
    except json_text.NotOneReading as fault:
        raise KeySetError(f"the key set is {fault}") from fault
    members = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(members, list):
        raise KeySetError('the key set is not {"keys": […]} (RFC 7517 §5)')
    if len(members) > MAX_KEYS:
        raise KeySetError(f"the key set has more than {MAX_KEYS} keys")
    return _read(members, algorithms, text)


def _read(members: list[Any], algorithms: tuple[str, ...], text: bytes) -> KeySet:
    keys: list[Key] = []
    dropped: list[str] = []
    for at, member in enumerate(members):
        try:
            keys += _keys(member, algorithms)
        except _Unusable as why:
            dropped.append(f"keys[{at}]: {why}")
        except Exception:  # noqa: BLE001 - PyJWT and cryptography raise many types on strange keys; the others must live
            dropped.append(f"keys[{at}]: not a key that can be read")
    if not keys:
        raise KeySetError("; ".join(["the key set has no usable key", *dropped[:3]]))
    return KeySet(keys, tuple(dropped), text)


class _Unusable(Exception):
    """Why one member of a JWKS is not used."""


def _keys(member: Any, algorithms: tuple[str, ...]) -> list[Key]:  # noqa: ANN401 - arbitrary JSON
    if not isinstance(member, dict):
        raise _Unusable("not an object")
    if not _PRIVATE.isdisjoint(member):
        raise _Unusable("it holds private or symmetric material; publish public keys only")
    kid = member.get("kid", "")
    if not isinstance(kid, str) or len(kid) > 256:
        raise _Unusable("kid is not a short string")
    if why := use_problem(member):
        raise _Unusable(why)
    fitting = [name for name in _fitting(member) if name in algorithms]
    if not fitting:
        raise _Unusable("of a type, curve or algorithm that the issuer's `algorithms` do not list")
    return [_prepared(member, kid, name) for name in fitting]


def use_problem(member: dict[str, Any]) -> str:
    """Return why a member of a JWKS is not for verifying signatures, or "" (RFC 7517 §4.2, §4.3)."""
    if member.get("use", "sig") != "sig":
        return "not for signatures (use)"
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return "not for verifying (key_ops)"
    return ""


def _fitting(member: dict[str, Any]) -> frozenset[str]:
    """Return the algorithms that the key's type and curve allow and its own `alg` does not exclude."""
    kind, curve = member.get("kty"), member.get("crv")
    fitting: frozenset[str] = frozenset()
    if kind == "RSA":
        fitting = _RSA
    elif kind == "EC" and curve in _CURVES:
        fitting = frozenset({_CURVES[curve]})
    elif kind == "OKP" and curve == "Ed25519":
        fitting = frozenset({"EdDSA"})
    own = "EdDSA" if member.get("alg") == "Ed25519" else member.get("alg")  # RFC 9864 names the curve.
    return fitting if own is None else fitting & {own}


def _prepared(member: dict[str, Any], kid: str, algorithm: str) -> Key:
    bare = {name: value for name, value in member.items() if name not in ("alg", "use", "key_ops")}
    key = PyJWK(bare, algorithm=algorithm)
    if isinstance(key.key, RSAPublicKey):
        numbers = key.key.public_numbers()
        if key.key.key_size not in _RSA_BITS or numbers.e not in _EXPONENTS or numbers.n % 2 == 0:
            raise _Unusable("an RSA key that is too weak, too large or misshapen")
        if roca.is_suspect(numbers.n):
            raise _Unusable("an RSA key of the ROCA kind (CVE-2017-15361), which can be factored; make another")
    if isinstance(key.key, Ed25519PublicKey) and small_order.is_suspect(key.key.public_bytes_raw()):
        raise _Unusable("an Ed25519 key of small order, for which anybody can sign; make another")
    return Key(kid, algorithm, key.Algorithm, key.key)
