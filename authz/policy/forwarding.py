"""What the upstream sees: identity headers, their look-alikes, and the credentials that are taken away."""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, Final
from urllib.parse import unquote_plus

from authz.model.issuer import Place, PlaceKind
from authz.model.policy import ForwardedHeader
from authz.model.principal import Caller
from authz.model.request import Request
from authz.policy.conditions import claim_at, claim_text

MAX_VALUE: Final = 4096
MAX_SEPARATORS: Final = 5
MAX_NAMES: Final = 32
_NAME: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_UNSAFE: Final = re.compile(r"[^\x20-\x7e]|%|^ | $")
_ITEM_UNSAFE: Final = re.compile(r"[^\x21-\x7e]|[%,]")
# Hop-by-hop headers, framing, and what Envoy routes on: no policy sets them, towards upstream or client.
NEVER: Final = frozenset(
    ["connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]
)
# Of a denial also what would tell a gRPC client another outcome.
NEVER_ANSWERED: Final = NEVER | {"grpc-message", "grpc-status"}


def name_problem(name: str, extra: frozenset[str]) -> str:
    """Return why policies may not forward a header of this name, or ""."""
    lower = name.lower()
    if not _NAME.fullmatch(lower) or lower in NEVER or len(lower) > 64:
        return f"{name} cannot be forwarded: letters, digits and single - or _ between them, and no hop-by-hop header"
    if len(re.split("[-_]", lower)) - 1 > MAX_SEPARATORS:
        return f"{name} has more than {MAX_SEPARATORS} separators; its look-alikes could not all be removed"
    if not lower.startswith("x-auth-") and lower not in extra:
        what = f"the operator has not given {name} away"
        return f"{what}: use x-auth-…, or have it added with --identity-header {lower} (chart: identityHeaders)"
    return ""


def value_problem(value: str) -> str:
    """Return why a fixed header value cannot be sent, or ""."""
    if len(value) > MAX_VALUE or not _VALUE.fullmatch(value):
        return f"a header value is 1 to {MAX_VALUE} printable ASCII characters without spaces around them"
    return ""


def variants(name: str) -> frozenset[str]:
    """Return every spelling of a header name that a CGI-like backend takes for the same one.

    >>> sorted(variants("x-auth-id"))
    ['x-auth-id', 'x-auth_id', 'x_auth-id', 'x_auth_id']
    """
    parts = re.split("[-_]", name.lower())
    spellings = product("-_", repeat=len(parts) - 1)
    return frozenset("".join(part + mark for part, mark in zip(parts, (*marks, ""), strict=True)) for marks in spellings)


def all_variants(names: Iterable[str]) -> frozenset[str]:
    """Return the spellings of all the names."""
    return frozenset(spelling for name in names for spelling in variants(name))


# Taken away on every allow. Some backends take the first two for the path that was asked for, an Envoy behind us the third: it would
# be one that nobody decided on. Envoy adds the last to a request that it let through without an answer; a client could forge it.
ALWAYS_REMOVED: Final = (
    *sorted(all_variants(("x-original-url", "x-rewrite-url"))),
    "x-envoy-original-path",
    "x-envoy-auth-failure-mode-allowed",
)


def header_value(claims: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
    """Return a claim as a header value: "" where there is none, None where it is too long to be sent.

    Octets outside printable ASCII, "%" and outer spaces are percent-encoded; a list's items are joined with ",".
    """
    value = claim_at(claims, path)
    if isinstance(value, list):
        texts = [text for item in value if (text := claim_text(item))]
        text = ",".join(_ITEM_UNSAFE.sub(_percent, each) for each in texts)
    else:
        text = _UNSAFE.sub(_percent, claim_text(value) or "")
    return text if len(text) <= MAX_VALUE else None


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{octet:02X}" for octet in found.group().encode("utf-8", "surrogatepass"))


def values_of(forward: tuple[ForwardedHeader, ...], callers: Mapping[str, Caller]) -> tuple[tuple[str, str], ...] | ForwardedHeader:
    """Return the headers to set for these callers, by kind of credential, or the declared header whose value is too long."""
    found: list[tuple[str, str]] = []
    for header in forward:
        caller = callers.get(header.credential)
        value = header.value or (header_value(caller.claims, header.claim) if caller is not None else "")
        if value is None:
            return header
        if value:
            found.append((header.name.lower(), value))
    return tuple(found)


class Credentials:
    """The places of a policy where credentials stand, by kind."""

    __slots__ = ("cookies", "headers", "queries")

    def __init__(self, places: Iterable[Place]) -> None:
        by_kind: dict[PlaceKind, set[str]] = {kind: set() for kind in PlaceKind}
        for place in places:
            by_kind[place.kind].add(place.name)
        self.headers = frozenset(name.lower() for name in by_kind[PlaceKind.HEADER])
        self.queries = frozenset(by_kind[PlaceKind.QUERY])
        self.cookies = frozenset(by_kind[PlaceKind.COOKIE])

    @property
    def touched(self) -> frozenset[str]:
        """The headers that are removed or written anew."""
        return self.headers | ({"cookie"} if self.cookies else frozenset())


def query_names(request: Request, queries: frozenset[str]) -> tuple[str, ...]:
    """Return the request's own spellings of the query parameters of these names.

    Only those that are there: naming an absent one makes Envoy write the query anew.
    """
    raw = dict.fromkeys(pair.partition("=")[0] for pair in request.query.split("&")) if request.query else {}
    return tuple(name for name in raw if unquote_plus(name) in queries)


def cookie_without(request: Request, cookies: frozenset[str]) -> str | None:
    """Return the `cookie` header without the cookies of these names: "" where nothing is left, None where it stays as it is."""
    sent = request.headers.get("cookie", "")
    if not sent:
        return None
    # Pieces with the separator before each, so that what stays is as it was: two header lines arrive joined with ",".
    pieces = re.findall(r"[;,]?[^;,]*", sent)
    kept = [piece for piece in pieces if piece.lstrip(";, ").partition("=")[0].strip() not in cookies]
    # A piece that is no text cannot be sent on once the header is written anew.
    return None if len(kept) == len(pieces) else "".join(filter(_is_text, kept)).strip(";, ")


def _is_text(piece: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in piece)
