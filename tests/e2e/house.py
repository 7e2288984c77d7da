"""Several services, each told something else by its operator, behind one Envoy with a listener for each way in; kept for a whole module."""

import asyncio
import copy
import io
import json
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from authz.demo.bootstrap import Topology
from authz.demo.proxy import Proxy
from tests import canaries
from tests.e2e.gate import Shape, ports_of, shaped
from tests.e2e.stack import LOOPBACK, Plan, envoy, serving
from tests.e2e.wire import Answered, Asked, Backend, Http1, Line, listening

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Door:
    """A listener: its shape, and the name of the service that it asks."""

    service: str
    shape: Shape


@dataclass(slots=True)
class House:
    """What a test talks to. `ports`: of the doors, by name; `policies`: the directory that all services read."""

    ports: dict[str, int]
    backend: Backend
    policies: Path
    log: io.StringIO

    async def ask(
        self,
        door: str,
        host: str,
        target: str = "/",
        lines: tuple[Line, ...] = (),
        *,
        tls: ssl.SSLContext | None = None,
        opening: bytes = b"",
    ) -> Answered:  # fmt: skip
        """The answer to a GET on a connection of its own."""
        client = Http1(self.ports[door], tls, opening)
        try:
            return await client(Asked(target=target.encode(), host=host.encode(), lines=lines))
        finally:
            client.close()

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file beside the policies, as an editor would: beside, then in place."""
        beside = self.policies / f".{name}.tmp"
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(self.policies / name)

    def lines(self) -> list[dict[str, Any]]:
        """The structured lines of all services so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@asynccontextmanager
async def house(policies: Path, plans: Mapping[str, Plan], doors: Mapping[str, Door]) -> AsyncIterator[House]:
    """A house whose services, by name, serve the policies that stand in a directory."""
    log, backend = io.StringIO(), Backend()
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(listening(backend))
        checks: dict[str, int] = {}
        for name, plan in plans.items():
            _, addresses = await stack.enter_async_context(serving(policies, {}, plan, log))
            checks[name] = addresses.checks.port
        proxy = await stack.enter_async_context(Proxy(envoy(), _configuration(checks, upstream, doors), next(iter(doors))))
        yield House(await ports_of(proxy.admin), backend, policies, log)
    assert list(canaries.found_in(log.getvalue())) == []


def _configuration(checks: Mapping[str, int], upstream: int, doors: Mapping[str, Door]) -> str:
    topology = Topology(0, (LOOPBACK, next(iter(checks.values()))), (LOOPBACK, upstream))
    built = json.loads(shaped(topology, {name: _asking(door) for name, door in doors.items()}))
    clusters = built["staticResources"]["clusters"]
    (usual,) = (each for each in clusters if each["name"] == "checks")
    for name, port in checks.items():
        one = copy.deepcopy(usual)
        one["name"] = one["loadAssignment"]["clusterName"] = f"checks-{name}"
        one["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"]["portValue"] = port
        clusters.append(one)
    return json.dumps(built)


def _asking(door: Door) -> Shape:
    service = {"envoyGrpc": {"clusterName": f"checks-{door.service}"}, "timeout": "2s"}
    return {**door.shape, "filter": {**door.shape.get("filter", {}), "grpcService": service}}


@dataclass(slots=True)
class Kept(Generic[T]):
    """Something asynchronous that several tests use one after the other, in one event loop."""

    value: T
    _runner: asyncio.Runner

    def run(self, test: Coroutine[Any, Any, R]) -> R:
        """What a test returns, run where the value lives."""
        return self._runner.run(test)


@contextmanager
def kept(entered: AbstractAsyncContextManager[T]) -> Iterator[Kept[T]]:
    """Enter once, for all tests of a module, and leave after the last."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield Kept(runner.run(stack.enter_async_context(entered)), runner)
        finally:
            runner.run(stack.aclose())
