"""Memory of verified tokens: digest → principal. Bounded in count and bytes; holds no token."""

from typing import Final

from authz.model.principal import Principal
from authz.service.keyring import IssuerKeys

# What an entry takes beside its claims: digest, principal, answers, the slots that hold them.
_OVERHEAD: Final = 1200


class Remembered:
    """A verified token's principal, and the keys that verified it. Void once the issuer's keys are others."""

    __slots__ = ("_keys", "_state", "principal")

    def __init__(self, principal: Principal, state: IssuerKeys) -> None:
        self.principal = principal
        self._state = state
        self._keys = state.keys

    @property
    def holds(self) -> bool:
        """Whether the keys that verified the token are still the issuer's."""
        return self._keys is self._state.keys and self._keys is not None


class TokenMemory:
    """Two generations: when the young one is full it becomes the old one, and the old one is forgotten."""

    __slots__ = ("_bytes", "_max_bytes", "_max_count", "_old", "_young")

    def __init__(self, max_count: int = 50_000, max_bytes: int = 128 * 1024 * 1024) -> None:
        self._max_count = max_count // 2
        self._max_bytes = max_bytes // 2
        self._young: dict[bytes, Remembered] = {}
        self._old: dict[bytes, Remembered] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return len(self._young) + len(self._old)

    def get(self, digest: bytes) -> Principal | None:
        """Return whom the token of this digest speaks of, where that was verified and still holds."""
        found = self._young.get(digest) or self._old.get(digest)
        return found.principal if found is not None and found.holds else None

    def put(self, digest: bytes, principal: Principal, state: IssuerKeys, size: int) -> None:
        """Remember a verified token; `size` is its length in bytes."""
        if len(self._young) >= self._max_count or self._bytes >= self._max_bytes:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[digest] = Remembered(principal, state)
        # Claims as Python objects take about twice the token's length.
        self._bytes += _OVERHEAD + 2 * size
