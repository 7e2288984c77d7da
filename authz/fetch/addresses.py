"""Names to addresses, and which addresses are those of the Internet at large."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

# IPv4-compatible (RFC 4291 §2.5.5.1), NAT64 of a network's own (RFC 8215), site-local (RFC 3879), documentation (RFC 9637),
# segment routing (RFC 9602); protocol assignments, 6to4 relays (RFC 7526), and the address of one cloud's own services.
_SPECIAL: Final = tuple(ipaddress.IPv6Network(text) for text in ("::/96", "64:ff9b:1::/48", "fec0::/10", "3fff::/20", "5f00::/16"))
_SPECIAL_V4: Final = tuple(ipaddress.IPv4Network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
# Clearly more than fetches under way (`KeyTimes.at_once`): a look-up that hangs keeps its thread after its fetch has given up.
_THREADS: Final = 64


class Names(Protocol):
    """Looks names up."""

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, as the system orders them. Raises OSError."""


def _of_the_system(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class SystemNames:
    """The system's own look-up, in threads of its own: names that hang must not hold up what else needs the loop's threads.

    Who asks for a name that is being looked up waits for the same answer, so that a name that hangs takes one thread.
    """

    def __init__(self, look_up: Callable[[str, int], list[str]] = _of_the_system) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(_THREADS, "names")
        self._under_way: dict[tuple[str, int], asyncio.Future[list[str]]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, as the system orders them. Raises OSError."""
        key = host, port
        answer = self._under_way.get(key)
        if answer is None:
            answer = self._under_way[key] = asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port)
            answer.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(answer)

    def _ended(self, key: tuple[str, int], answer: "asyncio.Future[list[str]]") -> None:
        del self._under_way[key]
        if not answer.cancelled():
            answer.exception()  # Whoever waited has been told; nobody may be left.


def is_public(text: str) -> bool:
    """Return whether an address is one of the Internet at large; those that embed an IPv4 address are judged by it."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _nat64(address)
        if inner is not None:
            address = inner
    special = any(address in network for network in (_SPECIAL_V4 if address.version == 4 else _SPECIAL))
    return address.is_global and not address.is_multicast and not special


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address not in ipaddress.IPv6Network("64:ff9b::/96"):
        return None
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
