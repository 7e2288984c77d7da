"""An Envoy with listeners of several shapes before one service, and a backend that tells what reached it, octet for octet."""

import copy
import io
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx2

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
# A proxy before this Envoy announces for whom each connection is (the PROXY protocol).
ANNOUNCED: Final[Shape] = {
    "before": [
        {
            "name": "proxy_protocol",
            "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"},
        }
    ]
}
_TLS: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
UNESCAPING: Final[Shape] = {**NORMALIZING, "pathWithEscapedSlashesAction": "UNESCAPE_AND_FORWARD"}


@dataclass(slots=True)
class Gate:
    """What a test talks to. `ports`: of the listeners, by the names of their shapes; `checks`: of the service."""

    ports: dict[str, int]
    checks: int
    backend: Backend
    log: io.StringIO
    clients: list[Http1 | Http2] = field(default_factory=list)

    def one(self, shape: str = "plain", *, http2: bool = False) -> Http1 | Http2:
        """A client of one listener."""
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
        self.close()
        return self.one(shape, http2=http2)

    def close(self) -> None:
        """Close every client."""
        for client in self.clients:
            client.close()
        self.clients.clear()

    def lines(self) -> list[dict[str, Any]]:
        """The structured lines so far."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def shaped(topology: Topology, shapes: Mapping[str, Shape]) -> str:
    """The configuration of one Envoy with a listener of each shape, and of its name.

    Of a shape `filter` changes the authorization filter, `routes` are put before the others, `tls` is the listener's side of TLS,
    `before` are filters of connections, the rest changes the manager.
    """
    built = json.loads(bootstrap_json(topology))
    (usual,) = built["staticResources"]["listeners"]
    built["staticResources"]["listeners"] = [_listener(usual, name, shape) for name, shape in shapes.items()]
    return json.dumps(built)


def _listener(usual: Mapping[str, Any], name: str, shape: Shape) -> dict[str, Any]:
    listener = {**copy.deepcopy(dict(usual)), "name": name}
    manager = listener["filterChains"][0]["filters"][0]["typedConfig"]
    # Envoy keeps a connection for a second after an error of HTTP/2; a client that is told so earlier sees the same.
    changes = {"delayedCloseTimeout": "0.01s", **shape}
    manager["httpFilters"][0]["typedConfig"].update(changes.pop("filter", {}))
    manager["routeConfig"]["virtualHosts"][0]["routes"][:0] = changes.pop("routes", [])
    listener["listenerFilters"] = changes.pop("before", [])
    if tls := changes.pop("tls", None):
        listener["filterChains"][0]["transportSocket"] = {"name": "tls", "typedConfig": {"@type": _TLS, **tls}}
    manager.update(changes)
    return listener


async def ports_of(admin: str) -> dict[str, int]:
    """The ports of the listeners of an Envoy, by name."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        found = (await client.get(f"http://{admin}/listeners", params={"format": "json"})).json()["listener_statuses"]
    return {each["name"]: int(each["local_address"]["socket_address"]["port_value"]) for each in found}


@asynccontextmanager
async def gate(
    folder: Path, policies: Iterable[str], shapes: Mapping[str, Shape], plan: Plan = USUAL, binary: Path | None = None
) -> AsyncIterator[Gate]:
    """A gate with a listener of each shape, and these policies."""
    binary, log, backend = binary or envoy(), io.StringIO(), Backend()
    texts = {f"{at}.yaml": text for at, text in enumerate(policies)}
    async with listening(backend) as upstream, serving(folder, texts, plan, log) as (_, addresses):
        topology = replace(Topology(0, (LOOPBACK, addresses.checks.port), (LOOPBACK, upstream)), **plan.topology)
        async with Proxy(binary, shaped(topology, shapes), next(iter(shapes))) as proxy:
            found = Gate(await ports_of(proxy.admin), addresses.checks.port, backend, log)
            try:
                yield found
            finally:
                found.close()
