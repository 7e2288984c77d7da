"""Revocation lists over the network."""

import re
from pathlib import Path

import pytest

from authz.fetch.lists import HttpsLists
from authz.service.ports import FetchError
from tests.fetch.hosts import Authority, Host, says, with_host


@pytest.mark.parametrize("kind", ["application/pkix-crl", "application/x-pkcs7-crl", "application/octet-stream", ""])
def test_a_list_is_octets_of_its_own_type(kind: str, authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/ca.crl"] = says(b"\x30\x00", content_type=kind)
        assert await HttpsLists(host.limits(authority)).fetch(f"{host.origin}/ca.crl") == b"\x30\x00"

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_page_is_no_list(kind: str, authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/ca.crl"] = says(b"{}", content_type=kind)
        with pytest.raises(FetchError, match="it is no revocation list; have it served as application/pkix-crl"):
            await HttpsLists(host.limits(authority)).fetch(f"{host.origin}/ca.crl")

    with_host(authority, tmp_path, story)


def test_plain_http_takes_the_operators_word_for_the_origin(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        with pytest.raises(FetchError, match=re.escape("--fetch-insecure http://crl.example.com")):
            await HttpsLists(host.limits(authority)).fetch("http://crl.example.com/ca.crl")

    with_host(authority, tmp_path, story)
