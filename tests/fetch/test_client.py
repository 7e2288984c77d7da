"""Fetching from a real HTTPS server: what passes the limits and what does not."""

import asyncio
import gc
import gzip
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import pytest

from authz.fetch.addresses import Names
from authz.fetch.client import Fetched, FetchLimits, HttpsClient, origin_of, problem_of_origins
from authz.service.ports import FetchError
from tests.fetch.hosts import Answer, Authority, Host, an_authority, drips, https, raw, says


def with_host(authority: Authority, folder: Path, story: Callable[[Host], Awaitable[None]], *, tls: bool = True) -> None:
    async def run() -> None:
        async with https(authority, folder, tls=tls) as host:
            await story(host)

    asyncio.run(asyncio.wait_for(run(), 20))


async def refused(limits: FetchLimits, url: str, names: Names | None = None) -> str:
    with pytest.raises(FetchError) as fault:
        await HttpsClient(limits, names).get(url)
    assert str(fault.value).startswith(url)
    return str(fault.value)


def test_a_document_comes_with_its_age(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says(b'{"keys": []}', cache_control="public, max-age=600")
        assert await HttpsClient(host.limits(authority)).get(f"{host.origin}/keys") == Fetched(b'{"keys": []}', 600.0)

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    ("header", "age"),
    [
        ("max-age=60", 60),
        ("public, max-age=60, must-revalidate", 60),
        ("Max-Age=60", 60),
        ("max-age=0", 0),
        ("max-age=999999999", 999999999),
        ("max-age=9999999999", None),
        ("max-age=-1", None),
        ("max-age=ten", None),
        ("max-age", None),
        ("s-maxage=60", None),
        ("x-max-age=60", None),
        ("no-store", None),
        ("", None),
    ],
)
def test_the_age_is_read_where_it_is_a_number(authority: Authority, tmp_path: Path, header: str, age: float | None) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says(cache_control=header)
        assert (await HttpsClient(host.limits(authority)).get(f"{host.origin}/keys")).max_age == age

    with_host(authority, tmp_path, story)


def test_the_server_sees_the_name_that_was_asked_for(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys?tenant=1"] = says()
        await HttpsClient(host.limits(authority)).get(f"{host.origin}/keys?tenant=1")
        (head,) = host.heard
        lines = head.lower().split("\r\n")
        assert lines[0] == "get /keys?tenant=1 http/1.1"
        assert f"host: localhost:{host.port}" in lines
        assert sum(line.startswith("host:") for line in lines) == 1
        assert not any(line.startswith(("cookie:", "authorization:", "proxy-")) for line in lines)
        assert host.names == ["localhost"]

    with_host(authority, tmp_path, story)


def test_credentials_in_a_url_are_not_sent_as_a_host(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says()
        await HttpsClient(host.limits(authority)).get(f"https://user:secret@localhost:{host.port}/keys")
        (head,) = host.heard
        assert f"host: localhost:{host.port}\r\n" in head.lower()
        assert "secret" not in head

    with_host(authority, tmp_path, story)


def test_proxies_of_the_environment_are_not_used(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def story(host: Host) -> None:
        host.pages["/keys"] = says()
        assert (await HttpsClient(host.limits(authority)).get(f"{host.origin}/keys")).body == b"{}"

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(("size", "passes"), [(4096, True), (4097, False), (1_000_000, False)])
def test_a_body_may_be_as_large_as_the_limit(authority: Authority, tmp_path: Path, size: int, passes: bool) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says(b"x" * size)
        limits, url = host.limits(authority, 5, 4096), f"{host.origin}/keys"
        if passes:
            assert len((await HttpsClient(limits).get(url)).body) == size
        else:
            assert "larger than 4 KiB" in await refused(limits, url)

    with_host(authority, tmp_path, story)


def test_a_body_without_end_is_cut_at_the_limit(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000, 0)
        assert "larger than 4 KiB" in await refused(host.limits(authority, 5, 4096), f"{host.origin}/keys")

    with_host(authority, tmp_path, story)


def test_a_body_that_is_small_on_the_way_counts_as_what_it_becomes(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says(gzip.compress(b" " * 10_000_000), content_encoding="gzip")
        assert await refused(host.limits(authority), f"{host.origin}/keys")

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    "answer",
    [
        drips(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", 0.05),
        drips(b"HTTP/1.1 200 OK\r\n", b"x-header: y\r\n", 0.05),
        drips(b"", b"", 0.05),
    ],
    ids=["body", "headers", "silence"],
)
def test_a_slow_answer_ends_at_the_limit_however_it_drips(authority: Authority, tmp_path: Path, answer: Answer) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = answer
        began = monotonic()
        assert await refused(host.limits(authority, 0.4), f"{host.origin}/keys")
        assert monotonic() - began < 1.2

    with_host(authority, tmp_path, story)


def test_a_drip_is_told_as_a_time_limit(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = drips(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x", 0.02)
        assert "no answer within 0.3 s" in await refused(host.limits(authority, 0.3), f"{host.origin}/keys")

    with_host(authority, tmp_path, story)


# What a cancelled handshake leaves open is closed by the garbage collector, with a warning.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_never_shakes_hands_ends_at_the_limit(authority: Authority) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/keys"
            began = monotonic()
            assert await refused(FetchLimits(0.3, insecure_origins=frozenset({origin_of(url)}), ca_file=authority.file), url)
            assert monotonic() - began < 1

    asyncio.run(story())
    gc.collect()


async def closed_by_the_client(connection: socket.socket) -> bool:
    """Read on until the client closes the connection, half a second at most."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(0.5):
            while await loop.sock_recv(connection, 65536):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_that_did_not_shake_hands_in_time_is_closed(authority: Authority) -> None:
    async def story() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            url = f"https://127.0.0.1:{silent.getsockname()[1]}/keys"
            limits = FetchLimits(0.2, insecure_origins=frozenset({origin_of(url)}), ca_file=authority.file)
            fetching = asyncio.create_task(refused(limits, url))
            connection, _ = await asyncio.get_running_loop().sock_accept(silent)
            with connection:
                gc.disable()
                try:
                    await fetching
                    return await closed_by_the_client(connection)
                finally:
                    gc.enable()

    closed = asyncio.run(story())
    gc.collect()
    assert closed


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
)
def test_redirects_are_refused_and_told_where_to(authority: Authority, tmp_path: Path, status: str) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says(b"", status, location=f"{host.origin}/elsewhere")
        host.pages["/elsewhere"] = says()
        told = await refused(host.limits(authority), f"{host.origin}/keys")
        assert f"write {host.origin}/elsewhere if you trust it" in told
        assert len(host.heard) == 1

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "206 Partial Content", "404 Not Found", "500 Oops"])
def test_any_other_status_is_refused(authority: Authority, tmp_path: Path, status: str) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = raw(f"HTTP/1.1 {status}\r\nconnection: close\r\n\r\n".encode())
        assert f"status {status[:3]}" in await refused(host.limits(authority), f"{host.origin}/keys")

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", b"\x00" * 100])
def test_an_answer_that_is_no_http_is_one_kind_of_error(authority: Authority, tmp_path: Path, answer: bytes) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = raw(answer)
        assert await refused(host.limits(authority), f"{host.origin}/keys")

    with_host(authority, tmp_path, story)


def test_plain_http_is_refused_unless_the_origin_is_named(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says()
        origin = f"http://localhost:{host.port}"
        told = await refused(FetchLimits(), f"{origin}/keys")
        assert f"only https is fetched; for this origin alone: --fetch-insecure {origin}" in told
        assert host.heard == []
        limits = FetchLimits(insecure_origins=frozenset({origin}))
        assert (await HttpsClient(limits).get(f"{origin}/keys")).body == b"{}"

    with_host(authority, tmp_path, story, tls=False)


@pytest.mark.parametrize("host_name", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_private_and_special_addresses_are_refused_with_the_remedy(host_name: str) -> None:
    url = f"https://{host_name}:8443/keys"
    told = asyncio.run(refused(FetchLimits(), url))
    if "has no address" not in told and "Name or service" not in told:
        assert f"is a private or special address; for this origin alone: --fetch-insecure https://{host_name}:8443" in told


def test_a_name_that_leads_to_a_private_address_is_refused(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says()
        told = await refused(FetchLimits(ca_file=authority.file), f"{host.origin}/keys")
        assert "is a private or special address" in told
        assert host.heard == []

    with_host(authority, tmp_path, story)


class SilentNames:
    """A name server that never answers."""

    async def addresses(self, host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError


def test_a_name_that_is_not_looked_up_in_time_is_told_as_that() -> None:
    told = asyncio.run(refused(FetchLimits(0.1), "https://idp.example.com/keys", SilentNames()))
    assert told == "https://idp.example.com/keys: its name was not looked up within 0.1 s; see that a name server can be reached from here"


class KnownNames:
    """A name look-up with answers of its own."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)
        self.asked = 0

    async def addresses(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self._addresses


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        (("10.0.0.7",), "10.0.0.7 is a private or special address"),
        (("8.8.8.8", "10.0.0.7"), "10.0.0.7 is a private or special address"),
        (("fe80::1%eth0",), "is a private or special address"),
        ((), "has no address"),
    ],
)
def test_every_address_of_a_name_is_looked_at(addresses: tuple[str, ...], words: str) -> None:
    async def story() -> None:
        names = KnownNames(*addresses)
        assert words in await refused(FetchLimits(), "https://idp.example.com/keys", names)
        assert names.asked == 1

    asyncio.run(story())


def test_the_connection_goes_to_the_address_that_was_looked_at(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says()
        names = KnownNames("127.0.0.1")
        url = f"https://idp.test:{host.port}/keys"
        limits = FetchLimits(insecure_origins=frozenset({origin_of(url)}), ca_file=authority.file)
        assert (await HttpsClient(limits, names).get(url)).body == b"{}"
        assert host.names == ["idp.test"]
        assert names.asked == 1

    with_host(authority, tmp_path, story)


def test_a_name_that_is_not_on_the_certificate_is_refused(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        url = f"https://other.test:{host.port}/keys"
        limits = FetchLimits(insecure_origins=frozenset({origin_of(url)}), ca_file=authority.file)
        told = await refused(limits, url, KnownNames("127.0.0.1"))
        assert "certificate" in told.lower()
        assert host.heard == []

    with_host(authority, tmp_path, story)


def test_a_certificate_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        stranger = an_authority(tmp_path, "stranger")
        told = await refused(host.limits(stranger), f"{host.origin}/keys")
        assert "certificate verify failed" in told.lower()
        told = await refused(FetchLimits(insecure_origins=frozenset({host.origin})), f"{host.origin}/keys")
        assert "certificate verify failed" in told.lower(), "an insecure origin is no reason not to look at its certificate"
        assert host.heard == []

    with_host(authority, tmp_path, story)


def test_a_ca_file_that_is_replaced_counts_from_then_on(authority: Authority, tmp_path: Path) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says()
        file = an_authority(tmp_path, "changing").file
        client = HttpsClient(FetchLimits(insecure_origins=frozenset({host.origin}), ca_file=file))
        with pytest.raises(FetchError):
            await client.get(f"{host.origin}/keys")
        file.write_bytes(authority.file.read_bytes())
        assert (await client.get(f"{host.origin}/keys")).body == b"{}"
        file.unlink()
        with pytest.raises(FetchError):
            await client.get(f"{host.origin}/keys")

    with_host(authority, tmp_path, story)


@pytest.mark.parametrize(
    "named",
    ["https://localhost:{other}", "http://localhost:{port}", "https://127.0.0.1:{port}", "https://localhost", "https://localhost.:{port}"],
)
def test_an_origin_is_meant_exactly(authority: Authority, tmp_path: Path, named: str) -> None:
    async def story(host: Host) -> None:
        host.pages["/keys"] = says()
        origin = named.format(port=host.port, other=host.port + 1)
        limits = FetchLimits(insecure_origins=frozenset({origin_of(origin)}), ca_file=authority.file)
        assert f"--fetch-insecure {host.origin}" in await refused(limits, f"{host.origin}/keys")
        assert host.heard == []

    with_host(authority, tmp_path, story)


def test_nobody_listening_is_told_in_the_systems_words(authority: Authority) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"https://127.0.0.1:{closed.getsockname()[1]}/keys"
        told = await refused(FetchLimits(insecure_origins=frozenset({origin_of(url)}), ca_file=authority.file), url)
        assert "refused" in told.lower() or "failed" in told.lower()

    asyncio.run(story())


@pytest.mark.parametrize(
    "url", ["https://", "https:///keys", "https://host:port/", "https://a:99999/", "https://[::1/keys", "file:///etc/passwd", "keys", ""]
)
def test_what_is_no_url_is_one_kind_of_error(url: str) -> None:
    async def story() -> None:
        with pytest.raises(FetchError):
            await HttpsClient(FetchLimits(seconds=2)).get(url)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://idp.example.com/keys", "https://idp.example.com:443"),
        ("HTTPS://IDP.example.com/", "https://idp.example.com:443"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("https://user@[::1]:8443/a?b", "https://[::1]:8443"),
    ],
)
def test_an_origin_names_its_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("good", ["http://127.0.0.1:8124", "https://idp.internal", "https://[::1]:8443/"])
def test_origins_that_may_be_named(good: str) -> None:
    assert problem_of_origins([good]) == ""


@pytest.mark.parametrize("bad", ["127.0.0.1:8124", "ftp://a", "https://", "https://a/path", "https://a?q=1", "a"])
def test_what_is_no_origin_is_told_with_the_remedy(bad: str) -> None:
    assert (
        problem_of_origins(["https://good.example.com", bad])
        == f"{bad} is no origin; write scheme://host:port, as in http://127.0.0.1:8124"
    )
