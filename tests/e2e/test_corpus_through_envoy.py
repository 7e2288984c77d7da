"""The cases of the corpus that say `envoy: true`, through a real Envoy: HTTP/1.1 in plain text and HTTP/2 over TLS.

Over HTTP/1.1 each goes through two Envoys: one sends checks with a map of headers, one with raw headers.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest

from authz.admin.server import HttpServer
from authz.demo.bootstrap import Topology, bootstrap_json
from authz.demo.proxy import Proxy
from authz.demo.upstream import upstream_app
from authz.envoy.endpoint import Endpoint
from authz.envoy.server import CheckServer, ServerLimits
from authz.model.decision import Decision
from authz.model.reason import Reason
from authz.model.request import Request
from tests import corpus_runner
from tests.certificates import Authority, an_authority
from tests.corpus_runner import CaseOf, Outcome, RecordingAudit, Sent, Setting, World
from tests.e2e.stack import LOOPBACK, envoy

pytestmark = pytest.mark.envoy

# Certificates take listeners that ask for them, and proxies that may tell of them: other tests have those.
CASES = [
    (setting, case)
    for setting in corpus_runner.settings()
    for case in setting.cases
    if case.envoy and not case.disagrees and not setting.given.operator.clientCertificate and not case.request.certificate
]


class Stage:
    """Answers checks from whichever installation is on."""

    def __init__(self) -> None:
        self.world: World | None = None
        self.by_http_2 = 0

    def check(self, request: Request, budget: float) -> Decision | Awaitable[Decision]:
        assert self.world is not None
        return self.world.checker.check(request, budget)


@asynccontextmanager
async def gateways(folder: Path, authority: Authority, stage: Stage, named: str) -> AsyncIterator[tuple[int, int, int]]:
    """The ports of three Envoys before the stage: two in plain text, of which the second sends raw headers, and one with TLS."""
    server = CheckServer(Endpoint(stage, RecordingAudit()), ServerLimits())
    checks = await server.start(f"{LOOPBACK}:0")
    upstream = HttpServer(upstream_app())
    try:
        topology = Topology(0, (LOOPBACK, checks), (LOOPBACK, await upstream.start(LOOPBACK, 0)), named_policy=named)
        raw, secure = replace(topology, raw_headers=True), replace(topology, certificate=authority.issue(folder, "gateway"))
        plain, lines, tls = (Proxy(envoy(), bootstrap_json(each)) for each in (topology, raw, secure))
        async with plain, lines, tls:
            yield plain.port, lines.port, tls.port
    finally:
        await server.stop(1)
        await upstream.stop()


async def by_http_1(port: int, one: Sent) -> tuple[int, dict[str, str], str]:
    """The answer to a request whose octets are written as the case has them."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    lines = [f"{one.method} {one.path} HTTP/1.1".encode(), b"host: " + one.host.encode(), b"connection: close"]
    lines += [name.encode() + b": " + value for name, value in one.lines]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    return int(status.split(" ")[1]), headers, _unchunked(body, headers)


def _unchunked(body: bytes, headers: dict[str, str]) -> str:
    if headers.get("transfer-encoding") != "chunked":
        return body.decode()
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole.decode()


async def by_http_2(client: httpx2.AsyncClient, port: int, one: Sent) -> tuple[int, dict[str, str], str] | None:
    """The answer over HTTP/2, or None where the client would not send the request as it is."""
    url = httpx2.URL(f"https://localhost:{port}{one.path}")
    if url.raw_path.decode() != one.path or not one.host.isascii():
        return None
    lines = [(name.encode(), value) for name, value in one.lines] + [(b"host", one.host.encode())]
    answer = await client.request(one.method, url, headers=lines)
    assert answer.http_version == "HTTP/2"
    return answer.status_code, dict(answer.headers), answer.text


def outcome_of(answer: tuple[int, dict[str, str], str], one: Sent, way: str) -> Outcome:
    status, headers, body = answer
    fields: dict[str, Any] = json.loads(body) if body.startswith("{") else {}
    if "upstream" not in fields:
        return Outcome(way, "deny", status, fields.get("code", ""), "", "", headers=headers, body=body)
    seen: dict[str, str] = fields["headers"]
    found = Outcome(way, "allow", 200, "", "", "", set=seen)
    found.removed = frozenset(name for name, _ in one.lines if name not in seen)
    sent_query, left = one.path.partition("?")[2].split("&"), fields["query"].split("&")
    found.removed_query = tuple(pair.partition("=")[0] for pair in sent_query if pair and pair not in left)
    return found


def differences(case: CaseOf, found: Outcome, sent: Sent) -> Iterator[str]:
    expect = case.expect
    if (found.decision, found.status) != (expect.decision, expect.status):
        yield f"{found.decision} {found.status}, expected {expect.decision} {expect.status}: {found.body[:200]}"
    elif found.decision == "deny":
        yield from answer_differences(case, found)
    else:
        yield from upstream_differences(case, found, sent)


def answer_differences(case: CaseOf, found: Outcome) -> Iterator[str]:
    expected = Reason(case.expect.reason).public if case.expect.reason else ""
    if expected and found.body and found.reason != expected:
        yield f"code {found.reason}, expected {expected}"
    if "challenge" in case.expect.model_fields_set:
        yield from corpus_runner._challenge(case.expect.challenge, found.headers.get("www-authenticate"))


def upstream_differences(case: CaseOf, found: Outcome, sent: Sent) -> Iterator[str]:
    expect, wanted, present = case.expect, case.expect.set or {}, {name for name, _ in sent.lines}
    yield from (f"{name}: {found.set.get(name)!r}, not {value!r}" for name, value in wanted.items() if found.set.get(name) != value)
    yield from (f"the upstream got {name}" for name in expect.removed if name in found.set and name not in wanted)
    yield from (f"the upstream did not get {name}" for name in expect.kept if name in present and name not in found.set)
    if sorted(found.removed_query) != sorted(expect.removedQuery):
        yield f"query parameters taken away: {found.removed_query}, expected {expect.removedQuery}"


@cache
def results(folder: Path) -> dict[tuple[str, str], list[str]]:
    """What differs, for each case: two Envoys for all cases of one named policy."""
    return asyncio.run(_results(folder))


async def _results(folder: Path) -> dict[tuple[str, str], list[str]]:
    authority, found, by_http_2 = an_authority(folder), {}, 0
    trust = ssl.create_default_context(cafile=str(authority.file))
    for named in sorted({case.request.policy for _, case in CASES}):
        stage = Stage()
        async with (
            gateways(folder, authority, stage, named) as (plain, raw, tls),
            httpx2.AsyncClient(verify=trust, http2=True, http1=False, trust_env=False) as client,
        ):
            for setting, case in CASES:
                if case.request.policy == named:
                    found[setting.name, case.name] = await _tried(setting, case, stage, (plain, raw), (client, tls))
        by_http_2 += stage.by_http_2
    assert by_http_2 >= 60
    return found


async def _tried(setting: Setting, case: CaseOf, stage: Stage, plain: tuple[int, int], secure: tuple[httpx2.AsyncClient, int]) -> list[str]:
    """What differs for one case; a request that the HTTP/2 client would rewrite goes by HTTP/1.1 only."""
    one = corpus_runner.sent(case.request, setting.given)
    one = replace(one, lines=tuple(line for line in one.lines if not line[0].startswith(":")))
    found: list[str] = []
    for port, form in zip(plain, ("HTTP/1.1", "HTTP/1.1, raw headers"), strict=True):
        stage.world = await corpus_runner._world(setting)
        found += [f"{form}: {each}" for each in differences(case, outcome_of(await by_http_1(port, one), one, form), one)]
    answer = await by_http_2(*secure, one)
    if answer is not None:
        stage.by_http_2 += 1
        found += [f"HTTP/2: {each}" for each in differences(case, outcome_of(answer, one, "HTTP/2"), one)]
    return found


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[str]]:
    return results(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize(("setting", "case"), CASES, ids=[f"{setting.name}: {case.name}" for setting, case in CASES])
def test_case_through_envoy(setting: Setting, case: CaseOf, outcomes: dict[tuple[str, str], list[str]]) -> None:
    found = outcomes[setting.name, case.name]
    assert not found, "\n".join([*found, f"because: {case.why}"])
