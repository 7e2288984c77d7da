"""Through real Envoys, the newest and the oldest: what the upstream gets of an identity, and what a denied client is told."""

import asyncio
import json
from itertools import product
from pathlib import Path

import pytest

from tests.builders import a_manifest
from tests.e2e.envoys import VERSIONS, envoy_of
from tests.e2e.gate import PLAIN, RAW_HEADERS, Shape, gate
from tests.e2e.test_envoy import ISSUER, bearer, policy
from tests.e2e.wire import Answered, Asked, Http1, Line, lines_of, values_of

pytestmark = pytest.mark.envoy

# What is sent to Envoy goes out as it is, unless it is told to look at it first.
UNVALIDATED: Shape = {"filter": {"validateMutations": False}}
SHAPES = {"plain": UNVALIDATED, "validated": PLAIN, "raw headers": RAW_HEADERS}
BOTH = (False, True)


@pytest.fixture(params=VERSIONS)
def binary(request: pytest.FixtureRequest) -> Path:
    return envoy_of(request.param)


CONTROLS = [chr(number) for number in (*range(0x20), 0x7F, 0x85, 0xA0, 0x2028)]


def identities(head: bytes) -> list[Line]:
    return [(name, value) for name, value in lines_of(head) if name.replace(b"_", b"-") == b"x-auth-subject"]


SUBJECTS = [
    *(f"alice{control}x-injected: 1" for control in CONTROLS),
    "alice\r\nx-injected: 1\r\n\r\nGET /injected HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "\r\nx-auth-subject: root",
    " alice ",
    "é%0d%0a",
    "",
]


COPIES: list[list[Line]] = [
    [(b"x-auth-subject", b"root")],
    [(b"x-auth-subject", b"root")] * 3,
    [(b"X-AUTH-SUBJECT", b"root"), (b"x_auth_subject", b"root"), (b"x-auth_subject", b"root")],
    [(b"x-auth-subject", b"")],
]


def test_the_upstream_gets_one_line_of_printable_text_whatever_a_claim_holds_and_a_client_adds(tmp_path: Path, binary: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], SHAPES, binary=binary) as at:
            for http2, subject in product(BOTH, SUBJECTS):
                token = f"Bearer {ISSUER.token(subject=subject, scope='orders.read')}".encode()
                head = await at.head("plain", http2, b"/orders/7", [(b"authorization", token), (b"x-auth-subject", b"root")])
                assert head, subject
                values = values_of(head, b"x-auth-subject")
                assert len(values) == bool(subject), subject
                assert all(0x20 <= octet < 0x7F for value in values for octet in value)
                assert b"root" not in values
                assert not values_of(head, b"x-injected")
            assert not [head for head in at.backend.heads if b"/injected HTTP" in head.partition(b"\r\n")[0]]
            for shape, lines in product(SHAPES, COPIES):
                with_ours = await at.head(shape, False, b"/orders/7", [*lines, (b"authorization", bearer()["authorization"].encode())])
                without = await at.head(shape, False, b"/open", lines)
                assert [identities(head) for head in (with_ours, without)] == [[(b"x-auth-subject", b"alice")], []], lines

    asyncio.run(body())


STATUSES = (300, 302, 303, 307, 308, 400, 401, 403, 404, 405, 407, 416, 426, 429, 451, 500, 502, 503, 599)
REFUSED = (0, 99, 100, 101, 199, 200, 204, 299, 304, 600, 1000)
LOCATION = "{name: Location, value: 'https://login.example/?next=%2F'}"
ANSWERS = f"headers: [{LOCATION}, {{name: X-Why, value: 'a, b; c=\"d\"'}}, {{name: Set-Cookie, value: a=b}}]"


def answering(status: int, host: str = "localhost") -> str:
    denied = f'{{forbidden: {{statusCode: {status}, message: "no\\r\\nx-injected: 1\\u0000", {ANSWERS}}}}}'
    spec = f"hosts: [{host}]\npathPrefixes: [/s{status}]\nrules: [{{name: nobody, allow: []}}]\ndenied: {denied}"
    return a_manifest(spec, f"s{status}")


def test_a_denial_is_a_whole_answer_after_which_the_connection_goes_on(tmp_path: Path, binary: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, map(answering, STATUSES), {"plain": UNVALIDATED}, binary=binary) as at:
            for client in (at.one(), at.one(http2=True)):
                closed = 0
                for status, method in product(STATUSES, (b"GET", b"HEAD", b"POST")):
                    answered = await client(Asked(method, b"/s%d" % status))
                    judge(answered, status, has_body=method != b"HEAD")
                    # After its own answers of 400 Envoy closes a connection of HTTP/1.1; no other one is lost.
                    closed += b"close" in answered.values(b"connection")
                assert closed == (3 if isinstance(client, Http1) else 0)
                assert not isinstance(client, Http1) or client.opened == 1 + closed
            grpc = ((b"content-type", b"application/grpc"), (b"te", b"trailers"))
            for target, code in ((b"/s403", b"7"), (b"/s401", b"16"), (b"/s599", b"2"), (b"/s302", b"2")):
                answered = await at.one(http2=True)(Asked(b"POST", target, lines=grpc))
                assert (answered.status, answered.values(b"grpc-status"), answered.body) == (200, [code], b"")
            assert at.backend.heads == []

    asyncio.run(body())


def judge(answered: Answered, status: int, *, has_body: bool) -> None:
    assert answered.status == status
    assert [answered.values(name) for name in (b"x-injected", b"transfer-encoding")] == [[], []]
    assert answered.values(b"location") == [b"https://login.example/?next=%2F"]
    assert answered.values(b"x-why") == [b'a, b; c="d"']
    assert len(answered.values(b"x-request-id")) == 1
    assert not has_body or json.loads(answered.body)["status"] == status


def test_a_policy_with_a_status_that_is_none_never_answers_with_it(tmp_path: Path, binary: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, map(answering, REFUSED), {"plain": UNVALIDATED}, binary=binary) as at:
            client = at.one()
            found = {(await client(Asked(target=b"/s%d" % status))).status for status in REFUSED}
            assert found == {503}, "not accepted: its paths are denied until it is mended"
            assert at.backend.heads == []

    asyncio.run(body())
