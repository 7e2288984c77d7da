"""GET one document over HTTPS from an address that was vetted, within limits.

A host name is resolved once, every address is vetted, and the connection goes to a vetted address: a name that answers
differently the second time (DNS rebinding) gets nowhere. Private, loopback, link-local and other special addresses are
refused, and plain http, unless the operator names the exact origin.
"""

import asyncio
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx2

from authz.fetch.addresses import Names, SystemNames, is_public
from authz.service.ports import FetchError

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])", re.IGNORECASE)
# JSON by its own types, and what shops for files call whatever they do not know. A page for people (a login, an error, a
# portal) is never a document, though it may parse: its type says that the URL leads elsewhere.
JSON_TYPES: Final = re.compile(r"(?:application/(?:[a-z0-9!#$&^_.+-]+\+)?json|text/json|text/plain|(?:application|binary)/octet-stream)?")
# RFC 2585 §4.2, and what servers say of files that they do not know.
LIST_TYPES: Final = re.compile(
    r"(?:application/(?:pkix-crl|x-pkcs7-crl|x-x509-crl|pem-certificate-chain|x-pem-file)|text/plain|(?:application|binary)/octet-stream)?"
)
_ETAG: Final = re.compile(r'(?:W/)?"[!#-~]{0,256}"')
_LONGEST_URL: Final = 2048
# An ETag is the server's word, and some do not change with the document: after so many a document is asked for whole.
_CONFIRMATIONS: Final = 10


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
    """A document, and for how many seconds its server lets it be kept, where it says so.

    Attributes:
        etag: what the server calls this version; "" where it does not say.
        confirmed: how often in a row the server said that this version is still the one.
    """

    body: bytes
    max_age: float | None
    etag: str = ""
    confirmed: int = 0


class HttpsClient:
    """Fetches documents."""

    def __init__(self, limits: FetchLimits, names: Names | None = None, types: re.Pattern[str] = JSON_TYPES) -> None:
        """Make a client of documents whose content type is one of `types`."""
        self._limits = limits
        self._types = types
        self._names = names or SystemNames()
        self._known: tuple[object, ssl.SSLContext] | None = None

    async def get(self, url: str, ca: str = "", earlier: Fetched | None = None, deadline: float | None = None) -> Fetched:
        """Return the document at `url`. Raises FetchError, which names the URL and the remedy.

        Args:
            ca: CAs (PEM) to trust for it.
            earlier: what was there before, so that the server may say that it still is.
            deadline: the loop's time by which it must be there, where that is sooner than the limit says.
        """
        if len(url) > _LONGEST_URL:
            raise FetchError(f"{url[:200]}…: a URL of more than {_LONGEST_URL} characters")
        deadline = self.deadline() if deadline is None else deadline
        try:
            address = await self._vetted(urlsplit(url), url, deadline)
            async with asyncio.timeout_at(deadline):
                return await self._get(url, address, ca, earlier)
        except FetchError:
            raise
        except (TimeoutError, httpx2.TimeoutException) as fault:
            told = f"no answer within {self._limits.seconds:g} s; see that its server can be reached from here"
            raise FetchError(f"{url}: {told}") from fault
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ssl.SSLError, ValueError) as fault:
            raise FetchError(f"{url}: {_cause(fault)}") from fault

    def deadline(self) -> float:
        """Return the loop's time by which a fetch that begins now has ended."""
        return asyncio.get_running_loop().time() + self._limits.seconds

    async def _get(self, url: str, address: str, ca: str, earlier: Fetched | None) -> Fetched:
        parts = urlsplit(url)
        earlier = earlier if earlier is not None and earlier.etag and earlier.confirmed < _CONFIRMATIONS else None
        headers = {
            "host": parts.netloc.rpartition("@")[2],
            "accept": "application/json, application/jwk-set+json, */*;q=0.1" if self._types is JSON_TYPES else "*/*",
            # What is small on the way may be large once it is unpacked.
            "accept-encoding": "identity",
            "user-agent": "ingress-authz",
            **({"if-none-match": earlier.etag} if earlier is not None else {}),
        }
        transport = httpx2.AsyncHTTPTransport(verify=_trust_in(ca) if ca else self._trust(), retries=0)
        async with httpx2.AsyncClient(transport=transport, trust_env=False, timeout=self._limits.seconds * 0.9) as client:
            request = client.build_request("GET", _at(parts, address), headers=headers, extensions={"sni_hostname": parts.hostname or ""})
            answer = await client.send(request, stream=True, follow_redirects=False)
            try:
                return await self._document(answer, url, earlier)
            finally:
                await answer.aclose()

    async def _vetted(self, parts: SplitResult, url: str, deadline: float) -> str:
        """Return an address of the URL's host that may be connected to."""
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FetchError(f"{url}: only https is fetched, from a host; write https://…")
        origin = origin_of(url)
        insecure = origin in self._limits.insecure_origins
        remedy = f"for this origin alone: --fetch-insecure {origin} (chart: fetch.insecureOrigins)"
        if parts.scheme != "https" and not insecure:
            raise FetchError(f"{url}: only https is fetched; {remedy}")
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._names.addresses(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        except TimeoutError as fault:
            told = f"its name was not looked up within {self._limits.seconds:g} s; see that a name server can be reached from here"
            raise FetchError(f"{url}: {told}") from fault
        for address in addresses if not insecure else ():
            if not is_public(address):
                raise FetchError(f"{url}: {address} is a private or special address; {remedy}")
        if not addresses:
            raise FetchError(f"{url}: {parts.hostname} has no address")
        return addresses[0]

    def _trust(self) -> ssl.SSLContext:
        """Return the trust of now: a CA file that was replaced counts from then on."""
        file = self._limits.ca_file
        found = file.stat() if file is not None else None
        seen = (found.st_mtime_ns, found.st_ino, found.st_size) if found is not None else None
        if self._known is None or self._known[0] != seen:
            self._known = seen, ssl.create_default_context(cafile=str(file) if file is not None else None)
        return self._known[1]

    async def _document(self, answer: httpx2.Response, url: str, earlier: Fetched | None) -> Fetched:
        found = _MAX_AGE.search(answer.headers.get("cache-control", ""))
        max_age = float(found.group(1)) if found else None
        if answer.status_code == 304 and earlier is not None:
            return replace(earlier, max_age=earlier.max_age if max_age is None else max_age, confirmed=earlier.confirmed + 1)
        problem = _problem_of(answer, self._types)
        if problem:
            raise FetchError(f"{url}: {problem}")
        etag = answer.headers.get("etag", "")
        return Fetched(await self._body(answer, url), max_age, etag if _ETAG.fullmatch(etag) else "")

    async def _body(self, answer: httpx2.Response, url: str) -> bytes:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._limits.max_bytes:
                raise FetchError(f"{url}: larger than {self._limits.max_bytes // 1024} KiB")
            # Thousands of pieces may have come at once, and there is nothing to wait for between them.
            await asyncio.sleep(0)
        return bytes(body)


def _problem_of(answer: httpx2.Response, types: re.Pattern[str]) -> str:
    """Return why an answer, as far as its head tells, is not the document; "" where it is."""
    if answer.has_redirect_location:
        return f"redirects are not followed; write {answer.headers['location'][:200]} if you trust it"
    if answer.status_code == 304:
        return "status 304, though it was not asked whether the document has changed"
    if answer.status_code != 200:
        return f"status {answer.status_code}; the URL must answer 200 with the document itself"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not types.fullmatch(kind):
        if types is not JSON_TYPES:
            return f"its content type is {kind[:80]}, so it is no revocation list; have it served as application/pkix-crl"
        return f"its content type is {kind[:80]}, so it is no JSON; name the document itself, and have it served as application/json"
    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", ""):
        return f"it is compressed ({packing[:40]}), though that was not asked for; have it served as it is"
    return ""


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


def _at(parts: SplitResult, address: str) -> str:
    """Return the URL with the host replaced by an address."""
    host = f"[{address}]" if ":" in address else address
    netloc = f"{host}:{parts.port}" if parts.port else host
    return parts._replace(netloc=netloc).geturl()


def _cause(fault: BaseException) -> str:
    """Return the first words of the innermost cause: the HTTP library wraps what the system said."""
    while fault.__cause__ is not None or fault.__context__ is not None:
        fault = fault.__cause__ or fault.__context__ or fault
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {fault.verify_message[:200]}; it must be valid, for this name, from a CA of caRef or --fetch-ca"
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
