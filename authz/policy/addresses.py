"""Client addresses: reading them, finding the client's, and sets of them.

An address is one integer: IPv6 as it is, IPv4 above all of IPv6, so that neither family's prefixes reach into the other.
IPv4-mapped IPv6 (`::ffff:a.b.c.d`) is read as the IPv4 address that it stands for.
"""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from authz.model.definitions import AddressRange, IpSet
from authz.model.operator import ClientAddress
from authz.model.policy import AddressCondition
from authz.model.request import Request

AddressOf = Callable[[Request], int]

UNKNOWN: Final = -1
_V4: Final = 1 << 128
_MAPPED: Final = 0xFFFF
_MAPPED_NETWORK: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_PREFIX_LENGTH: Final = re.compile(r"/(0|[1-9]\d{0,2})")


def parse(text: str) -> int:
    """Return the address that `text` is, or UNKNOWN. Strict: no port, no brackets, no zone, no short or octal forms.

    >>> parse("::ffff:192.0.2.1") == parse("192.0.2.1")
    True
    >>> parse("192.0.2.01")
    -1
    """
    try:
        if ":" not in text:
            return _V4 | int.from_bytes(inet_pton(AF_INET, text), "big")
        value = int.from_bytes(inet_pton(AF_INET6, text), "big")
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate inside.
        return UNKNOWN
    return _V4 | (value & 0xFFFFFFFF) if value >> 32 == _MAPPED else value


def text(address: int) -> str:
    """Return an address as people write it, or "unknown"."""
    if address == UNKNOWN:
        return "unknown"
    return str(ipaddress.IPv4Address(address - _V4) if address >= _V4 else ipaddress.IPv6Address(address))


class AddressSet:
    """A set of addresses: merged ranges, searched by bisection."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        firsts: list[int] = []
        lasts: list[int] = []
        for first, last in sorted(ranges):
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(lasts[-1], last)
            else:
                firsts.append(first)
                lasts.append(last)
        self._firsts, self._lasts = tuple(firsts), tuple(lasts)

    def __contains__(self, address: int) -> bool:
        """Whether `address` is in one of the ranges. UNKNOWN is in none."""
        at = bisect_right(self._firsts, address) - 1
        return at >= 0 and address <= self._lasts[at]


@lru_cache(maxsize=4096)
def set_of(condition: AddressCondition | IpSet, sets: tuple[IpSet, ...] = ()) -> AddressSet:
    """Return the set that a condition means, with those that it names. All are what `cidr_problem` and `range_problem` accept."""
    ranges = [bounds(cidr) for each in (condition, *sets) for cidr in each.cidrs]
    ranges += [(parse(one.first), parse(one.last)) for each in (condition, *sets) for one in each.ranges]
    return AddressSet(ranges)


@lru_cache(maxsize=1024)
def of_cidrs(cidrs: tuple[str, ...]) -> AddressSet:
    """Return the set of the addresses in any of these CIDRs, all of which `cidr_problem` accepts."""
    return AddressSet(bounds(cidr) for cidr in cidrs)


def bounds(cidr: str) -> tuple[int, int]:
    """Return the first and the last address of a CIDR."""
    network = ipaddress.ip_network(cidr)
    base = _V4 if network.version == 4 else 0
    return base | int(network.network_address), base | int(network.broadcast_address)


def cidr_problem(cidr: str) -> str:
    """Return what is wrong with a CIDR that someone wrote, or ""."""
    text, slash, _ = cidr.partition("/")
    if slash and not _PREFIX_LENGTH.fullmatch(cidr[len(text) :]):
        return f"{cidr} is no CIDR: the prefix length is a plain number, as in 192.0.2.0/24"
    if parse(text) == UNKNOWN:
        return f"{text} is no IPv4 or IPv6 address"
    try:
        network = ipaddress.ip_network(cidr)
    except ValueError:
        return _host_bits_problem(cidr)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED_NETWORK):
        return f"{cidr} is an IPv4 address in IPv6 form; write it as IPv4"
    return ""


def _host_bits_problem(cidr: str) -> str:
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return f"{cidr} is no CIDR: the prefix is longer than the address, which has 32 or 128 bits"
    hint = "" if cidr_problem(str(network)) else f"; did you mean {network}?"
    return f"{cidr} has bits set after its prefix{hint}"


def range_problem(each: AddressRange) -> str:
    """Return what is wrong with an address range that someone wrote, or ""."""
    first, last = parse(each.first), parse(each.last)
    for text, address in ((each.first, first), (each.last, last)):
        if address == UNKNOWN:
            return f"{text} is no IPv4 or IPv6 address"
    if (first >= _V4) != (last >= _V4):
        return f"{each.first} and {each.last} are of different families"
    return f"{each.first} is after {each.last}; exchange them" if first > last else ""


def unknown(request: Request) -> int:
    """Return UNKNOWN: nobody has said how the address is found, or it cannot be told which way counts."""
    return UNKNOWN


def finder(setting: ClientAddress | None) -> AddressOf:
    """Return the function that finds the client's address in a request, as the operator says."""
    if setting is None:
        return unknown
    if not setting.header:
        return lambda request: parse(request.peer)
    trusted = of_cidrs(setting.trusted)
    read = _forwarded(setting) if setting.header == "x-forwarded-for" else _single(setting.header)

    def find(request: Request) -> int:
        peer = parse(request.peer)
        # A peer that is none of the trusted proxies speaks for itself: what it says of others does not count.
        return read(request) if peer in trusted else peer

    return find


def _single(header: str) -> AddressOf:
    return lambda request: parse(request.headers.get(header, "").strip(" "))


def _forwarded(setting: ClientAddress) -> AddressOf:
    back = setting.hops + 1 if setting.appended else setting.hops
    if back < 1:
        return lambda request: UNKNOWN  # Nobody whom we trust has written anything.

    def read(request: Request) -> int:
        entries = request.headers.get("x-forwarded-for", "").split(",")
        return parse(entries[-back].strip(" ")) if len(entries) >= back else UNKNOWN

    return read
