"""What `when` sees of a request: its variables, where each comes from, and which values are too odd to hand over."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

_DEEPEST: Final = 32
_MOST_VALUES: Final = 4096
_MOST_CHARACTERS: Final = 1 << 15
_LEAST_INT: Final = -(1 << 63)
_BEYOND_UINT: Final = 1 << 64


class Unreadable(ValueError):
    """A value that the expression asks for cannot be handed to it as it is."""


class Facts(Protocol):
    """What is known when an expression is evaluated. Each is asked for only where the expression names it."""

    @property
    def method(self) -> str:
        """The method, as sent."""

    @property
    def host(self) -> str:
        """The canonical host."""

    @property
    def path(self) -> str:
        """The canonical path, without query."""

    @property
    def path_params(self) -> Mapping[str, str]:
        """What stands for the parameters of the rule's template."""

    @property
    def query(self) -> Mapping[str, str | None]:
        """The parameters of the query, decoded; None is the value of one that is given more than once, or not readable."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""

    @property
    def jwt(self) -> Mapping[str, Any] | None:
        """The claims of the caller's verified token; None without one."""

    @property
    def api_key(self) -> Mapping[str, Any] | None:
        """`id`, `subscription` and `labels` of the caller's key; None without one."""

    @property
    def client_certificate(self) -> Mapping[str, Any] | None:
        """Members as in VARIABLES of the caller's certificate; None without one."""

    @property
    def client_ip(self) -> str:
        """The client's address, or "" where it is unknown."""

    @property
    def now(self) -> float:
        """Unix time in seconds."""


Ask = Callable[[Facts], Any]


class Type(Enum):
    """What the checker is told of a variable."""

    STRING = "string"
    STRINGS = "list of strings"
    TEXTS = "map of strings"
    CLAIMS = "map of any values"
    TIME = "timestamp"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: its type, the root that stands for it in `Expression.names`, and where its value comes from (None: nowhere)."""

    type: Type
    root: str
    ask: Ask


def _member(of: Ask, name: str) -> Ask:
    def ask(facts: Facts) -> Any:  # noqa: ANN401 - checked where it is read
        held = of(facts)
        return held.get(name) if held is not None else None

    return ask


def _key(facts: Facts) -> Mapping[str, Any] | None:
    return facts.api_key


def _certificate(facts: Facts) -> Mapping[str, Any] | None:
    return facts.client_certificate


_CERTIFICATE: Final = {
    **dict.fromkeys(("subject", "commonName", "issuer", "serial", "sha256"), Type.STRING),
    **dict.fromkeys(("dnsNames", "uris", "emails"), Type.STRINGS),
}
VARIABLES: Final[Mapping[str, Variable]] = {
    "request.method": Variable(Type.STRING, "request.method", lambda facts: facts.method),
    "request.host": Variable(Type.STRING, "request.host", lambda facts: facts.host),
    "request.path": Variable(Type.STRING, "request.path", lambda facts: facts.path),
    "request.pathParams": Variable(Type.TEXTS, "request.pathParams", lambda facts: facts.path_params),
    "request.query": Variable(Type.TEXTS, "request.query", lambda facts: facts.query),
    "request.headers": Variable(Type.TEXTS, "request.headers", lambda facts: facts.headers),
    "jwt": Variable(Type.CLAIMS, "jwt", lambda facts: facts.jwt),
    "apiKey.id": Variable(Type.STRING, "apiKey", _member(_key, "id")),
    "apiKey.subscription": Variable(Type.STRING, "apiKey", _member(_key, "subscription")),
    "apiKey.labels": Variable(Type.TEXTS, "apiKey", _member(_key, "labels")),
    **{
        f"clientCertificate.{name}": Variable(kind, "clientCertificate", _member(_certificate, name)) for name, kind in _CERTIFICATE.items()
    },
    "clientIP": Variable(Type.STRING, "clientIP", lambda facts: facts.client_ip or None),
    "now": Variable(Type.TIME, "now", lambda facts: facts.now),
}


def taker(variable: Variable, keys: Collection[str] | None) -> Ask:
    """Return the function that takes a variable's value out of facts: None where there is none. It raises Unreadable.

    Args:
        keys: of a map the only members that the expression can see; None: all.
    """
    ask = variable.ask
    if variable.type is Type.TIME:
        return ask
    if variable.type in (Type.TEXTS, Type.CLAIMS):
        return _taking_map(ask, keys, texts=variable.type is Type.TEXTS)

    def take(facts: Facts) -> Any:  # noqa: ANN401 - checked by `checked`
        value = ask(facts)
        return value if value is None else checked(value)

    return take


def _taking_map(ask: Ask, keys: Collection[str] | None, *, texts: bool) -> Ask:
    def take(facts: Facts) -> dict[str, Any] | None:
        held = ask(facts)
        if held is None:
            return None
        seen = dict(held) if keys is None else {key: held[key] for key in keys if key in held}
        if texts and None in seen.values():
            raise Unreadable("a value that is not one")
        checked(seen)
        return seen

    return take


def checked(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value that the library reads as what it is; it is JSON. Raises Unreadable for any other.

    Strings end at a NUL for the library, it has no word for lone surrogates, and no integers beyond 64 bits; what is too deep or
    too large would take too long.
    """
    if type(value) is str:
        return _plain(value)
    level, values, characters = [value], 0, 0
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for each in level:
            characters += _look(each, below)
        values += len(below)
        if values > _MOST_VALUES or characters > _MOST_CHARACTERS:
            raise Unreadable("too large")
        if not below:
            return value
        level = below
    raise Unreadable("too deep")


def _look(value: Any, below: list[Any]) -> int:  # noqa: ANN401 - JSON
    """Check one value, add what is in it to `below`, and return how many characters it has."""
    kind = type(value)
    if kind is str:
        return len(_plain(value))
    if kind is dict:
        below.extend(value.values())
        return sum(len(_plain(key)) for key in value)
    if kind in (list, tuple):
        below.extend(value)
    elif kind is int:
        if not _LEAST_INT <= value < _BEYOND_UINT:
            raise Unreadable("an integer of more than 64 bits")
    elif value is not None and kind not in (bool, float):
        raise Unreadable("not JSON")
    return 0


def _plain(text: Any) -> str:  # noqa: ANN401 - a key may be anything
    if type(text) is not str or "\0" in text:
        raise Unreadable("no string, or one with a NUL")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as fault:
            raise Unreadable("half of a surrogate pair") from fault
    return text
