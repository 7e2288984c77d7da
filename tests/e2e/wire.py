"""Requests whose octets go out as they are written, over HTTP/1.1 and HTTP/2: no client library mends them."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from hpack import Decoder, Encoder, NeverIndexedHeaderTuple
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

LOOPBACK = "127.0.0.1"
SECONDS = 20
_HEADER_OCTETS = 9
Line = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `lines` come after the usual ones; over HTTP/2 a line whose name begins with ":" comes before them."""

    method: bytes = b"GET"
    target: bytes = b"/open"
    host: bytes = b"localhost"
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer; status 0 where the connection or the stream was closed instead."""

    status: int = 0
    lines: tuple[Line, ...] = ()
    body: bytes = b""

    def values(self, name: bytes) -> list[bytes]:
        """The values of the header lines of this name."""
        return [value for key, value in self.lines if key.lower() == name]

    @property
    def outcome(self) -> tuple[int, str]:
        """The status, and the code that a denial of the service names; "" for every other answer."""
        denied = b"application/problem+json" in self.values(b"content-type")
        return self.status, str(json.loads(self.body)["code"]) if denied else ""


CLOSED = Answered()
Ask = Callable[[Asked], Awaitable[Answered]]


class Http1:
    """One connection after the other, each used as long as it stands. On each, `opening` is sent before everything else."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, opening: bytes = b"") -> None:
        self._port = port
        self._tls = tls
        self._opening = opening
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.opened = 0

    async def __call__(self, asked: Asked) -> Answered:
        """The answer to a request."""
        lines = [b" ".join((asked.method, asked.target, b"HTTP/1.1")), b"host: " + asked.host]
        lines += [name + b": " + value for name, value in asked.lines]
        return await self.octets(b"\r\n".join(lines) + b"\r\n\r\n", has_body=asked.method != b"HEAD")

    async def octets(self, octets: bytes, *, has_body: bool = True) -> Answered:
        """The answer to these octets."""
        if self._streams is None:
            server = "localhost" if self._tls is not None else None
            self._streams = await asyncio.open_connection(LOOPBACK, self._port, ssl=self._tls, server_hostname=server)
            self._streams[1].write(self._opening)
            self.opened += 1
        reader, writer = self._streams
        try:
            async with asyncio.timeout(SECONDS):
                writer.write(octets)
                answered = await _answer(reader, has_body=has_body)
        except (ConnectionError, asyncio.IncompleteReadError):
            answered = CLOSED
        if answered is CLOSED or b"close" in answered.values(b"connection"):
            self.close()
        return answered

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _answer(reader: asyncio.StreamReader, *, has_body: bool) -> Answered:
    head = await reader.readuntil(b"\r\n\r\n")
    status, *fields = head[:-4].split(b"\r\n")
    found = Answered(int(status.split(b" ")[1]), tuple((name, value) for name, _, value in (field.partition(b": ") for field in fields)))
    if not has_body or found.status in (204, 304):
        return found
    if b"chunked" in found.values(b"transfer-encoding"):
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return Answered(found.status, found.lines, body)
    return Answered(found.status, found.lines, await reader.readexactly(int((found.values(b"content-length") or [b"0"])[0])))


class Http2:
    """Like Http1, with prior knowledge. Frames are made here, since libraries refuse to write what is worth trying."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._encoder, self._decoder, self._next = Encoder(), Decoder(), 1

    async def __call__(self, asked: Asked) -> Answered:
        """The answer to a request."""
        first = [(b":method", asked.method), (b":path", asked.target), (b":scheme", b"http"), (b":authority", asked.host)]
        given = [line for line in asked.lines if line[0].startswith(b":")]
        replaced = {name for name, _ in given}
        rest = [line for line in asked.lines if not line[0].startswith(b":")]
        return await self.fields([*(line for line in first if line[0] not in replaced), *given, *rest])

    async def fields(self, fields: Sequence[Line]) -> Answered:
        """The answer to a request of exactly these fields."""
        try:
            async with asyncio.timeout(SECONDS):
                await self._connect()
                assert self._streams is not None
                frame = HeadersFrame(self._next, flags=["END_HEADERS", "END_STREAM"])
                frame.data = self._encoder.encode([NeverIndexedHeaderTuple(name, value) for name, value in fields])
                self._next += 2
                self._streams[1].write(frame.serialize())
                return await self._read(frame.stream_id)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.close()
            return CLOSED

    async def _connect(self) -> None:
        if self._streams is not None:
            return
        self._encoder, self._decoder, self._next = Encoder(), Decoder(), 1
        self._streams = await asyncio.open_connection(LOOPBACK, self._port)
        # What is read is not given back: the window of the connection is as wide as it can be from the start.
        wide = WindowUpdateFrame(0, window_increment=2**31 - 1 - 65535)
        self._streams[1].write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize() + wide.serialize())

    async def _read(self, stream: int) -> Answered:
        status, lines, body = 0, [], b""
        while True:
            frame = await self._frame()
            if isinstance(frame, GoAwayFrame):
                raise ConnectionResetError
            if frame.stream_id != stream:
                continue
            if isinstance(frame, RstStreamFrame):
                return CLOSED
            if isinstance(frame, HeadersFrame):
                found = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(frame.data, raw=True)]
                status = next((int(value) for name, value in found if name == b":status"), status)
                lines += [line for line in found if line[0] != b":status"]
            elif isinstance(frame, DataFrame):
                body += frame.data
            if "END_STREAM" in frame.flags:
                return Answered(status, tuple(lines), body)

    async def _frame(self) -> Frame:
        assert self._streams is not None
        reader, writer = self._streams
        frame, length = Frame.parse_frame_header(memoryview(await reader.readexactly(_HEADER_OCTETS)))
        frame.parse_body(memoryview(await reader.readexactly(length)))
        if isinstance(frame, SettingsFrame | PingFrame) and "ACK" not in frame.flags:
            data = {"opaque_data": frame.opaque_data} if isinstance(frame, PingFrame) else {}
            writer.write(type(frame)(0, flags=["ACK"], **data).serialize())
        return frame

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def each_of(clients: Iterable[Http1 | Http2], requests: Iterable[Asked]) -> list[tuple[Asked, Answered]]:
    """Every request with its answer, the clients sharing the work."""
    waiting, found = iter(requests), []

    async def work(client: Http1 | Http2) -> None:
        found.extend([(asked, await client(asked)) for asked in waiting])
        client.close()

    await asyncio.gather(*(work(client) for client in clients))
    return found


class Backend:
    """An upstream that keeps the head of each request that reached it, and answers with it, octet for octet."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                body = b"" if head.startswith(b"HEAD ") else head
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-reached: yes\r\n\r\n" % len(head) + body)
        writer.close()


@asynccontextmanager
async def listening(backend: Backend) -> AsyncIterator[int]:
    """The port at which the backend listens."""
    server = await asyncio.start_server(backend, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def target_of(head: bytes) -> bytes:
    """The request target of a head: all that stands between its first and its last space."""
    line = head.split(b"\r\n", 1)[0]
    return line.partition(b" ")[2].rpartition(b" ")[0]


def lines_of(head: bytes) -> list[Line]:
    """The header lines of a head, names in lower case."""
    found = (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    return [(name.lower(), value.strip(b" ")) for name, _, value in found]


def values_of(head: bytes, name: bytes) -> list[bytes]:
    """The values of the header lines of one name."""
    return [value for key, value in lines_of(head) if key == name]
