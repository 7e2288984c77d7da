"""Revocation lists that certificates name: fetched from allowed hosts only, once for all who wait, and kept through outages."""

import asyncio
import inspect
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509

from authz.model.cluster import Cluster
from authz.model.operator import CertificateSource, ClientCertificate, Operator
from authz.model.reference import FILE, Reference
from authz.service.api_keys import KeyRecords
from authz.service.check import Checker
from authz.service.ports import FetchError
from authz.service.readers import Sources
from authz.service.revocation_lists import MOST_LISTS, RevocationLists
from authz.service.update import Updater
from tests.authn.pki import DAY, NOW, Node, a_ca, a_crl, a_leaf
from tests.builders import Installation, a_manifest, a_request, declared
from tests.fakes import settle

URL = "http://crl.example.com/ca.crl"
CA = Reference(FILE, "", "ca.pem", ".")
POLICY = """
hosts: [api.example.com]
certificateAuthorities:
- {name: partners, from: {file: ca.pem}, revocation: REVOCATION, crlHosts: [crl.example.com, "*.pki.example.com"]}
rules: [{name: all, allow: [{name: partners, clientCertificate: {authority: partners}}]}]
"""


def naming(url: str = URL) -> tuple[x509.ExtensionType, bool]:
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return x509.CRLDistributionPoints([point]), False


class Shelf:
    """Gives out lists by URL, or raises; counts what was asked."""

    def __init__(self, content: bytes | None = None) -> None:
        self.lists: dict[str, bytes] = {} if content is None else {URL: content}
        self.asked: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.lists:
            raise FetchError(f"{url}: nobody answers")
        return self.lists[url]


class Telling:
    """Hears events."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def event(self, level: str, message: str, **fields: object) -> None:
        self.told.append(message)


class World:
    """The service with one policy, one authority and a way to its lists."""

    def __init__(self, shelf: Shelf, revocation: str = "Require") -> None:
        self.root = a_ca(days=(-400, 400))
        self.shelf = shelf
        self.journal = Telling()
        there = Installation()
        there.clock.now = NOW
        self.clock = there.clock
        self.lists = RevocationLists(shelf, there.clock, self.journal)
        operator = Operator(client_certificate=ClientCertificate(CertificateSource.PEER))
        updater = Updater(operator, there.ring, there.memory, sources=Sources(KeyRecords(), self.lists))
        report = updater.apply(declared(a_manifest(POLICY.replace("REVOCATION", revocation))), Cluster(texts={CA: self.root.pem}))
        assert report.states[0].accepted, report.states[0].problems
        self.checker = Checker(updater.store, there.ring, there.clock, there.journal)

    def request(self, leaf: Node) -> Any:
        request = a_request()
        request.certificate = quote(leaf.pem)
        return request

    async def reason(self, leaf: Node) -> str:
        decision = self.checker.check(self.request(leaf), 5.0)
        return str((await decision if inspect.isawaitable(decision) else decision).reason.value)


def test_a_list_that_a_certificate_names_is_fetched_and_decides() -> None:
    async def story() -> None:
        world = World(Shelf())
        good, bad = a_leaf(world.root, naming()), a_leaf(world.root, naming())
        world.shelf.lists[URL] = a_crl(world.root, bad.certificate.serial_number)
        assert await world.reason(good) == "rule.allow"
        assert await world.reason(bad) == "cert.revoked"
        assert await world.reason(good) == "rule.allow"
        assert world.shelf.asked == [URL]

    asyncio.run(story())


def test_checks_that_wait_wait_for_one_fetch() -> None:
    async def story() -> None:
        world = World(Shelf())
        world.shelf.lists[URL] = a_crl(world.root)
        leaf = a_leaf(world.root, naming())
        assert await asyncio.gather(*(world.reason(leaf) for _ in range(20))) == ["rule.allow"] * 20
        assert world.shelf.asked == [URL]

    asyncio.run(story())


@pytest.mark.parametrize(
    "url", ["http://elsewhere.example/ca.crl", "http://crl.example.com.evil.example/ca.crl", "ldap://crl.example.com/x"]
)
def test_a_list_at_another_host_is_not_even_asked_for(url: str) -> None:
    async def story() -> None:
        world = World(Shelf())
        assert await world.reason(a_leaf(world.root, naming(url))) == "cert.revocation_unknown"
        assert world.shelf.asked == []

    asyncio.run(story())


def test_a_host_below_an_allowed_name_is_asked() -> None:
    async def story() -> None:
        world = World(Shelf())
        url = "http://one.pki.example.com/ca.crl"
        world.shelf.lists[url] = a_crl(world.root)
        assert await world.reason(a_leaf(world.root, naming(url))) == "rule.allow"

    asyncio.run(story())


@pytest.mark.parametrize(("revocation", "reason"), [("Require", "cert.revocation_unknown"), ("Prefer", "rule.allow")])
@pytest.mark.parametrize("shelf", [Shelf(), Shelf(b"<html>"), Shelf(b"\x30\x82")])
def test_without_a_list_it_is_unknown_and_asked_again_after_a_pause_only(shelf: Shelf, revocation: str, reason: str) -> None:
    async def story() -> None:
        shelf.asked.clear()
        world = World(shelf, revocation)
        leaf = a_leaf(world.root, naming())
        assert [await world.reason(leaf) for _ in range(5)] == [reason] * 5
        assert shelf.asked == [URL]
        world.clock.now += 31
        assert await world.reason(leaf) == reason
        # Where it is only preferred nobody waits again: it is fetched again beside.
        assert shelf.asked == [URL] * (2 if revocation == "Require" else 1)
        assert world.journal.told == ["crl.fetch_failed"] * len(shelf.asked)

    asyncio.run(story())


def test_a_list_is_kept_through_an_outage_and_no_longer_than_it_is_in_date() -> None:
    async def story() -> None:
        world = World(Shelf())
        world.shelf.lists[URL] = a_crl(world.root, days=(-0.5, 0.5))
        leaf = a_leaf(world.root, naming())
        background = asyncio.create_task(world.lists.run())
        assert await world.reason(leaf) == "rule.allow"
        del world.shelf.lists[URL]
        world.clock.now += 0.4 * DAY
        assert await world.reason(leaf) == "rule.allow"
        world.clock.now += 0.2 * DAY
        assert await world.reason(leaf) == "cert.revocation_unknown"
        background.cancel()

    asyncio.run(story())


def test_a_list_in_use_is_fetched_again_when_it_is_time() -> None:
    async def story() -> None:
        world = World(Shelf())
        leaf = a_leaf(world.root, naming())
        world.shelf.lists[URL] = a_crl(world.root)
        assert await world.reason(leaf) == "rule.allow"
        world.shelf.lists[URL] = a_crl(world.root, leaf.certificate.serial_number, days=(-0.4, 0.6))
        background = asyncio.create_task(world.lists.run())
        await world.clock.advance(301)
        (state,) = world.lists.of([URL], world.clock.now)
        while state.flight is not None:
            await state.flight
        assert await world.reason(leaf) == "cert.revoked"
        background.cancel()
        await settle()

    asyncio.run(story())


def test_no_more_lists_are_followed_than_there_is_room_for() -> None:
    world = World(Shelf())
    urls = [f"http://crl.example.com/{at}.crl" for at in range(MOST_LISTS + 5)]
    assert len(world.lists.of(urls, NOW)) == MOST_LISTS
