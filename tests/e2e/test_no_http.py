"""Through a real Envoy: what is no HTTP request with a path is denied: CONNECT, and connections of TCP."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from authz.demo.bootstrap import Topology, bootstrap_json
from authz.demo.proxy import Proxy
from authz.model.operator import ClientAddress, Operator
from tests.builders import a_manifest
from tests.e2e.gate import PLAIN, gate
from tests.e2e.stack import Plan, envoy
from tests.e2e.wire import LOOPBACK, Backend, Http1, Http2, Line, listening
from tests.service.waiting import until

pytestmark = pytest.mark.envoy

OPEN = a_manifest("hosts: [localhost]\nrules: [{name: all, allow: [{name: anyone, anonymous: {}}]}]")
EVERYWHERE = Plan(operator=Operator(ClientAddress(), unprotected_all=True))
# An Envoy that would open a tunnel to the backend.
TUNNEL: dict[str, Any] = {
    "upgradeConfigs": [{"upgradeType": "CONNECT"}],
    "http2ProtocolOptions": {"allowConnect": True},
    "routes": [
        {
            "match": {"connectMatcher": {}},
            "route": {"cluster": "upstream", "upgradeConfigs": [{"upgradeType": "CONNECT", "connectConfig": {}}]},
        }
    ],
}
UNASKED = {"filter": {"filterEnabled": {"defaultValue": {"numerator": 0}}}}


def test_a_tunnel_is_never_opened_whatever_a_policy_allows(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [OPEN], {"plain": PLAIN, "tunnel": TUNNEL}, EVERYWHERE) as at:
            for shape in at.ports:
                one, two = at.one(shape), at.one(shape, http2=True)
                assert isinstance(one, Http1)
                assert isinstance(two, Http2)
                for host in (b"localhost:80", b"localhost", b"other.example:443", b"[::1]:80"):
                    answered = await one.octets(b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (host, host))
                    assert answered.status in ((400,) if shape == "tunnel" else (400, 404)), host
                    fields: list[Line] = [(b":method", b"CONNECT"), (b":authority", host)]
                    assert (await two.fields(fields)).status in (0, 400, 403, 404), host
                # With a path, as for a WebSocket over HTTP/2.
                fields = [(b":method", b"CONNECT"), (b":protocol", b"connect-udp"), (b":scheme", b"http"), (b":path", b"/x/../admin")]
                assert (await two.fields([*fields, (b":authority", b"localhost")])).status != 200
            assert at.backend.connections == 0
            assert at.backend.heads == []
            await until(lambda: [line.get("reason") for line in at.lines()].count("request.malformed") >= 4)
            assert "allow" not in [line.get("decision") for line in at.lines()]

    asyncio.run(body())


def test_the_same_envoy_opens_it_where_it_does_not_ask(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [OPEN], {"unasked": {**TUNNEL, **UNASKED}}) as at:
            client = at.one("unasked")
            assert isinstance(client, Http1)
            assert (await client.octets(b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost:80\r\n\r\n", has_body=False)).status == 200
            await until(lambda: at.backend.connections == 1)

    asyncio.run(body())


def tcp(topology: Topology, *, asks: bool) -> str:
    """An Envoy that passes connections on, and asks about each of them."""
    built = json.loads(bootstrap_json(topology))
    kinds = "type.googleapis.com/envoy.extensions.filters.network"
    service = {"envoyGrpc": {"clusterName": "checks"}, "timeout": "2s"}
    ask = {"@type": f"{kinds}.ext_authz.v3.ExtAuthz", "statPrefix": "tcp", "transportApiVersion": "V3", "grpcService": service}
    passes = {"@type": f"{kinds}.tcp_proxy.v3.TcpProxy", "statPrefix": "tcp", "cluster": "upstream"}
    filters = [{"name": "ask", "typedConfig": ask}] * asks + [{"name": "pass", "typedConfig": passes}]
    built["staticResources"]["listeners"][0]["filterChains"][0]["filters"] = filters
    return json.dumps(built)


async def spoken(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    async with asyncio.timeout(10):
        try:
            return await reader.read(1000)
        except ConnectionError:
            return b""
        finally:
            writer.close()


def test_a_connection_of_tcp_is_closed_and_nothing_of_it_reaches_the_backend(tmp_path: Path) -> None:
    async def body() -> None:
        backend = Backend()
        async with gate(tmp_path, [OPEN], {"plain": PLAIN}, EVERYWHERE) as at, listening(backend) as upstream:
            topology = Topology(0, (LOOPBACK, at.checks), (LOOPBACK, upstream))
            async with Proxy(envoy(), tcp(topology, asks=True)) as proxy:
                assert [await spoken(proxy.port) for _ in range(3)] == [b"", b"", b""]
            assert backend.heads == []
            await until(lambda: [line["reason"] for line in at.lines() if "reason" in line] == ["request.malformed"] * 3)
            async with Proxy(envoy(), tcp(topology, asks=False)) as proxy:
                assert (await spoken(proxy.port)).startswith(b"HTTP/1.1 200 OK")

    asyncio.run(body())
