"""Through a real Envoy: no spelling of a protected path reaches a backend that would read it as that path."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest

from authz.model.operator import ClientAddress, Operator
from tests.builders import a_manifest
from tests.e2e import spellings
from tests.e2e.envoys import VERSIONS, envoy_of
from tests.e2e.gate import NORMALIZING, PLAIN, RAW_HEADERS, TRUSTING, UNESCAPING, Gate, Shape, gate
from tests.e2e.readings import is_within, readings
from tests.e2e.stack import USUAL, Plan
from tests.e2e.wire import Asked, Http1, Http2, each_of, target_of, values_of

pytestmark = pytest.mark.envoy

ROOTS = (b"/admin", b"/abc", b"/app/admin", b"/foo/bar", b"/xyz")
SHUT = a_manifest(f"""
hosts: [localhost]
rules:
- name: shut
  matches: [{", ".join(f"{{path: {{type: PathPrefix, value: {root.decode()}}}}}" for root in ROOTS)}]
  allow: []
- {{name: rest, allow: [{{name: anyone, anonymous: {{}}}}]}}
""")
SHAPES: Mapping[str, Shape] = {"plain": PLAIN, "normalizing": NORMALIZING}
EVERY_SHAPE: Mapping[str, Shape] = {**SHAPES, "unescaping": UNESCAPING, "raw headers": RAW_HEADERS, "trusting": TRUSTING}
# Nobody decides: what passes is what these Envoys let through by themselves.
UNGUARDED = Plan(operator=Operator(ClientAddress(), unprotected_all=True))
CLIENTS = 6


@dataclass(slots=True)
class Tally:
    """What became of the requests of one run."""

    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    passed: set[bytes] = field(default_factory=set)
    arrived: set[bytes] = field(default_factory=set)

    def __str__(self) -> str:
        by_status = ", ".join(f"{status}: {number}" for status, number in sorted(self.statuses.items()))
        return f"{self.asked} requests of which {len(self.passed)} spellings passed; by status (0: closed) {by_status}"


async def tally(at: Gate, requests: tuple[Asked, ...]) -> Tally:
    """Send the requests to each Envoy, over both protocols."""
    tried = Tally()
    for shape in at.ports:
        for http2 in (False, True):
            answers = await each_of([at.one(shape, http2=http2) for _ in range(CLIENTS)], requests)
            tried.asked += len(answers)
            tried.statuses.update(answered.status for _, answered in answers)
            tried.passed.update(asked.target for asked, answered in answers if answered.values(b"x-reached"))
    tried.arrived.update(at.backend.heads)
    return tried


def trying(
    folder: Path,
    requests: Iterable[Asked],
    policies: Iterable[str] = (SHUT,),
    plan: Plan = USUAL,
    binary: Path | None = None,
    **shapes: Shape,
) -> Tally:
    async def inside() -> Tally:
        async with gate(folder, policies, shapes, plan, binary) as at:
            return await tally(at, tuple(requests))

    return asyncio.run(inside())


def everything() -> tuple[bytes, ...]:
    return tuple(dict.fromkeys((*spellings.TABLE, *spellings.constructed(), *spellings.published())))


def rotated() -> Iterator[Asked]:
    """Each spelling once, the methods in turn; and each header that speaks of another path."""
    for at, target in enumerate(everything()):
        yield Asked(spellings.METHODS[at % len(spellings.METHODS)], target)
    for line in spellings.REWRITES:
        yield Asked(b"GET", b"/open", lines=(line,))


def each_method() -> Iterator[Asked]:
    for method in spellings.METHODS:
        yield from (Asked(method, target) for target in everything())
        yield from (Asked(method, b"/open", lines=(line,)) for line in spellings.REWRITES)


def targets(head: bytes) -> list[bytes]:
    """The target of a request, and what its headers say was really asked for."""
    names = (b"x-original-url", b"x-rewrite-url", b"x_original-url", b"x-rewrite_url")
    return [target_of(head), *(value for name in names for value in values_of(head, name))]


def protected(arrived: Iterable[bytes]) -> set[str]:
    """What arrived that some backend reads as a protected path."""
    found = ((target, name, path) for head in arrived for target in targets(head) for name, path in readings(target))
    return {f"{target!r} is {path!r} {name}" for target, name, path in found if is_within(path, ROOTS)}


def in_two_ways(arrived: Iterable[bytes]) -> set[bytes]:
    """What arrived that two backends read as two paths."""
    return {target for head in arrived for target in targets(head) if len({path for _, path in readings(target)}) > 1}


def judge(tried: Tally, asked: int) -> None:
    assert not protected(tried.arrived), tried
    assert not in_two_ways(tried.arrived), tried
    assert tried.asked == asked, tried
    assert b"/open" in tried.passed, "what no rule denies passes"
    assert len(tried.passed) > 100, tried


def test_no_spelling_of_a_protected_path_reaches_a_backend_that_reads_it_as_one(tmp_path: Path) -> None:
    tried = trying(tmp_path, rotated(), **SHAPES)
    assert spellings.pairs_published() == 394
    assert len(everything()) >= 1600
    judge(tried, 4 * (len(everything()) + len(spellings.REWRITES)))


def test_without_a_policy_hundreds_of_the_same_spellings_reach_it(tmp_path: Path) -> None:
    tried = trying(tmp_path, islice(rotated(), 0, None, 3), policies=(), plan=UNGUARDED, plain=PLAIN)
    assert len(protected(tried.arrived)) > 300, tried
    assert len(in_two_ways(tried.arrived)) > 100, tried


@pytest.mark.nightly
@pytest.mark.parametrize("version", VERSIONS)
def test_no_spelling_reaches_it_by_any_method_through_any_envoy(
    tmp_path: Path, version: str, record_property: Callable[[str, object], None]
) -> None:
    tried = trying(tmp_path, each_method(), binary=envoy_of(version), **EVERY_SHAPE)
    record_property("figures", str(tried))
    judge(tried, 10 * 17 * (len(everything()) + len(spellings.REWRITES)))


OCTETS = (b"/ad\xffmin", b"/x\xc0\xaf..\xc0\xafadmin", b"/x/\xc0\xae\xc0\xae/admin", b"/caf\xe9", b"/\x80", b"/x\xed\xa0\x80")


def test_octets_that_are_no_utf_8_are_not_taken_for_the_sign_that_envoy_puts_in_their_place(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [SHUT], {"map": PLAIN, "raw headers": RAW_HEADERS}) as at:
            for shape in at.ports:
                client = at.one(shape, http2=True)
                for target in OCTETS:
                    assert not await at.arrived(client, Asked(target=target)), target
                assert target_of(await at.arrived(client, Asked(target="/café".encode()))) == "/café".encode()
                # Envoy does not say which of the two it is: in the map no sign of the kind is taken on trust. HTTP/1.1 has no such octets.
                assert bool(await at.arrived(client, Asked(target=b"/a!b"))) is (shape == "raw headers")
                assert await at.arrived(client, Asked(target=b"/a%21b"))
                assert await at.arrived(client, Asked(target=b"/a?b!c"))
                assert await at.arrived(at.one(shape), Asked(target=b"/a!b"))

    asyncio.run(body())


USUAL_LINES = b"host: localhost\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"
SECOND = b"GET /admin HTTP/1.1\r\nhost: localhost\r\n\r\n"
# Ends of requests that are read in two ways, and a second request where one of them sees a body.
STREAMS = (
    *(b"GET /open HTTP/1.1\r\n" + USUAL_LINES + b"\r\n" + SECOND, b"GET /open HTTP/1.1\n" + USUAL_LINES + b"\n" + SECOND),
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"content-length: 0\r\n" + CHUNKED + b"\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"content-length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"content-length: 0\r\ncontent-length: 44\r\n\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"content-length: 0, 44\r\n\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"content-length: +0\r\n\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SECOND,
    b"POST /open HTTP/1.1\r\n" + USUAL_LINES + CHUNKED + b"\r\n0;x=\n\r\n\r\n" + SECOND,
    b"GET /open HTTP/1.1\r\n" + USUAL_LINES + b"x: y\r\n GET /admin HTTP/1.1\r\n\r\n",
    b"GET /open HTTP/1.1\r\n" + USUAL_LINES + b"x: y\rGET /admin HTTP/1.1\r\n\r\n",
    *(
        b"GET /admin" + end + b"\r\n" + USUAL_LINES + b"\r\n"
        for end in (b" HTTP/1.0", b" HTTP/0.9", b"", b" HTTP/2.0", b" http/1.1", b"\tHTTP/1.1")
    ),
    *(
        start + b"/admin HTTP/1.1\r\n" + USUAL_LINES + b"\r\n"
        for start in (b"\r\nGET ", b" GET ", b"GET  ", b"GET\t", b"GET /open ", b"GET\r\n ")
    ),
)
FIELDS = (
    [(b":path", b"/open"), (b":path", b"/admin")],
    [(b":path", b"/admin"), (b":path", b"/open")],
    [(b":path", b"/open"), (b"x", b"y"), (b":path", b"/admin")],
    [(b":path", b"/open"), (b":Path", b"/admin")],
    [(b":path", b"/open"), (b"path", b"/admin"), (b"Path", b"/admin")],
    [(b":path", b"/open"), (b"x", b"y\r\n\r\nGET /admin HTTP/1.1\r\nhost: localhost\r\n\r\n")],
    [(b":path", b"/open"), (b"x\r\n\r\nGET /admin HTTP/1.1\r\nhost", b"localhost")],
    [(b":path", b"/open HTTP/1.1\r\nhost: localhost\r\n\r\nGET /admin")],
    [(b":path", b"/open"), (b"transfer-encoding", b"chunked"), (b"content-length", b"0")],
    [(b":path", b"/admin"), (b":protocol", b"websocket")],
)


def test_a_request_within_another_is_decided_by_itself_or_never_made(tmp_path: Path) -> None:
    async def body() -> list[bytes]:
        async with gate(tmp_path, [SHUT], {"plain": PLAIN}) as at:
            for stream in STREAMS:
                client = at.one()
                assert isinstance(client, Http1)
                await client.octets(stream)
                # What follows on the same connection, if that is still there.
                await client(Asked())
            for fields in FIELDS:
                two = at.one(http2=True)
                assert isinstance(two, Http2)
                await two.fields([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"localhost"), *fields])
            return at.backend.heads

    heads = asyncio.run(body())
    assert not protected(heads)
    assert len(heads) > len(STREAMS) / 2
