"""The token that a request presents: found in the places where a policy looks, in the order written."""

import re
from collections.abc import Callable
from urllib.parse import unquote_plus

from authz.model.credential import Secret
from authz.model.issuer import Place, PlaceKind
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.request import Request

Find = Callable[[Request], list[str]]


class Presented:
    """A token as found.

    Attributes:
        places: every place where it stood.
        mark: the same as a few octets, different for different places.
        unasked: it stood in cookies only, which browsers send by themselves.
    """

    __slots__ = ("mark", "places", "token", "unasked")

    def __init__(self, token: str, places: tuple[Place, ...], mark: bytes, *, unasked: bool) -> None:
        self.token = Secret(token)
        self.places = places
        self.mark = mark
        self.unasked = unasked

    def __repr__(self) -> str:
        """Where it stood, never what it is."""
        return f"Presented({', '.join(map(str, self.places))}, {self.token!r})"


class Finder:
    """Looks in some places for one token. Two different ones are one too many (RFC 6750 §2)."""

    __slots__ = ("_finds", "_one", "_want")

    def __init__(self, places: tuple[Place, ...], one: str = "one token") -> None:
        self._one = one
        self._finds = tuple(((place,), _find(place), bytes((at,)), place.kind is PlaceKind.COOKIE) for at, place in enumerate(places))
        self._want = ", ".join(str(place) for place in places)

    def find(self, request: Request) -> Presented | Failure:
        """Return the token, or why there is none that could be checked."""
        only: Presented | None = None
        for places, find, mark, unasked in self._finds:
            tokens = find(request)
            if not tokens:
                continue
            if only is not None or len(tokens) > 1:
                return self._of_several(request)
            only = Presented(tokens[0], places, mark, unasked=unasked)
        return only or Failure(Reason.CREDENTIALS_MISSING, Rank.NOT_PRESENTED, self._want)

    def _of_several(self, request: Request) -> Presented | Failure:
        """Return the token that stands in several places, or a failure where they are several tokens."""
        found = [(token, place, mark) for (place,), find, mark, _ in self._finds for token in find(request)]
        places = tuple(dict.fromkeys(place for _, place, _ in found))
        unasked = all(place.kind is PlaceKind.COOKIE for place in places)
        if len({token for token, _, _ in found}) > 1:
            got = f"several in {' and '.join(map(str, places))}"
            # Which of them would be the caller's cannot be told.
            return Failure(Reason.CREDENTIALS_MULTIPLE, Rank.UNREADABLE, self._one, got, undecided=True, unasked=unasked)
        marks = b"".join(dict.fromkeys(mark for _, _, mark in found))
        return Presented(found[0][0], places, marks, unasked=unasked)


def _find(place: Place) -> Find:
    match place.kind:
        case PlaceKind.HEADER:
            return _in_scheme(place.name.lower(), place.scheme) if place.scheme else _in_header(place.name.lower())
        case PlaceKind.QUERY:
            return _in_query(place.name)
        case PlaceKind.COOKIE:
            return _in_cookie(place.name)


def _in_scheme(name: str, scheme: str) -> Find:
    prefix, length = scheme.lower() + " ", len(scheme) + 1

    def find(request: Request) -> list[str]:
        value = request.headers.get(name)
        if not value:
            return []
        # One header line with one token, the usual case. Repeated lines arrive joined with a comma, which no token holds.
        if value[:length].lower() == prefix and "," not in value:
            return [value[length:]]
        return _tokens_of_scheme(value, scheme.lower())

    return find


def _tokens_of_scheme(value: str, scheme: str) -> list[str]:
    """Return the tokens in a header that is not of the usual form: a bare scheme, or several lines joined with commas."""
    lines = [line.strip(" \t").partition(" ") for line in value.split(",")]
    tokens = [token for word, _, token in lines if word.lower() == scheme]
    # Beside our scheme stands another line, if only the same again: which one the backend would read cannot be told.
    return [*tokens, value] if tokens and len(lines) > 1 else tokens


def _in_header(name: str) -> Find:
    def find(request: Request) -> list[str]:
        value = request.headers.get(name)
        return [part.strip(" \t") for part in value.split(",")] if value else []

    return find


def _in_query(name: str) -> Find:
    def find(request: Request) -> list[str]:
        if not request.query:
            return []
        pairs = (pair.partition("=") for pair in request.query.split("&"))
        return [unquote_plus(value) for key, _, value in pairs if unquote_plus(key) == name]

    return find


def _in_cookie(name: str) -> Find:
    def find(request: Request) -> list[str]:
        sent = request.headers.get("cookie")
        if not sent:
            return []
        # RFC 6265 separates with ";"; two header lines arrive joined with a comma.
        pairs = (part.strip(" \t").partition("=") for part in re.split("[;,]", sent))
        return [value.strip('"') for key, _, value in pairs if key == name]

    return find
