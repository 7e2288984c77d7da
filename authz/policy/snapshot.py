"""Every compiled policy at one moment, found by host and path, or by route. Never changed: replaced whole."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from authz.model.cluster import Route
from authz.model.decision import Allow
from authz.model.operator import Operator
from authz.model.policy import PolicyName
from authz.model.reason import Reason
from authz.policy import hosts, paths
from authz.policy.addresses import AddressOf, finder
from authz.policy.attached import Attachments
from authz.policy.candidate import Candidate
from authz.policy.compiled import CompiledPolicy
from authz.policy.forwarding import ALWAYS_REMOVED
from authz.policy.routes import RouteTable

T = TypeVar("T")
_SEGMENT_ENDS: Final = ("/", "")


class Table(Generic[T]):
    """What belongs to the path prefixes of one host pattern. A look-up costs one step for each length that a prefix has."""

    __slots__ = ("by_prefix", "lengths")

    def __init__(self) -> None:
        self.by_prefix: dict[str, T] = {}
        self.lengths: tuple[int, ...] = ()

    def enter(self, prefix: str, value: T) -> T:
        """Return what belongs to a prefix: what was there before, or `value` from now on."""
        self.lengths = tuple(sorted({*self.lengths, len(prefix)}, reverse=True))
        return self.by_prefix.setdefault(prefix, value)

    def longest(self, path: str) -> tuple[int, T] | None:
        """Return what belongs to the longest prefix of whole segments, and that prefix's length."""
        for length in self.lengths:
            # A segment ends here, or the path does.
            if path[length : length + 1] in _SEGMENT_ENDS:
                value = self.by_prefix.get(path[:length])
                if value is not None:
                    return min(length, len(path)), value
        return None


Tables = tuple[Table[CompiledPolicy], ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two policies claim the same: a host and path prefix, or a target. `winner` decides there."""

    loser: str
    winner: str
    what: str


class Snapshot:
    """The policies in force.

    Attributes:
        policies: by `namespace/name`, those in Shadow included.
        owned: the spellings of every header that some enforced policy forwards; removed or overwritten on every allow.
        address_of: finds the client's address.
        certificate_from: where the client's certificate is told.
        unprotected: the allow for a request that no policy covers, where the operator wants that.
        unprotected_gateways: Gateways whose routes pass where no policy covers them.
        attachments: which policy is attached to what.
        routes: the accepted routes of the listed Gateways.
        has_routes: whether there are any.
        lost: by policy, what it claims and an older one decides.
        has_shadows: whether any policy or rule is in Shadow.
    """

    __slots__ = (
        "_everywhere",
        "_operator",
        "_shadows",
        "_sites",
        "_tables",
        "address_of",
        "attachments",
        "certificate_from",
        "has_routes",
        "has_shadows",
        "lost",
        "owned",
        "policies",
        "routes",
        "unprotected",
        "unprotected_gateways",
    )

    def __init__(self, policies: Iterable[CompiledPolicy], owned: frozenset[str], operator: Operator, routes: Iterable[Route] = ()) -> None:
        self.policies: dict[str, CompiledPolicy] = {}
        self.owned = owned
        self.address_of: AddressOf = finder(operator.client_address)
        self.certificate_from = operator.client_certificate
        self.unprotected_gateways = operator.unprotected_gateways
        self.unprotected = Allow(Reason.POLICY_UNPROTECTED, remove_headers=tuple(sorted(owned)))
        self.lost: dict[str, list[Conflict]] = {}
        self.has_shadows = False
        self.has_routes = False
        self.routes = RouteTable()
        self.attachments = Attachments()
        self._operator = operator
        self._everywhere = operator.unprotected_all
        self._tables: dict[str, Table[CompiledPolicy]] = {}
        self._shadows: dict[str, Table[list[CompiledPolicy]]] = {}
        self._sites: dict[str, Tables] = {}
        for _ in self._fill(policies, routes):
            pass

    @classmethod
    def steps(
        cls, policies: Iterable[CompiledPolicy], owned: frozenset[str], operator: Operator, routes: Iterable[Route] = ()
    ) -> "Generator[None, None, Snapshot]":
        """Return the steps, one for each policy and route, that come to the snapshot."""
        snapshot = cls((), owned, operator)
        yield from snapshot._fill(policies, routes)
        return snapshot

    def _fill(self, policies: Iterable[CompiledPolicy], routes: Iterable[Route]) -> Iterator[None]:
        touched = {*self.owned, *ALWAYS_REMOVED}
        # Of two that claim the same the older decides, then the one whose namespace and name come first.
        for policy in sorted(policies, key=lambda policy: policy.age):
            self.policies[policy.name] = policy
            self.has_shadows = self.has_shadows or policy.is_shadow or bool(policy.shadow_rules)
            self._enter(policy)
            self._lose(policy, self.attachments.enter(policy))
            if not policy.is_shadow:
                touched |= policy.removes
            yield
        for host in self._tables:
            if not host.startswith("*."):
                self._sites[host] = self.covering(host)
                yield
        yield from self._enter_routes(routes, frozenset(touched))

    def _enter_routes(self, routes: Iterable[Route], touched: frozenset[str]) -> Iterator[None]:
        address_of = self._addresses_through()
        for route in routes:
            for at in (each for each in route.attachments if each.gateway in address_of):
                candidate = Candidate(route, at.gateway, self.attachments.of(route.name, at.gateway), address_of[at.gateway])
                candidate.certificate_from = self._operator.certificate_through(at.gateway)
                self.routes.enter(route, at, candidate, touched)
                self.has_routes = True
            yield
        yield from self.routes.close()

    def _addresses_through(self) -> dict[PolicyName, AddressOf]:
        # One function for each way of finding addresses: candidates that share it agree.
        made = {self._operator.client_address: self.address_of}
        found: dict[PolicyName, AddressOf] = {}
        for listed in self._operator.gateways:
            how = self._operator.address_through(listed.name)
            found[listed.name] = made.setdefault(how, finder(how))
        return found

    def _lose(self, policy: CompiledPolicy, found: Iterable[tuple[CompiledPolicy, str]]) -> None:
        for winner, what in found:
            self.lost.setdefault(policy.name, []).append(Conflict(policy.name, winner.name, what))

    def _enter(self, policy: CompiledPolicy) -> None:
        for host in policy.hosts:
            for prefix in policy.prefixes:
                if policy.is_shadow:
                    self._shadows.setdefault(host, Table()).enter(prefix, []).append(policy)
                    continue
                winner = self._tables.setdefault(host, Table()).enter(prefix, policy)
                if winner is not policy:
                    self._lose(policy, [(winner, f"{host}{prefix or '/'}")])

    def site(self, host: str) -> Tables | None:
        """Return the tables for a host as sent, the closest pattern first, or None where it is no host."""
        known = self._sites.get(host)
        if known is not None:
            return known
        canonical = hosts.canonical(host)
        if not canonical:
            return None
        known = self._sites.get(canonical)
        return self.covering(canonical) if known is None else known

    def allows_unprotected(self, host: str) -> bool:
        """Return whether requests to `host`, as sent, pass where no policy covers them."""
        return self._everywhere or self.lets_through(hosts.canonical(host))

    def comes_through_unprotected(self, host: str) -> bool:
        """Return whether every listed Gateway that has a route for `host`, as sent, lets requests pass that no policy covers."""
        gateways = self.routes.gateways(host)
        return bool(gateways) and gateways <= self.unprotected_gateways

    def lets_through(self, pattern: str) -> bool:
        """Return whether requests to every host that a pattern means pass where no policy covers them."""
        covering = (pattern, *hosts.wildcards(pattern.removeprefix("*.")))
        return self._everywhere or not self._operator.unprotected.isdisjoint(covering)

    def covering(self, pattern: str) -> Tables:
        """Return the tables for every host that a pattern means, the closest first."""
        patterns = (pattern, *hosts.wildcards(pattern.removeprefix("*.")))
        return tuple(self._tables[each] for each in patterns if each in self._tables)

    def shadows_for(self, host: str, path: str) -> list[CompiledPolicy]:
        """Return the policies in Shadow that would decide if they were enforced: none that an enforced one outranks."""
        if not self._shadows:
            return []
        found: dict[str, CompiledPolicy] = {}
        canonical = hosts.canonical(host)
        for pattern in (canonical, *hosts.wildcards(canonical)):
            enforced = self._tables[pattern].longest(path) if pattern in self._tables else None
            for prefix, policies in self._shadows[pattern].by_prefix.items() if pattern in self._shadows else ():
                if len(prefix) >= (enforced[0] if enforced else 0) and paths.is_below(path, prefix):
                    found.update((policy.name, policy) for policy in policies)
            if enforced is not None:
                break
        return list(found.values())


def find(tables: Tables, path: str) -> CompiledPolicy | None:
    """Return the policy that decides for a path: closest host pattern first, then longest path prefix."""
    for table in tables:
        found = table.longest(path)
        if found is not None:
            return found[1]
    return None
