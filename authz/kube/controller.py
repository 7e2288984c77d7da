"""What a replica does for its cluster besides answering: says how policies stand, and how well it follows them itself."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from authz.kube.api import Api
from authz.kube.elector import Elector
from authz.kube.events import Events
from authz.kube.replicas import Replicas
from authz.kube.source import KubeSource
from authz.kube.writer import StatusWriter
from authz.model.policy import PolicyName
from authz.service.keyring import IssuerKeys
from authz.service.ports import Clock, Journal
from authz.service.slices import Steps, in_slices
from authz.service.standing import ClusterState, Standing, standing_of
from authz.service.states import Report

LEADER_LEASE: Final = "ingress-authz"
# Seconds between two looks at what no update tells: keys, the election, watches.
LOOK_EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this replica is.

    Attributes:
        namespace: where the service's Leases are.
        replica: its own name, which no other replica has.
        uid: of its pod; "" where it is none.
    """

    namespace: str
    replica: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class _Look:
    """Of an update's report, what is looked at again and again."""

    report: Report
    keys: tuple[IssuerKeys, ...]
    not_in_use: frozenset[PolicyName]


class Controller:
    """Says it, for ever. Without an identity nothing is written."""

    def __init__(self, api: Api, source: KubeSource, identity: Identity | None, clock: Clock, journal: Journal) -> None:
        self._source = source
        self._clock = clock
        self._journal = journal
        self._report: Report | None = None
        self._looked: _Look | None = None
        self._stood: tuple[tuple[bool, bool, str], ...] | None = None
        self._said: dict[str, str] = {}
        self._writing = _Writing(api, source, identity, clock) if identity is not None else None

    def told(self, report: Report) -> None:
        """Take note of what an update came to."""
        self._report = report

    async def run(self) -> None:
        """Say what there is to say, for ever."""
        async with asyncio.TaskGroup() as group:
            if self._writing is not None:
                self._writing.start(group)
            group.create_task(self._look())

    async def close(self) -> None:
        """Let go of the Leases, so that others need not wait for them to end."""
        if self._writing is not None:
            await self._writing.close()

    def state(self) -> ClusterState:
        """Return what this replica knows of its place in the cluster."""
        writing, report = self._writing, self._report
        counts = Counter[str](each.cover for each in (report.routes if report is not None else ()))
        return ClusterState(
            watches=self._source.watches(),
            is_leader=writing is not None and writing.elector.is_leader,
            status_writes=dict(writing.writer.counts) if writing is not None else None,
            is_restored=self._source.is_restored,
            routes=counts if self._source.follows_routes else None,
        )

    async def _look(self) -> None:
        while True:
            self._tell_changes()
            report = self._report
            if self._writing is not None and report is not None:
                await self._stand(self._writing, report)
            await self._clock.sleep(LOOK_EVERY)

    async def _stand(self, writing: "_Writing", report: Report) -> None:
        """Hand on how policies stand where that changed: by an update, or because keys came or went."""
        if self._looked is None or self._looked.report is not report:
            self._looked, self._stood = await in_slices(_looked(report)), None
        keys = tuple((each.keys is not None, each.tried, each.failure) for each in self._looked.keys)
        is_news = self._stood != keys
        if is_news:
            writing.writer.told(await in_slices(_standings(report)))
            self._stood = keys
        writing.replicas.loaded(self._source.loaded_version, self._looked.not_in_use, soon=is_news)

    def _tell_changes(self) -> None:
        """Write a line where something began to fail, changed, or is well again."""
        for what, why in self.troubles():
            before = self._said.get(what, "")
            if why != before:
                self._said[what] = why
                self._journal.event("warning" if why else "info", "cluster.trouble" if why else "cluster.well", what=what, why=why)

    def troubles(self) -> Iterator[tuple[str, str]]:
        """Yield for each thing that could fail why it does, or "" where it does not."""
        yield from self._source.troubles()
        writing = self._writing
        if writing is not None:
            yield "election", writing.elector.failure
            yield "replicas", writing.replicas.failure
            yield "status", writing.writer.failure
            yield "events", writing.events.failure


class _Writing:
    """The parts that write to the API server."""

    def __init__(self, api: Api, source: KubeSource, identity: Identity, clock: Clock) -> None:
        # Two processes of one name must not both lead.
        who = f"{identity.replica}_{uuid4().hex[:12]}"
        self.elector = Elector(api, identity.namespace, LEADER_LEASE, who, clock)
        self.replicas = Replicas(api, identity.namespace, identity.replica, clock, lambda: self.elector.is_leader, uid=identity.uid)
        self.events = Events(api, identity.replica, clock)
        self.writer = StatusWriter(
            api, clock, lambda: self.elector.is_leader, self.replicas.known, lambda: source.policies.store, self.events
        )

    def start(self, group: asyncio.TaskGroup) -> None:
        for part in (self.elector, self.replicas, self.events, self.writer):
            group.create_task(part.run())

    async def close(self) -> None:
        await self.elector.close()
        await self.replicas.close()


def _standings(report: Report) -> Steps[Mapping[PolicyName, Standing]]:
    found: dict[PolicyName, Standing] = {}
    for state in report.states:
        found[state.name] = standing_of(state)
        yield
    return found


def _looked(report: Report) -> Steps[_Look]:
    keys: dict[IssuerKeys, None] = {}
    not_in_use = []
    for state in report.states:
        keys.update(dict.fromkeys(state.keys))
        if not state.in_use:
            not_in_use.append(state.name)
        yield
    return _Look(report, tuple(keys), frozenset(not_in_use))
