"""The status of an AuthPolicy, from how it stands and what is there already. Pure: the same knowledge gives nothing to write."""

from collections.abc import Iterable
from typing import Final

from authz.kube.api import Object
from authz.kube.pacing import whole_seconds
from authz.kube.programmed import PROGRAMMED, Loaded, programmed
from authz.kube.resources import GATEWAY_GROUP
from authz.model.policy import PolicyName
from authz.service.standing import CONTROLLER, Condition, Standing

# Conditions that are ours: one of these that no longer holds of a policy is taken away. Others belong to others.
_OURS: Final = frozenset({"Accepted", "ResolvedRefs", "KeysReady", PROGRAMMED})
# The schema's bounds; a message is for people, who read no more than this.
MOST_ANCESTORS: Final = 16
_MOST_MESSAGE: Final = 4096


def status_of(standing: Standing, loaded: Loaded | None, observed: Object | None, now: float) -> Object | None:
    """Return the status to write to the object as it was observed; None where nothing is to be written.

    `now` is Unix time. Nothing is written where the object is gone, or is of another generation than the one that is known.
    """
    if observed is None or observed["metadata"].get("generation") != standing.generation:
        return None
    there: Object = observed.get("status") or {}
    last = standing.programmed or programmed(loaded)
    stamp = whole_seconds(now)
    conditions = _dated((*standing.conditions, last), standing.generation, there.get("conditions"), stamp)
    status: Object = {"observedGeneration": standing.generation, "conditions": conditions}
    ancestors = _ancestors(standing, last, there.get("ancestors") or [], stamp)
    if ancestors:
        status["ancestors"] = ancestors
    return None if _same(status, there) else status


def is_count_only(status: Object, there: Object) -> bool:
    """Return whether two statuses differ only in how many replicas have loaded what all have loaded."""
    return _same(_without_counts(status), _without_counts(there))


def transitions(there: Object, status: Object) -> list[Object]:
    """Return the conditions of `status` that are news to somebody who knew `there`.

    What was not said before is news where it is not well; that a policy is in force is news the first time, too.
    """
    before = {kind: str(each.get("status", "")) for kind, each in _by_type(there.get("conditions")).items()}
    return [each for each in status["conditions"] if _is_news(each["type"], before.get(each["type"]), each["status"])]


def _is_news(kind: str, before: str | None, status: str) -> bool:
    if kind == "KeysReady":
        return (before == "False") is not (status == "False")  # Fetching them is nothing to tell.
    usual = "" if kind == PROGRAMMED else "True"
    return kind in ("Accepted", "ResolvedRefs", PROGRAMMED) and (usual if before is None else before) != status


def _ancestors(standing: Standing, last: Condition, there: list[Object], stamp: str) -> list[Object]:
    """Return the whole list, which is one value to the server: the entries of other controllers as they are, then ours."""
    others = [each for each in there if each.get("controllerName") != CONTROLLER]
    known = {_gateway(each): each.get("conditions") for each in there if each.get("controllerName") == CONTROLLER}
    ours = []
    for name, conditions in sorted(standing.ancestors, key=lambda each: (each[0].namespace, each[0].name)):
        told = _with_programmed(conditions, last)
        ours.append(
            {
                "ancestorRef": {
                    "group": GATEWAY_GROUP,
                    "kind": "Gateway",
                    "namespace": name.namespace,
                    "name": name.name,
                },
                "controllerName": CONTROLLER,
                "conditions": _dated(told, standing.generation, known.get(name), stamp),
            }
        )
    return others + ours[: max(0, MOST_ANCESTORS - len(others))]


def _with_programmed(conditions: tuple[Condition, ...], last: Condition) -> tuple[Condition, ...]:
    """Return an ancestor's conditions with `Programmed`, which is said of what is accepted there."""
    said = {each.type: each.status for each in conditions}
    return conditions if PROGRAMMED in said or said.get("Accepted") == "False" else (*conditions, last)


def _gateway(ancestor: Object) -> PolicyName:
    ref = ancestor.get("ancestorRef") or {}
    return PolicyName(str(ref.get("namespace", "")), str(ref.get("name", "")))


def _dated(conditions: Iterable[Condition], generation: int, there: list[Object] | None, stamp: str) -> list[Object]:
    """Return conditions as objects. Only a change of `status` is a transition."""
    before = _by_type(there)
    return [
        {
            "type": each.type,
            "status": each.status,
            "observedGeneration": generation,
            "lastTransitionTime": _since(before.get(each.type, {}), each.status) or stamp,
            "reason": each.reason,
            "message": each.message if len(each.message) <= _MOST_MESSAGE else each.message[: _MOST_MESSAGE - 1] + "…",
        }
        for each in conditions
    ]


def _since(before: Object, status: str) -> str:
    return str(before.get("lastTransitionTime") or "") if before.get("status") == status else ""


def _by_type(conditions: list[Object] | None) -> dict[str, Object]:
    return {str(each.get("type")): each for each in conditions or ()}


def _same(status: Object, there: Object) -> bool:
    ours, theirs = _by_type(status.get("conditions")), _by_type(there.get("conditions"))
    return (
        status.get("observedGeneration") == there.get("observedGeneration")
        and ours == {name: each for name, each in theirs.items() if name in _OURS or name in ours}
        and (status.get("ancestors") or []) == (there.get("ancestors") or [])
    )


def _without_counts(status: Object) -> Object:
    ancestors = [{**each, "conditions": _blank(each.get("conditions"))} for each in status.get("ancestors") or ()]
    return {**status, "conditions": _blank(status.get("conditions")), "ancestors": ancestors}


def _blank(conditions: list[Object] | None) -> list[Object]:
    """Return conditions without the message of a `Programmed` that says that all have loaded it."""
    is_count = {"type": PROGRAMMED, "status": "True", "reason": PROGRAMMED}
    return [{**each, "message": ""} if each.items() >= is_count.items() else each for each in conditions or ()]
