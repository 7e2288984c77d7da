"""How each policy stands, in the words of Gateway API's conditions (GEP-713), and how well its source is followed."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.model.policy import PolicyName


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, but for when it last changed.

    Attributes:
        type: `Accepted`, `ResolvedRefs`, `KeysReady` or `Programmed`.
        status: `True`, `False` or `Unknown`.
        reason: one word in CamelCase.
        message: a sentence; of a condition that is not well it ends with what to do.
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
