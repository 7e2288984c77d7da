"""By which replicas a policy is loaded, and the condition `Programmed` that this makes. Pure.

resourceVersions of one resource are compared as integers, which Kubernetes allows (KEP-5504).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authz.model.policy import PolicyName
from authz.service.standing import Condition

PROGRAMMED: Final = "Programmed"
_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Replica:
    """What one replica says of itself.

    Attributes:
        name: the name of its pod.
        version: up to which resourceVersion every AuthPolicy is applied there.
        not_in_use: policies of which no version is used there, as far as it names them.
        silent_since: when it was last heard of, where it should have been since; "" for one that is heard.
    """

    name: str
    version: int
    not_in_use: frozenset[PolicyName]
    silent_since: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """By how many replicas a policy is loaded, and by which it is not.

    Attributes:
        count: those that use it.
        of: all.
        behind: names of those that have not come so far.
        without: names of those that use no version of it.
        silent: names of those that are no longer heard of, each with since when. They count by what they said last.
    """

    count: int
    of: int
    behind: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


class Roll:
    """All replicas, made ready to be asked for each of thousands of policies."""

    def __init__(self, replicas: Iterable[Replica]) -> None:
        self._replicas = tuple(replicas)
        self._silent = tuple(f"{each.name} since {each.silent_since}" for each in self._replicas if each.silent_since)
        self._all = Loaded(len(self._replicas), len(self._replicas), silent=self._silent)
        self._slowest = min((each.version for each in self._replicas), default=0)
        self._not_in_use = frozenset[PolicyName]().union(*(each.not_in_use for each in self._replicas))

    def loaded(self, name: PolicyName, version: int) -> Loaded:
        """Return how far a policy is loaded, the spec of which was first seen at this resourceVersion."""
        if version <= self._slowest and name not in self._not_in_use:
            return self._all
        behind = tuple(sorted(each.name for each in self._replicas if each.version < version))
        without = tuple(sorted(each.name for each in self._replicas if each.version >= version and name in each.not_in_use))
        return Loaded(self._all.of - len(behind) - len(without), self._all.of, behind, without, self._silent)


def version_of(text: object) -> int:
    """Return a resourceVersion as a number; 0 where it is none. No server counts to more than 40 digits.

    >>> version_of("0123"), version_of(""), version_of(None), version_of("x")
    (123, 0, 0, 0)
    """
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 40 else 0


def programmed(loaded: Loaded | None) -> Condition:
    """Return the condition `Programmed` of a policy for which only loading counts. None: it is not known who has loaded it."""
    if loaded is None or not loaded.of:
        what = "it is not known which replicas have loaded it: their Leases cannot be read; grant get, list and watch on leases"
        return Condition(PROGRAMMED, "Unknown", "Pending", what)
    count = f"{loaded.count} of {loaded.of} replica{'s' if loaded.of > 1 else ''}"
    if len(loaded.without) == loaded.of:
        return Condition(PROGRAMMED, "False", "Invalid", f"used by {count}: mend what the other conditions name")
    told = [f"loaded by {count}"]
    told += [f"waiting for {_names(loaded.behind)}"] if loaded.behind else []
    told += [f"no version is used by {_names(loaded.without)}"] if loaded.without else []
    told += [f"no word from {_names(loaded.silent)}"] if loaded.silent else []
    at_fault = {*loaded.behind, *loaded.without, *(each.partition(" ")[0] for each in loaded.silent)}
    remedy = (": see its log" if len(at_fault) == 1 else ": see their logs") if at_fault else ""
    remedy += ", or delete the pod that is silent" if loaded.silent else ""
    status, reason = ("True", PROGRAMMED) if loaded.count == loaded.of else ("False", "Reconciling")
    return Condition(PROGRAMMED, status, reason, "; ".join(told) + remedy)


def _names(names: tuple[str, ...]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
