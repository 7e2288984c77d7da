"""Keeps a store equal to what the API server holds of one kind. Level-triggered; errors never empty it.

A streaming list where the server has it, else a list in pages; then a watch from there. Bookmarks keep a quiet watch's place;
410 lists anew; silence ends a watch, for a peer that vanished says nothing; failures are tried again with jitter.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from authz.kube.api import Api, ApiError, Object, Patience, key_of
from authz.service.ports import Clock
from authz.service.standing import WatchState

_END_OF_LIST: Final = "k8s.io/initial-events-end"
# Events after which others get their turn: a few milliseconds of reading.
_PAUSE: Final = 20
_BROKEN_OFF: Final = "the stream ended before the end of the list"
# Answers of servers without streaming lists: refused (422), or not able to (500 as an event).
_NO_STREAMING: Final = frozenset({400, 404, 422, 500, 501})


@dataclass(frozen=True, slots=True)
class Pace:
    """How the reflector waits and gives up; seconds.

    Attributes:
        page: objects in one page of a list.
        silence: how long a watch may say nothing; servers send a bookmark each minute.
        watch: the shortest and longest life of a watch.
        first_retry: the longest first wait after a failure; it doubles with each further one.
        last_retry: the longest wait after a failure.
        healthy: after how long without a failure the waits begin anew.
        absent: the longest wait where the server does not know the kind at all.
    """

    page: int = 100
    silence: float = 90.0
    watch: tuple[int, int] = (300, 600)
    first_retry: float = 0.5
    last_retry: float = 8.0
    healthy: float = 120.0
    absent: float = 30.0


class Reflector:
    """Follows one path. `changed` is called after each change of the store, and when it is first known whether there is one.

    Attributes:
        resource: their plural name, as in `authpolicies`.
        store: the objects, by `namespace/name`, as they were received.
        is_synced: whether the store has been equal to what the server holds.
        version: the resourceVersion up to which it is.
        refusal: the status with which the server refused the last attempt; 0 where it did not.
        failure: why the last attempt failed; "" where it did not.
        contact: when the server last said something, Unix time; 0: never.
    """

    def __init__(self, api: Api, path: str, clock: Clock, changed: Callable[[], None], pace: Pace | None = None) -> None:
        self._api = api
        self._path = path
        self._clock = clock
        self._changed = changed
        self._pace: Final = pace or Pace()
        self._streams = True
        self._restarts: dict[str, int] = {}
        self._lists: dict[str, int] = {}
        self.resource = path.rpartition("/")[2]
        self.version = ""
        self.store: dict[str, Object] = {}
        self.is_synced = False
        self.refusal = 0
        self.contact = 0.0
        self.failure = ""

    @property
    def is_answered(self) -> bool:
        """Whether it is known what there is: something, nothing, or that it may not be known (403) or cannot exist (404)."""
        return self.is_synced or self.refusal in (403, 404)

    def state(self) -> WatchState:
        """Return how well it is followed."""
        up = self.is_synced and not self.failure
        return WatchState(self.resource, up, self.contact, len(self.store), dict(self._restarts), dict(self._lists))

    def covers(self, key: str) -> bool:
        """Return whether an object of this `namespace/name` is one that is followed here."""
        _, found, rest = self._path.partition("/namespaces/")
        return not found or key.partition("/")[0] == rest.partition("/")[0]

    def restore(self, objects: Mapping[str, Object]) -> None:
        """Begin with what was known at an earlier time; it counts until the server has told everything."""
        if not self.is_synced:
            self.store = dict(objects)

    async def run(self) -> None:
        """Follow for ever."""
        delay = self._pace.first_retry
        while True:
            began = self._clock.time()
            reason = await self._once()
            self._restarts[reason] = self._restarts.get(reason, 0) + 1
            lived = self._clock.time() - began
            if lived > self._pace.healthy:
                delay = self._pace.first_retry
            if reason == "closed" and lived > 5:
                continue  # The server ends each watch after a while; that is no failure.
            await self._clock.sleep(random.uniform(0, delay))  # noqa: S311 - spreads load, protects nothing
            delay = min(delay * 2, self._pace.absent if self.refusal == 404 else self._pace.last_retry)

    async def _once(self) -> str:
        """List if need be, watch until that ends, and return why it ended."""
        try:
            if not self.version and not await self._listed_by_stream():
                await self._list()
            await self._watch({"resourceVersion": self.version})
        except ApiError as fault:
            self._failed(fault)
            if fault.status in (400, 404, 410):
                self.version = ""
            return "gone" if fault.status == 410 else "silent" if fault.status == 0 else "error"
        except Exception as fault:  # noqa: BLE001 - whatever the server tells, it must be followed on
            self.failure, self.version = f"{type(fault).__name__}: what the API server told cannot be read", ""
            return "error"
        self.failure = ""
        return "closed"

    def _failed(self, fault: ApiError) -> None:
        was_answered = self.is_answered
        self.failure, self.refusal = str(fault).strip(), fault.status
        if fault.status == 404:
            self.failure = f"the API server does not know {self.resource}: install their CustomResourceDefinition"
        if self.is_answered and not was_answered:
            self._changed()

    async def _listed_by_stream(self) -> bool:
        if not self._streams:
            return False
        try:
            await self._watch({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, listing={})
        except ApiError as fault:
            if self.version:
                raise
            if fault.status in _NO_STREAMING:
                self._streams = False
                return False
            raise
        if not self.version:
            raise ApiError(0, _BROKEN_OFF)
        return True

    async def _list(self) -> None:
        found: dict[str, Object] = {}
        more = ""
        while True:
            query = {"limit": str(self._pace.page)} | ({"continue": more} if more else {})
            page = await self._api.get(self._path, query)
            for each in page["items"]:
                found[key_of(each)] = self._kept(each)
            more = page["metadata"].get("continue") or ""
            if not more:
                break
            await asyncio.sleep(0)  # Checks go on between two pages.
        self._replace(found, page["metadata"]["resourceVersion"], "paged")

    async def _watch(self, query: dict[str, str], listing: dict[str, Object] | None = None) -> None:
        """Follow the events until the server ends the stream. With `listing` they begin with everything that there is."""
        seconds = random.randint(*self._pace.watch)  # noqa: S311 - spreads load, protects nothing
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds), **query}
        read = 0
        async for event in self._api.lines(self._path, query, Patience(seconds + 30, self._pace.silence), self._heard):
            read += 1
            if read % _PAUSE == 0:
                await asyncio.sleep(0)  # What has arrived already comes without a pause; checks need one.
            kind, each = event["type"], event["object"]
            if kind == "ERROR":
                raise ApiError(int(each.get("code") or 500), str(each.get("message", ""))[:300])
            self._heard()
            if listing is None:
                self._take(kind, each)
            elif kind == "BOOKMARK" and (each["metadata"].get("annotations") or {}).get(_END_OF_LIST) == "true":
                self._replace(listing, each["metadata"]["resourceVersion"], "stream")
                listing = None
            elif kind == "DELETED":
                listing.pop(key_of(each), None)
            elif kind != "BOOKMARK":
                listing[key_of(each)] = self._kept(each)

    def _take(self, kind: str, each: Object) -> None:
        self.version = each["metadata"]["resourceVersion"]
        if kind == "BOOKMARK":
            return
        key = key_of(each)
        if kind == "DELETED":
            known = self.store.pop(key, None)
            if known is None:
                return
        else:
            known = self.store.get(key)
            if known is not None and known["metadata"]["resourceVersion"] == self.version:
                return
            self.store[key] = _slim(each)
        self._changed()

    def _heard(self) -> None:
        self.contact = self._clock.time()
        self.failure, self.refusal = "", 0

    def _kept(self, each: Object) -> Object:
        """Return the very same object where it is held already: what was made of it stays, and what has arrived goes at once."""
        known = self.store.get(key_of(each))
        is_same = known is not None and known["metadata"].get("resourceVersion") == each["metadata"].get("resourceVersion")
        return known if known is not None and is_same else _slim(each)

    def _replace(self, found: dict[str, Object], version: str, mode: str) -> None:
        self._lists[mode] = self._lists.get(mode, 0) + 1
        self.store = found
        self.version = version
        self.is_synced, self.failure, self.refusal = True, "", 0
        self.contact = self._clock.time()
        self._changed()


def _slim(each: Object) -> Object:
    each["metadata"].pop("managedFields", None)
    return each
