"""Envoys of several shapes before one service, and behind them a backend that tells what reached it, octet for octet."""

import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from authz.app import Service
from authz.demo.bootstrap import Topology, bootstrap_json
from authz.demo.proxy import Proxy
from tests.e2e.stack import LOOPBACK, USUAL, Plan, envoy, serving
from tests.e2e.wire import Asked, Backend, Http1, Http2, Line, listening

# What is changed of the demo's connection manager and of its authorization filter.
Shape = Mapping[str, Any]
PLAIN: Final[Shape] = {}
# What every setting of Envoy leaves as it is: paths as they came, headers with "_", and an x-forwarded-for that nobody wrote on.
TRUSTING: Final[Shape] = {"useRemoteAddress": False}
NORMALIZING: Final[Shape] = {"normalizePath": True, "mergeSlashes": True}
RAW_HEADERS: Final[Shape] = {"filter": {"encodeRawHeaders": True}}
UNESCAPING: Final[Shape] = {**NORMALIZING, "pathWithEscapedSlashesAction": "UNESCAPE_AND_FORWARD"}


@dataclass(slots=True)
class Gate:
    """What a test talks to: the port of each Envoy, by the name of its shape."""

    ports: dict[str, int]
    admins: dict[str, str]
    checks: int
    backend: Backend
    service: Service
    log: io.StringIO
    clients: list[Http1 | Http2] = field(default_factory=list)

    def one(self, shape: str = "plain", *, http2: bool = False) -> Http1 | Http2:
        """A client of one Envoy."""
        self.clients.append((Http2 if http2 else Http1)(self.ports[shape]))
        return self.clients[-1]

    async def arrived(self, client: Http1 | Http2, asked: Asked) -> bytes:
        """The head that reached the backend; b"" where none did."""
        before = len(self.backend.heads)
        await client(asked)
        heads = self.backend.heads[before:]
        assert len(heads) < 2, f"{asked} became {len(heads)} requests"
        return heads[0] if heads else b""

    async def status(self, shape: str, http2: bool, target: bytes, lines: Iterable[Line]) -> int:
        """The status of the answer to a GET with these lines, on a connection of its own."""
        return (await self._alone(shape, http2)(Asked(target=target, lines=tuple(lines)))).status

    async def head(self, shape: str, http2: bool, target: bytes, lines: Iterable[Line]) -> bytes:
        """The head of it that reached the backend; b"" where none did."""
        return await self.arrived(self._alone(shape, http2), Asked(target=target, lines=tuple(lines)))

    def _alone(self, shape: str, http2: bool) -> Http1 | Http2:
        for client in self.clients:
            client.close()
        self.clients.clear()
        return self.one(shape, http2=http2)

    def lines(self) -> list[dict[str, Any]]:
        """The structured lines so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def shaped(topology: Topology, shape: Shape) -> str:
    """The configuration of an Envoy of this shape; `filter` changes the authorization filter, `routes` are prepended."""
    built = json.loads(bootstrap_json(topology))
    manager = built["staticResources"]["listeners"][0]["filterChains"][0]["filters"][0]["typedConfig"]
    # Envoy keeps a connection for a second after an error of HTTP/2; a client that is told so earlier sees the same.
    changes = {"delayedCloseTimeout": "0.01s", **shape}
    manager["httpFilters"][0]["typedConfig"].update(changes.pop("filter", {}))
    manager["routeConfig"]["virtualHosts"][0]["routes"][:0] = changes.pop("routes", [])
    manager.update(changes)
    return json.dumps(built)


@asynccontextmanager
async def gate(
    folder: Path, policies: Iterable[str], shapes: Mapping[str, Shape], plan: Plan = USUAL, binary: Path | None = None
) -> AsyncIterator[Gate]:
    """A gate with an Envoy for each shape, and these policies."""
    binary, log, backend = binary or envoy(), io.StringIO(), Backend()
    texts = {f"{at}.yaml": text for at, text in enumerate(policies)}
    async with listening(backend) as upstream, serving(folder, texts, plan, log) as (service, addresses), AsyncExitStack() as stack:
        usual = Topology(0, (LOOPBACK, addresses.checks.port), (LOOPBACK, upstream))
        topology = replace(usual, **plan.topology)
        proxies = {name: Proxy(binary, shaped(topology, shape)) for name, shape in shapes.items()}
        for proxy in proxies.values():
            await stack.enter_async_context(proxy)
        ports = {name: proxy.port for name, proxy in proxies.items()}
        found = Gate(ports, {name: proxy.admin for name, proxy in proxies.items()}, addresses.checks.port, backend, service, log)
        try:
            yield found
        finally:
            for client in found.clients:
                client.close()
