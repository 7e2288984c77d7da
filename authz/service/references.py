"""What a policy refers to: the definitions of others, and texts that stand elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from authz.authn.identities import identity_problem
from authz.model.cluster import Cluster
from authz.model.declared import Declared
from authz.model.definitions import Definitions
from authz.model.operator import Operator
from authz.model.policy import Policy, PolicyName
from authz.model.problem import Problem
from authz.policy.named import did_you_mean, named
from authz.policy.problems import problems
from authz.service.api_keys import KeyRecords
from authz.service.completion import Completion, keys_problem, not_permitted

Path = tuple[str | int, ...]


class _Definition(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=_Definition)
Complete = Callable[[T, PolicyName, Path, list[Problem]], T]


def own_problems(policy: Policy, operator: Operator) -> list[Problem]:
    """Return every problem of a policy itself, its inline key sets included."""
    found = problems(policy, operator)
    for at, issuer in enumerate(policy.issuers):
        if issuer.keys.jwks and (why := keys_problem(issuer)):
            found.append(Problem("AZ202", why, ("spec", "issuers", at, "jwks")))
    for path, item in policy.placed_items:
        for at, identity in enumerate(item.certificate.identities if item.certificate is not None else ()):
            if why := identity_problem(identity):
                found.append(Problem("AZ329", why, (*path, "clientCertificate", "identities", at)))
    return found


@dataclass(frozen=True, slots=True)
class _Kind(Generic[T]):
    """One kind of definition: where policies have it, the field that defines it, what people call it, and what puts its texts in."""

    of: Callable[[Policy], tuple[T, ...]]
    place: str
    word: str
    complete: Complete[T]


@dataclass(frozen=True, slots=True)
class _Lender:
    """A policy of `definitionsFrom`, and where that names it."""

    policy: Policy
    path: Path


class References:
    """Everything that policies may refer to, at one moment."""

    def __init__(
        self,
        definers: Mapping[PolicyName, Policy],
        listed: Mapping[PolicyName, Declared],
        cluster: Cluster,
        records: KeyRecords | None = None,
    ) -> None:
        self._definers = definers
        self._listed = listed
        self._cluster = cluster
        self._completion = Completion(cluster, records or KeyRecords())

    def resolve(self, policy: Policy) -> tuple[Definitions, list[Problem]]:
        """Return everything that `policy` may name, ready for use, and what is wrong with its references. A local name wins."""
        found: list[Problem] = []
        asked = ((name, ("spec", "definitionsFrom", at)) for at, name in enumerate(policy.definitions_from))
        lenders = [lender for name, path in asked if (lender := self._lender(policy.name, name, path, found)) is not None]
        used, complete = named(policy), self._completion

        def all_of(kind: _Kind[T]) -> dict[str, T]:
            return _gathered(kind, policy, lenders, used[kind.place], found)

        made = Definitions(
            all_of(_Kind(lambda each: each.issuers, "issuers", "issuer", complete.issuer)),
            all_of(_Kind(lambda each: each.api_keys, "apiKeys", "key set", complete.api_keys)),
            all_of(_Kind(lambda each: each.certificate_authorities, "certificateAuthorities", "authority", complete.certificate_authority)),
            all_of(_Kind(lambda each: each.ip_sets, "ipSets", "set of addresses", complete.ip_set)),
        )
        return made, found

    def _lender(self, policy: PolicyName, name: PolicyName, path: Path, found: list[Problem]) -> _Lender | None:
        if not self._cluster.permits(policy.namespace, "AuthPolicy", name.namespace, name.name):
            found.append(not_permitted(policy, "AuthPolicy", name.namespace, name.name, path))
            return None
        definer = self._definers.get(name)
        if definer is None:
            what = f"the AuthPolicy {name} has mistakes itself; see its status" if name in self._listed else self._no_such(name, policy)
            found.append(Problem("AZ203", what, path))
            return None
        return _Lender(definer, path)

    def _no_such(self, name: PolicyName, policy: PolicyName) -> str:
        permitted = [
            str(each)
            for each in self._definers
            if each != policy and self._cluster.permits(policy.namespace, "AuthPolicy", each.namespace, each.name)
        ]
        return f"there is no AuthPolicy {name}{did_you_mean(str(name), sorted(permitted)) or '; create it, or correct the name'}"


def _gathered(kind: _Kind[T], policy: Policy, lenders: list[_Lender], used: frozenset[str], found: list[Problem]) -> dict[str, T]:
    """Return the definitions of one kind that a policy may name: its own, then those that others lend it, each with its texts.

    What those lack that the policy does not use hurts nobody.
    """
    own: dict[str, T] = {}
    uses_any = any(policy.placed_items)
    for at, each in enumerate(kind.of(policy)):
        told = found if not uses_any or each.name in used else []
        own[each.name] = kind.complete(each, policy.name, ("spec", kind.place, at), told)
    lent: dict[str, T] = {}
    origin: dict[str, PolicyName] = {}
    for lender in lenders:
        for each in kind.of(lender.policy):
            if each.name in own:
                continue
            one = kind.complete(each, lender.policy.name, lender.path, found if each.name in used else [])
            if lent.setdefault(each.name, one) != one:
                what = f"the {kind.word} {each.name} is defined by {origin[each.name]} and by {lender.policy.name}"
                found.append(Problem("AZ204", f"{what}; define it here, or take one", lender.path))
            origin.setdefault(each.name, lender.policy.name)
    return lent | own
