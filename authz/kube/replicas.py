"""How the leader learns what every replica has loaded: each says so in a Lease of its own, which ends with it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from authz.kube.api import Api, ApiError, Object
from authz.kube.elector import LEASES
from authz.kube.pacing import micro_time, since_boot, spread, unix_time, whole_seconds
from authz.kube.programmed import Replica, version_of
from authz.kube.reflector import Pace, Reflector
from authz.kube.replica import LABEL, lease_name, lease_of, replica_of
from authz.model.policy import PolicyName
from authz.service.ports import Clock
from authz.service.waiting import first_of


@dataclass(frozen=True, slots=True)
class ReplicaPace:
    """Seconds.

    Attributes:
        news: between two writes, at least.
        renew: between two writes, at most.
        live: how long after it renewed its Lease a replica is silent.
        forget: after how long without a renewal a replica that is no pod counts no more, and without a change its Lease is deleted.
            A pod's Lease goes with the pod: as long as that is there, it may decide by what it knew.
        look: how often it is looked whether this replica leads.
    """

    news: float = 1.0
    renew: float = 10.0
    live: int = 30
    forget: float = 600.0
    look: float = 0.5


@dataclass(frozen=True, slots=True)
class _Sight:
    """A Lease as it was last seen; when its last renewal was, and since when it was seen unchanged, by our own steady clock."""

    lease: Object
    renewed: float
    unchanged: float
    heard: Replica
    silent: Replica

    @property
    def is_pod(self) -> bool:
        return bool(self.lease["metadata"].get("ownerReferences"))


class Replicas:
    """One replica's word, and, while it leads, those of all.

    Attributes:
        failure: why the last write failed, and what to do; "" where it did not.
    """

    def __init__(  # noqa: PLR0913 - where, who it is, and its time
        self, api: Api, namespace: str, name: str, clock: Clock, is_leader: Callable[[], bool],
        pace: ReplicaPace | None = None, *, uid: str = "", monotonic: Callable[[], float] = since_boot,
    ) -> None:  # fmt: skip
        self._api = api
        self._collection = LEASES.format(namespace)
        self._namespace = namespace
        self._name = name
        self._uid = uid
        self._clock = clock
        self._is_leader = is_leader
        self._pace: Final = pace or ReplicaPace()
        self._monotonic = monotonic
        self._own: Replica | None = None
        self._news = asyncio.Event()
        self._is_closed = False
        self._writing = asyncio.Lock()
        self._reflector: Reflector | None = None
        self._seen: dict[str, _Sight] = {}
        self._known: tuple[Replica, ...] = ()
        self._forgot = float("-inf")
        self.failure = ""

    def loaded(self, version: str, not_in_use: frozenset[PolicyName], *, soon: bool = True) -> None:
        """Take note that every policy is applied here up to this resourceVersion; of those in `not_in_use` no version is used.

        `soon`: within a second. Else with the next renewal, which does where no policy's spec changed.
        """
        own = Replica(self._name, version_of(version), not_in_use)
        is_news = self._own is None or own.not_in_use != self._own.not_in_use or (soon and own != self._own)
        self._own = own
        if is_news:
            self._news.set()

    def known(self) -> tuple[Replica, ...] | None:
        """Return all that have loaded their policies and have not left, the very same tuple until one of them has news.

        None while that is not known: this replica does not lead, or has not read the Leases yet.
        """
        if self._reflector is None or not self._reflector.is_synced:
            return None
        now = self._monotonic()
        found = {}
        for sight in self._seen.values():
            age = now - sight.renewed
            if age < self._pace.forget or sight.is_pod:
                found[sight.heard.name] = sight.heard if age < self._pace.live else sight.silent
        if self._own is not None:
            found[self._name] = self._own  # Of itself it knows without being told.
        known = tuple(found[name] for name in sorted(found))
        if known != self._known:
            self._known = known
        return self._known

    async def run(self) -> None:
        """Say what is loaded here, and listen to the others while this replica leads; until closed."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._report())
            both.create_task(self._listen())

    async def close(self) -> None:
        """Say that this replica is gone."""
        self._is_closed = True
        if self._own is None:
            return
        try:
            async with self._writing:  # What is under way would bring the Lease back.
                await self._api.delete(f"{self._collection}/{lease_name(self._name)}")
        except ApiError as fault:
            self._fail(fault)  # It is told as silent then, until its pod is gone.

    async def _report(self) -> None:
        while self._own is None:
            await self._news.wait()
        while not self._is_closed:
            self._news.clear()
            done = await self._written(self._own)
            await self._clock.sleep(self._pace.news)
            await first_of(self._news.wait(), self._clock.sleep(spread(self._pace.renew * (0.8 if done else 0.2), 0.2)))

    async def _written(self, own: Replica) -> bool:
        try:
            async with self._writing:
                if not self._is_closed:
                    lease = lease_of(own, self._pace.live, micro_time(self._clock.time()), self._uid)
                    await self._api.apply(f"{self._collection}/{lease['metadata']['name']}", lease)
        except ApiError as fault:
            self._fail(fault)
            return False
        self.failure = ""
        return True

    def _fail(self, fault: ApiError) -> None:
        told = fault.told(f"get, list, watch, create, patch and delete on leases in {self._namespace}")
        self.failure = f"Lease {lease_name(self._name)}: {told}"

    async def _listen(self) -> None:
        while not self._is_closed:
            if self._is_leader():
                await self._lead()
            await self._clock.sleep(self._pace.look)

    async def _lead(self) -> None:
        """Follow the Leases of all replicas for as long as this one leads."""
        narrow = self._api.narrowed(labelSelector=f"{LABEL}=true")
        # Our own renewals alone break the silence more often than that; a watch that lost them would make all others look dead.
        quiet = Pace(silence=self._pace.live * 2 / 3)
        self._reflector = Reflector(narrow, self._collection, self._clock, self._look, quiet)
        self._seen = {}
        following = asyncio.create_task(self._reflector.run())
        try:
            while self._is_leader() and not following.done():
                await self._clock.sleep(self._pace.look)
                await self._forget()
        finally:
            self._reflector = None
            following.cancel()
            await asyncio.wait([following])
        if not following.cancelled():
            following.result()

    def _look(self) -> None:
        """Take note of the Leases that changed."""
        if self._reflector is None:
            return
        seen: dict[str, _Sight] = {}
        for key, lease in self._reflector.store.items():
            known = self._seen.get(key)
            seen[key] = known if known is not None and known.lease is lease else self._sight(lease, known)
        self._seen = seen

    def _sight(self, lease: Object, known: _Sight | None) -> _Sight:
        now, stamp = self._monotonic(), (lease.get("spec") or {}).get("renewTime")
        if known is None:
            # How old a Lease is at first sight only its own stamp can say; from then on, our clock alone.
            renewed = now - max(0.0, self._clock.time() - unix_time(stamp))
        else:
            renewed = now if stamp != (known.lease.get("spec") or {}).get("renewTime") else known.renewed
        heard = replica_of(lease)
        return _Sight(lease, renewed, now, heard, replace(heard, silent_since=whole_seconds(unix_time(stamp))))

    async def _forget(self) -> None:
        """Delete what a replica left behind that ended without a word, one a minute."""
        now = self._monotonic()
        if now - self._forgot < 60:
            return
        for sight in self._seen.values():
            if now - sight.unchanged > self._pace.forget and not sight.is_pod:
                self._forgot = now
                try:
                    await self._api.delete(f"{self._collection}/{sight.lease['metadata']['name']}")
                except ApiError as fault:
                    self._fail(fault)
                return
