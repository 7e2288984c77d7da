"""Through a real Envoy: what clients and upstreams see."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from authz.demo.issuer import DemoIssuer
from authz.envoy.tls import TlsFiles
from tests.builders import a_manifest
from tests.certificates import an_authority
from tests.e2e.stack import Plan, running

pytestmark = pytest.mark.envoy

ISSUER = DemoIssuer("https://demo.example")


def policy(more: str = "", rules: str = "") -> str:
    jwks = json.dumps(ISSUER.jwks())
    usual = """
- name: open
  matches: [{path: {type: Exact, value: /open}}]
  allow: [{name: anyone, anonymous: {}}]
- name: read
  matches: [{path: {type: PathPrefix, value: /orders}, methods: [GET, HEAD]}]
  allow: [{name: readers, jwt: {issuers: [demo], scopes: [orders.read]}}]
  forward: {headers: [{name: x-auth-subject, from: {claim: [sub]}}]}
"""
    return a_manifest(
        f"hosts: [localhost]\naudiences: [orders]\nissuers: [{{name: demo, issuer: 'https://demo.example', jwks: '{jwks}'"
        f"{more}}}]\nrules:{rules or usual}"
    )


def bearer(**options: object) -> dict[str, str]:
    return {"authorization": f"Bearer {ISSUER.token(scope='orders.read', **options)}"}


def test_a_denied_request_gets_a_standard_answer_and_never_reaches_the_upstream(tmp_path: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy()}) as stack:
            answer = await stack.ask("/orders/7", headers={"x-request-id": "test-7"})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-request-id"]
            assert answer.json()["code"] == "credentials_missing"
            assert "shop" not in answer.text
            assert "upstream" not in answer.json()
            broken = await stack.ask("/orders/7", headers={"authorization": "Bearer a.b.c"})
            assert broken.status_code == 401
            assert 'error="invalid_token"' in broken.headers["www-authenticate"]
            lacking = await stack.ask("/orders/7", headers={"authorization": f"Bearer {ISSUER.token(scope='other')}"})
            assert lacking.status_code == 403
            assert 'scope="orders.read"' in lacking.headers["www-authenticate"]

    asyncio.run(body())


@pytest.mark.parametrize("raw_headers", [False, True])
def test_an_allowed_request_reaches_the_upstream_as_the_policy_says(tmp_path: Path, raw_headers: bool) -> None:
    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy()}, Plan(topology={"raw_headers": raw_headers})) as stack:
            sent = {**bearer(), "x-auth-subject": "admin", "X_Auth-Subject": "admin", "x-other": "kept"}
            answer = await stack.ask("/orders/7?q=a%20b", headers=sent)
            assert answer.status_code == 200
            seen = answer.json()
            assert seen["headers"]["x-auth-subject"] == "alice"
            assert not {"authorization", "x_auth-subject", "x_auth_subject"} & set(seen["headers"])
            assert seen["headers"]["x-other"] == "kept"
            assert seen["query"] == "q=a%20b"
            anonymous = (await stack.ask("/open", headers={"x-auth-subject": "admin"})).json()
            assert "x-auth-subject" not in anonymous["headers"]

    asyncio.run(body())


def test_http_1_1_and_http_2_with_tls_decide_alike(tmp_path: Path) -> None:
    authority = an_authority(tmp_path)
    certificate = authority.issue(tmp_path, "gateway")
    (tmp_path / "policies").mkdir()

    async def body(http2: bool) -> None:
        plan = Plan(topology={"certificate": certificate}, verify=ssl.create_default_context(cafile=str(authority.file)), http2=http2)
        async with running(tmp_path / "policies", {"p.yaml": policy()}, plan) as stack:
            allowed = await stack.ask("/orders/7", headers=bearer())
            assert allowed.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
            assert allowed.status_code == 200
            assert (await stack.ask("/orders/7")).status_code == 401
            assert (await stack.ask("/orders/7", method="HEAD")).status_code == 401
            assert (await stack.ask("/elsewhere")).json()["code"] == "rule_none"

    for http2 in (False, True):
        asyncio.run(body(http2))


def test_envoy_asks_over_mutual_tls_and_a_client_without_a_certificate_gets_no_answer(tmp_path: Path) -> None:
    authority = an_authority(tmp_path)
    server, client = authority.issue(tmp_path, "authz"), authority.issue(tmp_path, "envoy")
    (tmp_path / "policies").mkdir()
    files = TlsFiles(server.certificate, server.key, authority.file)

    async def body(shown: object, expected: int) -> None:
        plan = Plan(topology={"checks_ca": authority.file, "checks_client": shown}, settings={"tls": files})
        async with running(tmp_path / "policies", {"p.yaml": policy()}, plan) as stack:
            assert (await stack.ask("/orders/7", headers=bearer())).status_code == expected

    asyncio.run(body(client, 200))
    asyncio.run(body(None, 503))


@pytest.mark.parametrize(
    ("target", "method", "status"),
    [
        ("/open", "GET", 200),
        ("/%6fpen", "GET", 400),
        ("/orders/../open", "GET", 400),
        ("/open%2f", "GET", 400),
        ("//open", "GET", 400),
        ("/open;x=1", "GET", 400),
        ("/orders/%2e%2e/open", "GET", 400),
        ("/open/", "GET", 200),
        ("/OPEN", "GET", 403),
        ("/orders/7", "POST", 403),
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_denied(tmp_path: Path, target: str, method: str, status: int) -> None:
    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy()}) as stack:
            host, port = stack.gateway.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
            writer.write(f"{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:200]

    asyncio.run(body())


def test_repeated_authorization_headers_are_one_too_many(tmp_path: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy()}) as stack:
            twice = [("authorization", bearer()["authorization"]), ("authorization", "Bearer other")]
            answer = await stack.ask("/orders/7", headers=twice)
            assert answer.status_code == 400
            assert answer.json()["code"] == "credentials_multiple"
            assert 'error="invalid_request"' in answer.headers["www-authenticate"]

    asyncio.run(body())


def test_credentials_in_cookie_and_query_are_taken_out_and_the_rest_stays(tmp_path: Path) -> None:
    more = ", tokenFrom: [{header: Authorization, scheme: Bearer}, {query: access_token}, {cookie: session}]"

    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy(more)}) as stack:
            token = ISSUER.token(scope="orders.read")
            by_query = (await stack.ask(f"/orders/7?a=1&access_token={token}&b=2")).json()
            assert by_query["query"] == "a=1&b=2"
            by_cookie = (await stack.ask("/orders/7", headers={"cookie": f"theme=dark; session={token}; lang=en"})).json()
            assert by_cookie["headers"]["cookie"] == "theme=dark; lang=en"
            alone = (await stack.ask("/orders/7", headers={"cookie": f"session={token}"})).json()
            assert "cookie" not in alone["headers"]
            disguised = await stack.ask(f"/orders/7?access%5Ftoken={token}")
            assert disguised.status_code != 200 or token not in disguised.json()["query"]

    asyncio.run(body())


def test_a_changed_policy_is_in_force_within_a_second_and_no_request_is_lost(tmp_path: Path) -> None:
    closed = policy(rules="\n- {name: closed, allow: []}\n")

    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy()}) as stack:
            statuses: list[int] = []
            done = asyncio.Event()

            async def traffic() -> None:
                while not done.is_set():
                    statuses.append((await stack.ask("/open")).status_code)

            clients = [asyncio.create_task(traffic()) for _ in range(4)]
            for text, expected in ((closed, 403), (policy(), 200), ("hosts: [", 200), (closed, 403)):
                began = time.monotonic()
                stack.write("p.yaml", text)
                if text != "hosts: [":
                    while (await stack.ask("/open")).status_code != expected:
                        assert time.monotonic() - began < 1.0
                else:
                    await until(lambda: any(line.get("code") == "AZ101" for line in stack.lines()))
                    assert (await stack.ask("/open")).status_code == expected
            done.set()
            await asyncio.gather(*clients)
            assert set(statuses) == {200, 403}
            assert 'authz_reloads_total{result="failure"} 1.0' in await stack.metrics()

    asyncio.run(body())


def test_the_route_can_name_a_policy_that_must_allow_too(tmp_path: Path) -> None:
    spec = "hosts: [localhost]\npathPrefixes: [/orders]\nrules:\n- {name: shut, allow: []}"
    other = a_manifest(spec, name="second")

    async def body(named: str, target: str) -> str:
        plan = Plan(topology={"named_policy": named})
        async with running(tmp_path, {"p.yaml": policy(), "q.yaml": other}, plan) as stack:
            return str((await stack.ask(target, headers=bearer())).json().get("code", "allowed"))

    assert asyncio.run(body("shop/second", "/open")) == "policy_mismatch"
    assert asyncio.run(body("shop/nowhere", "/open")) == "policy_mismatch"
    assert asyncio.run(body("shop/orders", "/open")) == "allowed"


def test_envoy_refuses_while_the_service_is_away(tmp_path: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy()}) as stack:
            assert (await stack.ask("/open")).status_code == 200
            await stack.service._server.stop(0)
            assert (await stack.ask("/open")).status_code == 503

    asyncio.run(body())


def test_decisions_are_logged_and_counted_without_a_credential(tmp_path: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, {"p.yaml": policy()}) as stack:
            await stack.ask("/orders/7", headers=bearer())
            await stack.ask("/orders/7?access_token=s3cret", headers={"authorization": "Bearer s3cret.s3cret.s3cret"})
            metrics = await stack.metrics()
            assert 'authz_checks_total{decision="allow",reason="rule.allow"} 1.0' in metrics
            assert 'authz_checks_total{decision="deny",reason="token.malformed"} 1.0' in metrics
            await until(lambda: len([line for line in stack.lines() if "decision" in line]) == 2)
            allowed, denied = (line for line in stack.lines() if "decision" in line)
            assert (allowed["decision"], allowed["policy"], allowed["rule"], allowed["sub"]) == ("allow", "shop/orders", "read", "alice")
            assert (denied["reason"], denied["status"], denied["client_ip"]) == ("token.malformed", 401, "127.0.0.1")
            assert "s3cret" not in stack.log.getvalue()
            assert bearer()["authorization"].split(".")[2] not in stack.log.getvalue()

    asyncio.run(body())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.02)
