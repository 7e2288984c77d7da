"""GET one document over HTTPS from an address that was vetted, within limits.

A host name is resolved once, every address is vetted, and the connection goes to a vetted address: a name that answers
differently the second time (DNS rebinding) gets nowhere. Private, loopback, link-local and other special addresses are
refused, and plain http, unless the operator names the exact origin.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx2

from authz.service.ports import FetchError

# IPv4-compatible (RFC 4291 §2.5.5.1), NAT64 of a network's own (RFC 8215), site-local (RFC 3879), documentation (RFC 9637),
# segment routing (RFC 9602); protocol assignments, 6to4 relays (RFC 7526), and the address of one cloud's own services.
_SPECIAL: Final = tuple(ipaddress.IPv6Network(text) for text in ("::/96", "64:ff9b:1::/48", "fec0::/10", "3fff::/20", "5f00::/16"))
_SPECIAL_V4: Final = tuple(ipaddress.IPv4Network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one fetch may cost, and where it may go.

    Attributes:
        seconds: for the whole fetch, name look-up included.
        max_bytes: of the body.
        insecure_origins: `scheme://host:port` of origins that may be plain http, or at a special address.
        ca_file: PEM file of CAs to trust instead of the system's.
    """

    seconds: float = 5.0
    max_bytes: int = 512 * 1024
    insecure_origins: frozenset[str] = frozenset()
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document, and for how many seconds its server lets it be kept, where it says so."""

    body: bytes
    max_age: float | None


class HttpsClient:
    """Fetches documents."""

    def __init__(self, limits: FetchLimits) -> None:
        self._limits = limits
        self._known: tuple[int, ssl.SSLContext] | None = None

    async def get(self, url: str, ca: str = "") -> Fetched:
        """Return the document at `url`; `ca` are CAs (PEM) to trust for it. Raises FetchError, which names the URL and the remedy."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._get(url, ca)
        except FetchError:
            raise
        except TimeoutError as fault:
            raise FetchError(f"{url}: no answer within {self._limits.seconds:g} s") from fault
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ssl.SSLError, ValueError) as fault:
            raise FetchError(f"{url}: {_cause(fault)}") from fault

    async def _get(self, url: str, ca: str) -> Fetched:
        parts = urlsplit(url)
        host = parts.hostname or ""
        insecure = origin_of(url) in self._limits.insecure_origins
        if parts.scheme != "https" and not insecure:
            raise FetchError(
                f"{url}: only https is fetched; for this origin alone: --fetch-insecure {origin_of(url)} (chart: fetch.insecureOrigins)"
            )
        address = await _vetted(host, parts.port or (443 if parts.scheme == "https" else 80), url, insecure=insecure)
        transport = httpx2.AsyncHTTPTransport(verify=_trust_in(ca) if ca else self._trust(), retries=0)
        async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=self._limits.seconds * 0.9) as client:
            request = client.build_request(
                "GET",
                _at(parts, address),
                headers={
                    "host": parts.netloc.rpartition("@")[2],
                    "accept": "application/json, application/jwk-set+json, */*;q=0.1",
                    "user-agent": "ingress-authz",
                },
                extensions={"sni_hostname": host},
            )
            answer = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await self._body(answer, url)
            finally:
                await answer.aclose()

    def _trust(self) -> ssl.SSLContext:
        """Return the trust of now: a CA file that was replaced counts from then on."""
        file = self._limits.ca_file
        seen = file.stat().st_mtime_ns if file is not None else 0
        if self._known is None or self._known[0] != seen:
            self._known = seen, ssl.create_default_context(cafile=str(file) if file is not None else None)
        return self._known[1]

    async def _body(self, answer: httpx2.Response, url: str) -> Fetched:
        if answer.has_redirect_location:
            raise FetchError(f"{url}: redirects are not followed; write {answer.headers.get('location', 'the target')} if you trust it")
        if answer.status_code != 200:
            raise FetchError(f"{url}: status {answer.status_code}")
        body = bytearray()
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > self._limits.max_bytes:
                raise FetchError(f"{url}: larger than {self._limits.max_bytes // 1024} KiB")
        found = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        return Fetched(bytes(body), float(found.group(1)) if found else None)


@lru_cache(maxsize=32)
def _trust_in(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca)


def origin_of(url: str) -> str:
    """Return `scheme://host:port` of a URL, the port always written.

    >>> origin_of("https://idp.example.com/keys")
    'https://idp.example.com:443'
    """
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


async def _vetted(host: str, port: int, url: str, *, insecure: bool) -> str:
    """Return an address of `host` that may be connected to."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not insecure:
        for address in addresses:
            if not is_public(address):
                raise FetchError(
                    f"{url}: {address} is a private or special address; for this origin alone: "
                    f"--fetch-insecure {origin_of(url)} (chart: fetch.insecureOrigins)"
                )
    if not addresses:
        raise FetchError(f"{url}: {host} has no address")
    return addresses[0]


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


def _at(parts: SplitResult, address: str) -> str:
    """Return the URL with the host replaced by an address."""
    host = f"[{address}]" if ":" in address else address
    netloc = f"{host}:{parts.port}" if parts.port else host
    return parts._replace(netloc=netloc).geturl()


def _cause(fault: BaseException) -> str:
    """Return the first words of the innermost cause: the HTTP library wraps what the system said."""
    while fault.__cause__ is not None or fault.__context__ is not None:
        fault = fault.__cause__ or fault.__context__ or fault
    return str(fault)[:200] or type(fault).__name__


def problem_of_origins(origins: Iterable[str]) -> str:
    """Return what is wrong with a list of insecure origins, or ""."""
    wrong = [origin for origin in origins if not _is_origin(origin)]
    told = "; ".join(f"{origin} is no origin" for origin in wrong)
    return f"{told}; write scheme://host:port, as in http://127.0.0.1:8124" if wrong else ""


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.path.strip("/") and parts.port != 0 and not parts.query
        )
    except ValueError:  # A port that is no number.
        return False
