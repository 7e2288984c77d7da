"""From everything that a source holds to the snapshot in force: judge, resolve, compile, swap. Level-triggered.

A policy that breaks keeps its last accepted version and says so; what it refers to is looked up anew each time. One that
was never accepted answers 503 where it is known for which hosts. A deleted one counts no more, at once.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from authz.model.cluster import ALONE, Cluster
from authz.model.declared import Declared
from authz.model.definitions import Definitions
from authz.model.operator import Operator
from authz.model.policy import Policy, PolicyName
from authz.model.problem import Problem
from authz.policy.compiled import CompiledPolicy, broken_policy, compile_policy
from authz.policy.forwarding import all_variants
from authz.policy.hosts import granted
from authz.policy.named import dangling
from authz.policy.snapshot import Snapshot
from authz.service.api_keys import KeyRecords
from authz.service.check import SnapshotStore
from authz.service.choice import Choice, forwarded, within_bounds
from authz.service.coverage import coverage
from authz.service.keyring import IssuerKeys, KeyRing
from authz.service.readers import PolicyReaders, Sources
from authz.service.references import References, own_problems
from authz.service.slices import Steps, at_once
from authz.service.states import FAULT, Judges, Report, State, Used, errors_in, failed_state
from authz.service.tokens import TokenMemory

T = TypeVar("T")
# Problems that may come only of what was left out of a policy that cannot be read whole.
_OF_HOLES: Final = frozenset({"AZ303", "AZ304", "AZ305", "AZ306", "AZ316", "AZ317", "AZ318"})


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled policy, and everything that it was compiled from."""

    inputs: tuple[Policy, Definitions, frozenset[str]]
    compiled: CompiledPolicy
    readers: PolicyReaders


class Updater:
    """Keeps the snapshot in force in step with what is declared."""

    def __init__(
        self,
        operator: Operator,
        ring: KeyRing,
        memory: TokenMemory,
        failed: Callable[[BaseException], None] = lambda fault: None,
        sources: Sources | None = None,
    ) -> None:
        self._failed = failed
        self._uids: dict[PolicyName, str] = {}
        self._operator = operator
        self._ring = ring
        self._memory = memory
        self._sources = sources or Sources(KeyRecords())
        self._accepted: dict[PolicyName, Policy] = {}
        self._judged: dict[PolicyName, tuple[Declared, tuple[Problem, ...]]] = {}
        self._chosen: dict[PolicyName, Choice] = {}
        self._states: dict[PolicyName, tuple[Choice, State]] = {}
        self._built: dict[PolicyName, Built] = {}
        self.store = SnapshotStore(Snapshot((), frozenset(), operator))

    def apply(self, declared: Iterable[Declared], cluster: Cluster = ALONE) -> Report:
        """Put everything that is declared now in force, and return what became of each object."""
        return at_once(self.steps(declared, cluster))

    def steps(self, declared: Iterable[Declared], cluster: Cluster = ALONE) -> Steps[Report]:
        """Return the steps that do the same, a short one for each object; they must be gone to the end before the next."""
        listed = {each.name: each for each in declared}
        self._forget_renewed(listed)
        self._judged = yield from _for_each(listed, lambda each: self._guarded(self._judge, each, (each, (*each.problems, FAULT))))
        definers = {name: policy for name, each in listed.items() if (policy := self._sound(each)) is not None}
        yield from self._sources.prepared(definers.values(), cluster)
        references = References(definers, listed, cluster, self._sources.records)
        nothing = Choice(None, None, (FAULT,))
        self._chosen = chosen = yield from _for_each(
            listed, lambda each: self._guarded(lambda one: self._chosen_again(one) or self._choose(one, references), each, nothing)
        )
        within_bounds(chosen)
        self._accepted = {name: choice.policy for name, choice in chosen.items() if choice.policy is not None}
        owned = all_variants(name for policy in self._accepted.values() for name in forwarded(policy))
        compiled: list[CompiledPolicy] = []
        built: dict[PolicyName, Built] = {}
        for name, each in listed.items():
            choice = chosen[name]
            made = self._guarded(functools.partial(self._built_by, choice, owned), each, None)
            if made is not None:
                built[name] = made
                compiled.append(made.compiled)
            elif (target := self._sound(each) or choice.policy or each.target) is not None:
                compiled += self._stand_in(target)
            yield
        self._built = built
        self._ring.retain(_key_states(built.values()))
        self._sources.records.retain({text for each in built.values() for keys in each.inputs[1].api_keys.values() for text in keys.texts})
        snapshot = yield from Snapshot.steps(compiled, owned, self._operator, cluster.routes)
        self.store.current = snapshot
        judges = Judges(self._operator, cluster, snapshot)
        self._states = yield from _for_each(
            listed,
            lambda each: self._guarded(
                lambda one: self._state(one, chosen[one.name], judges), each, (chosen[each.name], failed_state(each))
            ),
        )
        routes = yield from coverage(snapshot, cluster.routes)
        return Report(tuple(state for _, state in self._states.values()), snapshot, routes)

    def _state(self, each: Declared, choice: Choice, judges: Judges) -> tuple[Choice, State]:
        before = self._states.get(each.name)
        if before is not None and before[0] is choice and choice.lasts_for is each and judges.still_holds(before[1]):
            return before
        built = self._built.get(each.name)
        keys = tuple(dict.fromkeys(_key_states([built]))) if built is not None else ()
        used = Used(choice.policy, self._sound(each), choice.definitions is not None, keys)
        return choice, judges.state(each, used, (*self._judged[each.name][1], *(each.located(problem) for problem in choice.missing)))

    def _stand_in(self, target: Policy) -> list[CompiledPolicy]:
        """Return what answers 503 for a policy that cannot be used: on its targets, or the hosts that are its own to decide for."""
        own = tuple(host for host in target.hosts if granted(self._operator, target.name.namespace, host))
        return [broken_policy(replace(target, hosts=own))] if own or target.targets else []

    def _sound(self, each: Declared) -> Policy | None:
        """Return the version of an object that is right in itself: this one, else the last that was in use."""
        return each.policy if not errors_in(self._judged[each.name][1]) else self._accepted.get(each.name)

    def _chosen_again(self, each: Declared) -> Choice | None:
        """Return the choice of last time where nothing can have changed it: the very same object, which refers to no other."""
        before = self._chosen.get(each.name)
        return before if before is not None and before.lasts_for is each else None

    def _choose(self, each: Declared, references: References) -> Choice:
        """Return the version of an object to use: this one where all that it names is there, else the last that was used.

        The last one's references are looked up anew: where they are gone, too, nothing is left to decide by.
        """
        newest, earlier = self._sound(each), self._accepted.get(each.name)
        missing: list[Problem] = []
        if each.policy is not None and newest != each.policy and not _touches_references(self._judged[each.name][1]):
            # Not used, for its other mistakes; but what it lacks is told with them.
            definitions, missing = references.resolve(each.policy)
            missing += _undefined(each.policy, definitions, missing)
        for policy in (newest, earlier if earlier != newest else None):
            if policy is None:
                continue
            definitions, found = references.resolve(policy)
            found += _undefined(policy, definitions, found)
            missing += [problem for problem in found if problem not in missing]
            if not errors_in(found):
                lasts = policy is each.policy and not missing and not policy.refers
                return Choice(policy, definitions, tuple(missing), each if lasts else None)
        return Choice(earlier, None, tuple(missing))

    def _judge(self, each: Declared) -> tuple[Declared, tuple[Problem, ...]]:
        """Return every problem of an object itself. An object that was judged before, the very same, is not judged again."""
        known = self._judged.get(each.name)
        if known is not None and known[0] is each:
            return known
        found = list(each.problems)
        if each.policy is not None:
            own = own_problems(each.policy, self._operator)
            found += [each.located(problem) for problem in own if not each.is_partial or problem.code not in _OF_HOLES]
        return each, tuple(found)

    def _guarded(self, work: Callable[[Declared], T], each: Declared, instead: T) -> T:
        """Return what comes of work on one object; where that fails `instead`, for one odd object must not stop the others."""
        try:
            return work(each)
        except Exception as fault:  # noqa: BLE001 - whatever it is: told, and this object alone is refused
            self._failed(fault)
            return instead

    def _forget_renewed(self, listed: Mapping[PolicyName, Declared]) -> None:
        """Forget what was accepted of objects that were deleted and made anew under the same name."""
        for name, each in listed.items():
            if self._uids.get(name, each.uid) != each.uid:
                self._accepted.pop(name, None)
        self._uids = {name: each.uid for name, each in listed.items()}

    def _built_by(self, choice: Choice, owned: frozenset[str], each: Declared) -> Built | None:
        return None if choice.policy is None or choice.definitions is None else self._build(choice.policy, choice.definitions, owned)

    def _build(self, policy: Policy, definitions: Definitions, owned: frozenset[str]) -> Built:
        inputs = (policy, definitions, owned)
        earlier = self._built.get(policy.name)
        if earlier is not None and earlier.inputs == inputs:
            return earlier
        # Where only the headers of other policies changed, the readers stay, and with them the tokens that they remember.
        known = earlier.readers if earlier is not None and earlier.inputs[:2] == inputs[:2] else None
        readers = PolicyReaders(self._ring, self._memory, self._sources, known)
        return Built(inputs, compile_policy(policy, definitions, owned, readers), readers)


def _for_each(listed: Mapping[PolicyName, Declared], work: Callable[[Declared], T]) -> Steps[dict[PolicyName, T]]:
    found: dict[PolicyName, T] = {}
    for name, each in listed.items():
        found[name] = work(each)
        yield
    return found


def _undefined(policy: Policy, definitions: Definitions, found: Iterable[Problem]) -> list[Problem]:
    """Return what nobody defines; nothing where a definition is missing, for they may be in that."""
    missing = any(problem.path[:2] == ("spec", "definitionsFrom") for problem in found)
    return [] if missing else list(dangling(policy, definitions))


def _touches_references(found: Iterable[Problem]) -> bool:
    places = {("spec",), *(("spec", name) for name in ("issuers", "apiKeys", "certificateAuthorities", "ipSets", "definitionsFrom"))}
    return any(problem.path[:2] in places and problem.code < "AZ2" for problem in found)


def _key_states(built: Iterable[Built]) -> Iterable[IssuerKeys]:
    return (state for each in built for state in each.readers.states)
