"""The service behind a real Envoy, with keys and tokens of a real identity provider."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import jwt
import pytest
from prometheus_client.parser import text_string_to_metric_families

from authz.admin.server import HttpServer
from authz.app import Running, Service
from authz.demo.bootstrap import Topology, bootstrap_json
from authz.demo.proxy import Proxy, ProxyError, find_envoy
from authz.demo.upstream import upstream_app
from authz.fetch.client import FetchLimits, origin_of
from authz.model.operator import ClientAddress, Operator
from authz.service.keyring import KeyTimes
from authz.settings import Address, Settings
from tests.builders import a_manifest, a_token
from tests.conftest import unavailable
from tests.idp.glewlwyd import API, DAEMON, REMEDY, Glewlwyd, is_installed

pytestmark = pytest.mark.idp

LOOPBACK: Final = "127.0.0.1"
READ: Final = "orders.read"
WRITE: Final = "orders.write"
# `/orders` also takes the scope as audience, as tokens of Glewlwyd's password grant have it; `/strict` is for the API alone.
POLICY: Final = """
hosts: [127.0.0.1]
audiences: [@API@, orders.read]
issuers:
- {name: idp, issuer: "@ISSUER@", algorithms: [RS256]}
rules:
- name: strict
  matches: [{path: {type: PathPrefix, value: /strict}, methods: [GET]}]
  allow:
  - name: readers
    jwt: {issuers: [idp], audiences: [@API@], scopes: [orders.read]}
- name: read
  matches: [{path: {type: PathPrefix, value: /orders}, methods: [GET]}]
  allow:
  - name: readers
    jwt: {issuers: [idp], scopes: [orders.read]}
  forward:
    headers:
    - {name: x-auth-subject, from: {claim: [sub]}}
    - {name: x-auth-client, from: {claim: [client_id]}}
    - {name: x-auth-email, from: {claim: [email]}}
"""


class Gateway:
    """Envoy, asking the service, in front of an upstream that tells what reached it."""

    def __init__(self, client: httpx2.AsyncClient, admin: str, issuer: str) -> None:
        self._client = client
        self._admin = admin
        self._issuer = issuer

    async def get(self, token: str, path: str = "/orders/7", headers: dict[str, str] | None = None) -> httpx2.Response:
        """The answer to a request with a bearer token."""
        return await self._client.get(path, headers={"authorization": f"Bearer {token}", **(headers or {})})

    async def readyz(self) -> httpx2.Response:
        return await self._client.get(f"{self._admin}/readyz")

    async def of_keys(self, name: str, **labels: str) -> float:
        """The value of the issuer's authz_jwks_… series of this name; 0 where there is none."""
        text = (await self._client.get(f"{self._admin}/metrics")).text
        wanted = {"issuer": self._issuer, **labels}
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return next((each.value for each in samples if each.name == f"authz_jwks_{name}" and each.labels == wanted), 0.0)

    async def fetches(self) -> float:
        """How many fetches of keys succeeded."""
        return await self.of_keys("fetches_total", result="success")

    async def until_keys(self, count: int) -> None:
        """Return once the service has this many keys of the issuer."""

        async def has_them() -> bool:
            return await self.of_keys("keys") == count

        await until(has_them, f"{count} keys are known")

    async def until_cooled_down(self, times: KeyTimes) -> None:
        """Return once an unknown key may ask for a fetch."""
        fetched = await self.of_keys("last_success_timestamp_seconds")

        async def is_over() -> bool:
            return time.time() > fetched + times.cooldown

        await until(is_over, "the cooldown is over")


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 8.0) -> None:
    """Return once `condition` holds; fail where that takes too long."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - other processes have no event to wait for
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"after {seconds:g} s it is still not so that {what}")


@asynccontextmanager
async def gateway(folder: Path, idp: Glewlwyd, times: KeyTimes | None = None) -> AsyncIterator[Gateway]:
    """The service with POLICY for the provider's keys, by discovery, behind Envoy."""
    spec = POLICY.replace("@API@", API).replace("@ISSUER@", idp.issuer)
    (folder / "orders.yaml").write_text(a_manifest(spec), encoding="utf-8")
    settings = Settings(
        policies=folder,
        listen=Address(LOOPBACK, 0),
        admin_listen=Address(LOOPBACK, 0),
        operator=Operator(ClientAddress()),
        fetch=FetchLimits(insecure_origins=frozenset({origin_of(idp.origin)})),
        key_times=times or KeyTimes(),
        drain_seconds=0,
        grace_seconds=1,
    )
    async with AsyncExitStack() as stack:
        upstream = HttpServer(upstream_app())
        port = await upstream.start(LOOPBACK, 0)
        stack.push_async_callback(upstream.stop)
        running = await stack.enter_async_context(serving(settings))
        topology = Topology(0, (LOOPBACK, running.checks.port), (LOOPBACK, port))
        proxy = await stack.enter_async_context(Proxy(find_envoy(), bootstrap_json(topology)))
        base = f"http://{LOOPBACK}:{proxy.port}"
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=base, trust_env=False, timeout=10))
        yield Gateway(client, f"http://{running.admin}", idp.issuer)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """The real service, in this loop."""
    stopped = asyncio.Event()
    up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(Service(settings, stream=sys.stdout).run(stopped, up.set_result))
    try:
        await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            await task
        yield up.result()
    finally:
        stopped.set()
        await task


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    return jwt.decode(token, options={"verify_signature": False})


def kid_of(token: str) -> str:
    """The key that a token names."""
    return str(jwt.get_unverified_header(token)["kid"])


def code_of(answer: httpx2.Response) -> str:
    """Why a denial was given, as the client sees it; "" for what passed."""
    return str(answer.json().get("code", ""))


@pytest.fixture(scope="module")
def provider() -> Iterator[Glewlwyd]:
    if not is_installed():
        unavailable("the identity provider glewlwyd", f"install it: {REMEDY}")
    try:
        find_envoy()
    except ProxyError as fault:
        unavailable("Envoy", str(fault))
    with Glewlwyd() as running:
        yield running


@pytest.fixture
def idp(provider: Glewlwyd) -> Iterator[Glewlwyd]:
    """The provider with one key, and running again afterwards whatever a test did to it."""
    if len(provider.kids) > 1:
        provider.retire(*provider.kids[1:])
    yield provider
    if provider.is_running:
        provider.resume()
    provider.start()


def test_keys_are_found_by_discovery_before_the_service_is_ready(idp: Glewlwyd, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with gateway(tmp_path, idp) as there:
            ready = await there.readyz()
            assert (ready.status_code, ready.text) == (200, "ok\n")
            assert await there.of_keys("keys") == 1
            assert await there.fetches() == 1

    asyncio.run(scenario())


def test_without_the_provider_the_service_starts_and_catches_up(idp: Glewlwyd, tmp_path: Path) -> None:
    token = idp.client_credentials(READ).access
    idp.stop()

    async def scenario() -> None:
        async with gateway(tmp_path, idp, KeyTimes(first_retry=0.2, last_retry=0.4)) as there:
            assert (await there.readyz()).status_code == 200
            answer = await there.get(token)
            assert (answer.status_code, code_of(answer)) == (503, "keys_unavailable")
            await asyncio.to_thread(idp.start)
            await there.until_keys(1)
            assert (await there.get(token)).status_code == 200

    asyncio.run(scenario())


def test_tokens_of_every_grant_pass_and_the_upstream_learns_whose_they_are(idp: Glewlwyd, tmp_path: Path) -> None:
    tokens = [idp.client_credentials(READ).access, idp.password(READ).access, idp.authorization_code(f"openid {READ}").access]
    by_program, by_password, by_code = (claims_of(token) for token in tokens)
    assert (by_program["sub"], by_program["aud"]) == (DAEMON, API)
    # One person, known to two clients.
    assert by_password["sub"] == by_code["sub"] != DAEMON
    assert (by_password["aud"], by_code["aud"]) == (READ, API)

    async def scenario() -> None:
        async with gateway(tmp_path, idp) as there:
            forged = {"x-auth-subject": "root", "x-auth-client": "root", "x-auth-email": "root@example.com", "x_auth_subject": "root"}
            for token in tokens:
                answer = await there.get(token, headers=forged)
                assert answer.status_code == 200, answer.text
                seen = answer.json()["headers"]
                told = {name: value for name, value in seen.items() if "auth" in name}
                claims = claims_of(token)
                assert told == {"x-auth-subject": claims["sub"], "x-auth-client": claims["client_id"]}

    asyncio.run(scenario())


def test_a_token_for_another_audience_is_refused(idp: Glewlwyd, tmp_path: Path) -> None:
    for_api, for_scope = idp.client_credentials(READ).access, idp.password(READ).access

    async def scenario() -> None:
        async with gateway(tmp_path, idp) as there:
            assert (await there.get(for_api, "/strict")).status_code == 200
            answer = await there.get(for_scope, "/strict")
            assert (answer.status_code, code_of(answer)) == (401, "token_audience")

    asyncio.run(scenario())


def test_a_token_without_the_scope_is_refused(idp: Glewlwyd, tmp_path: Path) -> None:
    both, other = idp.authorization_code(f"openid {READ} {WRITE}").access, idp.client_credentials(WRITE).access

    async def scenario() -> None:
        async with gateway(tmp_path, idp) as there:
            assert (await there.get(both)).status_code == 200
            answer = await there.get(other)
            assert (answer.status_code, code_of(answer)) == (403, "scope_insufficient")
            challenge = answer.headers["www-authenticate"]
            assert 'error="insufficient_scope"' in challenge
            assert f'scope="{READ}"' in challenge

    asyncio.run(scenario())


def test_an_id_token_is_no_access_token(idp: Glewlwyd, tmp_path: Path) -> None:
    given = idp.authorization_code(f"openid {READ}")
    assert given.identity

    async def scenario() -> None:
        async with gateway(tmp_path, idp) as there:
            assert (await there.get(given.access)).status_code == 200
            answer = await there.get(given.identity)
            # Glewlwyd's ID tokens say `typ: JWT`, as many access tokens do: the audience, the client, gives them away.
            assert (answer.status_code, code_of(answer)) == (401, "token_audience")
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    asyncio.run(scenario())


class Traffic:
    """Sends one request after the other, with each of its tokens in turn, and keeps what came of them."""

    def __init__(self, there: Gateway, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.answers: list[int] = []
        self._there = there

    async def run(self) -> None:
        while True:
            for token in tuple(self.tokens):
                self.answers.append((await self._there.get(token)).status_code)

    async def go_on(self, requests: int) -> None:
        """Return once this many more requests were answered."""
        enough = len(self.answers) + requests

        async def are_there() -> bool:
            return len(self.answers) >= enough

        await until(are_there, f"{requests} more requests were answered")


@asynccontextmanager
async def under(traffic: Traffic) -> AsyncIterator[None]:
    """While requests keep coming."""
    task = asyncio.create_task(traffic.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_rotation_announced_before_it_signs_refuses_no_valid_token(idp: Glewlwyd, tmp_path: Path) -> None:
    # The cooldown stays as it is: only fetches by schedule bring the new key.
    times = KeyTimes(refresh=0.5, shortest=0.1)
    old_kid, old = idp.kids[0], idp.client_credentials(READ).access

    async def scenario() -> None:
        async with gateway(tmp_path, idp, times) as there:
            traffic = Traffic(there, old)
            async with under(traffic):
                await traffic.go_on(10)
                new_kid = await asyncio.to_thread(idp.publish)
                await there.until_keys(2)
                await asyncio.to_thread(idp.sign_with, new_kid)
                new = (await asyncio.to_thread(idp.client_credentials, READ)).access
                assert (kid_of(old), kid_of(new)) == (old_kid, new_kid)
                traffic.tokens.append(new)
                fetched = await there.fetches()

                async def has_fetched_again() -> bool:
                    return await there.fetches() >= fetched + 2

                await until(has_fetched_again, "keys were fetched twice more")
                traffic.tokens.remove(old)
                await traffic.go_on(5)
                await asyncio.to_thread(idp.retire, old_kid)
                await there.until_keys(1)
                refused = await there.get(old)
                await traffic.go_on(10)
            assert (refused.status_code, code_of(refused)) == (401, "token_invalid")
            assert len(traffic.answers) >= 25
            assert set(traffic.answers) == {200}

    asyncio.run(scenario())


def test_requests_with_a_key_that_signs_at_once_wait_for_one_fetch(idp: Glewlwyd, tmp_path: Path) -> None:
    times = KeyTimes(cooldown=0.3)

    async def scenario() -> None:
        async with gateway(tmp_path, idp, times) as there:
            new_kid = await asyncio.to_thread(idp.sign_at_once)
            tokens = [(await asyncio.to_thread(idp.client_credentials, READ)).access for _ in range(4)]
            assert {kid_of(token) for token in tokens} == {new_kid}
            await there.until_cooled_down(times)
            assert await there.fetches() == 1
            answers = await asyncio.gather(*(there.get(token) for token in tokens))
            assert [answer.status_code for answer in answers] == [200] * 4
            assert await there.fetches() == 2
            assert await there.of_keys("keys") == 2

    asyncio.run(scenario())


def test_a_key_that_the_provider_never_had_is_refused(idp: Glewlwyd, tmp_path: Path) -> None:
    now = int(time.time())
    forged = a_token(kid="never", iss=idp.issuer, aud=API, scope=READ, iat=now, exp=now + 60)
    stolen_name = a_token(kid=idp.kids[0], iss=idp.issuer, aud=API, scope=READ, iat=now, exp=now + 60)

    async def scenario() -> None:
        async with gateway(tmp_path, idp, KeyTimes(cooldown=0)) as there:
            for token in (forged, stolen_name):
                answer = await there.get(token)
                assert (answer.status_code, code_of(answer)) == (401, "token_invalid")
            # Each was worth a look.
            assert await there.fetches() == 3

    asyncio.run(scenario())


def test_known_keys_outlive_the_provider_and_unknown_ones_are_unavailable(idp: Glewlwyd, tmp_path: Path) -> None:
    times = KeyTimes(refresh=0.5, shortest=0.1, cooldown=0, first_retry=0.2, last_retry=0.4)
    seen, unseen = idp.client_credentials(READ).access, idp.client_credentials(READ).access

    async def scenario() -> None:
        async with gateway(tmp_path, idp, times) as there:
            assert (await there.get(seen)).status_code == 200
            await asyncio.to_thread(idp.stop)
            unknown = a_token(kid="later", iss=idp.issuer, aud=API, scope=READ, iat=int(time.time()), exp=int(time.time()) + 60)
            answer = await there.get(unknown)
            assert (answer.status_code, code_of(answer)) == (503, "keys_unavailable")
            assert int(answer.headers["retry-after"]) > 0

            async def has_failed() -> bool:
                return await there.of_keys("consecutive_failures") >= 3

            await until(has_failed, "three fetches failed")
            for token in (seen, unseen):
                assert (await there.get(token)).status_code == 200
            assert (await there.get(unknown)).status_code == 503
            await asyncio.to_thread(idp.start)

            async def has_recovered() -> bool:
                return await there.of_keys("consecutive_failures") == 0

            await until(has_recovered, "a fetch succeeded")
            assert (await there.get(unknown)).status_code == 401

    asyncio.run(scenario())


def test_a_token_of_a_new_key_passes_once_the_provider_is_back(idp: Glewlwyd, tmp_path: Path) -> None:
    times = KeyTimes(cooldown=0, first_retry=0.2, last_retry=0.4)

    async def scenario() -> None:
        async with gateway(tmp_path, idp, times) as there:
            await asyncio.to_thread(idp.sign_at_once)
            token = (await asyncio.to_thread(idp.client_credentials, READ)).access
            await asyncio.to_thread(idp.stop)
            answer = await there.get(token)
            assert (answer.status_code, code_of(answer)) == (503, "keys_unavailable")
            await asyncio.to_thread(idp.start)
            await there.until_keys(2)
            assert (await there.get(token)).status_code == 200

    asyncio.run(scenario())


def test_a_provider_that_hangs_holds_up_only_requests_with_unknown_keys(idp: Glewlwyd, tmp_path: Path) -> None:
    seen, unseen = idp.client_credentials(READ).access, idp.client_credentials(READ).access

    async def scenario() -> None:
        async with gateway(tmp_path, idp, KeyTimes(cooldown=0)) as there:
            assert (await there.get(seen)).status_code == 200
            await asyncio.to_thread(idp.sign_at_once)
            token = (await asyncio.to_thread(idp.client_credentials, READ)).access
            idp.pause()
            waiting = asyncio.create_task(there.get(token))
            for known in (seen, unseen, seen):
                assert (await there.get(known)).status_code == 200
            assert not waiting.done()
            idp.resume()
            assert (await waiting).status_code == 200

    asyncio.run(scenario())


def test_a_token_of_a_new_key_is_not_called_invalid_while_the_provider_hangs(idp: Glewlwyd, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with gateway(tmp_path, idp, KeyTimes(cooldown=0)) as there:
            await asyncio.to_thread(idp.sign_at_once)
            token = (await asyncio.to_thread(idp.client_credentials, READ)).access
            idp.pause()
            answer = await there.get(token)
            assert (answer.status_code, code_of(answer)) == (503, "keys_unavailable")

    asyncio.run(scenario())
