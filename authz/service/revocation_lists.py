"""Revocation lists that certificates name: fetched when first needed, kept through outages until they are out of date."""

import asyncio
from collections.abc import Iterable
from typing import Final

from authz.authn import crl_text
from authz.authn.crl_text import Listed
from authz.service.keyring import MOST_WAITING, KeyTimes
from authz.service.ports import Clock, FetchError, Journal, ListFetcher
from authz.service.waiting import first_of

# How many lists are followed; certificates of verified paths name them, so that there are as many as CAs.
MOST_LISTS: Final = 256
# Seconds after which a list that nobody asked for is fetched no more.
FORGOTTEN: Final = 86_400.0


class ListState:
    """What is known of the list at one URL.

    Attributes:
        lists: what is listed; None where it has not been fetched, or too long ago.
        waiting: how many checks wait for a fetch now.
    """

    __slots__ = ("_owner", "ask_after", "due", "failures", "fetched_at", "flight", "lists", "url", "used_at", "waiting")

    def __init__(self, url: str, owner: "RevocationLists", now: float) -> None:
        self.url = url
        self.lists: tuple[Listed, ...] | None = None
        self.failures = 0
        self.fetched_at = 0.0
        self.due = now
        self.ask_after = 0.0
        self.used_at = now
        self.waiting = 0
        self.flight: asyncio.Task[None] | None = None
        self._owner = owner

    @property
    def is_tried(self) -> bool:
        """Whether a fetch has ended, well or not. From then on it is fetched again without being asked for."""
        return bool(self.fetched_at or self.failures)

    def may_ask(self, now: float) -> bool:
        """Return whether a check may wait for a fetch: one is under way and not too many wait, or it is time for another."""
        return self.waiting < MOST_WAITING if self.flight is not None else now >= self.ask_after

    def ask(self) -> "asyncio.Task[None]":
        """Return the fetch that a check may wait for: the one under way, or one that begins now. Do not cancel it."""
        return self._owner.begin(self)


class RevocationLists:
    """The lists of every distribution point that a check came upon."""

    def __init__(self, fetcher: ListFetcher, clock: Clock, journal: Journal, times: KeyTimes | None = None) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._journal = journal
        self._times: Final = times or KeyTimes()
        self._known: dict[str, ListState] = {}
        self._woken = asyncio.Event()

    def of(self, urls: Iterable[str], now: float) -> list[ListState]:
        """Return what is known of the lists at some URLs, from now on followed; those beyond `MOST_LISTS` are left out."""
        found: list[ListState] = []
        for url in urls:
            known = self._known.get(url)
            if known is None and len(self._known) < MOST_LISTS:
                known = self._known[url] = ListState(url, self, now)
            if known is not None:
                known.used_at = now
                found.append(known)
        return found

    async def run(self) -> None:
        """Fetch again whatever is due and still in use, for ever."""
        while True:
            self._woken.clear()
            now = self._clock.time()
            for url, known in list(self._known.items()):
                if now - known.used_at > FORGOTTEN and known.flight is None:
                    del self._known[url]
                    continue
                if known.lists is not None and now - known.fetched_at > self._times.stale:
                    known.lists = None
                if known.due <= now and known.is_tried:
                    self.begin(known)
            due = min((each.due for each in self._known.values() if each.flight is None), default=now + 60)
            await first_of(self._woken.wait(), self._clock.sleep(min(max(due - now, 1.0), 60)))

    def begin(self, known: ListState) -> "asyncio.Task[None]":
        """Return the fetch of a list that is under way, or that begins now."""
        if known.flight is None:
            known.flight = asyncio.create_task(self._fetch(known))
        return known.flight

    async def _fetch(self, known: ListState) -> None:
        try:
            body = await self._fetcher.fetch(known.url)
            # In a thread: a list may hold a hundred thousand numbers.
            lists, problems = await asyncio.to_thread(crl_text.read, (body,))
            if problems:
                raise FetchError(f"{known.url}: {problems[0]}")
        except FetchError as fault:
            self._failed(known, str(fault))
        except Exception as fault:  # noqa: BLE001 - a fault of ours is a failure like any other
            self._failed(known, f"{known.url}: a fault of this service ({type(fault).__name__})")
        else:
            self._succeeded(known, tuple(lists))
        finally:
            known.flight = None
            self._woken.set()

    def _succeeded(self, known: ListState, lists: tuple[Listed, ...]) -> None:
        now = self._clock.time()
        if known.failures:
            self._journal.event("info", "crl.fetched", url=known.url)
        known.failures, known.fetched_at, known.lists = 0, now, lists
        known.due = now + min(max(self._times.refresh, self._times.shortest), self._times.longest)
        known.ask_after = now + self._times.cooldown

    def _failed(self, known: ListState, why: str) -> None:
        times, now = self._times, self._clock.time()
        known.failures += 1
        wait = max(times.retry_after(known.failures), times.cooldown if known.lists else 0.0)
        known.due = now + wait
        known.ask_after = now + min(wait, times.cooldown)
        self._journal.event("warning", "crl.fetch_failed", url=known.url, why=why, keeps_earlier=known.lists is not None)
