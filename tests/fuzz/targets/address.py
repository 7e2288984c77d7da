"""The client's address: unknown, or one that a trusted proxy vouches for, whatever the client wrote before it.

The data are lines: the peer, then what the header holds. Policies' networks and ranges are read out of the same lines.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from authz.model.operator import ClientAddress
from authz.model.policy import AddressCondition, AddressRange
from authz.policy import addresses
from tests.builders import a_request
from tests.fuzz.lines import text_of

FOUND: Mapping[str, bytes] = {}
TRUSTED = ("10.0.0.0/8", "2001:db8::/32")
NETWORKS = tuple(ipaddress.ip_network(cidr) for cidr in TRUSTED)
WAYS = (
    ClientAddress("x-forwarded-for", 1, appended=True, trusted=TRUSTED),
    ClientAddress("x-forwarded-for", 2, appended=False, trusted=TRUSTED),
    ClientAddress("x-real-ip", trusted=TRUSTED),
)
PEER, *FINDERS = map(addresses.finder, (ClientAddress(), *WAYS))


def fuzz(data: bytes) -> None:
    peer, *values = text_of(data).split("\n")
    value = ",".join(values)
    for each in (peer, *values, value):
        _one(each)
        _network(each)
    _range(AddressRange(peer, value))
    assert PEER(a_request(peer=peer)) == addresses.parse(peer)
    for way, find in zip(WAYS, FINDERS, strict=True):
        _found(way, find, peer, value)


def _found(way: ClientAddress, find: addresses.AddressOf, peer: str, value: str) -> None:
    found = find(a_request(peer=peer, headers={way.header: value}))
    if not _is_trusted(peer):
        assert found == addresses.parse(peer)
        return
    said = {addresses.parse(entry.strip(" ")) for entry in value.split(",")}
    assert found in said | {addresses.UNKNOWN}
    if way.header == "x-forwarded-for":
        # A client can write in front of what the proxies append.
        forged = find(a_request(peer=peer, headers={way.header: f"198.51.100.66, {value}"}))
        assert forged == found or (found == addresses.UNKNOWN and len(value.split(",")) < 2)


def _is_trusted(peer: str) -> bool:
    known = _standard(peer)
    return known is not None and any(known in network for network in NETWORKS)


def _standard(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address as the standard library reads it; a zone is no part of a client's."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return None if found.scope_id is not None else found.ipv4_mapped or found
    return found


def _one(text: str) -> None:
    address, standard = addresses.parse(text), _standard(text)
    assert (address == addresses.UNKNOWN) == (standard is None), standard
    if standard is not None:
        assert addresses.text(address) == str(standard)
        assert addresses.parse(addresses.text(address)) == address


def _network(cidr: str) -> None:
    if addresses.cidr_problem(cidr):
        return
    first, last = addresses.bounds(cidr)
    network = ipaddress.ip_network(cidr)
    assert addresses.text(first) == str(network[0])
    within = addresses.set_of.__wrapped__(AddressCondition((cidr,)))
    assert first in within
    assert last in within
    assert addresses.UNKNOWN not in within
    assert first - 1 not in within
    assert last + 1 not in within


def _range(each: AddressRange) -> None:
    if not addresses.range_problem(each):
        within = addresses.set_of.__wrapped__(AddressCondition((), (each,)))
        assert addresses.parse(each.first) in within
        assert addresses.parse(each.last) in within


def seeds() -> Iterable[bytes]:
    yield b"10.0.0.1\n203.0.113.7, 198.51.100.1"
    yield b"2001:db8::1\n::ffff:203.0.113.7\n10.0.0.2"
    yield b"192.0.2.7\n192.0.2.7"
    yield b"10.1.2.3\n 203.0.113.7:8080,[2001:db8::7]:443 , fe80::1%eth0,unknown"
    yield b"10.1.2.3\n192.0.2.0/24\n2001:db8::/32\n::ffff:192.0.2.0/120\n192.0.2.1/24"
    yield b"198.51.100.10\n198.51.100.20"
    yield b"10.0.0.1\n010.0.0.1, 0x7f.1, 127.1, 1.2.3.4.5"
