"""Through a real Envoy: a host's policy decides, however the host is written."""

import asyncio
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from authz.model.operator import ClientAddress, Operator
from tests.builders import a_manifest
from tests.e2e.gate import PLAIN, RAW_HEADERS, TRUSTING, Gate, gate
from tests.e2e.stack import Plan
from tests.e2e.wire import Asked, Line, each_of, target_of, values_of

pytestmark = pytest.mark.envoy

SHUT = a_manifest("hosts: [shut.example, '*.shut.example']\nrules: [{name: nobody, allow: []}]", "shut")
OPEN = a_manifest("hosts: [open.example]\nrules: [{name: all, allow: [{name: anyone, anonymous: {}}]}]", "open")
# Every other host passes: what is not taken for the shut one is not saved by being nobody's.
PLAN = Plan(operator=Operator(ClientAddress(), unprotected_all=True))
SHAPES = {"plain": PLAIN, "trusting": TRUSTING, "raw headers": RAW_HEADERS}

SPELLINGS = (
    *(b"shut.example", b"SHUT.Example", b"shut.EXAMPLE.", b"shut.example:80", b"shut.example:8443", b"shut.example.:80", b"shut.example:"),
    *(
        b"shut.example:080",
        b"shut.example:99999",
        b"shut.example:http",
        b"shut.example..",
        b".shut.example",
        b"shut..example",
        b"%73hut.example",
    ),
    *(b"open.example,shut.example", b"shut.example,open.example", b"open.example, shut.example", b"open.example shut.example"),
    *(
        b"open.example@shut.example",
        b"shut.example@open.example",
        b"a:b@shut.example",
        b"shut.example:80:81",
        b"shut.example:80@open.example",
    ),
    *(b"shut.example/", b"shut.example/open.example", b"shut.example?", b"shut.example#", b"open.example#@shut.example", b"shut.example\\"),
    *(
        b"http://shut.example",
        b"//shut.example",
        b"shut.example\x00",
        b"shut.example\t",
        b"\tshut.example",
        b"shut.example%00",
        b"shut%2eexample",
    ),
    *(
        "\u017fhut.example".encode(),
        "\uff53hut.example".encode(),
        "shut\u3002example".encode(),
        b"shut\xadexample",
        b"\xffshut.example",
        b"shut.example\xc2\xad",
    ),
    *(
        b"[shut.example]",
        b"[::1]shut.example",
        b"a.shut.example",
        b"a_b.SHUT.example:1",
        b"-.shut.example",
        b"*.shut.example",
        b"",
        b",",
        b".",
    ),
    *(b"xn--shut-.example", b"xn--.shut.example", b"x.y.z.shut.example.", b"shut.example;", b"shut.example!", b"shut.example&open.example"),
)


def meant(host: bytes) -> Iterator[str]:
    """The hosts that some backend may take this for."""
    for part in host.decode("utf-8", "replace").lower().replace("\u3002", ".").split(","):
        for piece in (part, part.rpartition("@")[2], part.partition("@")[0], part.partition("/")[0], part.removeprefix("http://")):
            yield piece.strip(" \t\x00").partition(":")[0].partition("/")[0].strip(".").replace("\u017f", "s").replace("\uff53", "s")


def is_shut(host: bytes) -> bool:
    return any(name == "shut.example" or name.endswith(".shut.example") for name in meant(host))


def requests(http2: bool) -> Iterator[Asked]:
    for host in SPELLINGS:
        yield Asked(target=b"/", host=host)
        # A second host: before the first or after it, in another place, or in a header that names one.
        yield Asked(target=b"/", host=b"open.example", lines=((b"host", host),))
        yield Asked(target=b"/", host=host, lines=((b"host", b"open.example"),))
        if http2:
            yield Asked(target=b"/", host=b"open.example", lines=((b":authority", b"open.example"), (b":authority", host)))
        else:
            yield Asked(target=b"http://" + host + b"/", host=b"open.example")
            yield Asked(target=b"http://open.example/", host=host)


def hosts_of(head: bytes) -> list[bytes]:
    """What a backend may take for the host of a request."""
    target = target_of(head)
    absolute = [target.partition(b"://")[2].partition(b"/")[0]] if b"://" in target.partition(b"?")[0] else []
    return [*values_of(head, b"host"), *absolute]


def test_no_spelling_of_a_shut_host_reaches_a_backend_that_reads_it_as_one(tmp_path: Path) -> None:
    async def body() -> tuple[int, list[bytes]]:
        asked = 0
        async with gate(tmp_path, [SHUT, OPEN], SHAPES, PLAN) as at:
            for shape, http2 in product(SHAPES, (False, True)):
                assert await at.arrived(at.one(shape, http2=http2), Asked(target=b"/", host=b"open.example"))
                asked += len(await each_of([at.one(shape, http2=http2) for _ in range(6)], requests(http2)))
            return asked, at.backend.heads

    asked, heads = asyncio.run(body())
    found = {host for head in heads for host in hosts_of(head) if is_shut(host)}
    assert not found, f"{asked} requests, {len(heads)} passed"
    assert asked >= 6 * 4 * len(SPELLINGS)
    assert len(heads) > 200


def test_without_a_policy_most_of_these_spellings_pass_so_that_it_is_ours_to_refuse_them(tmp_path: Path) -> None:
    async def body() -> set[bytes]:
        async with gate(tmp_path, [OPEN], {"plain": PLAIN}, PLAN) as at:
            client = at.one()
            return {values_of(head, b"host")[0] for host in SPELLINGS if (head := await at.arrived(client, Asked(target=b"/", host=host)))}

    assert sum(map(is_shut, asyncio.run(body()))) >= 8


async def statuses(at: Gate, *lines: Line, host: bytes = b"open.example", target: bytes = b"/") -> list[int]:
    return [(await at.one("plain", http2=http2)(Asked(target=target, host=host, lines=lines))).status for http2 in (False, True)]


def test_the_host_decides_and_not_what_other_headers_say_of_it(tmp_path: Path) -> None:
    names = (b"x-forwarded-host", b"x-host", b"x-forwarded-server", b"x-original-host", b"x-http-host-override", b"x-envoy-original-host")

    async def body() -> None:
        async with gate(tmp_path, [SHUT, OPEN], {"plain": PLAIN}) as at:
            for name in names:
                assert await statuses(at, (name, b"open.example"), host=b"shut.example") == [403, 403]
                assert await statuses(at, (name, b"shut.example")) == [200, 200]
            forwarded = (b"forwarded", b"host=open.example;for=127.0.0.1;proto=https")
            assert await statuses(at, forwarded, host=b"shut.example") == [403, 403]

    asyncio.run(body())


def test_the_absolute_form_names_the_host_and_its_port_and_capitals_count_for_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [SHUT, OPEN], {"plain": PLAIN}) as at:
            client = at.one()
            for target, host, status in (
                (b"http://shut.example/", b"open.example", 403),
                (b"http://SHUT.example.:81/", b"open.example", 403),
                (b"http://open.example/", b"shut.example", 200),
                (b"HTTP://OPEN.example:81/x", b"shut.example", 200),
                (b"http://open.example/x/../admin", b"open.example", 400),
            ):
                assert (await client(Asked(target=target, host=host))).status == status, target
            arrived = await at.arrived(client, Asked(target=b"http://open.example/", host=b"shut.example"))
            assert hosts_of(arrived) == [b"open.example"]

    asyncio.run(body())


def test_an_address_in_brackets_is_a_host_and_nobodys(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [SHUT, OPEN], {"plain": PLAIN}, PLAN) as at:
            client = at.one()
            for host in (b"[::1]", b"[::1]:80", b"[2001:DB8::1]:443"):
                assert (await client(Asked(target=b"/", host=host))).status == 200
            for host in (b"[::1", b"::1", b"[::1%25lo]", b"[::1].shut.example", b"[]", b"[shut.example]:80"):
                assert (await client(Asked(target=b"/", host=host))).status == 400, host

    asyncio.run(body())
