"""Who presents an API key: found by digest, at the same cost among ten keys and a hundred thousand.

What is kept are digests. Generated keys are `id.secret` and are found by their id; other keys by the digest of the whole key:
SHA-256, or HMAC-SHA-256 under the operator's digest key, without which nobody can try out short keys on a list of digests.
"""

import hmac
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from hashlib import sha256
from math import inf
from typing import Final, Protocol

from authz.model.api_key import EVERY_SCOPE, Digest, DigestKind, KeyRecord, KeyState
from authz.model.credential import Secret
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

MAX_KEY: Final = 512
MIN_DIGEST_KEY: Final = 32
_TOLD: Final = 100
# How many records are looked at between two chances for others to have their turn.
_STEP: Final = 200


class Addresses(Protocol):
    """A set of addresses."""

    def __contains__(self, address: int) -> bool:
        """Whether an address is in it."""


def digest_key_of(text: bytes) -> bytes:
    """Return the digest key that a file holds: its octets, without a line end. Raises ValueError where it is too short to be one."""
    key = text.removesuffix(b"\n").removesuffix(b"\r")
    if len(key) < MIN_DIGEST_KEY:
        raise ValueError(f"a digest key has {MIN_DIGEST_KEY} octets or more; make one with: openssl rand -hex 32")
    return key


def digest_of(key: str, digest_key: bytes = b"") -> Digest:
    """Return the digest of a key: the keyed one where there is a digest key. Raises ValueError for what cannot be a key."""
    data = _octets(key)
    if data is None:
        raise ValueError(f"a key has 1 to {MAX_KEY} characters")
    if digest_key:
        return Digest(DigestKind.KEYED, hmac.digest(digest_key, data, "sha256"))
    return Digest(DigestKind.PLAIN, sha256(data).digest())


class ApiKeys:
    """Keys that may be presented. Several may belong to one subscription.

    Attributes:
        dropped: why records were not used, one sentence each: the first hundred, and how many more.
    """

    __slots__ = ("_by_id", "_by_keyed", "_by_plain", "_digest_key", "dropped")

    def __init__(self, records: Iterable[KeyRecord], digest_key: bytes = b"") -> None:
        for _ in self._fill(records, digest_key):
            pass

    @classmethod
    def steps(cls, records: Iterable[KeyRecord], digest_key: bytes = b"") -> "Generator[None, None, ApiKeys]":
        """Return short steps that come to the keys: there may be a hundred thousand."""
        keys = cls(())
        yield from keys._fill(records, digest_key)
        return keys

    def _fill(self, records: Iterable[KeyRecord], digest_key: bytes) -> Generator[None, None, None]:
        kept, dropped = yield from _distinct(records)
        self._by_id: dict[str, KeyRecord] = {}
        self._by_plain: dict[bytes, KeyRecord] = {}
        self._by_keyed: dict[bytes, KeyRecord] = {}
        for at, each in enumerate(kept):
            if each.digest.kind is DigestKind.PLAIN:
                self._by_plain[each.digest.value] = each
            elif digest_key:
                self._by_keyed[each.digest.value] = each
            else:
                dropped.append(f"{each.id}: its digest is keyed, and no digest key is given (--api-key-digest-key)")
                continue
            self._by_id[each.id] = each
            if at % _STEP == 0:
                yield
        self._digest_key = digest_key
        self.dropped = tuple(dropped) if len(dropped) <= _TOLD else (*dropped[:_TOLD], f"and {len(dropped) - _TOLD} further")

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._by_id)

    def find(self, key: Secret | str) -> KeyRecord | None:
        """Return the record of a key, whatever its state, or None."""
        text = key.reveal() if isinstance(key, Secret) else key
        data = _octets(text)
        if data is None:
            return None
        plain = sha256(data).digest()
        keyed = hmac.digest(self._digest_key, data, "sha256") if self._by_keyed else b""
        named = self._by_id.get(text.partition(".")[0])
        if named is not None and hmac.compare_digest(named.digest.value, keyed if named.digest.kind is DigestKind.KEYED else plain):
            return named
        # The digests of a key cannot be chosen, so that how long a look-up takes tells nothing of those that are kept.
        first, second = self._by_plain.get(plain), self._by_keyed.get(keyed)
        # Recorded in both ways: which of the two it is cannot be told.
        return None if first is not None and second is not None else first or second


def distinct(records: Iterable[KeyRecord]) -> tuple[list[KeyRecord], tuple[str, ...]]:
    """Return the records that are one key each, and sentences about the others.

    The same record again counts once. Of different records with one id, or one digest, none counts: which was meant cannot be told.
    """
    steps = _distinct(records)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            kept, dropped = end.value
            return kept, tuple(dropped)


def _distinct(records: Iterable[KeyRecord]) -> Generator[None, None, tuple[list[KeyRecord], list[str]]]:
    once: dict[KeyRecord, None] = {}
    ids, digests = Counter[str](), Counter[bytes]()
    for at, each in enumerate(records):
        if each not in once:
            once[each] = None
            ids[each.id] += 1
            digests[each.digest.value] += 1
        if at % _STEP == 0:
            yield
    kept: list[KeyRecord] = []
    for at, each in enumerate(once):
        if ids[each.id] == 1 and digests[each.digest.value] == 1:
            kept.append(each)
        if at % _STEP == 0:
            yield
    return kept, list(_doubts(once, ids, digests)) if len(kept) < len(once) else []


def _doubts(records: Iterable[KeyRecord], ids: Counter[str], digests: Counter[bytes]) -> Iterator[str]:
    told: set[str] = set()
    for each in records:
        if each.id in told:
            continue
        told.add(each.id)
        if ids[each.id] > 1:
            yield f"{each.id}: {ids[each.id]} different records have this id, so none counts; keep one"
        elif digests[each.digest.value] > 1:
            yield f"{each.id}: another record is of the same key, so neither counts; keep one"


def _octets(key: str) -> bytes | None:
    if not 0 < len(key) <= MAX_KEY:
        return None
    try:
        # Octets that are no UTF-8 arrive as surrogates; other surrogates nobody can send.
        return key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def failure_of(record: KeyRecord, now: float, address: int, addresses: Callable[[tuple[str, ...]], Addresses]) -> Failure | None:
    """Return why a key does not count, or None.

    Args:
        now: Unix time in seconds.
        address: the client's; less than 0 where it is unknown. Whoever can write addresses adds `got` to the failure.
        addresses: gives the set of some CIDRs; asked only where the record has any.
    """
    if record.state is not KeyState.ACTIVE:
        return Failure(Reason.APIKEY_DISABLED, Rank.NOT_VERIFIED, "an Active key", f"{record.id}: {record.state}")
    begins = -inf if record.not_before is None else record.not_before
    ends = inf if record.not_after is None else record.not_after
    if not begins <= now <= ends:
        got = f"{record.id}: valid in {begins - now:.0f} s" if now < begins else f"{record.id}: expired {now - ends:.0f} s ago"
        return Failure(Reason.APIKEY_EXPIRED, Rank.NOT_VERIFIED, "a key between its notBefore and notAfter", got)
    if not record.cidrs:
        return None
    want = ", ".join(record.cidrs)
    if address < 0:
        return Failure(Reason.IP_UNKNOWN, Rank.NOT_PERMITTED, want, undecided=True)
    return None if address in addresses(record.cidrs) else Failure(Reason.IP_DENIED, Rank.NOT_PERMITTED, want)


def scope_holds(record: KeyRecord, wanted: frozenset[str]) -> bool:
    """Return whether a key has any of the scopes. Where none is wanted, none can be had."""
    return bool(wanted) and (EVERY_SCOPE in record.scopes or not wanted.isdisjoint(record.scopes))
