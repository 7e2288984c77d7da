"""Replicas of the service, in this process, that follow the tests' API server; asked over gRPC as Envoy asks."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from authz.app import Running, Service
from authz.envoy.server import SERVICE
from authz.model.operator import ClientAddress, HostGrant, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.settings import Address, ClusterSettings, Settings
from tests.envoy.messages import check_request, reason_of

ANY = Address("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Replica:
    """What a test talks to."""

    service: Service
    running: Running
    channel: grpc.aio.Channel
    log: io.StringIO

    async def reason(self, host: str = "localhost", path: str = "/") -> str:
        """The reason of the decision on a request."""
        check = self.channel.unary_unary(f"/{SERVICE}/Check")
        return reason_of(await check(check_request(path=path, host=host), timeout=5))

    def lines(self) -> list[dict[str, Any]]:
        """The structured lines so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@asynccontextmanager
async def replica(
    kubeconfig: Path, namespace: str, name: str = "one", *, snapshot: Path | None = None, writes: bool = True, gateway: str = "gw"
) -> AsyncIterator[Replica]:
    """A replica whose Leases are in `namespace`, which may decide for hosts; a Gateway there is listed ("": none is)."""
    listed = (ListedGateway(PolicyName(namespace, gateway)),) if gateway else ()
    said = Operator(ClientAddress(), host_grants=(HostGrant(namespace),), gateways=listed)
    how = ClusterSettings(kubeconfig, namespace if writes else "", name, snapshot)
    async with running_service(Settings(None, ANY, ANY, said, drain_seconds=0, grace_seconds=1, cluster=how)) as one:
        yield one


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[Replica]:
    """A replica with these settings."""
    log = io.StringIO()
    service = Service(settings, log)
    stopped = asyncio.Event()
    up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(service.run(stopped, up.set_result))
    try:
        async with asyncio.timeout(30):
            await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        running = await up
        async with grpc.aio.insecure_channel(str(running.checks)) as channel:
            yield Replica(service, running, channel, log)
    finally:
        stopped.set()
        await asyncio.gather(task, return_exceptions=True)


async def eventually(wanted: Callable[[], Any], within: float = 15.0) -> Any:
    """What `wanted`, run beside the loop, returns once it is true."""
    async with asyncio.timeout(within):
        while not (found := await asyncio.to_thread(wanted)):  # noqa: ASYNC110 - a server has no event
            await asyncio.sleep(0.05)
        return found


async def decides(one: Replica, reason: str, host: str = "localhost", within: float = 20.0) -> None:
    """Return once a replica gives this reason for requests to a host."""
    async with asyncio.timeout(within):
        while await one.reason(host) != reason:  # noqa: ASYNC110 - a decision has no event
            await asyncio.sleep(0.02)
