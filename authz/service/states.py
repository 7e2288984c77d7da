"""What became of each object in an update."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authz.model.cluster import Cluster, Route
from authz.model.declared import Declared
from authz.model.operator import Operator
from authz.model.policy import Mode, Policy, PolicyName, Target, TargetKind
from authz.model.problem import Problem, Severity
from authz.model.reference import Reference, Selection
from authz.policy import paths
from authz.policy.forwarding import ALWAYS_REMOVED
from authz.policy.snapshot import Snapshot
from authz.service.coverage import CoveredRoute
from authz.service.keyring import IssuerKeys

FAULT: Final = Problem("AZ213", "the service failed on this policy, which is a bug of it; please report it with the policy", ("spec",))


@dataclass(frozen=True, slots=True)
class State:
    """What became of one object.

    Attributes:
        accepted: whether this version is the one in use.
        in_use: whether some version is used, to decide or for its definitions: this one, or the last that was accepted.
        in_force: whether some version takes part in decisions.
        is_shadow: whether the version in use only says what it would decide.
        problems: every mistake and warning.
        generation: the generation of the object.
        keys: what is known of the keys of the issuers that it reads tokens of.
        has_targets: whether it is attached to Gateways or routes.
        gateways: the listed Gateways that its targets lead to.
        overridden: of those, the ones where an older or higher policy's rules decide instead, with that policy's name.
        outranked: whether older policies decide for everything that it claims.
        references: what the version in use refers to.
        selections: the Secrets that it chooses.
        only_defines: whether it decides nothing and holds definitions for others.
    """

    name: PolicyName
    accepted: bool
    in_use: bool
    in_force: bool
    is_shadow: bool
    problems: tuple[Problem, ...]
    generation: int = 0
    keys: tuple[IssuerKeys, ...] = ()
    has_targets: bool = False
    gateways: tuple[PolicyName, ...] = ()
    overridden: tuple[tuple[PolicyName, str], ...] = ()
    outranked: bool = False
    only_defines: bool = False
    references: tuple[Reference, ...] = ()
    selections: tuple[Selection, ...] = ()

    @property
    def wanted(self) -> tuple[Reference | Selection, ...]:
        """All that the version in use needs of other objects."""
        return (*self.references, *self.selections)


@dataclass(frozen=True, slots=True)
class Report:
    """What an update came to: each object's state, the snapshot now in force, and how accepted routes are covered."""

    states: tuple[State, ...]
    snapshot: Snapshot
    routes: tuple[CoveredRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class Used:
    """What of an object is used: the version chosen, the sound one, whether all that it names is there, and its issuers' keys."""

    policy: Policy | None
    sound: Policy | None
    is_whole: bool
    keys: tuple[IssuerKeys, ...]


def errors_in(found: Iterable[Problem]) -> list[Problem]:
    """Return those problems that keep a policy from being used."""
    return [problem for problem in found if problem.severity is Severity.ERROR]


def failed_state(each: Declared) -> State:
    """Return the state of an object of which not even that could be found out."""
    return State(each.name, False, False, False, False, (FAULT,), each.generation)


class Judges:
    """Says how objects stand in one snapshot."""

    def __init__(self, operator: Operator, cluster: Cluster, snapshot: Snapshot) -> None:
        self._listed = {each.name for each in operator.gateways}
        self._cluster = cluster
        self._snapshot = snapshot
        self._routes: dict[PolicyName, Route] = {route.name: route for route in cluster.routes}

    def state(self, each: Declared, used: Used, found: tuple[Problem, ...]) -> State:
        """Return the state of an object in which these problems were found."""
        known = used.policy or used.sound or each.target
        gateways, unmet = self._led_to(known) if known is not None else ((), [])
        told = [*found, *(each.located(problem) for problem in (*unmet, *self._around(known)))]
        in_use = used.is_whole
        return State(
            name=each.name,
            accepted=used.is_whole and used.policy == each.policy and not errors_in(found),
            in_use=in_use,
            in_force=in_use and used.policy is not None and not used.policy.only_defines,
            is_shadow=known is not None and known.mode is Mode.SHADOW,
            problems=tuple(told),
            generation=each.generation,
            keys=used.keys,
            has_targets=known is not None and bool(known.targets),
            gateways=gateways,
            overridden=tuple(self._overridden(known, gateways)) if known is not None else (),
            outranked=known is not None and self._is_outranked(known),
            only_defines=known is not None and known.only_defines,
            references=used.policy.references if used.policy is not None else (),
            selections=used.policy.selections if used.policy is not None else (),
        )

    def still_holds(self, state: State) -> bool:
        """Return whether the state of an unchanged object that refers to no other is what it was."""
        return not state.problems and not state.has_targets and not self._snapshot.has_routes and str(state.name) not in self._snapshot.lost

    def _led_to(self, policy: Policy) -> tuple[tuple[PolicyName, ...], list[Problem]]:
        """Return the listed Gateways that the targets lead to, and a problem for each target that leads to none."""
        found: dict[PolicyName, None] = {}
        unmet = []
        for at, target in enumerate(policy.targets):
            name = PolicyName(policy.name.namespace, target.name)
            led = self._gateways_of(target, name)
            found.update(dict.fromkeys(led))
            if not led:
                unmet.append(Problem("AZ208", self._why_not(target, name), ("spec", "targetRefs", at), severity=Severity.WARNING))
        return tuple(found), unmet

    def _gateways_of(self, target: Target, name: PolicyName) -> tuple[PolicyName, ...]:
        if target.kind is TargetKind.GATEWAY:
            return (name,) if name in self._listed and name in self._cluster.gateways else ()
        return self._routes[name].gateways if name in self._routes else ()

    def _why_not(self, target: Target, name: PolicyName) -> str:
        if not self._listed:
            what = f"the {target.kind} {name} is not looked at: no Gateway is listed"
            return f"{what}; the operator lists those that ask us with --gateway (chart: gateways)"
        if target.kind is TargetKind.HTTP_ROUTE and name in self._routes:
            listed = ", ".join(map(str, sorted(self._listed)))
            return f"no listed Gateway ({listed}) has accepted the HTTPRoute {name}; see its parentRefs and status"
        if target.kind is TargetKind.GATEWAY and name not in self._listed:
            return f"the Gateway {name} is not among those that ask us; the operator lists it with --gateway {name} (chart: gateways)"
        return f"there is no {target.kind} {name}; correct the name, or create it"

    def _overridden(self, policy: Policy, gateways: tuple[PolicyName, ...]) -> Iterable[tuple[PolicyName, str]]:
        if policy.mode is Mode.SHADOW:
            return
        names = [PolicyName(policy.name.namespace, target.name) for target in policy.targets if target.kind is TargetKind.HTTP_ROUTE]
        for gateway in gateways if names else ():
            there = [name for name in names if name in self._routes and gateway in self._routes[name].gateways]
            deciders = {self._snapshot.attachments.of(name, gateway).decider for name in there}
            others = {each.name for each in deciders if each is not None} - {str(policy.name)}
            if others and not any(each is not None and each.name == str(policy.name) for each in deciders):
                yield gateway, min(others)

    def _is_outranked(self, policy: Policy) -> bool:
        lost = {each.what for each in self._snapshot.lost.get(str(policy.name), ())}
        if not lost:
            return False
        prefixes = {paths.bare_prefix(prefix) for prefix in policy.path_prefixes or ("/",)}
        return len(lost) >= (len(policy.targets) or len(policy.hosts) * len(prefixes))

    def _around(self, policy: Policy | None) -> Iterable[Problem]:
        if policy is None:
            return
        place = ("spec", "targetRefs" if policy.targets else "hosts")
        for each in self._snapshot.lost.get(str(policy.name), ()):
            yield Problem("AZ205", f"{each.winner} already decides for {each.what}; {_remedy(policy)}", place, severity=Severity.WARNING)
        if policy.mode is Mode.SHADOW:
            return
        for host in policy.hosts if self._snapshot.has_routes else ():
            if self._snapshot.routes.meets(host):
                what = f"routes of {host} have policies of their own, and requests need the leave of both; attach this one, too"
                yield Problem("AZ209", what, place, severity=Severity.WARNING)
        chooses_by = self._snapshot.routes.chooses_by
        compiled = self._snapshot.policies.get(str(policy.name))
        for name, does in _changes(policy, compiled.removes if compiled is not None else ()).items():
            if name in chooses_by:
                what = f"the HTTPRoute {chooses_by[name]} chooses by {name}, which {does}: both ways must allow"
                yield Problem("AZ210", f"{what}; match on another header there", ("spec", "rules"), severity=Severity.WARNING)


def _changes(policy: Policy, removes: Iterable[str]) -> dict[str, str]:
    """Return the headers that an answer changes, each with who does."""
    rules = [rule for rule in policy.rules if rule.mode is Mode.ENFORCE]
    found = {header.name.lower(): "this policy sets" for rule in rules for header in rule.forward}
    for name in sorted(removes):
        found.setdefault(name, "this policy takes away as a credential")
    for name in ALWAYS_REMOVED:
        found.setdefault(name, "every allow takes away")
    return found


def _remedy(policy: Policy) -> str:
    return "add your rules to it, or delete one" if policy.targets else "narrow one of them"
