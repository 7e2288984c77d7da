"""`authz selftest`: a running service, asked as Envoy asks."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from authz.envoy.server import CheckServer, ServerLimits
from authz.envoy.tls import TlsFiles
from authz.model.operator import Operator
from authz.settings import Settings
from tests.builders import a_manifest
from tests.certificates import an_authority
from tests.cli.command import authz
from tests.test_app import Scene, serving, settings

OPEN = a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]")
ALLOWED = "allow GET https://api.example.com/orders/7"


def selftest(chosen: Settings, words: Callable[[Scene], tuple[str, ...]]) -> Result:
    """What comes of the command against a service with these settings."""

    async def story() -> Result:
        async with serving(chosen) as scene:
            return await asyncio.to_thread(authz, "selftest", *words(scene))

    return asyncio.run(asyncio.wait_for(story(), 30))


def target(scene: Scene) -> str:
    return str(scene.running.checks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "policies"
    place.mkdir()
    (place / "orders.yaml").write_text(OPEN)
    return place


def test_a_service_that_answers_as_it_should_passes_every_step(folder: Path) -> None:
    result = selftest(settings(folder), lambda scene: (target(scene), "--admin", f"http://{scene.running.admin}", "--expect", ALLOWED))
    assert result.stdout.splitlines() == [
        "ok    /livez: 200 ok",
        "ok    /readyz: 200 ok",
        "ok    grpc.health.v1: SERVING",
        "ok    a check without a request: deny 400 request.malformed",
        "ok    a host that no policy names: deny 403 policy.none",
        "ok    GET https://api.example.com/orders/7: allow rule.allow by shop/orders",
    ]
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("expected", "code", "told"),
    [
        ("deny policy.none GET https://other.example.com/", 0, "deny 403 policy.none"),
        ("deny GET https://api.example.com/", 1, "expected deny. An alternative of the rule held."),
        ("allow GET https://other.example.com/", 1, "expected allow. No policy covers this host and path."),
        ("allow preflight.allow GET https://api.example.com/", 1, "expected allow preflight.allow. "),
        ("deny path.ambiguous GET https://api.example.com/a//b?c=d", 0, "deny 400 path.ambiguous"),
    ],
)
def test_what_is_expected_of_a_request_is_compared_with_its_answer(folder: Path, expected: str, code: int, told: str) -> None:
    result = selftest(settings(folder), lambda scene: (target(scene), "--expect", ALLOWED, "--expect", expected))
    assert result.exit_code == code, result.stdout
    assert told in result.stdout
    assert result.stdout.count("FAIL") == code


def test_where_every_request_passes_it_says_so(folder: Path) -> None:
    chosen = settings(folder, operator=Operator(unprotected_all=True))
    result = selftest(chosen, lambda scene: (target(scene),))
    assert result.exit_code == 0
    unprotected = "allow policy.unprotected (unprotected: a request that no policy covers passes)"
    assert f"ok    a host that no policy names: {unprotected}" in result.stdout


def test_over_tls_the_service_is_held_against_its_ca_and_shown_a_certificate(folder: Path, tmp_path: Path) -> None:
    authority = an_authority(tmp_path)
    served, shown = authority.issue(tmp_path, "authz"), authority.issue(tmp_path, "gateway")
    chosen = settings(folder, tls=TlsFiles(served.certificate, served.key, authority.file))
    trust, own = ("--tls-ca", str(authority.file)), ("--tls-cert", str(shown.certificate), "--tls-key", str(shown.key))

    async def story() -> None:
        async with serving(chosen) as scene:
            for words, code in (((*trust, *own), 0), (trust, 4), (own, 4), ((), 4), ((*trust, *own, "--tls-name", "stranger"), 4)):
                result = await asyncio.to_thread(authz, "selftest", target(scene), *words, "--timeout", "5")
                assert result.exit_code == code, (words, result.output)
                assert code == 0 or "--tls" in result.stderr, result.stderr

    asyncio.run(asyncio.wait_for(story(), 40))


def test_a_service_that_is_being_stopped_is_not_well(folder: Path) -> None:
    async def story() -> Result:
        async with serving(settings(folder, drain_seconds=5)) as scene:
            scene.stopped.set()
            async with asyncio.timeout(3):
                while await scene.health() != "NOT_SERVING":  # noqa: ASYNC110 - the service tells nobody
                    await asyncio.sleep(0.01)
            return await asyncio.to_thread(authz, "selftest", target(scene), "--admin", f"http://{scene.running.admin}")

    result = asyncio.run(asyncio.wait_for(story(), 30))
    assert result.exit_code == 1
    assert "FAIL  /readyz: 503 stopping" in result.stdout
    assert "FAIL  grpc.health.v1: NOT_SERVING" in result.stdout


def test_another_grpc_service_is_told_from_ours() -> None:
    async def story() -> Result:
        server = CheckServer(lambda data, deadline: b"", ServerLimits())
        port = await server.start("127.0.0.1:0")
        await server.ready()
        try:
            return await asyncio.to_thread(authz, "selftest", f"127.0.0.1:{port}")
        finally:
            await server.stop(0)

    result = asyncio.run(asyncio.wait_for(story(), 30))
    assert result.exit_code == 1
    assert "FAIL  a check without a request: allow (no reason told)" in result.stdout
    assert "is HOST:PORT its gRPC port (--listen)?" in result.stdout


def test_the_admin_port_is_told_from_the_grpc_port(folder: Path) -> None:
    result = selftest(settings(folder), lambda scene: (str(scene.running.admin),))
    assert (result.exit_code, result.stdout) == (4, "")
    assert "has no such service; is it the port of --listen (gRPC), and not another one?" in result.stderr


def test_where_nobody_listens_is_told_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    result = authz("selftest", nobody)
    assert result.exit_code == 4
    assert f"{nobody}: unavailable" in result.stderr
    assert "is it running, and without TLS?" in result.stderr
    result = authz("selftest", nobody, "--admin", f"http://{nobody}")
    assert result.exit_code == 4
    assert "--admin names the address of --admin-listen" in result.stderr


def test_who_accepts_and_says_nothing_is_waited_for_no_longer_than_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = authz("selftest", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.3")
    assert result.exit_code == 4
    assert "no answer within 0.3 s" in result.stderr


def test_mistakes_are_all_told_at_once() -> None:
    result = authz("selftest", "nowhere", "--tls-cert", "x", "--admin", "here", "--expect", "maybe GET https://api.example.com/")
    assert result.exit_code == 2
    for told in ("'nowhere' is no HOST:PORT", "--tls-cert and --tls-key go together", "'here' is no URL", "is not 'allow METHOD URL'"):
        assert told in result.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("allow GET", "is not 'allow METHOD URL'"),
        ("deny because GET https://api.example.com/", "because is no reason"),
        ("allow GET api.example.com/", "api.example.com/ is no URL; write https://HOST/PATH"),
        ("allow rule.allow GET https://api.example.com/ again", "is not 'allow METHOD URL'"),
    ],
)
def test_an_expectation_that_cannot_be_read_is_told(text: str, told: str) -> None:
    result = authz("selftest", "127.0.0.1:1", "--expect", text)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_tls_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = authz("selftest", "127.0.0.1:1", "--tls-ca", tmp_path / "none.crt")
    assert result.exit_code == 4
    assert "none.crt: No such file or directory; --tls-ca, --tls-cert and --tls-key name PEM files" in result.stderr
