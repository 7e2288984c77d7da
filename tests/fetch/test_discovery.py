"""Discovery by a provider that is hostile or broken: its metadata is held to the rules of its keys, and so is where it leads."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authz.fetch.keys import HttpsKeys
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.service.ports import FetchError
from tests.fetch.hostile import GOOD, ROWS, TYPE, WAY, text
from tests.fetch.hosts import Authority, Host, https, with_host

WELL_KNOWN = "/.well-known/openid-configuration"


def metadata(host: Host, **changes: Any) -> bytes:
    return json.dumps({"issuer": host.origin, "jwks_uri": f"{host.origin}/keys", **changes}).encode()


async def why_not(host: Host, authority: Authority, issuer: str | None = None, seconds: float = 5.0) -> str:
    """What a fetch by discovery fails of."""
    source = KeySource(discovery_url=f"{host.origin}{WELL_KNOWN}")
    keys = HttpsKeys(replace(host.limits(authority), seconds=seconds))
    with pytest.raises(FetchError) as fault:
        await keys.fetch(Issuer("idp", issuer or host.origin, source, ("RS256",), 30, (AUTHORIZATION_BEARER,)))
    assert len(str(fault.value)) < 600
    return str(fault.value)


@pytest.mark.parametrize("name", ["a body that drips", "a body without end", "a bomb", "a byte order mark", "deep objects", *TYPE, *WAY])
def test_metadata_that_is_hostile_is_one_failure_that_names_it(authority: Authority, tmp_path: Path, name: str) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = ROWS[name].answer
        host.pages["/keys"] = text(GOOD)
        assert (await why_not(host, authority, seconds=ROWS[name].seconds)).startswith(f"{host.origin}{WELL_KNOWN}: ")
        assert len(host.heard) == 1, "nothing is asked where it leads"

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("name", ["a body that drips", "a redirect to another place", "a page for people", "a bomb", "a reset"])
def test_keys_that_metadata_leads_to_are_held_to_the_same_rules(authority: Authority, tmp_path: Path, name: str) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = text(metadata(host))
        host.pages["/keys"] = ROWS[name].answer
        told = await why_not(host, authority, seconds=ROWS[name].seconds)
        assert told.startswith(f"{host.origin}/keys: ")
        assert re.search(ROWS[name].told, told)

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://localhost:{port}/keys", "only https is fetched; for this origin alone: --fetch-insecure http://localhost:{port}"),
        ("https://127.0.0.1:{port}/keys", "127.0.0.1 is a private or special address; for this origin alone: "),
        ("https://127.1:{port}/keys", "127.0.0.1 is a private or special address"),
        ("https://2130706433:{port}/keys", "127.0.0.1 is a private or special address"),
        ("https://0x7f.0.0.1:{port}/keys", "127.0.0.1 is a private or special address"),
        ("https://0:{port}/keys", "0.0.0.0 is a private or special address"),
        ("https://10.0.0.1/keys", "private or special"),
        ("https://169.254.169.254/keys", "private or special"),
        ("https://100.100.100.200/keys", "private or special"),
        ("https://168.63.129.16/keys", "private or special"),
        ("https://192.0.0.192/keys", "private or special"),
        ("https://[::1]:{port}/keys", "private or special"),
        ("https://[::ffff:127.0.0.1]:{port}/keys", "private or special"),
        ("https://[::127.0.0.1]:{port}/keys", "private or special"),
        ("https://[64:ff9b::a9fe:a9fe]/keys", "private or special"),
        ("https://[2002:7f00:1::]/keys", "private or special"),
        ("https://[fd00:ec2::254]/keys", "private or special"),
        ("https://[fe80::1]/keys", "private or special"),
        ("https://[fec0::1]/keys", "private or special"),
        ("file:///etc/passwd", "only https is fetched, from a host; write https://…"),
        ("ftp://localhost:{port}/keys", "only https is fetched, from a host"),
        ("gopher://localhost:{port}/keys", "only https is fetched, from a host"),
        ("data:application/json,%7B%7D", "only https is fetched, from a host"),
        ("unix:///run/docker.sock", "only https is fetched, from a host"),
        ("//localhost:{port}/keys", "only https is fetched, from a host"),
        ("/keys", "only https is fetched, from a host"),
        ("https:///keys", "only https is fetched, from a host"),
        ("https://localhost:0x50/keys", ""),
        ("https://local host:{port}/keys", ""),
        ("https://[::1/keys", ""),
        ("https://" + "a" * 300 + "/keys", ""),
        ("https://localhost:{port}/" + "k" * 3000, "a URL of more than 2048 characters"),
    ],
)
def test_metadata_leads_nowhere_else(authority: Authority, tmp_path: Path, uri: str, words: str) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = text(metadata(host, jwks_uri=uri.replace("{port}", str(host.port))))
        told = await why_not(host, authority)
        assert told.startswith(uri.replace("{port}", str(host.port))[:200])
        assert words.replace("{port}", str(host.port)) in told
        assert len(host.heard) == 1

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    ("written", "published"),
    [
        ("https://idp.example.com", "https://idp.example.com/"),
        ("https://idp.example.com/", "https://idp.example.com"),
        ("https://idp.example.com", "https://IDP.example.com"),
        ("https://idp.example.com", "https://idp.example.com:443"),
        ("https://idp.example.com", "http://idp.example.com"),
        ("https://idp.example.com/a", "https://idp.example.com/%61"),
        ("https://idp.example.com", "https://idp.example.com "),
        ("https://idp.example.com", "https://idp.example.com\x00"),
        ("https://idp.example.com/é", "https://idp.example.com/e\u0301"),
        ("https://idp.example.com", ["https://idp.example.com"]),
        ("https://idp.example.com", {"https://idp.example.com": 1}),
        ("True", True),
        ("7", 7),
        ("None", None),
    ],
)
def test_metadata_of_an_issuer_that_is_only_nearly_the_same_is_refused(
    authority: Authority, tmp_path: Path, written: str, published: Any
) -> None:
    async def story(host: Host) -> None:
        host.pages[WELL_KNOWN] = text(metadata(host, issuer=published))
        assert f"not of {written}" in await why_not(host, authority, written)
        assert len(host.heard) == 1

    with_host(authority, tmp_path, story)


def test_an_origin_that_the_operator_allows_opens_no_other(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        async with https(authority, tmp_path) as inner:
            inner.pages["/keys"] = text(GOOD)
            host.pages[WELL_KNOWN] = text(metadata(host, jwks_uri=f"{inner.origin}/keys"))
            assert f"for this origin alone: --fetch-insecure {inner.origin}" in await why_not(host, authority)
            assert inner.heard == []

    with_host(authority, tmp_path, story)
