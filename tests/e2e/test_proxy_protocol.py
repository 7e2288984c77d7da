"""Through a real Envoy: behind a load balancer that speaks the PROXY protocol, the peer is the client that it announces."""

import socket
from collections.abc import Callable, Iterator

import pytest

from authz.model.operator import ClientAddress, Operator
from tests.builders import a_manifest
from tests.e2e.gate import ANNOUNCED, PLAIN, TRUSTING
from tests.e2e.house import Door, House, Kept, house, kept
from tests.e2e.stack import Plan
from tests.e2e.wire import Line

pytestmark = pytest.mark.envoy

HOST = "localhost"
HOME, HOME6 = "203.0.113.7", "2001:db8::7"
ALLOWED, DENIED, CLOSED = (200, ""), (403, "ip_denied"), (0, "")
POLICY = a_manifest(f"""
hosts: [{HOST}]
ipSets:
- {{name: home, cidrs: [{HOME}/32, {HOME6}/128]}}
- {{name: blocked, ranges: [{{from: 198.51.100.1, to: 198.51.100.9}}]}}
deny: [{{name: blocked, clientIP: {{sets: [blocked]}}}}]
rules:
- name: home
  matches: [{{path: {{type: PathPrefix, value: /home}}}}]
  allow: [{{name: home, anonymous: {{}}, clientIP: {{sets: [home]}}}}]
- name: mapped
  matches: [{{path: {{type: PathPrefix, value: /v6}}}}]
  allow: [{{name: six, anonymous: {{}}, clientIP: {{cidrs: ["::/0"]}}}}]
- {{name: rest, allow: [{{name: anyone, anonymous: {{}}}}]}}
""")
Announced = Callable[[str], bytes]
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v1(source: str) -> bytes:
    family, to = ("TCP6", "2001:db8::1") if ":" in source else ("TCP4", "192.0.2.1")
    return f"PROXY {family} {source} {to} 4000 443\r\n".encode()


def v2(source: str, command: int = 1) -> bytes:
    family, to = (socket.AF_INET6, "2001:db8::1") if ":" in source else (socket.AF_INET, "192.0.2.1")
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, to) + (4000).to_bytes(2, "big") + (443).to_bytes(2, "big")
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes((0x20 | command, kind)) + len(addresses).to_bytes(2, "big") + addresses


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept[House]]:
    policies = tmp_path_factory.mktemp("policies")
    (policies / "p.yaml").write_text(POLICY)
    hops = Operator(ClientAddress("x-forwarded-for", 1, appended=True, trusted=("10.0.0.0/8",)))
    plans = {"peer": Plan(operator=Operator(ClientAddress())), "hops": Plan(operator=hops)}
    doors = {
        "announced": Door("peer", ANNOUNCED),
        "trusting": Door("peer", {**ANNOUNCED, **TRUSTING}),
        "direct": Door("peer", PLAIN),
        "hops": Door("hops", ANNOUNCED),
    }
    with kept(house(policies, plans, doors)) as found:
        yield found


def outcome(at: Kept[House], opening: bytes, target: str = "/home", *lines: Line, door: str = "announced") -> tuple[int, str]:
    return at.run(at.value.ask(door, HOST, target, lines, opening=opening)).outcome


@pytest.mark.parametrize("announced", [v1, v2])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (HOME, ALLOWED),
        (HOME6, ALLOWED),
        # An IPv4 address, however it is written.
        (f"::ffff:{HOME}", ALLOWED),
        ("203.0.113.8", DENIED),
        ("2001:db8::8", DENIED),
        ("::ffff:203.0.113.8", DENIED),
        ("198.51.100.7", (403, "rule_deny")),
        ("::ffff:198.51.100.7", (403, "rule_deny")),
    ],
)
def test_the_address_that_is_announced_is_the_clients(
    at: Kept[House], announced: Announced, source: str, expected: tuple[int, str]
) -> None:
    assert outcome(at, announced(source)) == expected


def test_a_mapped_address_is_in_no_network_of_ipv6(at: Kept[House]) -> None:
    for announced in (v1, v2):
        assert outcome(at, announced("2001:db8::8"), "/v6") == ALLOWED
        assert outcome(at, announced("::ffff:203.0.113.8"), "/v6") == DENIED


FORGED: list[tuple[Line, ...]] = [
    ((b"x-forwarded-for", HOME.encode()),),
    ((b"x-forwarded-for", HOME.encode()), (b"x-forwarded-for", HOME.encode())),
    ((b"x-real-ip", HOME.encode()), (b"forwarded", f"for={HOME}".encode()), (b"x-envoy-external-address", HOME.encode())),
    # What the protocol says is said before HTTP, and in no header.
    ((b"proxy", v1(HOME).strip()),),
]


@pytest.mark.parametrize("door", ["announced", "trusting"])
def test_no_header_says_otherwise(at: Kept[House], door: str) -> None:
    for lines in FORGED:
        assert outcome(at, v1("203.0.113.8"), "/home", *lines, door=door) == DENIED
        assert outcome(at, v2(HOME), "/home", *lines, door=door) == ALLOWED


def test_a_connection_of_the_load_balancers_own_is_its_peers(at: Kept[House]) -> None:
    for own in (v2(HOME, command=0), b"PROXY UNKNOWN\r\n"):
        assert outcome(at, own) == DENIED
        assert outcome(at, own, "/") == ALLOWED


@pytest.mark.parametrize(
    "opening",
    [
        b"",
        v1(HOME).replace(b"TCP4", b"TCP5"),
        v1(HOME).replace(HOME.encode(), b"203.0.113.777"),
        v1(HOME)[:20],
        SIGNATURE + b"\x31\x11\x00\x00",
    ],
)
def test_what_is_not_announced_never_gets_in(at: Kept[House], opening: bytes) -> None:
    before = len(at.value.backend.heads)
    assert outcome(at, opening, "/") == CLOSED
    assert len(at.value.backend.heads) == before


def test_where_nobody_announces_a_client_can_announce_nothing(at: Kept[House]) -> None:
    for opening in (v1(HOME), v2(HOME)):
        assert outcome(at, opening, door="direct")[0] in (0, 400)
    assert outcome(at, b"", "/", door="direct") == ALLOWED


def test_a_list_of_hops_counts_from_an_announced_proxy_alone(at: Kept[House]) -> None:
    written = (b"x-forwarded-for", HOME.encode())
    assert outcome(at, v1("10.1.2.3"), "/home", written, door="hops") == ALLOWED
    assert outcome(at, v1("203.0.113.8"), "/home", written, door="hops") == DENIED
    assert outcome(at, v1(HOME), "/home", (b"x-forwarded-for", b"203.0.113.8"), door="hops") == ALLOWED
