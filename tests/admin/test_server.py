"""Health and metrics over real HTTP."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import httpx2
import pytest

from authz.admin.server import HttpServer, admin_app
from authz.telemetry.metrics import CONTENT_TYPE


class Scene:
    """The admin application with what it asks."""

    def __init__(self) -> None:
        self.why = "policies are being loaded"
        self.server = HttpServer(admin_app(lambda: self.why, lambda: b"# HELP x y\n", CONTENT_TYPE))


def served(story: Callable[[Scene, httpx2.AsyncClient], Awaitable[None]], host: str = "127.0.0.1") -> None:
    async def run() -> None:
        scene = Scene()
        port = await scene.server.start(host, 0)
        try:
            base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            async with httpx2.AsyncClient(base_url=base, trust_env=False) as client:
                await story(scene, client)
        finally:
            await scene.server.stop()
        with pytest.raises(OSError, match=r".*"):
            socket.create_connection((host, port), timeout=1).close()

    asyncio.run(asyncio.wait_for(run(), 10))


def test_alive_at_once_and_ready_when_there_is_no_reason_against_it() -> None:
    async def story(scene: Scene, client: httpx2.AsyncClient) -> None:
        assert ((await client.get("/livez")).status_code, (await client.get("/livez")).text) == (200, "ok\n")
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "policies are being loaded\n")
        scene.why = ""
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (200, "ok\n")
        scene.why = "stopping"
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200

    served(story)


def test_metrics_come_in_the_format_of_prometheus() -> None:
    async def story(scene: Scene, client: httpx2.AsyncClient) -> None:
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.content) == (200, b"# HELP x y\n")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "server" not in answer.headers

    served(story)


def test_nothing_but_reading() -> None:
    async def story(scene: Scene, client: httpx2.AsyncClient) -> None:
        for path in ("/livez", "/readyz", "/metrics"):
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
                assert (await client.request(method, path)).status_code == 405, (method, path)

    served(story)


def test_there_is_nothing_else() -> None:
    async def story(scene: Scene, client: httpx2.AsyncClient) -> None:
        for path in ("/", "/livez/", "/metricsx", "/debug", "//metrics"):
            answer = await client.get(path, follow_redirects=False)
            assert answer.status_code in (307, 404), path

    served(story)


def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
            await Scene().server.start("127.0.0.1", taken.getsockname()[1])

    asyncio.run(run())


def test_a_server_that_never_started_can_be_stopped() -> None:
    asyncio.run(Scene().server.stop())


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_it_listens_on_ipv6_too() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")

    async def story(scene: Scene, client: httpx2.AsyncClient) -> None:
        assert (await client.get("/livez")).status_code == 200

    served(story, "::1")


def test_a_client_that_only_half_asks_does_not_keep_it_from_stopping() -> None:
    async def run() -> None:
        scene = Scene()
        port = await scene.server.start("127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        await writer.drain()
        await asyncio.wait_for(scene.server.stop(), 3)
        writer.close()

    asyncio.run(run())
