"""The whole service in this process: started, asked, reloaded, stopped."""

import asyncio
import io
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from authz.app import Running, Service, StartError, SystemClock
from authz.envoy.server import SERVICE
from authz.envoy.tls import TlsError, TlsFiles
from authz.fetch.client import FetchLimits
from authz.model.operator import ClientAddress, Operator
from authz.settings import Address, Settings
from authz.telemetry.metrics import TABLE
from tests.builders import a_jwks, a_manifest, a_token
from tests.certificates import an_authority
from tests.envoy.messages import check_request, reason_of
from tests.fetch.hosts import Host, https, says
from tests.service.waiting import until

ANY = Address("127.0.0.1", 0)
OPEN = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]")
CLOSED = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: []}]")
BROKEN = OPEN.replace("allow:", "alow:")


def settings(folder: Path, **changes: Any) -> Settings:
    usual = Settings(folder, ANY, ANY, Operator(ClientAddress()), drain_seconds=0, grace_seconds=5, allow_sample=1)
    return replace(usual, **changes)


class Scene:
    """A service that runs, and its clients."""

    def __init__(self, running: Running, stream: io.StringIO, stopped: asyncio.Event, task: "asyncio.Task[None]") -> None:
        self.running = running
        self.stream = stream
        self.stopped = stopped
        self.task = task
        self.channel = grpc.aio.insecure_channel(str(running.checks), options=[("grpc.use_local_subchannel_pool", 1)])
        self._call = self.channel.unary_unary(f"/{SERVICE}/Check")

    async def reason(self, **given: Any) -> str:
        return reason_of(await self._call(check_request(**given), timeout=5))

    async def page(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://{self.running.admin}{path}")

    async def health(self) -> str:
        answer = await health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    async def until(self, wanted: str, within: float = 5, **given: Any) -> None:
        """Return once a check has this reason."""
        async with asyncio.timeout(within):
            while await self.reason(**given) != wanted:  # noqa: ASYNC110 - the service tells nobody
                await asyncio.sleep(0.01)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == name]


@asynccontextmanager
async def serving(chosen: Settings) -> AsyncIterator[Scene]:
    """A service until the block ends, stopped the way SIGTERM stops it."""
    stopped, stream = asyncio.Event(), io.StringIO()
    up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(Service(chosen, stream).run(stopped, up.set_result))
    await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    scene = Scene(await up, stream, stopped, task)
    try:
        yield scene
    finally:
        stopped.set()
        await asyncio.wait_for(task, 15)
        await scene.channel.close()


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 25))


def test_it_starts_on_free_ports_and_answers(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(OPEN)

    async def story() -> None:
        async with serving(settings(tmp_path)) as scene:
            assert scene.running.checks.port
            assert scene.running.admin.port
            assert await scene.reason() == "rule.allow"
            assert await scene.reason(host="other.example.com") == "policy.none"
            assert (await scene.page("/readyz")).status_code == 200
            assert await scene.health() == "SERVING"
            page = await scene.page("/metrics")
            families = {family.name: family for family in text_string_to_metric_families(page.text)}
            assert {name.removesuffix("_total") for name in TABLE} >= set(families) - set(TABLE)
            counted = {tuple(s.labels.values()): s.value for s in families["authz_checks"].samples if s.value}
            assert counted == {("allow", "rule.allow"): 1, ("deny", "policy.none"): 1}
        assert [line["reason"] for line in scene.lines if "decision" in line] == ["rule.allow", "policy.none"]
        (ready,) = scene.events("ready")
        assert ready["listen"] == str(scene.running.checks)
        assert ready["client_address"] == "peer"
        (loaded,) = scene.events("policies.loaded")
        assert (loaded["policies"], loaded["in_force"]) == (1, 1)

    run(story)


def test_where_it_listens_is_written_once_everything_is_up(tmp_path: Path) -> None:
    folder, file = tmp_path / "policies", tmp_path / "ready.json"
    folder.mkdir()

    async def story() -> None:
        async with serving(settings(folder, ready_file=file)) as scene:
            assert json.loads(file.read_text()) == {"listen": str(scene.running.checks), "admin": str(scene.running.admin)}

    run(story)


def fetching(host: Host) -> str:
    return a_manifest(
        f"hosts: [api.example.com]\naudiences: [orders]\nissuers: [{{name: idp, issuer: 'http://127.0.0.1:{host.port}', "
        f"jwksURL: 'http://127.0.0.1:{host.port}/keys'}}]\nrules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]"
    )


def allowing(host: Host) -> FetchLimits:
    return FetchLimits(insecure_origins=frozenset({f"http://127.0.0.1:{host.port}"}))


def test_it_is_ready_only_after_a_first_fetch_of_keys_was_tried(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()

    async def story() -> None:
        async with https(an_authority(tmp_path), tmp_path, tls=False) as host:
            gate = asyncio.Event()

            async def slow(writer: asyncio.StreamWriter) -> None:
                await gate.wait()
                await says(a_jwks().encode())(writer)

            host.pages["/keys"] = slow
            (folder / "orders.yaml").write_text(fetching(host))
            with socket.create_server(("127.0.0.1", 0)) as free:
                admin = Address("127.0.0.1", free.getsockname()[1])
            chosen = settings(folder, fetch=allowing(host), admin_listen=admin)
            up, stopped = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(Service(chosen, io.StringIO()).run(stopped, lambda running: up.set()))
            async with httpx2.AsyncClient(trust_env=False, base_url=f"http://{admin}") as client:
                await until(lambda: bool(host.heard), 5)
                answer = await client.get("/readyz")
                assert (answer.status_code, up.is_set()) == (503, False)
                assert (await client.get("/livez")).status_code == 200
                gate.set()
                await asyncio.wait_for(up.wait(), 5)
                assert (await client.get("/readyz")).status_code == 200
            stopped.set()
            await asyncio.wait_for(task, 10)

    run(story)


def test_keys_are_there_for_the_first_check(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()

    async def story() -> None:
        async with https(an_authority(tmp_path), tmp_path, tls=False) as host:
            host.pages["/keys"] = says(a_jwks().encode())
            (folder / "orders.yaml").write_text(fetching(host))
            async with serving(settings(folder, fetch=allowing(host))) as scene:
                token = a_token(iss=f"http://127.0.0.1:{host.port}", iat=None, exp=4_000_000_000)
                assert await scene.reason(headers={"authorization": f"Bearer {token}"}) == "rule.allow"
                assert len(host.heard) == 1
            assert token.rpartition(".")[2] not in scene.stream.getvalue()

    run(story)


def test_an_issuer_that_is_down_does_not_keep_the_others_from_being_served(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "other.yaml").write_text(OPEN.replace("api.", "b.").replace("name: orders", "name: other"))

    async def story() -> None:
        async with https(an_authority(tmp_path), tmp_path, tls=False) as host:
            (folder / "orders.yaml").write_text(fetching(host))
            async with serving(settings(folder, fetch=allowing(host))) as scene:
                assert (await scene.page("/readyz")).status_code == 200
                assert await scene.reason(host="b.example.com") == "rule.allow"
                token = a_token(iss=f"http://127.0.0.1:{host.port}")
                assert await scene.reason(headers={"authorization": f"Bearer {token}"}) == "keys.unavailable"
            assert scene.events("keys.fetch_failed")[0]["keeps_earlier_keys"] is False

    run(story)


def test_grpc_health_is_not_serving_before_it_is_ready(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()

    async def story() -> None:
        async with https(an_authority(tmp_path), tmp_path, tls=False) as host:
            gate = asyncio.Event()

            async def slow(writer: asyncio.StreamWriter) -> None:
                await gate.wait()

            host.pages["/keys"] = slow
            (folder / "orders.yaml").write_text(fetching(host))
            with socket.create_server(("127.0.0.1", 0)) as free:
                listen = Address("127.0.0.1", free.getsockname()[1])
            stopped = asyncio.Event()
            task = asyncio.create_task(Service(settings(folder, fetch=allowing(host), listen=listen), io.StringIO()).run(stopped))
            try:
                await until(lambda: bool(host.heard), 5)
                async with grpc.aio.insecure_channel(str(listen)) as channel:
                    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=3)
                assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
            finally:
                gate.set()
                stopped.set()
                await asyncio.wait_for(task, 10)

    run(story)


def test_policies_are_followed_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text(OPEN)

    async def story() -> None:
        async with serving(settings(tmp_path)) as scene:
            assert await scene.reason() == "rule.allow"
            (tmp_path / "orders.yaml").write_text(CLOSED)
            await scene.until("rule.deny")
            (tmp_path / "orders.yaml").write_text(BROKEN)
            await until(lambda: bool(scene.events("policy.problem")), 5)
            assert await scene.reason() == "rule.deny", "the last good version"
            (tmp_path / "orders.yaml").write_text(OPEN)
            await scene.until("rule.allow")
            (tmp_path / "orders.yaml").unlink()
            await scene.until("policy.none")

    run(story)


def test_a_directory_that_cannot_be_read_is_told_and_keeps_what_was_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "orders.yaml").write_text(OPEN)

    async def story() -> None:
        async with serving(settings(folder)) as scene:
            # The watch needs a moment: a change that is seen says that it is there.
            (folder / "more.yaml").write_text(OPEN.replace("api.", "b.").replace("name: orders", "name: more"))
            await scene.until("rule.allow", host="b.example.com")
            folder.rename(tmp_path / "elsewhere")
            await until(lambda: bool(scene.events("policies.unreadable")), 12)
            assert await scene.reason() == "rule.allow"

    run(story)


def test_a_reload_while_two_hundred_checks_run_fails_none_of_them(tmp_path: Path) -> None:
    file = tmp_path / "orders.yaml"
    file.write_text(OPEN)
    other = OPEN.replace("name: any,", "name: whoever,")

    async def story() -> None:
        async with serving(settings(tmp_path, allow_sample=0)) as scene:
            busy = True
            reasons: dict[str, int] = {}

            async def ask() -> None:
                while busy:
                    reason = await scene.reason()
                    reasons[reason] = reasons.get(reason, 0) + 1

            asking = [asyncio.create_task(ask()) for _ in range(200)]
            for number in range(6):
                file.write_text(other if number % 2 else OPEN + "#\n" * number)
                await asyncio.sleep(0.2)
            busy = False
            await asyncio.gather(*asking)
            assert set(reasons) == {"rule.allow"}
            assert reasons["rule.allow"] > 1000
            assert len(scene.events("policies.loaded")) > 3

    run(story)


def test_stopping_answers_what_is_under_way_and_says_so_before(tmp_path: Path) -> None:  # noqa: PLR0915 - one story
    folder = tmp_path / "policies"
    folder.mkdir()

    async def story() -> None:
        async with https(an_authority(tmp_path), tmp_path, tls=False) as host:
            gate = asyncio.Event()
            host.pages["/keys"] = says(b"", "503 Busy")
            (folder / "orders.yaml").write_text(fetching(host))
            async with serving(settings(folder, fetch=allowing(host), drain_seconds=0.5)) as scene:

                async def slow(writer: asyncio.StreamWriter) -> None:
                    await gate.wait()
                    await says(a_jwks().encode())(writer)

                host.pages["/keys"] = slow
                token = a_token(iss=f"http://127.0.0.1:{host.port}", iat=None, exp=4_000_000_000)
                asking: list[asyncio.Task[str]] = []
                await until(lambda: len(host.heard) >= 2, 8)
                asking += [asyncio.create_task(scene.reason(headers={"authorization": f"Bearer {token}"})) for _ in range(20)]
                await asyncio.sleep(0.1)
                assert not any(task.done() for task in asking)
                scene.stopped.set()
                async with asyncio.timeout(3):
                    while await scene.health() != "NOT_SERVING":  # noqa: ASYNC110 - the service tells nobody
                        await asyncio.sleep(0.01)
                answer = await scene.page("/readyz")
                assert (answer.status_code, answer.text) == (503, "stopping\n")
                assert await scene.reason(host="other.example.com") == "policy.none", "it still answers"
                gate.set()
                assert set(await asyncio.gather(*asking)) == {"rule.allow"}
                await asyncio.wait_for(asyncio.shield(scene.task), 8)
            with pytest.raises(OSError, match=r".*"):
                await asyncio.open_connection(scene.running.checks.host, scene.running.checks.port)

    run(story)


async def start_error(chosen: Settings) -> str:
    stopped = asyncio.Event()
    stopped.set()
    with pytest.raises(StartError) as fault:
        await asyncio.wait_for(Service(chosen, io.StringIO()).run(stopped), 10)
    return str(fault.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "spec: {}",
        "kind: AuthPolicy\napiVersion: ingress-authz.dev/v1alpha1\nspec: {hosts: [api.example.com]}\n",
        a_manifest("hosts: api.example.com\nrules: [{name: all, allow: []}]"),
        a_manifest("hosts: [7]\nrules: [{name: all, allow: []}]"),
        a_manifest("hosts: [api.example.com]\nmode: Shaddow\nrules: [{name: all, allow: []}]"),
        a_manifest("hosts: [api.example.com]\npathPrefixes: orders\nrules: [{name: all, allow: []}]"),
        a_manifest("hots: [api.example.com]\nrules: [{name: all, allow: []}]"),
        pytest.param(
            a_manifest("rules: [{name: all, allow: []}]"),
        ),
    ],
    ids=["empty", "half", "no object", "no name", "hosts no list", "hosts no names", "mode", "prefixes", "misspelt", "no hosts"],
)
def test_it_does_not_start_where_it_cannot_be_told_what_a_file_is_for(tmp_path: Path, content: str) -> None:
    (tmp_path / "orders.yaml").write_text(content)
    told = asyncio.run(start_error(settings(tmp_path)))
    assert "it cannot be read what these are for, so starting could leave it open" in told
    assert f"{tmp_path}/orders.yaml:" in told


@pytest.mark.parametrize("host", ["API.example.com", "api.example.com:443", "api.example.com."])
def test_a_host_that_is_nearly_right_is_answered_503(tmp_path: Path, host: str) -> None:
    (tmp_path / "orders.yaml").write_text(a_manifest(f'hosts: ["{host}"]\nrules: [{{name: all, allow: []}}]'))

    async def story() -> None:
        async with serving(settings(tmp_path, operator=Operator(unprotected_all=True))) as scene:
            assert await scene.reason() == "policy.invalid"

    run(story)


@pytest.mark.parametrize("host", ["https://api.example.com", "api.example.com/", "a b", "*", "api.*.example.com", "?", "ex\u00e4mple.com"])
def test_it_does_not_start_where_a_host_can_only_be_guessed(tmp_path: Path, host: str) -> None:
    (tmp_path / "orders.yaml").write_text(a_manifest(f'hosts: ["{host}"]\nrules: [{{name: all, allow: []}}]'))
    told = asyncio.run(start_error(settings(tmp_path, operator=Operator(unprotected_all=True))))
    assert "it cannot be read what these are for" in told


@pytest.mark.parametrize("content", [BROKEN, a_manifest("hosts: [api.example.com]\nrules: [{name: all}]")])
def test_it_starts_with_a_broken_policy_whose_hosts_can_be_read_and_answers_503_there(tmp_path: Path, content: str) -> None:
    (tmp_path / "orders.yaml").write_text(content)

    async def story() -> None:
        async with serving(settings(tmp_path, operator=Operator(unprotected_all=True))) as scene:
            assert await scene.reason() == "policy.invalid"
            assert await scene.reason(host="other.example.com") == "policy.unprotected"

    run(story)


def test_it_does_not_start_without_its_directory(tmp_path: Path) -> None:
    told = asyncio.run(start_error(settings(tmp_path / "none")))
    assert "none: no such file or directory; --policies names the directory of AuthPolicies" in told


@pytest.mark.parametrize("which", ["listen", "admin_listen"])
def test_it_does_not_start_on_a_port_that_is_taken_and_leaves_none_open(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as free:
        other = Address("127.0.0.1", free.getsockname()[1])
        free.close()
        changes = {"listen": other, "admin_listen": other, which: Address("127.0.0.1", taken.getsockname()[1])}
        told = asyncio.run(start_error(settings(tmp_path, **changes)))
        assert f"choose another with --{which.replace('_', '-')} (port 0 takes any free one)" in told
        socket.create_server(("127.0.0.1", other.port)).close()


def test_it_does_not_start_without_its_tls_files(tmp_path: Path) -> None:
    async def story() -> None:
        chosen = settings(tmp_path, tls=TlsFiles(tmp_path / "none.crt", tmp_path / "none.key"))
        with pytest.raises(TlsError, match="the TLS files cannot be used"):
            await asyncio.wait_for(Service(chosen, io.StringIO()).run(asyncio.Event()), 10)

    asyncio.run(story())


def test_a_ready_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert "ready" in asyncio.run(start_error(settings(tmp_path, ready_file=tmp_path / "none" / "ready.json")))


class Faulty(io.StringIO):
    """A stream whose other end is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("kind", ["read", "gone", "full"])
def test_a_log_that_nobody_can_write_is_no_reason_not_to_answer(tmp_path: Path, kind: str) -> None:
    (tmp_path / "orders.yaml").write_text(OPEN)

    async def story() -> None:
        streams = {"read": io.StringIO, "gone": Faulty, "full": lambda: Path("/dev/full").open("w")}  # noqa: SIM115 - closed below
        stopped, stream = asyncio.Event(), streams[kind]()
        up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(Service(settings(tmp_path), stream).run(stopped, up.set_result))
        scene = Scene(await asyncio.wait_for(up, 5), stream, stopped, task)
        for _ in range(30):
            assert await scene.reason() == "rule.allow"
            await asyncio.sleep(0.01)
        page = await scene.page("/metrics")
        (dropped,) = re.findall(r"^authz_log_lines_dropped_total (\S+)$", page.text, re.MULTILINE)
        assert (float(dropped) > 0) is (kind != "read")
        stopped.set()
        await asyncio.wait_for(task, 10)
        await scene.channel.close()
        with suppress(OSError):
            stream.close()

    run(story)


def test_a_cancelled_service_lets_go_of_everything(tmp_path: Path) -> None:
    async def story() -> None:
        up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(Service(settings(tmp_path), io.StringIO()).run(asyncio.Event(), up.set_result))
        running = await asyncio.wait_for(up, 5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
        for address in (running.checks, running.admin):
            socket.create_server((address.host, address.port)).close()

    run(story)


def test_a_part_that_breaks_is_started_again_and_checks_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "orders.yaml").write_text(OPEN)
    begun: list[int] = []

    async def breaks(*given: object) -> AsyncIterator[object]:
        begun.append(1)
        raise RuntimeError("the watch broke")
        yield

    monkeypatch.setattr("authz.files.source.changes", breaks)

    async def story() -> None:
        async with serving(settings(tmp_path)) as scene:
            await until(lambda: len(begun) >= 2, 5)
            assert await scene.reason() == "rule.allow"
        assert [line["kind"] for line in scene.events("fault")] == ["RuntimeError"] * len(begun)

    run(story)


def test_the_clock_is_the_machines() -> None:
    async def story() -> None:
        clock = SystemClock()
        before = clock.time()
        await clock.sleep(0)
        assert 1_700_000_000 < before <= clock.time()

    asyncio.run(story())
