"""Through a real Envoy: the client's address is what the operator says, whatever a client writes."""

import asyncio
from itertools import product
from pathlib import Path

import pytest

from authz.model.operator import ClientAddress, Operator
from tests.builders import a_manifest
from tests.e2e.gate import PLAIN, RAW_HEADERS, TRUSTING, gate
from tests.e2e.stack import Plan
from tests.e2e.wire import Line

pytestmark = pytest.mark.envoy

SHAPES = {"plain": PLAIN, "trusting": TRUSTING}
BOTH = (False, True)
HOME = b"203.0.113.7"
ADDRESSED = a_manifest(f"""
hosts: [localhost]
rules:
- name: home
  matches: [{{path: {{type: PathPrefix, value: /home}}}}]
  allow: [{{name: office, anonymous: {{}}, clientIP: {{cidrs: [{HOME.decode()}/32]}}}}]
- name: elsewhere
  deny: [{{name: blocked, clientIP: {{cidrs: [{HOME.decode()}/32, 192.0.2.0/24]}}}}]
  allow: [{{name: anyone, anonymous: {{}}}}]
""")
WRITTEN: list[list[Line]] = [
    *(
        [(name, HOME)]
        for name in (
            *(b"x-forwarded-for", b"x-real-ip", b"x-envoy-external-address", b"true-client-ip", b"x-client-ip", b"cf-connecting-ip"),
            *(b"x-cluster-client-ip", b"fastly-client-ip", b"x-original-forwarded-for", b"x_forwarded_for", b"forwarded-for", b"via"),
        )
    ),
    [(b"forwarded", b"for=203.0.113.7;host=localhost")],
    [(b"x-forwarded-for", HOME + b"," + HOME), (b"x-forwarded-for", HOME)],
    [(b"x-forwarded-for", HOME), (b"x-envoy-internal", b"true"), (b"x-envoy-external-address", HOME)],
]


def test_where_the_peer_is_the_client_no_header_says_otherwise(tmp_path: Path) -> None:
    async def body() -> None:
        async with gate(tmp_path, [ADDRESSED], SHAPES) as at:
            for shape, http2, lines in product(SHAPES, BOTH, [[], *WRITTEN]):
                assert await at.status(shape, http2, b"/home", lines) == 403, lines
                assert await at.status(shape, http2, b"/", lines) == 200, lines

    asyncio.run(body())


def through(client: ClientAddress) -> Plan:
    return Plan(operator=Operator(client))


# Envoy appends its own address where the peer is of this machine, so that is the last entry here.
HOPS = [
    # What the client wrote, whether /home opens, whether the rest does.
    ([], False, False),
    ([HOME], True, False),
    ([HOME, b"198.51.100.9"], False, True),
    ([HOME + b", 198.51.100.9"], False, True),
    ([b"198.51.100.9", HOME], True, False),
    ([b"10.0.0.1, " + HOME], True, False),
    ([HOME + b":8080"], False, False),
    ([b"[" + HOME + b"]"], False, False),
    ([b"::ffff:" + HOME], True, False),
    ([b'"' + HOME + b'"'], False, False),
    ([HOME + b","], False, False),
    ([HOME + b",,"], False, False),
    ([HOME + b";"], False, False),
    ([b"for=" + HOME], False, False),
    ([HOME + b"\xff"], False, False),
    ([b"203.0.113.007"], False, False),
    ([b"unknown"], False, False),
]


def test_behind_one_trusted_proxy_its_entry_counts_and_none_before_it(tmp_path: Path) -> None:
    async def body() -> None:
        plan = through(ClientAddress("x-forwarded-for", 1, appended=True, trusted=("127.0.0.0/8",)))
        async with gate(tmp_path, [ADDRESSED], {"plain": PLAIN, "raw headers": RAW_HEADERS}, plan) as at:
            for shape, http2, (values, home, rest) in product(("plain", "raw headers"), BOTH, HOPS):
                lines = [(b"x-forwarded-for", value) for value in values]
                for target, opens in ((b"/home", home), (b"/", rest)):
                    assert await at.status(shape, http2, target, lines) == (200 if opens else 403), (shape, target, values)

    asyncio.run(body())


def test_a_peer_that_is_no_trusted_proxy_speaks_for_itself(tmp_path: Path) -> None:
    async def body(client: ClientAddress) -> None:
        async with gate(tmp_path, [ADDRESSED], {"plain": PLAIN, "trusting": TRUSTING}, through(client)) as at:
            for shape, lines in product(("plain", "trusting"), [[], *WRITTEN]):
                assert await at.status(shape, False, b"/home", lines) == 403, lines
                assert await at.status(shape, False, b"/", lines) == 200, lines

    asyncio.run(body(ClientAddress("x-forwarded-for", 1, appended=False, trusted=("10.0.0.0/8",))))
    asyncio.run(body(ClientAddress("x-real-ip", trusted=("10.0.0.0/8",))))


SINGLE = [([HOME], True), ([], False), ([HOME, HOME], False), ([HOME + b",10.0.0.1"], False), ([b"10.0.0.1", HOME], False), ([b""], False)]


def test_a_header_that_holds_one_address_is_there_once(tmp_path: Path) -> None:
    async def body() -> None:
        plan = through(ClientAddress("x-real-ip", trusted=("127.0.0.0/8",)))
        async with gate(tmp_path, [ADDRESSED], {"plain": PLAIN, "raw headers": RAW_HEADERS}, plan) as at:
            for shape, http2, (values, opens) in product(("plain", "raw headers"), BOTH, SINGLE):
                lines = [(b"x-real-ip", value) for value in values] + [(b"x-forwarded-for", HOME), (b"x_real_ip", HOME)]
                assert await at.status(shape, http2, b"/home", lines) == (200 if opens else 403), values

    asyncio.run(body())
