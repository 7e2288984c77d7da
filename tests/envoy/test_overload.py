"""More checks than the stage that waits has room for: those beyond are told so at once, and the others are none the worse."""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from authz.envoy.endpoint import Endpoint, WaitingRoom
from authz.envoy.server import SERVICE, CheckServer, ServerLimits
from authz.model.decision import Allow, Decision
from authz.model.reason import Reason
from authz.model.request import Request
from authz.service.garbage import Garbage
from tests.envoy.messages import check_request, check_response, reason_of
from tests.fakes import Journal

ROOM = 8
# Seconds that each check needs in the stage: so many a second are its capacity.
NEEDS = 0.05
CAPACITY = ROOM / NEEDS
SECONDS = 2.0
DATA = check_request()


class Busy:
    """Checks that each take a while, as one does that waits for an issuer."""

    def check(self, request: Request, budget: float) -> Any:
        return self._later()

    async def _later(self) -> Decision:
        await asyncio.sleep(NEEDS)
        return Allow(Reason.RULE_ALLOW)


def resident() -> int:
    """Octets of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Client:
    """Asks, and notes what was answered and after how long."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._call = channel.unary_unary(f"/{SERVICE}/Check")
        self.times: dict[str, list[float]] = {"rule.allow": [], "overloaded": []}
        self.statuses: Counter[int] = Counter()

    async def ask(self) -> None:
        began = time.monotonic()
        answer = await self._call(DATA, timeout=5)
        self.times[reason_of(answer)].append(time.monotonic() - began)
        self.statuses[check_response(answer).denied_response.status.code] += 1

    async def within_capacity(self) -> None:
        """As many at once as there is room for, again and again."""
        for _ in range(15):
            await asyncio.gather(*(self.ask() for _ in range(ROOM)))

    async def beyond(self, rate: float) -> None:
        """So many a second, whatever becomes of them."""
        began, asked = time.monotonic(), []
        while (passed := time.monotonic() - began) < SECONDS:
            asked += [asyncio.ensure_future(self.ask()) for _ in range(int(passed * rate) - len(asked))]
            await asyncio.sleep(0.002)
        await asyncio.gather(*asked)


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99) - 1]


@pytest.fixture
def collector() -> Iterator[None]:
    """As in the service: a collection of what all the other tests left would stop everything for long."""
    garbage = Garbage()
    garbage.start()
    yield
    garbage.stop()


@pytest.mark.usefixtures("collector")
def test_at_five_times_its_capacity_the_stage_sheds_and_those_admitted_keep_their_time() -> None:
    async def story() -> None:
        journal = Journal()
        server = CheckServer(Endpoint(Busy(), journal, WaitingRoom(checks=ROOM)), ServerLimits())
        port = await server.start("127.0.0.1:0")
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                calm, flood = Client(channel), Client(channel)
                await calm.within_capacity()
                assert calm.statuses == {0: 15 * ROOM}
                before = resident()
                await flood.beyond(5 * CAPACITY)
                allowed, shed = flood.times["rule.allow"], flood.times["overloaded"]
                # No call ended with an error, which a proxy may be told to take for an allow: ask() would have raised.
                assert flood.statuses == {0: len(allowed), 503: len(shed)}
                assert len(allowed) > 0.6 * CAPACITY * SECONDS, "the stage goes on at its capacity"
                assert len(shed) > len(allowed)
                assert p99(allowed) < 3 * p99(calm.times["rule.allow"])
                assert sorted(shed)[len(shed) // 2] < NEEDS, "who is not admitted is told at once"
                assert resident() - before < 16 * 1024 * 1024
                assert journal.faults == []
                again = Client(channel)
                await again.within_capacity()
                assert again.statuses == {0: 15 * ROOM}, "afterwards it is as before"
        finally:
            await server.stop(0)

    asyncio.run(asyncio.wait_for(story(), 30))
