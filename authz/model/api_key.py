"""API keys as an operator records them: by digest, so that no record lets anybody in who has read it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

EVERY_SCOPE: Final = "*"


class KeyState(StrEnum):
    """Where the subscription of a key stands. Only `Active` opens anything."""

    ACTIVE = "Active"
    SUSPENDED = "Suspended"
    SUBMITTED = "Submitted"
    REJECTED = "Rejected"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"


class KeySlot(StrEnum):
    """Which of a subscription's two keys it is. Both are valid at once, so that one can be exchanged while the other is in use."""

    PRIMARY = "Primary"
    SECONDARY = "Secondary"


class DigestKind(StrEnum):
    """How a key is turned into its digest."""

    PLAIN = "sha256"
    KEYED = "hmac-sha256"


@dataclass(frozen=True, slots=True)
class Digest:
    """The digest of a whole key: 32 octets, made in one of two ways."""

    kind: DigestKind
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of one key.

    Attributes:
        id: tells the key apart in logs; a generated key begins with it.
        subscription: who the key was given to.
        scopes: what it opens; `*` is everything, nothing is nothing.
        not_before: from when on it counts, Unix time in seconds; None: always.
        not_after: until when it counts, that moment included, likewise.
        cidrs: from where it may be used; none: from everywhere.
        labels: what the operator wants to know of it, by name.
    """

    id: str
    digest: Digest
    slot: KeySlot
    subscription: str
    state: KeyState = KeyState.ACTIVE
    scopes: tuple[str, ...] = ()
    not_before: float | None = None
    not_after: float | None = None
    cidrs: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
