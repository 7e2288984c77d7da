"""An API server in memory, on the test's clock: objects by path, versions, conflicts, and faults as told. Stands in for Api."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from authz.kube.api import ApiError, Patience
from tests.fakes import FakeClock

USUAL = Patience(10, 10)


class Shared:
    """What the server holds. `log` keeps every write: who wrote (the name of the connection), how, where."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 100
        self.log: list[tuple[str, str, str]] = []
        self.watches: list[tuple[str, asyncio.Queue[dict[str, Any]]]] = []

    def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Hold this from now on, as of a new version."""
        self.version += 1
        held = copy.deepcopy(body)
        held.setdefault("metadata", {})["resourceVersion"] = str(self.version)
        kind = "MODIFIED" if path in self.objects else "ADDED"
        self.objects[path] = held
        self._tell(kind, path, held)
        return copy.deepcopy(held)

    def remove(self, path: str) -> bool:
        """Hold this no longer, and return whether it was there."""
        gone = self.objects.pop(path, None)
        if gone is not None:
            self.version += 1
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._tell("DELETED", path, gone)
        return gone is not None

    def _tell(self, kind: str, path: str, held: dict[str, Any]) -> None:
        for collection, watch in self.watches:
            if path.startswith(collection + "/"):
                watch.put_nowait({"type": kind, "object": copy.deepcopy(held)})


class MemoryApi:
    """One client's connection. `cut`: nothing arrives. `deaf`: requests arrive, answers do not. `refuses`: this status to all."""

    def __init__(self, shared: Shared, name: str = "test") -> None:
        self.shared, self.name = shared, name
        self.cut = self.deaf = False
        self.refuses = 0
        self.latency = 0.0

    async def _arrives(self, patience: Patience) -> None:
        await self._waits(self.latency / 2, patience)
        if self.cut:
            await self._waits(patience.total, patience)
        if self.refuses:
            raise ApiError(self.refuses, "refused")

    async def _returns(self, patience: Patience) -> None:
        await self._waits(self.latency / 2, patience)
        if self.deaf:
            await self._waits(patience.total, patience)

    async def _waits(self, seconds: float, patience: Patience) -> None:
        if seconds:
            await self.shared.clock.sleep(min(seconds, patience.total))
        if seconds >= patience.total:
            raise ApiError(0, "TimeoutError: ")

    def _wrote(self, verb: str, path: str) -> None:
        self.shared.log.append((self.name, verb, path))

    async def get(self, path: str, query: Any, patience: Patience = USUAL) -> dict[str, Any]:
        await self._arrives(patience)
        found = copy.deepcopy(self.shared.objects.get(path))
        await self._returns(patience)
        if found is None:
            raise ApiError(404, f"{path} not found")
        return found

    async def create(self, path: str, body: dict[str, Any], patience: Patience = USUAL) -> dict[str, Any]:
        await self._arrives(patience)
        where = f"{path}/{body['metadata']['name']}"
        written = None if where in self.shared.objects else self.shared.put(where, body)
        self._wrote("create", where)
        await self._returns(patience)
        if written is None:
            raise ApiError(409, f"{where} exists")
        return written

    async def replace(self, path: str, body: dict[str, Any], patience: Patience = USUAL) -> dict[str, Any]:
        return await self._exchanged("replace", path, body, body["metadata"]["resourceVersion"], patience)

    async def apply(self, path: str, body: dict[str, Any], patience: Patience = USUAL) -> dict[str, Any]:
        return await self._exchanged("apply", path, body, body["metadata"].get("resourceVersion"), patience)

    async def _exchanged(self, verb: str, path: str, body: dict[str, Any], version: str | None, patience: Patience) -> dict[str, Any]:
        await self._arrives(patience)
        where = path.removesuffix("/status")
        held = self.shared.objects.get(where)
        fault = None
        if held is None and (verb == "replace" or where != path):
            fault = ApiError(404, f"{where} not found")
        elif held is not None and version not in (None, held["metadata"]["resourceVersion"]):
            fault = ApiError(409, "the object has been modified")
        self._wrote(verb, path)
        written = None
        if fault is None:
            merged = (held or body) | {key: value for key, value in body.items() if key != "metadata"}
            merged["metadata"] = {**(held or {}).get("metadata", {}), **body["metadata"]}
            written = self.shared.put(where, merged)
        await self._returns(patience)
        if fault is not None:
            raise fault
        assert written is not None
        return written

    async def delete(self, path: str, patience: Patience = USUAL) -> None:
        await self._arrives(patience)
        was_there = self.shared.remove(path)
        self._wrote("delete", path)
        await self._returns(patience)
        if not was_there:
            raise ApiError(404, f"{path} not found")

    def narrowed(self, **query: str) -> Self:
        return self

    async def lines(
        self, path: str, query: Any, patience: Patience, accepted: Callable[[], None] = lambda: None
    ) -> AsyncIterator[dict[str, Any]]:
        """A streaming list, then a watch without an end."""
        await self._arrives(patience)
        accepted()
        watch: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.shared.watches.append((path, watch))
        for where, held in list(self.shared.objects.items()):
            if where.startswith(path + "/"):
                yield {"type": "ADDED", "object": copy.deepcopy(held)}
        metadata = {"resourceVersion": str(self.shared.version), "annotations": {"k8s.io/initial-events-end": "true"}}
        yield {"type": "BOOKMARK", "object": {"metadata": metadata}}
        while True:
            yield await watch.get()
