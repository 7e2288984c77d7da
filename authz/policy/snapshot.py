"""Every compiled policy at one moment, found by host and path. Never changed: replaced whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from authz.model.decision import Allow
from authz.model.operator import Operator
from authz.model.reason import Reason
from authz.policy import hosts, paths
from authz.policy.addresses import AddressOf, finder
from authz.policy.compiled import CompiledPolicy

Table = dict[str, CompiledPolicy]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two policies claim one host and path prefix; `winner` decides there."""

    loser: str
    winner: str
    host: str
    prefix: str


class Snapshot:
    """The policies in force.

    Attributes:
        policies: by `namespace/name`, those in Shadow included.
        owned: the spellings of every header that some enforced policy forwards; removed or overwritten on every allow.
        address_of: finds the client's address.
        unprotected: the allow for a request that no policy covers, where the operator wants that.
        conflicts: hosts and prefixes that more than one policy claims.
        has_shadows: whether any policy or rule is in Shadow.
    """

    __slots__ = (
        "_everywhere",
        "_operator",
        "_shadows",
        "_sites",
        "_tables",
        "address_of",
        "conflicts",
        "has_shadows",
        "owned",
        "policies",
        "unprotected",
    )

    def __init__(self, policies: Iterable[CompiledPolicy], owned: frozenset[str], operator: Operator) -> None:
        listed = sorted(policies, key=lambda policy: policy.name)
        self.policies: Mapping[str, CompiledPolicy] = {policy.name: policy for policy in listed}
        self.owned = owned
        self.address_of: AddressOf = finder(operator.client_address)
        self.unprotected = Allow(Reason.POLICY_UNPROTECTED, remove_headers=tuple(sorted(owned)))
        self.has_shadows = any(policy.is_shadow or policy.shadow_rules for policy in listed)
        self._operator = operator
        self._everywhere = operator.unprotected_all
        self._tables: dict[str, Table] = {}
        self._shadows: dict[str, dict[str, list[CompiledPolicy]]] = {}
        self.conflicts = tuple(conflict for policy in listed for conflict in self._enter(policy))
        self._sites = {host: self._covering(host) for host in self._tables if not host.startswith("*.")}

    def _enter(self, policy: CompiledPolicy) -> list[Conflict]:
        conflicts = []
        for host in policy.hosts:
            for prefix in policy.prefixes:
                if policy.is_shadow:
                    self._shadows.setdefault(host, {}).setdefault(prefix, []).append(policy)
                    continue
                winner = self._tables.setdefault(host, {}).setdefault(prefix, policy)
                if winner is not policy:
                    conflicts.append(Conflict(policy.name, winner.name, host, prefix or "/"))
        return conflicts

    def _covering(self, host: str) -> tuple[Table, ...]:
        return tuple(self._tables[pattern] for pattern in (host, *hosts.wildcards(host)) if pattern in self._tables)

    def site(self, host: str) -> tuple[Table, ...] | None:
        """Return the tables for a host as sent, the closest pattern first, or None where it is no host."""
        known = self._sites.get(host)
        if known is not None:
            return known
        canonical = hosts.canonical(host)
        if not canonical:
            return None
        known = self._sites.get(canonical)
        return self._covering(canonical) if known is None else known

    def allows_unprotected(self, host: str) -> bool:
        """Return whether requests to `host`, as sent, pass where no policy covers them."""
        if self._everywhere:
            return True
        canonical = hosts.canonical(host)
        return not self._operator.unprotected.isdisjoint((canonical, *hosts.wildcards(canonical)))

    def shadows_for(self, host: str, path: str) -> list[CompiledPolicy]:
        """Return the policies in Shadow that would decide if they were enforced: none that an enforced one outranks."""
        found: dict[str, CompiledPolicy] = {}
        if not self._shadows:
            return []
        canonical, among = hosts.canonical(host), paths.prefixes(path)
        for pattern in (canonical, *hosts.wildcards(canonical)):
            enforced, shadows = self._tables.get(pattern, {}), self._shadows.get(pattern, {})
            for prefix in among:
                found.update((policy.name, policy) for policy in shadows.get(prefix, ()))
                if prefix in enforced:
                    return list(found.values())
        return list(found.values())


def find(tables: tuple[Table, ...], path: str) -> CompiledPolicy | None:
    """Return the policy that decides for a path: closest host pattern first, then longest path prefix."""
    for table in tables:
        if len(table) == 1 and "" in table:
            return table[""]
        for prefix in paths.prefixes(path):
            policy = table.get(prefix)
            if policy is not None:
                return policy
    return None
