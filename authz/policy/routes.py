"""Which route a Gateway would choose for a request, by Gateway API's own precedence, as far as a check can tell.

A check does not say through which Gateway or listener it came, and not all of its headers may be told. So each listener is
asked, and where a match is uncertain the walk goes on: every route that may have been chosen is a candidate.
Source: Gateway API, HTTPRouteRule `matches` and HTTPRouteSpec `hostnames`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from authz.model.cluster import EVERY_HOST, Attachment, Route, RouteMatch
from authz.model.policy import PathKind, PolicyName
from authz.model.request import Request
from authz.policy import hosts, paths
from authz.policy.candidate import NO, YES, Candidate

_SEGMENT_ENDS: Final = ("/", "")
# A place among the matches of one path: as the standard orders them, and as gateways do that count otherwise.
Order = tuple[tuple[object, ...], tuple[object, ...]]
Group = tuple[tuple[Candidate, ...], ...]


class Bucket:
    """The matches of one host pattern at one listener, found by path: exact, then the longest prefix of whole segments."""

    __slots__ = ("_found", "_inherited", "exact", "expressions", "gateways", "is_protected", "lengths", "named", "prefixes")

    def __init__(self) -> None:
        self._found: list[tuple[Order, RouteMatch, Candidate]] = []
        self._inherited = 0
        self.named: Bucket | None = None
        self.gateways: frozenset[PolicyName] = frozenset()
        self.is_protected = False
        self.exact: dict[str, Group] = {}
        self.prefixes: dict[str, Group] = {}
        self.lengths: tuple[int, ...] = ()
        self.expressions: tuple[Candidate, ...] = ()

    def enter(self, order: Order, match: RouteMatch, candidate: Candidate, *, is_named: bool) -> None:
        """Add one match; `is_named`: the route names this host itself, and has it not only from its listener."""
        self._found.append((order, match, candidate))
        self._inherited += not is_named
        self.gateways |= {candidate.gateway}
        self.is_protected = self.is_protected or candidate.attached.decider is not None
        if is_named:
            self.named = self.named or Bucket()
            self.named._found.append((order, match, candidate))

    def close(self) -> None:
        """Bring what was entered into its order."""
        # Some gateways prefer routes that name the host. Where all do, or none does, there is nothing to prefer.
        if self.named is not None and self._inherited:
            self.named.close()
        else:
            self.named = None
        exact: dict[str, list[tuple[Order, Candidate]]] = {}
        prefixes: dict[str, list[tuple[Order, Candidate]]] = {}
        for order, match, candidate in self._found:
            if match.path.kind is PathKind.REGEX:
                self.expressions += (candidate,)
                continue
            is_exact = match.path.kind is PathKind.EXACT
            table, written = (exact, match.path.value) if is_exact else (prefixes, match.path.value.rstrip("/"))
            canonical = paths.recoded(written)
            # Envoy compares what was written letter by letter; other proxies may not.
            one = candidate if canonical == written else candidate.uncertain()
            for spelling in {written, canonical}:
                table.setdefault(spelling, []).append((order, one))
        self.exact = {path: _group(found) for path, found in exact.items()}
        self.prefixes = {path: _group(found) for path, found in prefixes.items()}
        self.lengths = tuple(sorted({len(prefix) for prefix in prefixes}, reverse=True))
        self._found = []

    def collect(self, request: Request, path: str, found: list[Candidate]) -> bool:
        """Add the matches that may be chosen to `found`; return whether one of them is sure to be."""
        # Which engine reads an expression, and where it ranks, differs from gateway to gateway: each may be chosen.
        found.extend(each for each in self.expressions if each.fits(request) != NO)
        if path in self.exact and _first(self.exact[path], request, found):
            return True
        for length in self.lengths:
            if length <= len(path) and path[length : length + 1] in _SEGMENT_ENDS:
                at = self.prefixes.get(path[:length])
                if at is not None and _first(at, request, found):
                    return True
        return False


def _group(found: list[tuple[Order, Candidate]]) -> Group:
    """Return the matches of one path in each order in which a Gateway may look at them."""
    orders = (tuple(one for _, one in sorted(found, key=lambda each: each[0][at])) for at in (0, 1))
    return tuple(dict.fromkeys(orders))


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
                one = one if at.is_sure and rule.is_sure else one.uncertain()
                self.chooses_by |= {each.name.lower(): route.name for each in match.headers}
                order = _order(match, (route.created, str(route.name), number, position))
                for host in at.hosts:
                    listener.setdefault(host, Bucket()).enter(order, match, one, is_named=host in at.named)

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
        found: list[Chain] = []
        for listener in self._listeners.values():
            chain = tuple(listener[pattern] for pattern in patterns if pattern in listener)
            preferring = tuple(each for bucket in chain for each in (bucket.named, bucket) if each is not None)
            found += [one for one in dict.fromkeys((chain, preferring)) if one]
        return tuple(found)

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
        # With a dot at its end a host may be another one to Envoy: then it goes to the routes of every host.
        return known + self._covering(EVERY_HOST) if host.partition(":")[0].endswith(".") else known

    def gateways(self, host: str) -> frozenset[PolicyName]:
        """Return the Gateways that have a route for `host`, as sent."""
        return frozenset(gateway for chain in self._chains(host) for bucket in chain for gateway in bucket.gateways)

    def meets(self, pattern: str) -> bool:
        """Return whether some host that a pattern means is one of a route to which a policy is attached."""
        covering = {pattern, EVERY_HOST, *hosts.wildcards(pattern.removeprefix("*."))}
        return pattern in self._above_protected or not self._protected.isdisjoint(covering)

    def protects(self, host: str) -> bool:
        """Return whether a policy is attached to any route that may be meant by requests to `host`, as sent."""
        return any(bucket.is_protected for chain in self._chains(host) for bucket in chain)


def _order(match: RouteMatch, last: tuple[object, ...]) -> Order:
    """Return the place of a match among those of the same path: by the standard, and as Envoy Gateway counts."""
    headers, queries = len(match.headers), len(match.queries)
    by_standard = (not match.method, -headers, -queries, *last)
    return by_standard, (-len(match.path.value), -(headers + bool(match.method)), -queries, *last)


def _first(group: Group, request: Request, found: list[Candidate]) -> bool:
    """Add the matches that may be the first to fit, in each order; return whether one is sure to fit."""
    is_sure = False
    for matches in group:
        for each in matches:
            fits = each.fits(request)
            if fits != NO:
                found.append(each)
            if fits == YES:
                is_sure = True
                break
    return is_sure


def _distinct(found: Iterable[Candidate]) -> list[Candidate]:
    """Return the candidates, each decision once. Rules that only redirect lead to no backend: they count only alone."""
    by_decision = {(each.route, each.gateway, each.redirects): each for each in found}
    kept = [each for each in by_decision.values() if not each.redirects] or list(by_decision.values())
    return list({(each.route, each.gateway): each for each in kept}.values())
