"""Writes the status of every policy, while this replica leads. Level-triggered: what differs is due, whatever the reason was.

The walk over all policies does next to nothing for one about which nothing changed. What is due waits its turn, is computed
anew when that comes, and is written against the version that it was computed from.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from authz.api.decode import API_VERSION
from authz.api.v1alpha1 import KIND
from authz.kube.api import Api, ApiError, Object
from authz.kube.events import Events
from authz.kube.programmed import Loaded, Replica, Roll, version_of
from authz.kube.resources import POLICIES, in_namespace
from authz.kube.status import is_count_only, status_of, transitions
from authz.kube.term import Term
from authz.model.policy import PolicyName
from authz.service.ports import Clock
from authz.service.slices import Steps, in_slices
from authz.service.standing import Standing
from authz.service.waiting import first_of

# Seconds between two writes, and between two walks where nothing is due.
BETWEEN: Final = 0.1
_LOOK: Final = 0.5
# Writes before the next walk, which may find what is more urgent.
_BATCH: Final = 5


# Policies between two chances for others to have their turn.
_STRIDE: Final = 50


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a policy was last judged by."""

    standing: Standing
    newest: Object
    term: Term
    roll: Roll | None
    loaded: Loaded | None

    def is_of(self, standing: Standing, newest: Object, term: Term) -> bool:
        """Return whether it was by these. An update tells of every policy anew, and of most the same as before."""
        return self.newest is newest and self.term is term and (self.standing is standing or self.standing == standing)


@dataclass(slots=True)
class _Known:
    """What is known of one policy.

    Attributes:
        observed: as the watch brought it last.
        version: at which resourceVersion its generation was first seen here.
        answered: as the server answered us last, until the watch brings that.
        judged: what it was last judged by; None where it is to be judged in any case.
    """

    observed: Object
    version: int
    answered: Object | None = None
    judged: _Judged | None = None

    @property
    def newest(self) -> Object:
        """The policy as the server holds it, as far as is known: the watch may not yet have brought what we wrote."""
        return self.answered or self.observed

    def observe(self, observed: Object) -> None:
        """Take note of what the watch brought."""
        if _generation(observed) != _generation(self.observed):
            self.version = _version(observed)
        self.observed = observed
        if self.answered is not None and _version(observed) >= _version(self.answered):
            self.answered = None


class StatusWriter:
    """Writes what differs, at most ten a second.

    Attributes:
        counts: how many writes, by result: `success`, `conflict` (somebody changed or deleted the policy first), `failure`.
        failure: why the last write failed, and what to do; "" where it did not.
    """

    def __init__(
        self, api: Api, clock: Clock, is_leader: Callable[[], bool], replicas: Callable[[], tuple[Replica, ...] | None],
        observed: Callable[[], Mapping[str, Object]], events: Events,
    ) -> None:  # fmt: skip
        self._api = api
        self._clock = clock
        self._is_leader = is_leader
        self._replicas = replicas
        self._observed = observed
        self._events = events
        self._news = asyncio.Event()
        self._standings: dict[str, Standing] = {}
        self._known: dict[str, _Known] = {}
        self._term = Term(clock.time())
        self.counts = {"success": 0, "conflict": 0, "failure": 0}
        self.failure = ""

    def told(self, standings: Mapping[PolicyName, Standing]) -> None:
        """Take note of how every policy stands now."""
        self._standings = {str(name): standing for name, standing in standings.items()}
        self._news.set()

    async def run(self) -> None:
        """Write what differs whenever this replica leads, for ever."""
        while True:
            self._news.clear()
            await in_slices(self._note())
            if self._is_leader():
                await in_slices(self._judge())
                await self._write_some()
            else:
                self._term = Term(self._clock.time())
            if self._term.is_idle(self._clock.time()):
                await first_of(self._news.wait(), self._clock.sleep(_LOOK))

    def _note(self) -> Steps[None]:
        """Note at which version each generation was first seen. Everyone does, for everyone may lead next."""
        standings, observed = self._standings, self._observed()
        for step, key in enumerate(standings):
            each, known = observed.get(key), self._known.get(key)
            if known is None and each is not None:
                self._known[key] = _Known(each, _version(each))
            elif known is not None and each is not None and each is not known.observed:
                known.observe(each)
            if step % _STRIDE == 0:
                yield
        gone = self._known.keys() - (standings.keys() & observed.keys())
        self._term.drop(gone)
        for key in gone:
            del self._known[key]

    def _judge(self) -> Steps[None]:
        """Put in line what is to be written."""
        now, term = self._clock.time(), self._term
        if not term.hear(self._replicas(), now):
            return
        for step, (key, known) in enumerate(self._known.items()):
            standing = self._standings.get(key)
            if standing is not None:
                self._judge_one(key, known, standing, now)
            if step % _STRIDE == 0:
                yield

    def _judge_one(self, key: str, known: _Known, standing: Standing, now: float) -> None:
        newest, term, judged = known.newest, self._term, known.judged
        is_same = judged is not None and judged.is_of(standing, newest, term)
        if is_same and judged is not None and judged.roll is term.roll and judged.standing is standing:
            return
        loaded = self._loaded(standing, known)
        if term.waits(key, loaded, newest, now):
            return
        if not (is_same and judged is not None and judged.loaded == loaded):
            status = status_of(standing, loaded, newest, now)
            is_count = status is not None and is_count_only(status, newest.get("status") or {})
            term.line_up(key, is_due=status is not None, is_count=is_count)
        known.judged = _Judged(standing, newest, term, term.roll, loaded)

    def _loaded(self, standing: Standing, known: _Known) -> Loaded | None:
        """Return how far a policy is loaded; None where that is not known, or not the question."""
        roll = self._term.roll
        return roll.loaded(standing.name, known.version) if roll is not None and standing.programmed is None else None

    async def _write_some(self) -> None:
        for _ in range(_BATCH):
            key = self._term.next(self._clock.time())
            if key is None or not self._is_leader():
                return
            if key in self._known:
                await self._write(key, self._known[key])
                await self._clock.sleep(BETWEEN)

    async def _write(self, key: str, known: _Known) -> None:
        namespace, _, name = key.partition("/")
        path = f"{in_namespace(POLICIES, namespace)}/{name}"
        known.judged = None
        try:
            if not await self._applied(key, known, path):
                await self._clock.sleep(BETWEEN)
                known.answered = await self._api.get(path, {})
                await self._applied(key, known, path)
        except ApiError as fault:
            self._fail(key, fault)

    async def _applied(self, key: str, known: _Known, path: str) -> bool:
        """Write what is due by what is known now. Return whether nobody else changed the policy meanwhile."""
        observed = known.newest
        status = self._status(key, known, observed)
        if status is None or not self._is_leader():
            return True
        metadata = {name: observed["metadata"][name] for name in ("namespace", "name", "resourceVersion")}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": status}
        try:
            written = await self._api.apply(f"{path}/status", body)
        except ApiError as fault:
            if fault.status != 409:
                raise
            self.counts["conflict"] += 1
            return False
        written["metadata"].pop("managedFields", None)
        known.answered = written
        self.counts["success"] += 1
        self.failure = ""
        self._term.succeeded(key)
        self._events.tell(written, transitions(observed.get("status") or {}, status))
        return True

    def _status(self, key: str, known: _Known, observed: Object) -> Object | None:
        standing, now = self._standings.get(key), self._clock.time()
        if standing is None:
            return None
        loaded = self._loaded(standing, known)
        return None if self._term.waits(key, loaded, observed, now) else status_of(standing, loaded, observed, now)

    def _fail(self, key: str, fault: ApiError) -> None:
        if fault.status == 404:
            self.counts["conflict"] += 1  # It is gone; the watch will say so.
        else:
            self.failure = f"status of {key}: {fault.told('patch on authpolicies/status and get on authpolicies')}"
            self.counts["failure"] += 1
        self._term.failed(key, fault, self._clock.time())


def _version(each: Object) -> int:
    return version_of(each["metadata"]["resourceVersion"])


def _generation(each: Object) -> tuple[str, int]:
    return each["metadata"].get("uid", ""), each["metadata"].get("generation", 0)
