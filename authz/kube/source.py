"""AuthPolicies of an API server, with everything around them, as a source. Satisfies service.ports.Source."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Final

from authz.kube.api import Api, Object
from authz.kube.contents import by_kind, divided, is_same, permitted
from authz.kube.decoding import Decoded
from authz.kube.followed import Followed
from authz.kube.last_known import LastKnown, Objects
from authz.kube.reflector import Pace, Reflector
from authz.kube.resources import GATEWAYS, GRANTS, POLICIES, ROUTES, in_namespace
from authz.kube.texts import Texts
from authz.model.cluster import Cluster
from authz.model.declared import Contents, Declared, Stray
from authz.model.policy import PolicyName
from authz.model.reference import Reference, Selection
from authz.service.ports import Clock, SourceError
from authz.service.slices import Steps, in_slices
from authz.service.standing import WatchState
from authz.service.waiting import first_of

# Seconds that a change waits for others: so long that updates take half of the time at most, within these bounds.
QUIET: Final = (0.002, 0.1)
# Seconds that a new reference may take to be read before its policy is judged without it.
FIRST_LOOK: Final = 1.0
# Seconds that a start waits for an API server before it goes by what was last known.
PATIENCE: Final = 5.0
# Seconds from one writing of what is known to the next, at the least.
KEEP_EVERY: Final = 10.0


class KubeSource:
    """Follows AuthPolicies of all namespaces, or of some; the routes of the listed Gateways; grants; and what policies refer to.

    Attributes:
        policies: follows the AuthPolicies.
        loaded_version: the resourceVersion up to which every AuthPolicy has been handed out and dealt with.
        is_restored: whether something is still as the file said, because the server has not told it since the start.
    """

    def __init__(
        self,
        api: Api,
        clock: Clock,
        gateways: Iterable[PolicyName] = (),
        last_known: LastKnown | None = None,
        pace: Pace | None = None,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._api = api
        self._clock = clock
        self._dirty = asyncio.Event()
        self._unsaved = asyncio.Event()
        self._last_known = last_known
        self._decoded = Decoded()
        self._handed: Contents | None = None
        self._dealt_with: Contents | None = None
        self._in_use: frozenset[Reference | Selection] = frozenset()
        self._known_since = 0.0
        self._was_restored = False
        self._version_of_last = ""
        self._kept_badly = ""

        def following(path: str, **narrowed: str) -> Reflector:
            # What must be there is asked for soon again; without Gateway API there may be no grants for ever.
            usual = Pace() if path.endswith("/referencegrants") else Pace(absent=2.0)
            return Reflector(api.narrowed(**narrowed) if narrowed else api, path, clock, self._dirty.set, pace or usual)

        def everywhere(path: str) -> Followed:
            return Followed([following(in_namespace(path, name)) for name in namespaces] or [following(path)])

        self.loaded_version = ""
        self.policies = everywhere(POLICIES)
        self._grants = everywhere(GRANTS)
        self._gateways = {
            name: following(in_namespace(GATEWAYS, name.namespace), fieldSelector=f"metadata.name={name.name}") for name in gateways
        }
        self._routes = everywhere(ROUTES) if self._gateways else None
        self._texts = Texts(api, clock, self._dirty.set, pace)

    @property
    def _reflectors(self) -> list[Reflector | Followed]:
        return [self.policies, self._grants, *([self._routes] if self._routes else ()), *self._gateways.values()]

    async def run(self) -> None:
        """Follow the server, for ever."""
        async with asyncio.TaskGroup() as group:
            for each in self._reflectors:
                group.create_task(each.run())
            if self._last_known is not None:
                group.create_task(self._keep(self._last_known))

    async def close(self) -> None:
        """Write down what is known, and close the connection."""
        if self._last_known is not None and self._unsaved.is_set():
            await self._write(self._last_known)
        await self._texts.close()
        await self._api.close()

    async def first(self) -> Contents:
        """Return everything that the server holds, once it has told; where it is silent, what was last known of it.

        Without either its silence is waited out: it is no empty cluster.
        """
        kept = await asyncio.to_thread(self._last_known.read) if self._last_known is not None else None
        until = self._clock.time() + PATIENCE
        while not await self._is_known():
            if kept is None:
                await self._woken_within(FIRST_LOOK)
            elif not await self._woken_within(until - self._clock.time()):
                if self._restored(kept):
                    break
                kept = None
            self._dirty.clear()
        self._handed = await in_slices(self._contents())
        return self._handed

    async def changes(self) -> AsyncIterator[Contents | SourceError]:
        """Yield everything after each change that may matter to a decision."""
        if self._handed is not None and self._dealt_with is None:
            # What was handed out first has been dealt with, or nobody would ask for more.
            self._dealt_with, self.loaded_version = self._handed, self._version_of_last
        elif self._handed is not self._dealt_with:
            self._dirty.set()  # Dealing with the last was broken off.
        took, ended = 0.0, self._clock.time()
        while True:
            await self._dirty.wait()
            rest = took - (self._clock.time() - ended)
            await self._clock.sleep(min(max(rest, QUIET[0]), QUIET[1]))
            self._dirty.clear()
            began = self._clock.time()
            contents = await in_slices(self._contents())
            if self._texts.took_up_more and not self._texts.are_answered and await self._woken_within(FIRST_LOOK):
                contents = await in_slices(self._contents())
            version, self._handed = self._version_of_last, contents
            if self._dealt_with is None or not is_same(self._dealt_with, contents):
                yield contents
            # It has been dealt with when the next is asked for.
            self._dealt_with, self.loaded_version = contents, version
            ended = self._clock.time()
            took = ended - began

    async def _woken_within(self, seconds: float) -> bool:
        """Wait for something to be heard from the server; return False where nothing is for so long."""
        await first_of(self._dirty.wait(), self._clock.sleep(max(seconds, 0)))
        return self._dirty.is_set()

    async def _is_known(self) -> bool:
        if not self._is_told or not all(each.is_answered for each in self._reflectors):
            return False
        await in_slices(self._contents())  # From now on, what the policies refer to is followed.
        self._known_since = self._known_since or self._clock.time()
        # A text that nobody answers for must not keep everybody waiting: its policies answer 503 meanwhile.
        return self._texts.are_answered or self._clock.time() - self._known_since >= FIRST_LOOK

    def use(self, references: frozenset[Reference | Selection]) -> None:
        """Follow these too: versions of policies are in use that refer to them, though newer ones do not."""
        if references != self._in_use:
            self._in_use = references
            self._dirty.set()

    def _contents(self) -> Steps[Contents]:
        self._version_of_last = self.policies.version
        found = yield from self._decoded.policies(self.policies.store)
        declared = tuple(each for each in found if isinstance(each, Declared))
        grants = self._decoded.grants(self._grants.store)
        wanted = yield from permitted(declared, Cluster(grants=grants))
        references, selections = divided(wanted | self._in_use)
        self._texts.follow(references, selections)
        listed = {name: each.store.get(str(name)) for name, each in self._gateways.items()}
        routes = yield from self._decoded.routes(self._routes.store if self._routes else {}, listed)
        selected = yield from self._texts.selected(selections)
        cluster = Cluster(routes, frozenset(name for name in listed if listed[name]), grants, self._texts.of(references), selected)
        self._unsaved.set()
        return Contents(declared, tuple(each for each in found if isinstance(each, Stray)), cluster=cluster, is_restored=self.is_restored)

    @property
    def is_restored(self) -> bool:
        """Whether something is still as the file said."""
        return self._was_restored and not self._is_told

    @property
    def _is_told(self) -> bool:
        """Whether the server has told of all policies since the start, and of all routes where these count."""
        return self.policies.is_synced and (self._routes is None or self._routes.is_synced)

    @property
    def follows_routes(self) -> bool:
        """Whether Gateways are listed, so that routes are read."""
        return self._routes is not None

    def troubles(self) -> Iterator[tuple[str, str]]:
        """Yield for each kind of object why it cannot be read now, or "" where it can."""
        for each in self._reflectors:
            # Without Gateway API there are no grants; that is no trouble unless routes are wanted.
            is_absent = each is self._grants and each.refusal == 404
            yield each.resource, "" if is_absent else each.failure
        for name, each in self._gateways.items():
            is_missing = each.is_synced and not each.store
            yield f"gateway {name}", "there is none; correct --gateway (chart: gateways), or create it" if is_missing else ""
        yield "snapshot", self._kept_badly

    def watches(self) -> tuple[WatchState, ...]:
        """Return how well each kind of object is followed; of several watches of one kind, all together."""
        return by_kind([*(reflector.state() for reflector in self._reflectors), *self._texts.states()])

    def _restored(self, kept: Objects) -> bool:
        """Begin with what was last known; return False where that cannot be read after all."""
        self._was_restored = True
        try:
            self.policies.restore(kept.get("authpolicies", {}))
            self._grants.restore(kept.get("referencegrants", {}))
            if self._routes is not None:
                self._routes.restore(kept.get("httproutes", {}))
            for name, each in self._gateways.items():
                each.restore({key: one for key, one in kept.get("gateways", {}).items() if key == str(name)})
            for _ in self._contents():
                pass
            self._texts.restore(kept.get("configmaps", {}))
        except Exception:  # noqa: BLE001 - a file may hold anything
            self._was_restored = False
        return self._was_restored

    async def _keep(self, last_known: LastKnown) -> None:
        while True:
            await self._unsaved.wait()
            await self._clock.sleep(KEEP_EVERY)
            await self._write(last_known)

    async def _write(self, last_known: LastKnown) -> None:
        if self.is_restored or not self.policies.is_synced:
            return  # What is known now is no better than what the file says.
        held: dict[str, Mapping[str, Object]] = {"authpolicies": self.policies.store, "referencegrants": self._grants.store}
        held["httproutes"] = self._routes.store if self._routes is not None else {}
        held["gateways"] = {key: one for each in self._gateways.values() for key, one in each.store.items()}
        self._unsaved.clear()
        is_written = False
        try:
            await last_known.write({**held, "configmaps": self._texts.public()})
            self._kept_badly, is_written = "", True
        except OSError as fault:
            self._kept_badly = f"{last_known.path} cannot be written: {fault.strerror}; a restart needs the API server"
        finally:
            if not is_written:
                self._unsaved.set()  # Also where the writing was broken off.
