"""A provider that is hostile or broken: one kind of failure, in time and within bounds, while others are answered."""

import asyncio
import re
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic, thread_time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.demo.bootstrap import Pem
from authz.fetch.keys import HttpsKeys
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.service.keyring import IssuerKeys, KeyRing
from tests.builders import Installation, a_jwk, a_manifest, a_request, a_token, issuer_yaml, rsa_key
from tests.fakes import FakeClock, Journal
from tests.fetch.hostile import GOOD, PRIVATE, ROWS, SYMMETRIC, Row, holds, text
from tests.fetch.hosts import Authority, Host, an_authority, https, says
from tests.service.waiting import until

MEBIBYTE = 1024 * 1024
OTHERS = f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{issuer_yaml()}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]
"""


def with_host(authority: Authority, folder: Path, story: Callable[[Host], Awaitable[None]], pem: Pem | None = None) -> None:
    async def run() -> None:
        async with https(authority, folder, pem=pem) as host:
            await story(host)

    asyncio.run(asyncio.wait_for(run(), 20))


class Others:
    """Requests that have nothing to do with the provider, one after the other; knows how much work came between two of them."""

    def __init__(self) -> None:
        self._installation = Installation(a_manifest(OTHERS))
        self._request = a_request(token=a_token())
        self.allowed = 0
        self.longest = 0.0

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._ask())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def turn(self) -> None:
        """Return once whoever waits now has had a turn."""
        seen = self.allowed
        await until(lambda: self.allowed > seen)

    async def _ask(self) -> None:
        last = thread_time()
        while True:
            assert self._installation.decide(self._request).reason.value == "rule.allow"
            self.allowed += 1
            await asyncio.sleep(0.002)
            self.longest, last = max(self.longest, thread_time() - last), thread_time()


class Scene:
    """A key ring with the real way out to a host, whose keys are there."""

    def __init__(self, host: Host, authority: Authority, seconds: float = 5.0) -> None:
        self.url = f"{host.origin}/keys"
        self.journal = Journal()
        self.ring = KeyRing(HttpsKeys(host.limits(authority, seconds)), FakeClock(), self.journal)
        source = KeySource(jwks_url=self.url)
        self.known: IssuerKeys = self.ring.of(Issuer("idp", host.origin, source, ("RS256",), 30, (AUTHORIZATION_BEARER,)))

    async def fetch(self) -> None:
        await self.ring.ask(self.known)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_a_hostile_answer_is_one_failure_and_holds_nobody_up(authority: Authority, tmp_path: Path, row: Row) -> None:
    async def story(host: Host) -> None:
        scene, others = Scene(host, authority, row.seconds), Others()
        host.pages["/keys"] = text(GOOD)
        await scene.fetch()
        keys = scene.known.keys
        assert keys is not None
        host.pages["/keys"] = row.answer
        began = monotonic()
        async with others.asking():
            await scene.fetch()
            took = monotonic() - began
            await others.turn()
        assert took < row.seconds + 1
        assert scene.known.failures == 1
        assert scene.known.keys is keys, "an answer that is none takes no key away"
        ((_, why, kept),) = scene.journal.fetch_failures
        assert kept
        assert why.startswith(f"{scene.url}: ")
        assert re.search(row.told, why), why
        assert len(why) < 600
        assert others.longest < 0.4

    with_host(authority, tmp_path, story)


def test_pieces_that_came_at_once_are_not_read_at_one_go(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        scene, others = Scene(host, authority, 0.5), Others()
        host.pages["/keys"] = text(GOOD)
        # The first fetch of a process loads code.
        await scene.fetch()
        host.pages["/keys"] = ROWS["chunks of one byte without end"].answer
        async with others.asking():
            await scene.fetch()
            await others.turn()
        # Ten thousand pieces come with each read, and take 0.1 s of work.
        assert others.longest < 0.06

    with_host(authority, tmp_path, story)


def test_a_set_with_members_that_cannot_be_used_keeps_the_others(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = holds([PRIVATE | {"kid": "p"}, SYMMETRIC | {"kid": "s"}, None, {"kty": "RSA"}, a_jwk()])
        await scene.fetch()
        assert scene.known.keys is not None
        assert scene.known.keys.kids == ("k1",)
        ((_, kids, dropped),) = scene.journal.fetches
        assert (kids, len(dropped)) == (("k1",), 4)
        assert sum("publish public keys only" in why for why in dropped) == 2

    with_host(authority, tmp_path, story)


def test_of_two_keys_of_one_name_none_is_used_and_the_others_are(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = holds([a_jwk(rsa_key("one"), "twin"), a_jwk(rsa_key("two"), "twin"), a_jwk()])
        await scene.fetch()
        assert scene.known.keys is not None
        assert scene.known.keys.find("twin", "RS256") is None
        assert scene.known.keys.find("k1", "RS256") is not None

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json; charset=utf-16",
        "application/jwk-set+json",
        "application/vnd.example.keys+json;v=1",
        "text/json",
        "text/plain",
        "application/octet-stream",
        "binary/octet-stream",
        "",
    ],
)
def test_a_set_passes_by_the_types_that_providers_and_shops_for_files_give_it(authority: Authority, tmp_path: Path, kind: str) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = text(GOOD, kind) if kind else says(GOOD)
        await scene.fetch()
        assert scene.known.failure == ""
        assert scene.known.keys is not None

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    "kind", ["text/html", "application/jsonp", "application/json+html", "json", "application/xml", "multipart/form-data"]
)
def test_a_set_by_any_other_type_is_refused(authority: Authority, tmp_path: Path, kind: str) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = text(GOOD, kind)
        await scene.fetch()
        assert f"its content type is {kind}, so it is no JSON" in scene.known.failure
        assert "have it served as application/json" in scene.known.failure

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("name", ["a body without end", "headers without end", "a bomb", "a bomb in a bomb", "as many members as fit"])
def test_a_hostile_answer_takes_little_memory(authority: Authority, tmp_path: Path, name: str) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = ROWS[name].answer
        tracemalloc.start()
        try:
            await scene.fetch()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert scene.known.failures == 1
        # The largest that is allowed is half a MiB of text, which is many small objects once it is read.
        assert most < 24 * MEBIBYTE

    with_host(authority, tmp_path, story)


def self_signed(folder: Path) -> Pem:
    """A certificate that nobody but its own key vouches for."""
    itself = an_authority(folder, "localhost")
    key = folder / "localhost.key"
    key.write_bytes(itself.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Pem(itself.file, key)


CERTIFICATES = {
    "self-signed": (lambda authority, folder: self_signed(folder), "self-signed certificate"),
    "of a stranger": (lambda authority, folder: an_authority(folder, "stranger").issue(folder, "idp.test"), "unable to get local issuer"),
    "expired": (lambda authority, folder: authority.issue(folder, "idp.test", -0.02), "certificate has expired"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_is_not_good_is_one_failure_with_the_remedy(authority: Authority, tmp_path: Path, name: str) -> None:
    make, told = CERTIFICATES[name]

    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = text(GOOD)
        await scene.fetch()
        assert scene.known.keys is None
        assert scene.known.failure.startswith(f"{scene.url}: certificate verify failed: {told}")
        assert scene.known.failure.endswith("it must be valid, for this name, from a CA of caRef or --fetch-ca")
        assert host.heard == []

    with_host(authority, tmp_path, story, make(authority, tmp_path))


def test_plain_text_where_tls_is_expected_is_one_failure(authority: Authority, tmp_path: Path) -> None:
    async def story() -> None:
        async with https(authority, tmp_path, tls=False) as host:
            scene = Scene(host, authority, 0.4)
            host.pages["/keys"] = text(GOOD)
            await scene.fetch()
            assert scene.known.keys is None
            assert scene.known.failure.startswith(f"{scene.url}: ")

    asyncio.run(asyncio.wait_for(story(), 20))
