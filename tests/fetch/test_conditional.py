"""A document that has not changed is not sent again (RFC 9110 §13.1.2), and what has changed is seen."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from authz.fetch.client import Fetched, HttpsClient
from authz.fetch.keys import HttpsKeys
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.service.ports import FetchError
from tests.fetch.hosts import Authority, Host, raw, says, with_host

CONDITION = "if-none-match:"


def unchanged(*lines: str) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """The answer that a document is still the one."""
    return raw("\r\n".join(("HTTP/1.1 304 Not Modified", "connection: close", *lines, "", "")).encode())


def conditions(host: Host) -> list[str]:
    """The condition of each request heard, in order; "" where it had none."""
    return [
        next((line.partition(":")[2].strip() for line in head.splitlines() if line.lower().startswith(CONDITION)), "")
        for head in host.heard
    ]


class Scene:
    """A key set behind a host, fetched by its URL."""

    def __init__(self, host: Host, authority: Authority, path: str = "/keys") -> None:
        self.host = host
        self.keys = HttpsKeys(host.limits(authority))
        self.issuer = Issuer("idp", host.origin, KeySource(jwks_url=f"{host.origin}{path}"), ("RS256",), 30, (AUTHORIZATION_BEARER,))

    async def fetch(self) -> tuple[bytes, float | None]:
        found = await self.keys.fetch(self.issuer)
        return found.text, found.max_age


def test_the_second_time_it_is_asked_whether_the_document_has_changed(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = says(b"one", etag='"v1"', cache_control="max-age=120")
        assert await scene.fetch() == (b"one", 120)
        host.pages["/keys"] = unchanged()
        assert await scene.fetch() == (b"one", 120)
        host.pages["/keys"] = unchanged("cache-control: max-age=900")
        assert await scene.fetch() == (b"one", 900), "its server may let it be kept for another time"
        host.pages["/keys"] = says(b"two", etag='W/"v2"')
        assert await scene.fetch() == (b"two", None)
        host.pages["/keys"] = unchanged()
        assert await scene.fetch() == (b"two", None)
        assert conditions(host) == ["", '"v1"', '"v1"', '"v1"', 'W/"v2"']

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("etag", ["", "v1", "'v1'", '"a b"', '"a"b"', '"' + "x" * 257 + '"', '"é"', "*", 'w/"v1"'])
def test_what_is_no_short_etag_is_not_sent_back(authority: Authority, tmp_path: Path, etag: str) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = says(b"one", etag=etag)
        await scene.fetch()
        await scene.fetch()
        assert conditions(host) == ["", ""]

    with_host(authority, tmp_path, story)


def test_an_answer_to_a_condition_that_was_not_made_is_a_failure(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = unchanged('etag: "v1"')
        with pytest.raises(FetchError, match="status 304, though it was not asked whether the document has changed"):
            await Scene(host, authority).fetch()

    with_host(authority, tmp_path, story)


def test_after_a_failure_the_document_is_asked_for_whole(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)
        host.pages["/keys"] = says(b"one", etag='"v1"')
        await scene.fetch()
        host.pages["/keys"] = says(b"", "500 Oops", etag='"error"')
        with pytest.raises(FetchError):
            await scene.fetch()
        host.pages["/keys"] = says(b"one", etag='"v1"')
        await scene.fetch()
        assert conditions(host) == ["", '"v1"', ""]

    with_host(authority, tmp_path, story)


def test_an_etag_that_never_changes_hides_a_change_for_ten_fetches_at_most(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        scene = Scene(host, authority)

        async def stubborn(writer: asyncio.StreamWriter) -> None:
            await (unchanged() if conditions(host)[-1] else says(b"two", etag='"v1"'))(writer)

        host.pages["/keys"] = says(b"one", etag='"v1"')
        await scene.fetch()
        host.pages["/keys"] = stubborn
        assert [(await scene.fetch())[0] for _ in range(11)] == [b"one"] * 10 + [b"two"]

    with_host(authority, tmp_path, story)


def test_a_version_belongs_to_its_url_and_its_trust(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        keys = HttpsKeys(host.limits(authority))
        pem = authority.file.read_text(encoding="utf-8")
        host.pages["/a"] = host.pages["/b"] = says(b"one", etag='"v1"')
        for path, ca in (("/a", ""), ("/b", ""), ("/a", pem), ("/a", "")):
            source = KeySource(jwks_url=f"{host.origin}{path}")
            await keys.fetch(Issuer("idp", host.origin, source, ("RS256",), 30, (AUTHORIZATION_BEARER,), ca=ca))
        assert conditions(host) == ["", "", "", '"v1"']

    with_host(authority, tmp_path, story)


def test_versions_of_a_bounded_number_of_documents_are_remembered(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        keys = HttpsKeys(host.limits(authority), remembered=2)
        paths = ("/a", "/b", "/c", "/c", "/b", "/a")
        host.pages |= {path: says(b"one", etag='"v1"') for path in paths}
        for path in paths:
            source = KeySource(jwks_url=f"{host.origin}{path}")
            await keys.fetch(Issuer("idp", host.origin, source, ("RS256",), 30, (AUTHORIZATION_BEARER,)))
        assert conditions(host) == ["", "", "", '"v1"', '"v1"', ""]

    with_host(authority, tmp_path, story)


def test_the_client_makes_no_condition_of_its_own(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        client = HttpsClient(host.limits(authority))
        host.pages["/keys"] = says(b"one", etag='"v1"')
        first = await client.get(f"{host.origin}/keys")
        assert first == Fetched(b"one", None, '"v1"')
        await client.get(f"{host.origin}/keys")
        host.pages["/keys"] = unchanged()
        assert await client.get(f"{host.origin}/keys", earlier=first) == Fetched(b"one", None, '"v1"', 1)
        assert conditions(host) == ["", "", '"v1"']

    with_host(authority, tmp_path, story)
