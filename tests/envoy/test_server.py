"""The gRPC server, asked by a real gRPC client."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.envoy.codec import response_of
from authz.envoy.endpoint import Endpoint
from authz.envoy.server import SERVICE, CheckBytes, CheckServer, ServerLimits
from authz.model.decision import Allow
from authz.model.reason import Reason
from tests.builders import Installation, a_manifest
from tests.envoy.messages import check_request, check_response, reason_of
from tests.service.waiting import until

CHECK = f"/{SERVICE}/Check"
ALLOWED = response_of(Allow(Reason.RULE_ALLOW), None)
USUAL = ServerLimits()
ROOMY = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
Ask = Callable[[bytes, float | None], Awaitable[bytes]]


class Scene:
    """A server and a client of it."""

    def __init__(self, server: CheckServer, channel: grpc.aio.Channel, port: int) -> None:
        self.server = server
        self.channel = channel
        self.port = port
        self.health = health_pb2_grpc.HealthStub(channel)

    async def ask(self, data: bytes = b"", within: float | None = 5, method: str = CHECK) -> bytes:
        answer: bytes = await self.channel.unary_unary(method)(data, timeout=within)
        return answer

    async def status(self, service: str = "") -> str:
        answer = await self.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def served(check: CheckBytes, story: Callable[[Scene], Awaitable[None]], limits: ServerLimits = USUAL) -> None:
    async def run() -> None:
        server = CheckServer(check, limits)
        port = await server.start("127.0.0.1:0")
        await server.ready()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=ROOMY) as channel:
                await story(Scene(server, channel, port))
        finally:
            await server.stop(0)

    asyncio.run(asyncio.wait_for(run(), 20))


class Slow:
    """Checks that are answered when they are let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.budgets: list[float] = []
        self.gate = asyncio.Event()

    def __call__(self, data: bytes, budget: float) -> Awaitable[bytes]:
        self.begun += 1
        self.budgets.append(budget)
        return self._later()

    async def _later(self) -> bytes:
        await self.gate.wait()
        return ALLOWED


def test_a_check_is_answered() -> None:
    installation = Installation(
        a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]"),
    )

    async def story(scene: Scene) -> None:
        assert reason_of(await scene.ask(check_request())) == "rule.allow"
        assert reason_of(await scene.ask(check_request(host="other.example.com"))) == "policy.none"
        for garbage in (b"", b"\xff\xff\xff", b"garbage"):
            response = check_response(await scene.ask(garbage))
            assert (response.status.code, response.denied_response.status.code) == (7, 400)
        assert installation.journal.reasons() == ["rule.allow", "policy.none", *["request.malformed"] * 3]

    served(Endpoint(installation.checker, installation.journal), story)


def test_an_answer_that_comes_later_is_awaited() -> None:
    async def later() -> bytes:
        await asyncio.sleep(0)
        return ALLOWED

    async def story(scene: Scene) -> None:
        assert await scene.ask() == ALLOWED

    served(lambda data, deadline: later(), story)


def test_health_tells_that_it_serves_until_it_drains() -> None:
    async def story(scene: Scene) -> None:
        assert [await scene.status(), await scene.status(SERVICE)] == ["SERVING", "SERVING"]
        await scene.server.drain()
        assert [await scene.status(), await scene.status(SERVICE)] == ["NOT_SERVING", "NOT_SERVING"]
        assert await scene.ask() == ALLOWED, "it still answers"

    served(lambda data, deadline: ALLOWED, story)


def test_health_of_another_service_is_not_found() -> None:
    async def story(scene: Scene) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as fault:
            await scene.status("other")
        assert fault.value.code() is grpc.StatusCode.NOT_FOUND

    served(lambda data, deadline: ALLOWED, story)


def test_who_watches_health_hears_of_the_drain() -> None:
    async def story(scene: Scene) -> None:
        watch = scene.health.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await scene.server.drain()
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()

    served(lambda data, deadline: ALLOWED, story)


@pytest.mark.parametrize(
    "method",
    [
        f"/{SERVICE}/Other",
        f"/{SERVICE}/check",
        "/envoy.service.auth.v2.Authorization/Check",
        "/grpc.reflection.v1.ServerReflection/X",
        "/a/b",
    ],
)
def test_other_methods_are_not_implemented(method: str) -> None:
    async def story(scene: Scene) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as fault:
            await scene.ask(method=method)
        assert fault.value.code() is grpc.StatusCode.UNIMPLEMENTED

    served(lambda data, deadline: ALLOWED, story)


@pytest.mark.parametrize("mebibytes", [5, 15])
def test_a_large_request_is_answered(mebibytes: int) -> None:
    seen: list[int] = []

    def check(data: bytes, budget: float) -> bytes:
        seen.append(len(data))
        return ALLOWED

    async def story(scene: Scene) -> None:
        data = check_request(headers={"x-large": "x" * mebibytes * 1024 * 1024})
        assert await scene.ask(data) == ALLOWED
        assert seen == [len(data)]

    served(check, story)


def test_a_request_over_the_limit_is_an_error_of_the_call_and_the_next_is_answered() -> None:
    async def story(scene: Scene) -> None:
        with pytest.raises(grpc.aio.AioRpcError) as fault:
            await scene.ask(b"x" * 70_000)
        assert fault.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await scene.ask(b"x" * 60_000) == ALLOWED

    served(lambda data, deadline: ALLOWED, story, ServerLimits(max_message_bytes=65_536))


@pytest.mark.parametrize(
    ("deadline", "most", "low", "high"),
    [(1.0, 5.0, 0.7, 1.0), (100.0, 5.0, 5.0, 5.0), (None, 5.0, 5.0, 5.0), (2.0, 0.5, 0.5, 0.5), (0.25, 5.0, 0.05, 0.25)],
)
def test_the_deadline_of_the_call_bounds_how_long_a_check_may_take(deadline: float | None, most: float, low: float, high: float) -> None:
    deadlines: list[float] = []

    def check(data: bytes, until: float) -> bytes:
        deadlines.append(until)
        return ALLOWED

    async def story(scene: Scene) -> None:
        # The first call of a channel connects; its deadline would run meanwhile.
        await scene.ask()
        deadlines.clear()
        await scene.ask(within=deadline)
        (told,) = deadlines
        # The deadline travels rounded up to whole milliseconds or more.
        assert low <= told <= high * 1.05

    served(check, story, ServerLimits(max_deadline=most))


def test_many_checks_at_once_are_answered() -> None:
    async def story(scene: Scene) -> None:
        answers = await asyncio.gather(*(scene.ask() for _ in range(500)))
        assert set(answers) == {ALLOWED}

    served(lambda data, deadline: ALLOWED, story)


def test_stopping_waits_for_the_checks_under_way() -> None:
    async def run() -> None:
        slow = Slow()
        server = CheckServer(slow, ServerLimits())
        port = await server.start("127.0.0.1:0")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            asking = [asyncio.ensure_future(channel.unary_unary(CHECK)(b"", timeout=10)) for _ in range(20)]
            await until(lambda: slow.begun == 20)
            stopping = asyncio.create_task(server.stop(10))
            await asyncio.sleep(0.05)
            assert not stopping.done()
            with suppress(grpc.aio.AioRpcError):
                late: Any = await channel.unary_unary(CHECK)(b"", timeout=0.3)
                pytest.fail(f"a check after the stop was answered: {late!r}")
            slow.gate.set()
            assert set(await asyncio.gather(*asking)) == {ALLOWED}
            await asyncio.wait_for(stopping, 5)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_stopping_does_not_wait_longer_than_the_grace() -> None:
    async def run() -> None:
        slow = Slow()
        server = CheckServer(slow, ServerLimits())
        port = await server.start("127.0.0.1:0")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            asking = asyncio.ensure_future(channel.unary_unary(CHECK)(b"", timeout=10))
            await until(lambda: slow.begun == 1)
            await asyncio.wait_for(server.stop(0.1), 5)
            with pytest.raises(grpc.aio.AioRpcError):
                await asking

    asyncio.run(asyncio.wait_for(run(), 20))


def test_an_address_that_is_taken_is_an_error_of_the_system() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = CheckServer(lambda data, deadline: ALLOWED, ServerLimits())
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(OSError, match=f"cannot listen on {address}: it is taken, or not an address of this machine"):
                await server.start(address)
            await server.stop(0)

    asyncio.run(run())


def test_two_servers_do_not_share_a_port() -> None:
    async def run() -> None:
        one, two = (CheckServer(lambda data, deadline: ALLOWED, ServerLimits()) for _ in range(2))
        port = await one.start("127.0.0.1:0")
        with pytest.raises(OSError, match="cannot listen"):
            await two.start(f"127.0.0.1:{port}")
        await two.stop(0)
        await one.stop(0)

    asyncio.run(run())


def test_connections_end_with_their_age_and_no_check_is_lost() -> None:
    async def story(scene: Scene) -> None:
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < 0.8:
            assert await scene.ask() == ALLOWED

    served(lambda data, deadline: ALLOWED, story, ServerLimits(connection_age=0.3, connection_grace=1))
