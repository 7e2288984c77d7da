"""Every verb as the API server knows it; refusals with their status; fresh credentials where the old ones are taken no more."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from authz.kube.api import Api, ApiError, ConnectError, Patience, connect
from tests.kube.scripted import Reply, Scripted, bookmark, page, refusal, silence, stream, taken

LEASE: dict[str, Any] = {"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {"holderIdentity": "ü"}}


def play(*script: Reply, story: Callable[[Scripted, Api], Awaitable[None]]) -> None:
    async def run() -> None:
        server = Scripted(*script)
        api = await server.start()
        try:
            await story(server, api)
        finally:
            await api.close()
            await server.stop()

    asyncio.run(run())


def kubeconfig(folder: Path, url: str, token: str) -> Path:
    (folder / "token").write_text(token)
    made = folder / "kubeconfig"
    made.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\nusers: [{{name: u, user: {{tokenFile: {folder}/token}}}}]\n"
    )
    return made


async def refused(asked: Awaitable[Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await asked
    return caught.value


def test_each_verb_asks_as_the_api_server_expects_it() -> None:
    async def story(server: Scripted, api: Api) -> None:
        assert await api.create("/leases", LEASE) == LEASE
        assert await api.replace("/leases/a", LEASE) == LEASE
        assert await api.apply("/leases/a/status", LEASE) == LEASE
        await api.delete("/leases/a")
        assert [(request.method, request.url.path) for request, _ in server.requests] == [
            ("POST", "/leases"), ("PUT", "/leases/a"), ("PATCH", "/leases/a/status"), ("DELETE", "/leases/a"),
        ]  # fmt: skip
        assert [body for _, body in server.requests] == [LEASE, LEASE, LEASE, None]
        assert server.asked == [{"fieldManager": "ingress-authz"}] * 2 + [{"fieldManager": "ingress-authz", "force": "true"}, {}]
        assert server.requests[2][0].headers["content-type"] == "application/apply-patch+yaml"

    play(taken(LEASE, 201), taken(LEASE), taken(LEASE), taken({"kind": "Status"}), story=story)


def test_a_narrowed_connection_asks_so_each_time_and_the_wide_one_does_not() -> None:
    async def story(server: Scripted, api: Api) -> None:
        narrow = api.narrowed(labelSelector="a=b").narrowed(fieldSelector="c=d")
        await narrow.get("/x", {"limit": "1"})
        async for _ in narrow.lines("/x", {"watch": "1"}, Patience(5, 5)):
            break
        await api.get("/x", {})
        both = {"labelSelector": "a=b", "fieldSelector": "c=d"}
        assert server.asked == [both | {"limit": "1"}, both | {"watch": "1"}, {}]

    play(page(), stream(bookmark(1)), page(), story=story)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 500, 503])
def test_a_refusal_has_its_status_and_what_the_server_says(status: int) -> None:
    async def story(server: Scripted, api: Api) -> None:
        fault = await refused(api.replace("/leases/a", LEASE))
        assert (fault.status, str(fault), fault.retry_after) == (status, "not now", 0.0)
        assert len(server.asked) == 1

    play(refusal(status, "not now"), story=story)


@pytest.mark.parametrize(("told", "seconds"), [("7", 7.0), ("soon", 0.0), ("-1", 0.0), ("9" * 9, 0.0)])
def test_how_long_the_server_wants_to_be_left_alone_is_known(told: str, seconds: float) -> None:
    async def story(server: Scripted, api: Api) -> None:
        assert (await refused(api.get("/x", {}))).retry_after == seconds

    play(lambda request: JSONResponse({"message": "slow down"}, 429, {"Retry-After": told}), story=story)


@pytest.mark.parametrize("reply", [silence(), stream(b"no json\n", stays=False)])
def test_an_answer_that_does_not_end_or_is_none_is_a_failure_within_the_patience(reply: Reply) -> None:
    async def story(server: Scripted, api: Api) -> None:
        async with asyncio.timeout(3):
            assert (await refused(api.get("/x", {}, Patience(0.2, 0.2)))).status == 0

    play(reply, story=story)


def test_nobody_there_is_a_failure_with_status_0() -> None:
    async def story(server: Scripted, api: Api) -> None:
        await server.stop()
        assert (await refused(api.create("/leases", LEASE))).status == 0

    play(story=story)


def test_where_the_token_is_taken_no_more_it_is_read_anew_once_and_the_request_repeated(tmp_path: Path) -> None:
    async def story(server: Scripted, api: Api) -> None:
        file = kubeconfig(tmp_path, server.url, "old")
        mine = await connect(file)
        (tmp_path / "token").write_text("new")
        try:
            assert await mine.create("/leases", LEASE) == LEASE
            assert [request.headers["authorization"] for request, _ in server.requests] == ["Bearer old", "Bearer new"]
            assert [body for _, body in server.requests] == [LEASE, LEASE]
            assert server.requests[0][0].headers["user-agent"] == "ingress-authz"
            fault = await refused(mine.get("/x", {}))
            assert (fault.status, len(server.requests)) == (401, 4)
            lines = [line async for line in mine.lines("/x", {"watch": "1"}, Patience(5, 5))]
            assert lines == [bookmark(3)]
        finally:
            await mine.close()

    play(refusal(401), taken(LEASE, 201), refusal(401), refusal(401), refusal(401), stream(bookmark(3), stays=False), story=story)


def test_a_kubeconfig_that_is_gone_when_it_is_needed_again_is_a_failure_not_a_crash(tmp_path: Path) -> None:
    async def story(server: Scripted, api: Api) -> None:
        file = kubeconfig(tmp_path, server.url, "old")
        mine = await connect(file)
        file.unlink()
        try:
            assert (await refused(mine.get("/x", {}))).status == 0
        finally:
            await mine.close()

    play(refusal(401), story=story)


def test_where_no_server_is_known_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConnectError, match="--kubeconfig FILE"):
        asyncio.run(connect(tmp_path / "nothing"))


def test_more_watches_than_the_librarys_pool_has_connections_leave_room_for_others(tmp_path: Path) -> None:
    async def story(server: Scripted, api: Api) -> None:
        mine = await connect(kubeconfig(tmp_path, server.url, "t"))
        watches = [asyncio.create_task(anext(mine.lines("/x", {}, Patience(20, 20)))) for _ in range(110)]
        try:
            async with asyncio.timeout(15):
                while len(server.asked) < 110:  # noqa: ASYNC110 - the other side of a socket has no event
                    await asyncio.sleep(0.02)
                server.script = [taken(LEASE)]
                assert await mine.get("/lease", {}) == LEASE
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            await mine.close()

    play(story=story)


@pytest.mark.parametrize("lenient", [False, True])
def test_an_api_servers_certificates_are_held_against_the_standard_unless_the_operator_says_otherwise(
    tmp_path: Path, lenient: bool
) -> None:
    async def story() -> None:
        api = await connect(kubeconfig(tmp_path, "https://127.0.0.1:1", "t"), lenient_ca=lenient)
        usual = ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT
        held = api._client.rest_client.ssl_context.verify_flags & ssl.VERIFY_X509_STRICT
        assert held == (0 if lenient else usual)
        await api.close()

    asyncio.run(story())
