"""Key sets of issuers over HTTPS, by discovery and without."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from authz.fetch.client import FetchLimits
from authz.fetch.keys import HttpsKeys
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.service.ports import FetchedKeys, FetchError
from tests.fetch.hosts import Authority, Host, drips, says, with_host

BY_DISCOVERY = KeySource()
WELL_KNOWN = "/.well-known/openid-configuration"


def an_issuer(url: str, source: KeySource = BY_DISCOVERY) -> Issuer:
    return Issuer("idp", url, source, ("RS256",), 30, (AUTHORIZATION_BEARER,))


def metadata(host: Host, **changes: Any) -> bytes:
    return json.dumps({"issuer": host.origin, "jwks_uri": f"{host.origin}/keys", **changes}).encode()


def test_keys_are_found_by_discovery(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = says(metadata(host), cache_control="max-age=1")
        host.pages["/keys"] = says(b'{"keys": 1}', cache_control="max-age=900")
        found = await HttpsKeys(host.limits(authority)).fetch(an_issuer(host.origin))
        assert found == FetchedKeys(b'{"keys": 1}', 900.0, f"{host.origin}/keys")
        assert len(host.heard) == 2

    with_host(authority, tmp_path, story)


def test_keys_come_straight_from_a_url_that_is_given(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/jwks"] = says(b"text")
        issuer = an_issuer("anything", KeySource(jwks_url=f"{host.origin}/jwks"))
        assert await HttpsKeys(host.limits(authority)).fetch(issuer) == FetchedKeys(b"text", None, f"{host.origin}/jwks")
        assert len(host.heard) == 1

    with_host(authority, tmp_path, story)


def test_a_discovery_url_that_is_given_is_used(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/meta"] = says(metadata(host, issuer="urn:issuer"))
        host.pages["/keys"] = says(b"text")
        issuer = an_issuer("urn:issuer", KeySource(discovery_url=f"{host.origin}/meta"))
        assert (await HttpsKeys(host.limits(authority)).fetch(issuer)).text == b"text"

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issuer": "https://evil.example.com"}, "is of the issuer https://evil.example.com, not of"),
        ({"issuer": None}, "is of the issuer None"),
        ({"jwks_uri": None}, "has no jwks_uri"),
        ({"jwks_uri": ""}, "has no jwks_uri"),
        ({"jwks_uri": 7}, "has no jwks_uri"),
    ],
)
def test_metadata_of_another_issuer_or_without_keys_is_refused(
    authority: Authority, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = says(metadata(host, **change))
        with pytest.raises(FetchError) as fault:
            await HttpsKeys(host.limits(authority)).fetch(an_issuer(host.origin))
        assert str(fault.value).startswith(f"{host.origin}{WELL_KNOWN}: ")
        assert words in str(fault.value)
        assert len(host.heard) == 1

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("slash", ["/", ""])
def test_the_issuer_of_the_metadata_must_be_equal_octet_for_octet(authority: Authority, tmp_path: Path, slash: str) -> None:
    async def story(host: Host) -> None:
        other = "" if slash else "/"
        host.pages[WELL_KNOWN] = says(metadata(host, issuer=host.origin + other))
        with pytest.raises(FetchError, match="not of"):
            await HttpsKeys(host.limits(authority)).fetch(an_issuer(host.origin + slash))

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("document", [b"", b"<html>", b"[]", b"{", b'{"issuer": "a", "issuer": "b"}', b"\xff", b"[" * 100_000])
def test_metadata_that_cannot_be_read_is_refused(authority: Authority, tmp_path: Path, document: bytes) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = says(document)
        with pytest.raises(FetchError, match="the discovery document"):
            await HttpsKeys(host.limits(authority)).fetch(an_issuer(host.origin))

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://localhost:{port}/keys", "only https"),
        ("https://127.0.0.1:{port}/keys", "private or special"),
        ("https://169.254.169.254/keys", "private or special"),
        ("file:///etc/passwd", "only https"),
    ],
)
def test_metadata_may_not_lead_where_an_issuer_may_not(authority: Authority, tmp_path: Path, uri: str, words: str) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = says(metadata(host, jwks_uri=uri.format(port=host.port)))
        with pytest.raises(FetchError, match=words):
            await HttpsKeys(host.limits(authority)).fetch(an_issuer(host.origin))
        assert len(host.heard) == 1

    with_host(authority, tmp_path, story)


def test_an_unforeseen_exception_is_the_one_kind_too() -> None:
    issuer = an_issuer("https://idp.example.com", KeySource(jwks_url=7))  # type: ignore[arg-type]
    with pytest.raises(FetchError, match=r"https://idp\.example\.com: "):
        asyncio.run(HttpsKeys(FetchLimits()).fetch(issuer))


def test_discovery_and_keys_share_one_time_limit(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        async def later(writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.35)
            await says(metadata(host))(writer)

        host.pages[WELL_KNOWN] = later
        host.pages["/keys"] = drips(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", b"", 0.1)
        began = asyncio.get_running_loop().time()
        with pytest.raises(FetchError):
            await HttpsKeys(host.limits(authority, 0.5)).fetch(an_issuer(host.origin))
        assert asyncio.get_running_loop().time() - began < 0.7

    with_host(authority, tmp_path, story)
