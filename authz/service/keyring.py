"""Issuers' keys: fetched in the background, one flight at a time, kept through outages up to a cap.

A reader whose key is known never waits and takes no lock. A key that is unknown may ask for one early fetch in each
cooldown; failures count, so that neither random key ids nor a broken issuer turn requests into a storm of fetches.
"""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authz.authn.hmac_keys import hmac_keys
from authz.authn.keys import Keys, KeySet, KeySetError, key_set
from authz.model.issuer import Issuer, KeySource
from authz.service.ports import Clock, FetchedKeys, FetchError, KeyFetcher, KeyJournal
from authz.service.waiting import first_of

# How many checks may wait for one fetch at once. Each is kept meanwhile, and all are decided again when it ends.
MOST_WAITING: Final = 500

_Identity = tuple[str, KeySource, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class KeyTimes:
    """When keys are fetched again; all in seconds.

    Attributes:
        refresh: how long keys are kept where the issuer's server does not say.
        shortest: the least that a server's own max-age may ask for.
        longest: the most that a server's own max-age may ask for.
        cooldown: how long an unknown key does not ask again; where keys are known, also the shortest wait after a failure.
        first_retry: the wait after a first failure; it doubles with each further one.
        last_retry: the longest wait after a failure.
        stale: how long keys stay in use while no fetch succeeds.
        at_once: how many fetches may be under way (a number, not seconds).
    """

    refresh: float = 300
    shortest: float = 60
    longest: float = 3600
    cooldown: float = 30
    first_retry: float = 1
    last_retry: float = 60
    stale: float = 86_400
    at_once: int = 16

    def retry_after(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row, in seconds."""
        return min(self.first_retry * 2.0 ** min(failures - 1, 16), self.last_retry)


class IssuerKeys:
    """What is known of one issuer's keys.

    Attributes:
        issuer: the issuer's URL.
        keys: the keys in use; None where there are none. Replaced whole; another object means other keys.
        fetched_at: when a fetch last succeeded, Unix time; 0 where none has.
        failures: fetches that failed since then.
        failure: why the last one failed; "" where it did not.
        tried: whether a first fetch has ended, well or not.
        asked: whether some check asked for the fetch that is under way.
        waiting: how many checks wait for a fetch now.
    """

    __slots__ = (
        "ask_after",
        "asked",
        "due",
        "failure",
        "failures",
        "fetched_at",
        "flight",
        "is_fetched",
        "issuer",
        "keys",
        "source",
        "tried",
        "waiting",
    )

    def __init__(self, issuer: Issuer) -> None:
        self.source = issuer
        self.issuer = issuer.issuer
        self.keys: Keys | None = None
        self.fetched_at = 0.0
        self.failures = 0
        self.failure = ""
        self.due = 0.0
        self.ask_after = 0.0
        self.asked = False
        self.waiting = 0
        self.flight: asyncio.Task[None] | None = None
        # What stands in an object that nobody has read is not there, and not to be fetched either.
        self.is_fetched = not issuer.keys.jwks and not issuer.keys.hmac and not issuer.references
        self.tried = not self.is_fetched
        if issuer.keys.jwks:
            self.keys = key_set(issuer.keys.jwks.encode(), issuer.algorithms)
        elif issuer.keys.hmac:
            self.keys = hmac_keys(issuer.keys.hmac, issuer.algorithms)

    @property
    def is_uncertain(self) -> bool:
        """Whether a key that is not here may be there all the same: fetches fail, or one has not ended yet."""
        return self.failures > 0 or self.flight is not None

    def may_ask(self, now: float) -> bool:
        """Return whether a check may wait for a fetch: one that not too many wait for is under way, or the cooldown is over."""
        return self.is_fetched and (self.waiting < MOST_WAITING if self.flight is not None else now >= self.ask_after)


class KeyRing:
    """The keys of every issuer that some policy names."""

    def __init__(self, fetcher: KeyFetcher, clock: Clock, journal: KeyJournal, times: KeyTimes | None = None) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._journal = journal
        self._times: Final = times or KeyTimes()
        self._known: dict[_Identity, IssuerKeys] = {}
        self._woken = asyncio.Event()
        self._ways_out = asyncio.Semaphore(times.at_once if times else KeyTimes().at_once)

    def of(self, issuer: Issuer) -> IssuerKeys:
        """Return what is known of an issuer's keys, from now on kept. Issuers that differ in name or places only share."""
        identity = (issuer.issuer, issuer.keys, issuer.algorithms, issuer.ca)
        known = self._known.get(identity)
        if known is None:
            known = self._known[identity] = IssuerKeys(issuer)
            self._woken.set()
        return known

    def all(self) -> list[IssuerKeys]:
        """Return what is known of every issuer."""
        return list(self._known.values())

    def retain(self, used: Iterable[IssuerKeys]) -> None:
        """Forget every other issuer."""
        kept = {id(each) for each in used}
        for identity, known in list(self._known.items()):
            if id(known) not in kept:
                del self._known[identity]

    async def run(self) -> None:
        """Fetch whatever is due, for ever."""
        while True:
            self._woken.clear()
            now = self._clock.time()
            for known in self.all():
                if known.is_fetched and known.due <= now:
                    self._start(known)
                if known.keys is not None and known.is_fetched and now - known.fetched_at > self._times.stale:
                    known.keys = None
            await self._until_due(now)

    async def _until_due(self, now: float) -> None:
        due = min((known.due for known in self.all() if known.is_fetched and known.flight is None), default=now + 60)
        await first_of(self._woken.wait(), self._clock.sleep(min(max(due - now, 0.05), 60)))

    async def first_tries(self) -> None:
        """Return once a fetch has been tried for every issuer known now."""
        await asyncio.gather(*(asyncio.shield(self._start(known)) for known in self.all() if not known.tried))

    def ask(self, known: IssuerKeys) -> "asyncio.Task[None]":
        """Return the fetch that a check may wait for: the one under way, or one that begins now. Do not cancel it."""
        known.asked = True
        return self._start(known)

    def _start(self, known: IssuerKeys) -> "asyncio.Task[None]":
        if known.flight is None:
            known.flight = asyncio.create_task(self._fetch(known))
        return known.flight

    async def _fetch(self, known: IssuerKeys) -> None:
        try:
            async with self._ways_out:
                fetched = await self._fetcher.fetch(known.source)
            keys = known.keys
            if not isinstance(keys, KeySet) or keys.text != fetched.text:
                keys = known.keys = _keys_of(fetched, known.source)
        except FetchError as fault:
            self._failed(known, str(fault))
        except Exception as fault:
            # A fault of ours is a failure like any other; checks that wait tell of it, too.
            self._failed(known, f"{known.issuer}: a fault of this service ({type(fault).__name__})")
            if known.asked:
                raise
        else:
            self._succeeded(known, keys, fetched.max_age)
        finally:
            known.tried = True
            known.flight = None
            known.asked = False
            self._woken.set()

    def _failed(self, known: IssuerKeys, why: str) -> None:
        times, now = self._times, self._clock.time()
        known.failures += 1
        known.failure = why
        wait = times.retry_after(known.failures) * _jitter()
        if known.keys is not None:
            # Nobody whose key is known waits for it, and floods of unknown ones must not press a provider that is in trouble.
            wait = max(wait, times.cooldown)
        known.due = now + wait
        known.ask_after = now + min(wait, times.cooldown)
        self._journal.fetch_failed(known.issuer, why, keeps=known.keys is not None)

    def _succeeded(self, known: IssuerKeys, keys: KeySet, max_age: float | None) -> None:
        times, now = self._times, self._clock.time()
        known.failures, known.failure = 0, ""
        known.fetched_at = now
        age = times.refresh if max_age is None else max_age
        known.due = now + min(max(age, times.shortest), times.longest) * 0.8 * _jitter()
        if known.asked:
            # Fetches by the schedule leave the question open: a key may appear right after one.
            known.ask_after = now + times.cooldown
        self._journal.fetched(known.issuer, keys.kids, keys.dropped)


def _keys_of(fetched: FetchedKeys, issuer: Issuer) -> KeySet:
    """Return the keys of a fetched set. Raises FetchError where it has none that can be used."""
    try:
        return key_set(fetched.text, issuer.algorithms)
    except KeySetError as fault:
        told = f"{fetched.url or issuer.issuer}: {fault}; a JWKS of public signing keys must be there"
        raise FetchError(told) from fault


def _jitter() -> float:
    return random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, protects nothing
