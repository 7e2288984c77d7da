"""A web server on loopback that misbehaves as it is told, and hears what it is asked."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from authz.demo.bootstrap import Pem
from authz.fetch.client import FetchLimits
from tests.certificates import Authority, an_authority

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def says(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> Answer:
    """An answer of one piece."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


def raw(data: bytes) -> Answer:
    """An answer of these octets, whatever they are."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return answer


def drips(head: bytes, piece: bytes, every: float) -> Answer:
    """An answer that comes in small pieces and never ends."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every)

    return answer


@dataclass
class Host:
    """A server on a free port of loopback."""

    port: int = 0
    heard: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    pages: dict[str, Answer] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def limits(self, authority: Authority, seconds: float = 5.0, max_bytes: int = 512 * 1024, *insecure: str) -> FetchLimits:
        """Limits that let this host be reached."""
        return FetchLimits(seconds, max_bytes, frozenset(insecure or (self.origin,)), authority.file)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heard.append(head)
            path = head.split(" ")[1]
            if path in self.pages:
                await self.pages[path](writer)
            else:
                await says(b"no such page", "404 Not Found")(writer)
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), 1)


@asynccontextmanager
async def https(authority: Authority, folder: Path, *, tls: bool = True, pem: Pem | None = None) -> AsyncIterator[Host]:
    """A host with a certificate for localhost (or this one), until the block ends."""
    host = Host()
    context: ssl.SSLContext | None = None
    if tls:
        pem = pem or authority.issue(folder, "idp.test")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem.certificate, pem.key)
        context.sni_callback = lambda socket, name, of: host.names.append(name)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await host.serve(reader, writer)
        writer.transport.abort()
        tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


__all__ = ["Authority", "Host", "an_authority", "drips", "https", "raw", "says"]


def with_host(authority: Authority, folder: Path, story: Callable[[Host], Awaitable[None]]) -> None:
    """Run a story with a host over https."""

    async def run() -> None:
        async with https(authority, folder) as host:
            await story(host)

    asyncio.run(asyncio.wait_for(run(), 20))
