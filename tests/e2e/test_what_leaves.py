"""Through real Envoys, the newest and the oldest: what the upstream gets of an identity, and what a denied client is told."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.builders import a_manifest
from tests.e2e.envoys import VERSIONS, envoy_of
from tests.e2e.gate import PLAIN, RAW_HEADERS, Shape, gate
from tests.e2e.test_envoy import ISSUER, bearer, policy
from tests.e2e.wire import Asked, Http1, Line, lines_of, values_of

pytestmark = pytest.mark.envoy

# What is sent to Envoy goes out as it is, unless it is told to look at it first.
UNVALIDATED: Shape = {"filter": {"validateMutations": False}}
SHAPES = {"plain": UNVALIDATED, "validated": PLAIN, "raw headers": RAW_HEADERS}
BOTH = (False, True)


@pytest.fixture(params=VERSIONS)
def binary(request: pytest.FixtureRequest) -> Path:
    return envoy_of(request.param)


CONTROLS = [chr(number) for number in (*range(0x20), 0x7F, 0x85, 0xA0, 0x2028)]
SUBJECTS = [
    *(f"alice{control}x-injected: 1" for control in CONTROLS),
    "alice\r\nx-injected: 1\r\n\r\nGET /injected HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "\r\nx-auth-subject: root",
    " alice ",
    "é%0d%0a",
    "",
]


def test_whatever_a_claim_holds_the_upstream_gets_one_line_of_printable_text(tmp_path: Path, binary: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], SHAPES, binary=binary) as at:
            for http2 in BOTH:
                for subject in SUBJECTS:
                    token = f"Bearer {ISSUER.token(subject=subject, scope='orders.read')}".encode()
                    head = await at.head("plain", http2, b"/orders/7", [(b"authorization", token), (b"x-auth-subject", b"root")])
                    assert head, subject
                    values = values_of(head, b"x-auth-subject")
                    assert len(values) == bool(subject), subject
                    assert all(0x20 <= octet < 0x7F for value in values for octet in value)
                    assert b"root" not in values
                    assert not values_of(head, b"x-injected")
            assert not [head for head in at.backend.heads if b"/injected HTTP" in head.partition(b"\r\n")[0]]

    asyncio.run(body())


COPIES: list[list[Line]] = [
    [(b"x-auth-subject", b"root")],
    [(b"x-auth-subject", b"root")] * 3,
    [(b"X-AUTH-SUBJECT", b"root"), (b"x_auth_subject", b"root"), (b"x-auth_subject", b"root")],
    [(b"x-auth-subject", b"")],
]


def test_a_copy_of_the_client_never_survives_beside_ours_or_without_it(tmp_path: Path, binary: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [policy()], SHAPES, binary=binary) as at:
            for shape in SHAPES:
                for lines in COPIES:
                    with_ours = await at.head(shape, False, b"/orders/7", [*lines, (b"authorization", bearer()["authorization"].encode())])
                    without = await at.head(shape, False, b"/open", lines)
                    found = [
                        [line for line in lines_of(head) if line[0].replace(b"_", b"-") == b"x-auth-subject"]
                        for head in (with_ours, without)
                    ]
                    assert found == [[(b"x-auth-subject", b"alice")], []], lines

    asyncio.run(body())


STATUSES = (300, 302, 303, 307, 308, 400, 401, 403, 404, 405, 407, 416, 426, 429, 451, 500, 502, 503, 599)
REFUSED = (0, 99, 100, 101, 199, 200, 204, 299, 304, 600, 1000)
LOCATION = "{name: Location, value: 'https://login.example/?next=%2F'}"
ANSWERS = f"headers: [{LOCATION}, {{name: X-Why, value: 'a, b; c=\"d\"'}}, {{name: Set-Cookie, value: a=b}}]"


def answering(status: int, host: str = "localhost") -> str:
    denied = f'{{forbidden: {{statusCode: {status}, message: "no\\r\\nx-injected: 1\\u0000", {ANSWERS}}}}}'
    spec = f"hosts: [{host}]\npathPrefixes: [/s{status}]\nrules: [{{name: nobody, allow: []}}]\ndenied: {denied}"
    return a_manifest(spec, f"s{status}")


@pytest.mark.parametrize("http2", BOTH, ids=["HTTP/1.1", "HTTP/2"])
def test_a_denial_is_a_whole_answer_after_which_the_connection_goes_on(tmp_path: Path, binary: Path, http2: bool) -> None:
    async def body() -> None:
        async with gate(tmp_path, map(answering, STATUSES), {"plain": UNVALIDATED}, binary=binary) as at:
            client, closed = at.one(http2=http2), 0
            for status in STATUSES:
                for method in (b"GET", b"HEAD", b"POST"):
                    answered = await client(Asked(method, b"/s%d" % status))
                    assert answered.status == status
                    assert [answered.values(name) for name in (b"x-injected", b"transfer-encoding")] == [[], []]
                    assert answered.values(b"location") == [b"https://login.example/?next=%2F"]
                    assert answered.values(b"x-why") == [b'a, b; c="d"']
                    assert len(answered.values(b"x-request-id")) == 1
                    # After its own answers of 400 Envoy closes a connection of HTTP/1.1; no other one is lost.
                    closed += b"close" in answered.values(b"connection")
                    told = json.loads(answered.body) if method != b"HEAD" else {"status": status}
                    assert told["status"] == status
            assert at.backend.heads == []
            assert closed <= 3
            assert not isinstance(client, Http1) or client.opened == 1 + closed

    asyncio.run(body())


def test_a_policy_with_a_status_that_is_none_never_answers_with_it(tmp_path: Path, binary: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, map(answering, REFUSED), {"plain": UNVALIDATED}, binary=binary) as at:
            client = at.one()
            found = {(await client(Asked(target=b"/s%d" % status))).status for status in REFUSED}
            assert found == {503}, "not accepted: its paths are denied until it is mended"
            assert at.backend.heads == []

    asyncio.run(body())


def test_a_client_of_grpc_is_told_in_its_own_words(tmp_path: Path, binary: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [answering(403), answering(401), answering(599)], {"plain": UNVALIDATED}, binary=binary) as at:
            client = at.one(http2=True)
            for target, code in ((b"/s403", b"7"), (b"/s599", b"2")):
                answered = await client(Asked(b"POST", target, lines=((b"content-type", b"application/grpc"), (b"te", b"trailers"))))
                assert (answered.status, answered.values(b"grpc-status"), answered.body) == (200, [code], b"")
                assert not answered.values(b"x-injected")
            assert at.backend.heads == []

    asyncio.run(body())
