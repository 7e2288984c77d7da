"""Which route a Gateway would choose for a request, by Gateway API's own precedence, as far as a check can tell.

A check does not say through which Gateway or listener it came, and not all of its headers may be told. So each listener is
asked, and where a match is uncertain the walk goes on: every route that may have been chosen is a candidate.
Source: Gateway API, HTTPRouteRule `matches` and HTTPRouteSpec `hostnames`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import unquote_plus

from authz.model.cluster import EVERY_HOST, Attachment, NamedMatch, Route, RouteMatch
from authz.model.policy import PathKind, PolicyName
from authz.model.request import Request
from authz.policy import hosts, paths
from authz.policy.addresses import AddressOf
from authz.policy.attached import Attached

NO: Final = 0
MAYBE: Final = 1
YES: Final = 2
Fit = Callable[[Request], int]
_SEGMENT_ENDS: Final = ("/", "")


class Candidate:
    """One match of a route's rule at one listener, with everything that follows from its being chosen.

    Attributes:
        route: the route.
        gateway: the Gateway of the listener.
        attached: what decides for it.
        address_of: finds the client's address in what comes through this Gateway.
        redirects: whether the rule answers by itself.
        fit: whether the rest of the match fits, once the path does; None: it does.
    """

    __slots__ = ("address_of", "attached", "fit", "gateway", "redirects", "route")

    def __init__(self, route: Route, gateway: PolicyName, attached: Attached, address_of: AddressOf) -> None:
        self.route = route.name
        self.gateway = gateway
        self.attached = attached
        self.address_of = address_of
        self.redirects = False
        self.fit: Fit | None = None

    def uncertain(self) -> "Candidate":
        """Return the same, but as a match of which is not sure that it is chosen."""
        one = self.matched(RouteMatch(), frozenset(), redirects=self.redirects)
        fit = self.fit
        one.fit = _maybe if fit is None else lambda request: min(fit(request), MAYBE)
        return one

    def matched(self, match: RouteMatch, touched: frozenset[str], *, redirects: bool) -> "Candidate":
        """Return the candidate for one match of the same route."""
        one = Candidate.__new__(Candidate)
        one.route, one.gateway, one.attached, one.address_of = self.route, self.gateway, self.attached, self.address_of
        one.redirects = redirects
        one.fit = _fit(match, touched)
        return one


class Bucket:
    """The matches of one host pattern at one listener, found by path: exact, then the longest prefix of whole segments."""

    __slots__ = ("_found", "exact", "expressions", "lengths", "prefixes")

    def __init__(self) -> None:
        self._found: list[tuple[tuple[object, ...], RouteMatch, Candidate]] = []
        self.exact: dict[str, tuple[Candidate, ...]] = {}
        self.prefixes: dict[str, tuple[Candidate, ...]] = {}
        self.lengths: tuple[int, ...] = ()
        self.expressions: tuple[Candidate, ...] = ()

    def enter(self, order: tuple[object, ...], match: RouteMatch, candidate: Candidate) -> None:
        """Add one match; `order` is its place among those of the same path."""
        self._found.append((order, match, candidate))

    def close(self) -> None:
        """Bring what was entered into its order."""
        exact: dict[str, list[Candidate]] = {}
        prefixes: dict[str, list[Candidate]] = {}
        expressions = []
        for _, match, candidate in sorted(self._found, key=lambda each: each[0]):
            if match.path.kind is PathKind.REGEX:
                expressions.append(candidate)
                continue
            is_exact = match.path.kind is PathKind.EXACT
            table, written = (exact, match.path.value) if is_exact else (prefixes, match.path.value.rstrip("/"))
            canonical = paths.recoded(written)
            if canonical == written:
                table.setdefault(written, []).append(candidate)
                continue
            # Envoy compares what was written letter by letter; other proxies may not.
            for spelling in (written, canonical):
                table.setdefault(spelling, []).append(candidate.uncertain())
        self.exact = {path: tuple(found) for path, found in exact.items()}
        self.prefixes = {path: tuple(found) for path, found in prefixes.items()}
        self.lengths = tuple(sorted({len(prefix) for prefix in prefixes}, reverse=True))
        self.expressions = tuple(expressions)
        self._found = []

    def all(self) -> Iterator[Candidate]:
        """Yield every match."""
        for group in (self.expressions, *self.exact.values(), *self.prefixes.values()):
            yield from group

    def collect(self, request: Request, path: str, found: list[Candidate]) -> bool:
        """Add the matches that may be chosen to `found`; return whether one of them is sure to be."""
        # Which engine reads an expression, and where it ranks, differs from gateway to gateway: each may be chosen.
        found.extend(each for each in self.expressions if each.fit is None or each.fit(request) != NO)
        if path in self.exact and _first(self.exact[path], request, found):
            return True
        for length in self.lengths:
            if length <= len(path) and path[length : length + 1] in _SEGMENT_ENDS:
                at = self.prefixes.get(path[:length])
                if at is not None and _first(at, request, found):
                    return True
        return False


Chain = tuple[Bucket, ...]


class RouteTable:
    """The accepted routes of every listed Gateway, by listener and host. `chooses_by`: headers that routes match on, each with a route."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[PolicyName, str], dict[str, Bucket]] = {}
        self._sites: dict[str, tuple[Chain, ...]] = {}
        self._hosts: set[str] = set()
        self._protected: set[str] = set()
        self._above_protected: set[str] = set()
        self.chooses_by: dict[str, PolicyName] = {}

    def enter(self, route: Route, at: Attachment, candidate: Candidate, touched: frozenset[str]) -> None:
        """Add a route at one listener. `touched`: headers that answers set or remove, so that matching on them proves nothing."""
        listener = self._listeners.setdefault((at.gateway, at.listener), {})
        self._hosts.update(at.hosts)
        if candidate.attached.decider is not None:
            self._protected.update(at.hosts)
            self._above_protected.update(above for host in at.hosts for above in hosts.wildcards(host.removeprefix("*.")))
        for number, rule in enumerate(route.rules):
            for position, match in enumerate(rule.matches):
                one = candidate.matched(match, touched, redirects=rule.redirects)
                self.chooses_by |= {each.name.lower(): route.name for each in match.headers}
                order = (not match.method, -len(match.headers), -len(match.queries), route.created, route.name, number, position)
                for host in at.hosts:
                    listener.setdefault(host, Bucket()).enter(order, match, one)

    def close(self) -> Iterator[None]:
        """Bring everything into its order, a step for each listener and each host."""
        for listener in self._listeners.values():
            for bucket in listener.values():
                bucket.close()
            yield
        for host in self._hosts:
            if host != EVERY_HOST and not host.startswith("*."):
                self._sites[host] = self._covering(host)
                yield

    def _covering(self, host: str) -> tuple[Chain, ...]:
        patterns = (host, *hosts.wildcards(host), EVERY_HOST)
        chains = (tuple(listener[pattern] for pattern in patterns if pattern in listener) for listener in self._listeners.values())
        return tuple(chain for chain in chains if chain)

    def candidates(self, request: Request, path: str) -> list[Candidate]:
        """Return every match that some listener may choose for a request, its path given apart: once for each route and Gateway."""
        found: list[Candidate] = []
        for chain in self._chains(request.host):
            for bucket in chain:
                if bucket.collect(request, path, found):
                    break
        return _distinct(found) if len(found) > 1 else found

    def _chains(self, host: str) -> tuple[Chain, ...]:
        known = self._sites.get(host)
        if known is not None:
            return known
        canonical = hosts.canonical(host)
        known = self._sites.get(canonical)
        known = self._covering(canonical) if known is None else known
        # With a port or a dot at its end a host may be another one to Envoy: then it goes to the routes of every host.
        return known if host.lower() == canonical else known + self._covering(EVERY_HOST)

    def gateways(self, host: str) -> frozenset[PolicyName]:
        """Return the Gateways that have a route for `host`, as sent."""
        return frozenset(each.gateway for chain in self._chains(host) for bucket in chain for each in bucket.all())

    def meets(self, pattern: str) -> bool:
        """Return whether some host that a pattern means is one of a route to which a policy is attached."""
        covering = {pattern, EVERY_HOST, *hosts.wildcards(pattern.removeprefix("*."))}
        return pattern in self._above_protected or not self._protected.isdisjoint(covering)

    def protects(self, host: str) -> bool:
        """Return whether a policy is attached to any route that may be meant by requests to `host`, as sent."""
        found = [candidate for chain in self._chains(host) for bucket in chain for candidate in bucket.all()]
        return any(each.attached.decider is not None for each in found)


def _first(matches: tuple[Candidate, ...], request: Request, found: list[Candidate]) -> bool:
    for each in matches:
        fits = YES if each.fit is None else each.fit(request)
        if fits != NO:
            found.append(each)
        if fits == YES:
            return True
    return False


def _distinct(found: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates, each decision once. Rules that only redirect lead to no backend: they count only alone."""
    by_decision = {(each.route, each.gateway, each.redirects): each for each in found}
    kept = [each for each in by_decision.values() if not each.redirects] or list(by_decision.values())
    return list({(each.route, each.gateway): each for each in kept}.values())


def _fit(match: RouteMatch, touched: frozenset[str]) -> Fit | None:
    # Of two entries for one header only the first counts.
    headers = {each.name.lower(): each for each in reversed(match.headers)}
    tests = [_header(each, touched) for each in headers.values()] + [_query(each) for each in match.queries]
    method = match.method
    if not tests:
        return (lambda request: YES if request.method == method else NO) if method else None

    def fit(request: Request) -> int:
        if method and request.method != method:
            return NO
        return min(test(request) for test in tests)

    return fit


def _maybe(request: Request) -> int:
    return MAYBE


def _header(match: NamedMatch, touched: frozenset[str]) -> Fit:
    name, value = match.name.lower(), match.value
    if name in touched or name == "host":
        return _maybe  # Some gateways choose again, after our answer has changed it. The host is told apart from the headers.

    def test(request: Request) -> int:
        sent = request.headers.get(name)
        if sent is None:
            # Envoy tells every header or a selection; with all of them come the pseudo headers.
            return NO if ":path" in request.headers or ":method" in request.headers else MAYBE
        if not match.is_exact or "," in sent:
            return MAYBE
        return YES if sent == value else NO

    return test


def _query(match: NamedMatch) -> Fit:
    def test(request: Request) -> int:
        pairs = [pair.partition("=") for pair in request.query.split("&")] if request.query else []
        sent = [(name, value) for name, _, value in pairs if name == match.name or unquote_plus(name) == match.name]
        if not sent:
            return NO
        if not match.is_exact or len(sent) > 1 or sent[0][0] != match.name or "%" in sent[0][1] or "+" in sent[0][1]:
            return MAYBE
        return YES if sent[0][1] == match.value else NO

    return test
