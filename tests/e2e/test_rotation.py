"""Keys that change under traffic, through a real Envoy: no valid token is refused, and the provider is hardly asked."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from authz.fetch.client import FetchLimits
from authz.service.keyring import KeyTimes
from tests.builders import a_jwk, a_jwks, a_manifest, a_token, issuer_yaml, rsa_key
from tests.certificates import an_authority
from tests.e2e.stack import Plan, Stack, running
from tests.fetch.hosts import Host, https, raw, says
from tests.service.waiting import until

pytestmark = pytest.mark.envoy

WELL_KNOWN = "/.well-known/openid-configuration"
NOT_MODIFIED = raw(b"HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n")
# Fetches by schedule come quickly here; floods are bounded as they are in earnest.
QUICK = KeyTimes(refresh=0.3, shortest=0.1)


@dataclass
class Provider:
    """An issuer on loopback whose keys change when they are told to, and which says when they did not."""

    host: Host
    version: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    _keys: tuple[dict[str, Any], ...] = ()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.host.port}"

    def publish(self, *names: str) -> None:
        """Publish the keys of these names, from now on."""
        self._keys = tuple(a_jwk(rsa_key(name), name) for name in names)
        self.version += 1
        self.host.pages[WELL_KNOWN] = says(f'{{"issuer": "{self.url}", "jwks_uri": "{self.url}/keys"}}'.encode())
        self.host.pages["/keys"] = self._answer

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        etag = f'"v{self.version}"'
        if f"if-none-match: {etag}" in self.host.heard[-1].lower():
            self.sent["304"] += 1
            await NOT_MODIFIED(writer)
        else:
            self.sent["200"] += 1
            await says(a_jwks(*self._keys).encode(), etag=etag, content_type="application/jwk-set+json")(writer)

    def token(self, name: str) -> str:
        now = int(time.time())
        return a_token(rsa_key(name), kid=name, iss=self.url, iat=now, exp=now + 600, jti=str(next(_numbers)))

    def fails(self) -> None:
        self.host.pages[WELL_KNOWN] = says(b"busy", "503 Service Unavailable")


_numbers = itertools.count()


def policy(issuer: str, host: str = "localhost", name: str = "orders") -> str:
    rules = "[{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"
    return a_manifest(f"hosts: [{host}]\naudiences: [orders]\nissuers: [{issuer}]\nrules: {rules}", name)


@asynccontextmanager
async def rotating(folder: Path, times: KeyTimes, *published: str) -> AsyncIterator[tuple[Provider, Stack]]:
    """A provider that publishes these keys (none: it fails), and a stack that trusts it; on other.example, one with keys of its own."""
    async with https(an_authority(folder), folder, tls=False) as host:
        provider = Provider(host)
        if published:
            provider.publish(*published)
        else:
            provider.fails()
        policies = folder / "policies"
        policies.mkdir()
        settings = {"fetch": FetchLimits(insecure_origins=frozenset({provider.url})), "key_times": times}
        texts = {
            "a.yaml": policy(f"{{name: idp, issuer: '{provider.url}', algorithms: [RS256]}}"),
            "b.yaml": policy(issuer_yaml(), "other.example", "other"),
        }
        async with running(policies, texts, Plan(settings=settings)) as stack:
            yield provider, stack


async def answer(stack: Stack, token: str, **headers: str) -> httpx2.Response:
    return await stack.ask("/orders/7", headers={"authorization": f"Bearer {token}", **headers})


class Traffic:
    """Eight clients that send one request after the other, with a fresh token of some key each time."""

    def __init__(self, stack: Stack, make: Callable[[], str]) -> None:
        self.make = make
        self.statuses: Counter[int] = Counter()
        self._stack = stack

    @asynccontextmanager
    async def coming(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._send()) for _ in range(8)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended

    async def _send(self) -> None:
        while True:
            self.statuses[(await answer(self._stack, self.make())).status_code] += 1

    async def go_on(self, requests: int) -> None:
        """Return once this many more were answered."""
        enough = self.statuses.total() + requests
        await until(lambda: self.statuses.total() >= enough, 20)


def test_across_a_rotation_that_is_announced_no_valid_token_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with rotating(tmp_path, QUICK, "one") as (provider, stack):
            traffic = Traffic(stack, lambda: provider.token("one"))
            async with traffic.coming():
                await traffic.go_on(100)
                for old, new in (("one", "two"), ("two", "three")):
                    provider.publish(old, new)
                    full = provider.sent["200"]
                    await until(lambda full=full: provider.sent["200"] > full)
                    await traffic.go_on(50)
                    traffic.make = lambda new=new: provider.token(new)
                    await traffic.go_on(100)
                    provider.publish(new)
                    full = provider.sent["200"]
                    await until(lambda full=full: provider.sent["200"] > full)
                    await traffic.go_on(50)
            assert set(traffic.statuses) == {200}
            assert traffic.statuses.total() >= 500
            # Each version is sent once, and after ten confirmations again.
            assert 5 <= provider.sent["200"] <= 5 + provider.sent["304"] // 10
            refused = await answer(stack, provider.token("one"))
            assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
            await until(lambda: provider.sent["304"] >= 2)

    asyncio.run(story())


def test_across_a_rotation_that_nobody_announced_all_wait_for_one_fetch(tmp_path: Path) -> None:
    async def story() -> None:
        async with rotating(tmp_path, KeyTimes(), "one") as (provider, stack):
            assert (await answer(stack, provider.token("one"))).status_code == 200
            before = provider.sent.total()
            provider.publish("one", "two")
            tokens = [provider.token(name) for name in ("one", "two") * 40]
            answers = await asyncio.gather(*(answer(stack, token) for token in tokens))
            assert Counter(each.status_code for each in answers) == {200: 80}
            assert provider.sent.total() - before == 1

    asyncio.run(story())


def test_bad_signatures_and_random_keys_cost_the_provider_two_requests_and_nobody_a_valid_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with rotating(tmp_path, KeyTimes(), "one") as (provider, stack):
            now = int(time.time())
            forged = a_token(rsa_key("two"), kid="one", iss=provider.url, iat=now, exp=now + 600)
            tokens = [forged if number % 2 else provider.token(f"random-{number % 6}") for number in range(200)]
            before = len(provider.host.heard)
            answers = await asyncio.gather(*(answer(stack, token) for token in tokens), answer(stack, provider.token("one")))
            assert Counter(each.status_code for each in answers) == {401: 200, 200: 1}
            # Discovery and keys, once.
            assert len(provider.host.heard) - before == 2

    asyncio.run(story())


def test_a_start_without_the_provider_serves_the_other_policies_and_recovers_by_itself(tmp_path: Path) -> None:
    async def story() -> None:
        async with rotating(tmp_path, KeyTimes(first_retry=0.1, last_retry=0.2)) as (provider, stack):
            refused = await answer(stack, provider.token("one"))
            assert (refused.status_code, refused.json()["code"]) == (503, "keys_unavailable")
            assert int(refused.headers["retry-after"]) > 0
            assert "www-authenticate" not in refused.headers
            now = int(time.time())
            inline = a_token(iat=now, exp=now + 600)
            assert (await answer(stack, inline, host="other.example")).status_code == 200
            whys = [line["why"] for line in stack.lines() if line.get("event") == "keys.fetch_failed"]
            assert f"{provider.url}{WELL_KNOWN}: status 503; the URL must answer 200 with the document itself" in whys
            provider.publish("one")
            await until(lambda: provider.sent["200"] > 0)
            async with asyncio.timeout(5):
                while (await answer(stack, provider.token("one"))).status_code != 200:
                    pass

    asyncio.run(story())
