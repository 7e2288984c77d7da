"""How each policy stands, in the words of Gateway API's conditions (GEP-713), and how well its source is followed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity
from authz.service.keyring import IssuerKeys
from authz.service.states import State


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, but for when it last changed.

    Attributes:
        type: `Accepted`, `ResolvedRefs`, `KeysReady` or `Programmed`.
        status: `True`, `False` or `Unknown`.
        reason: one word in CamelCase.
        message: a sentence; of a condition that is not well it says what to do, and what happens until then.
    """

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is to be told of one policy, as far as one replica knows.

    Attributes:
        generation: the generation of the spec that this speaks of.
        in_use: whether this replica uses some version of it.
        conditions: those of the policy, without `Programmed`.
        ancestors: for a policy with targets, the Gateways (namespace and name) that they lead to, each with its conditions.
        programmed: said instead of the count of replicas where loading is not the question; else None.
    """

    name: PolicyName
    generation: int
    in_use: bool
    conditions: tuple[Condition, ...]
    ancestors: tuple[tuple[PolicyName, tuple[Condition, ...]], ...] = ()
    programmed: Condition | None = None


@dataclass(frozen=True, slots=True)
class WatchState:
    """How well one kind of object is followed.

    Attributes:
        resource: its plural name, as in `authpolicies`.
        is_up: whether the last thing that happened was an answer.
        contact: when the server last said something, Unix time; 0: never.
        objects: how many are held.
        restarts: how often a watch ended, by reason: `closed`, `silent`, `gone`, `error`.
        lists: how often everything was listed, by mode: `stream`, `paged`.
    """

    resource: str
    is_up: bool
    contact: float
    objects: int
    restarts: Mapping[str, int]
    lists: Mapping[str, int]

    def with_another(self, other: "WatchState") -> "WatchState":
        """Return how well both are followed, taken together: as well as the worse one."""
        return WatchState(
            self.resource,
            self.is_up and other.is_up,
            min(self.contact, other.contact),
            self.objects + other.objects,
            _sum(self.restarts, other.restarts),
            _sum(self.lists, other.lists),
        )


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *other)}


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What one replica knows of its place in the cluster.

    Attributes:
        watches: one for each kind of object that is followed.
        is_leader: whether this replica writes status.
        status_writes: how many, by result: `success`, `conflict`, `failure`.
        is_restored: whether policies are still those of the snapshot on disk.
        routes: accepted routes of the listed Gateways, by state: `policy`, `unprotected`, `none`.
    """

    watches: tuple[WatchState, ...] = ()
    is_leader: bool = False
    status_writes: Mapping[str, int] | None = None
    is_restored: bool = False
    routes: Mapping[str, int] | None = None


CONTROLLER: Final = "ingress-authz.dev/authz"
_REFERENCES: Final = {
    "AZ203": "DefinitionNotFound",
    "AZ204": "DefinitionAmbiguous",
    "AZ211": "RefNotPermitted",
    "AZ212": "ReferenceNotFound",
}
# What a key set lacks that is used all the same, and what comes of that.
_LACKS: Final = {
    "AZ214": "That record is left out, and its key opens nothing",
    "AZ215": "None of its keys is known",
    "AZ216": "",
}
# A condition's message has bounds; a mistake in a record can be told at length.
MOST_TOLD: Final = 900


def standing_of(state: State) -> Standing:
    """Return how a policy stands."""
    accepted, resolved = _accepted(state), _resolved(state)
    keys = _keys_ready(state.keys)
    programmed = _programmed(state, next((each.reason for each in (accepted, resolved) if each.status != "True"), "NotAccepted"))
    overridden = dict(state.overridden)
    ancestors = tuple(
        (gateway, (accepted, resolved, *([_overridden(overridden[gateway])] if gateway in overridden else ())))
        for gateway in state.gateways
    )
    conditions = (accepted, resolved, *([keys] if keys is not None else ()))
    return Standing(state.name, state.generation, state.in_use, conditions, ancestors, programmed)


def _accepted(state: State) -> Condition:
    errors = [each for each in state.problems if each.severity is Severity.ERROR and each.code not in _REFERENCES]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return Condition("Accepted", "False", "Invalid", f"{_sentence(_placed(errors[0]) + more)} {_meanwhile(state)}")
    unmet = [each.what for each in state.problems if each.code == "AZ208"]
    if unmet and not state.gateways:
        return Condition("Accepted", "False", "TargetNotFound", f"{unmet[0]}. Until then it decides nothing")
    claimed = [each.what for each in state.problems if each.code == "AZ205"]
    if state.outranked:
        return Condition("Accepted", "False", "Conflicted", claimed[0])
    beside = [each.what for each in state.problems if each.code == "AZ209"]
    if claimed or beside:
        return Condition("Accepted", "True", "Conflicted", (claimed or beside)[0])
    return Condition("Accepted", "True", "Accepted", unmet[0] if unmet else "the spec has no mistake")


def _placed(problem: Problem) -> str:
    return f"{problem.where}: {problem.what}" if problem.where else problem.what


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _meanwhile(state: State) -> str:
    if state.is_shadow:
        return "It is in Shadow, so nothing changes for requests"
    if state.in_use:
        return "The last version that was accepted stays in force"
    if state.only_defines:
        return "Until then what it defines cannot be used"
    # For hosts of somebody else it is not even asked.
    is_stranger = any(each.code == "AZ207" for each in state.problems)
    return "Until then it decides nothing there" if is_stranger else "Until then its requests are answered 503"


def _resolved(state: State) -> Condition:
    wrong = [each for each in state.problems if each.severity is Severity.ERROR and each.code in _REFERENCES]
    if not wrong:
        lacking = next((_lack(each) for each in state.problems if each.code in _LACKS), "everything that it refers to is there")
        return Condition("ResolvedRefs", "True", "ResolvedRefs", lacking)
    return Condition("ResolvedRefs", "False", _REFERENCES[wrong[0].code], f"{_sentence(_placed(wrong[0]))} {_meanwhile(state)}")


def _lack(problem: Problem) -> str:
    """Return what a key set lacks that is used all the same."""
    what = _placed(problem)[:MOST_TOLD]
    return f"{what}. {_LACKS[problem.code]}" if _LACKS[problem.code] else what


def _keys_ready(keys: tuple[IssuerKeys, ...]) -> Condition | None:
    if not keys:
        return None
    first = next((each for each in keys if each.keys is None), None)
    if first is None:
        return Condition(
            "KeysReady", "True", "KeysReady", f"keys of {', '.join(dict.fromkeys(each.issuer for each in keys))} are there"[:1024]
        )
    if not all(each.tried for each in keys):
        return Condition("KeysReady", "Unknown", "Fetching", f"the keys of {first.issuer} are being fetched")
    why = f" ({first.failure})" if first.failure else ""
    what = f"no keys of {first.issuer}{why}: requests with its tokens are answered 503"
    return Condition("KeysReady", "False", "KeysUnavailable", f"{what[:900]}; see that its server can be reached and is trusted")


def _programmed(state: State, why_not: str) -> Condition | None:
    """Return what there is to say of a policy for which it is not the question how many replicas have loaded it."""
    if not state.accepted:
        reason = "Stale" if state.in_use else why_not
        return Condition("Programmed", "False", reason, f"this version is not in use, see Accepted and ResolvedRefs. {_meanwhile(state)}")
    if state.has_targets and not state.gateways:
        return Condition("Programmed", "False", "TargetNotFound", "none of its targets is there, so it decides nothing; see Accepted")
    if state.outranked:
        return Condition("Programmed", "False", "Overridden", "older policies decide for everything that it claims; see Accepted")
    if state.overridden and len(state.overridden) == len(state.gateways):
        return _overridden(state.overridden[0][1])
    return None


def _overridden(by: str) -> Condition:
    return Condition(
        "Programmed",
        "False",
        "Overridden",
        f"the rules of {by} decide instead, which is older or of a Gateway with precedence: Override; look there",
    )
