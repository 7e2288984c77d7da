"""Names to addresses, and which addresses are those of the Internet at large."""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol

# IPv4-compatible (RFC 4291 §2.5.5.1), NAT64 of a network's own (RFC 8215), site-local (RFC 3879), documentation (RFC 9637),
# segment routing (RFC 9602); protocol assignments, 6to4 relays (RFC 7526), and the address of one cloud's own services.
_SPECIAL: Final = tuple(ipaddress.IPv6Network(text) for text in ("::/96", "64:ff9b:1::/48", "fec0::/10", "3fff::/20", "5f00::/16"))
_SPECIAL_V4: Final = tuple(ipaddress.IPv4Network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
_THREADS: Final = 4


class Names(Protocol):
    """Looks names up."""

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, as the system orders them. Raises OSError."""


class SystemNames:
    """The system's own look-up, in threads of its own: names that hang must not hold up what else needs the loop's threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "names")

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, as the system orders them. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


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
