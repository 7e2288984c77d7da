"""Clients of the gRPC port that want to harm: whatever they do, an honest one is answered meanwhile, and rightly."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes

from authz.envoy.endpoint import Endpoint
from authz.envoy.server import ServerLimits
from tests.builders import Installation, a_manifest
from tests.envoy.messages import check_request, reason_of
from tests.envoy.test_overload import resident
from tests.envoy.test_server import CHECK, Scene, served

POLICY = a_manifest(
    """
    hosts: [api.example.com]
    rules:
    - {name: closed, matches: [{path: {type: Exact, value: /closed}}], allow: []}
    - {name: open, allow: [{name: anyone, anonymous: {}}]}
    """
)
HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", CHECK),
    (":authority", "authz"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]
FRAMED = b"\0" + len(check_request()).to_bytes(4, "big") + check_request()


class Hostile:
    """A connection of HTTP/2 that is ours to the last octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(validate_outbound_headers=False))
        self.h2.initiate_connection()

    async def send(self) -> None:
        """Send what has been prepared."""
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    def open_stream(self, *more: tuple[str, str], end: bool = False) -> int:
        """Begin a call, and return its stream."""
        stream: int = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [*HEADERS, *more], end_stream=end)
        return stream


@asynccontextmanager
async def hostile(port: int) -> AsyncIterator[Hostile]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Hostile(reader, writer)
    finally:
        writer.close()


async def honest(scene: Scene) -> None:
    """Both answers, and the right ones."""
    assert reason_of(await scene.ask(check_request(path="/open"))) == "rule.allow"
    assert reason_of(await scene.ask(check_request(path="/closed"))) == "rule.deny"


async def idle_connections(port: int) -> None:
    """500 that say nothing, then go."""
    async with asyncio.TaskGroup() as group:
        opened = [group.create_task(asyncio.open_connection("127.0.0.1", port)) for _ in range(500)]
    for each in opened:
        each.result()[1].close()


async def rubbish(port: int) -> None:
    """What is no HTTP/2 at all, a hundred times."""
    for data in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\0" * 1000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    ) * 25:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.close()


async def pings(port: int) -> None:
    """20,000 pings on one connection, of which nobody reads the answers."""
    async with hostile(port) as each:
        for _ in range(200):
            for _ in range(100):
                each.h2.ping(b"x" * 8)
            try:
                await each.send()
            except ConnectionError:
                return  # Sent away, which is as good.


async def settings(port: int) -> None:
    """10,000 changes of settings."""
    async with hostile(port) as each:
        for _ in range(10_000):
            each.h2.update_settings({4: 65_535})
        try:
            await each.send()
        except ConnectionError:
            return


async def stalled(port: int) -> None:
    """1,000 calls on ten connections that begin and never end."""
    for _ in range(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        each = Hostile(reader, writer)
        for _ in range(100):
            each.open_stream()
        await each.send()
        writer.transport.abort()


async def half_messages(port: int) -> None:
    """Calls that announce more than they send."""
    async with hostile(port) as each:
        for _ in range(100):
            stream = each.open_stream()
            each.h2.send_data(stream, b"\0\0\xff\xff\xff" + b"x" * 100)
        await each.send()


async def rapid_resets(port: int) -> None:
    """3,000 calls, each taken back at once (CVE-2023-44487)."""
    for _ in range(3):
        async with hostile(port) as each:
            for _ in range(1_000):
                each.h2.reset_stream(each.open_stream(), ErrorCodes.CANCEL)
            try:
                await each.send()
            except ConnectionError:
                continue


async def no_window(port: int) -> None:
    """Calls whose answers may not be sent: their window is shut."""
    async with hostile(port) as each:
        each.h2.update_settings({4: 0})
        for _ in range(500):
            stream = each.open_stream()
            each.h2.send_data(stream, FRAMED, end_stream=True)
        await each.send()


async def large_headers(port: int) -> None:
    """Calls with a quarter of a megabyte of headers, in CONTINUATION frames (CVE-2024-27316 and its kin)."""
    async with hostile(port) as first:
        first.open_stream(*((f"x-{number}", "y" * 4_000) for number in range(64)))
        data = first.h2.data_to_send()
    for _ in range(50):
        async with hostile(port) as each:
            each.writer.write(data)
            try:
                await each.writer.drain()
            except ConnectionError:
                continue


ATTACKS: list[Callable[[int], Coroutine[Any, Any, None]]] = [
    idle_connections,
    rubbish,
    pings,
    settings,
    stalled,
    half_messages,
    rapid_resets,
    no_window,
    large_headers,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_honest_client_is_answered_during_and_after(attack: Callable[[int], Coroutine[Any, Any, None]]) -> None:
    installation = Installation(POLICY)

    async def story(scene: Scene) -> None:
        await honest(scene)
        before = resident()
        # In a thread: what it costs to attack is not the server's.
        running = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(attack(scene.port))))
        asked = 0
        while not running.done() or asked < 20:
            await honest(scene)
            asked += 1
        await running
        await honest(scene)
        assert resident() - before < 64 * 1024 * 1024

    served(Endpoint(installation.checker, installation.journal), story)
    assert installation.journal.faults == []
    reasons = installation.journal.reasons()
    assert set(reasons) <= {"rule.allow", "rule.deny", "request.malformed"}


def test_who_connects_and_says_nothing_is_sent_away() -> None:
    async def story(scene: Scene) -> None:
        loop: Any = asyncio.get_running_loop()
        silent = socket.socket()
        silent.setblocking(False)
        await loop.sock_connect(silent, ("127.0.0.1", scene.port))
        with silent:
            while await asyncio.wait_for(loop.sock_recv(silent, 1024), 5):
                pass

    installation = Installation(POLICY)
    served(Endpoint(installation.checker, installation.journal), story, ServerLimits(handshake=0.5))
