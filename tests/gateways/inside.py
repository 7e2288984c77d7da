"""The first process of the sandbox: starts, watches and signals programs for the tests, and lets them in by Unix sockets.

It reads one JSON request a line from standard input and answers each with a line. When its input ends, because the tests closed it
or were killed, it ends, and as the first process of its namespace it takes everything with it.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

Words = dict[str, Any]


class Supervisor:
    """The programs by their process id."""

    def __init__(self) -> None:
        self._programs: dict[int, asyncio.subprocess.Process] = {}
        self._doors: list[asyncio.Server] = []

    async def start(self, argv: list[str], log: str, env: dict[str, str]) -> Words:
        with Path(log).open("ab") as out:  # noqa: ASYNC230 - a moment, and nobody else waits
            program = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=env)
        self._programs[program.pid] = program
        return {"pid": program.pid}

    async def poll(self, pid: int) -> Words:
        return {"code": self._programs[pid].returncode}

    async def signal(self, pid: int, number: int) -> Words:
        if self._programs[pid].returncode is None:
            self._programs[pid].send_signal(number)
        return {}

    async def door(self, path: str, host: str, port: int) -> Words:
        """A Unix socket outside that leads to an address inside."""

        async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                inner_reader, inner_writer = await asyncio.open_connection(host, port)
            except OSError:
                writer.transport.abort()
                return
            await asyncio.gather(_pour(reader, inner_writer), _pour(inner_reader, writer))

        self._doors.append(await asyncio.start_unix_server(enter, path))
        return {}


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except OSError:
        pass
    sink.close()


def _say(words: Words) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Answer until the input ends."""
    supervisor = Supervisor()
    loop = asyncio.get_running_loop()
    requests = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    _say({"ready": os.getpid()})
    while line := await requests.readline():
        request = json.loads(line)
        try:
            answer = await getattr(supervisor, request.pop("do"))(**request)
        except Exception as error:  # noqa: BLE001 - told to the test, which fails
            answer = {"error": repr(error)}
        _say(answer)


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
