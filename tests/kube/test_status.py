"""What is written of a policy, and that the same knowledge writes nothing."""

import copy
import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from authz.kube.programmed import Loaded, Replica, Roll, programmed
from authz.kube.status import is_count_only, status_of, transitions
from authz.model.policy import PolicyName
from authz.service.standing import CONTROLLER, Condition, Standing
from tests.fakes import NOON

SHOP = PolicyName("shop", "orders")
GATEWAY = PolicyName("infra", "public")
ACCEPTED = Condition("Accepted", "True", "Accepted", "the policy is valid")
INVALID = Condition("Accepted", "False", "Invalid", "spec.rules[0]: no; remove it")
RESOLVED = Condition("ResolvedRefs", "True", "ResolvedRefs", "everything that it names is there")
ALL = Loaded(3, 3)
FOREIGN: dict[str, Any] = {
    "ancestorRef": {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "infra", "name": "public"},
    "controllerName": "example.com/other",
    "conditions": [{"type": "Accepted", "status": "True", "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z",
                    "reason": "Accepted", "message": ""}],
}  # fmt: skip


def standing(*conditions: Condition, generation: int = 2, **more: Any) -> Standing:
    return Standing(SHOP, generation, True, conditions or (ACCEPTED, RESOLVED), **more)


def observed(status: dict[str, Any] | None = None, generation: int = 2) -> dict[str, Any]:
    made: dict[str, Any] = {"metadata": {"namespace": "shop", "name": "orders", "generation": generation}}
    return made | ({"status": status} if status is not None else {})


def written(*arguments: Any) -> dict[str, Any]:
    status = status_of(*arguments)
    assert status is not None
    return status


def of_type(status: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = (each for each in status["conditions"] if each["type"] == kind)
    return found  # type: ignore[no-any-return]


def test_a_policy_that_nobody_told_of_yet_gets_all_its_conditions() -> None:
    status = written(standing(), ALL, observed(), NOON)
    assert status["observedGeneration"] == 2
    assert [each["type"] for each in status["conditions"]] == ["Accepted", "ResolvedRefs", "Programmed"]
    assert of_type(status, "Programmed") == {
        "type": "Programmed", "status": "True", "observedGeneration": 2, "lastTransitionTime": "2027-01-15T08:00:00Z",
        "reason": "Programmed", "message": "loaded by 3 of 3 replicas",
    }  # fmt: skip
    assert "ancestors" not in status


def test_a_condition_that_stays_keeps_the_time_of_its_last_transition_and_one_that_changes_does_not() -> None:
    first = written(standing(), ALL, observed(), NOON)
    second = written(standing(INVALID, RESOLVED, generation=3), ALL, observed(first, 3), NOON + 60)
    assert of_type(second, "Accepted")["lastTransitionTime"] == "2027-01-15T08:01:00Z"
    assert of_type(second, "ResolvedRefs")["lastTransitionTime"] == "2027-01-15T08:00:00Z"
    assert of_type(second, "ResolvedRefs")["observedGeneration"] == 3


def test_nothing_is_written_of_a_generation_that_is_not_known_here_nor_of_what_is_gone() -> None:
    assert status_of(standing(), ALL, observed(generation=3), NOON) is None
    assert status_of(standing(), ALL, observed(generation=1), NOON) is None
    assert status_of(standing(), ALL, None, NOON) is None


def test_a_condition_of_ours_that_no_longer_holds_is_taken_away_and_another_ones_is_left_alone() -> None:
    status = written(standing(ACCEPTED, Condition("KeysReady", "True", "KeysReady", "")), ALL, observed(), NOON)
    mesh = {"type": "MeshReady", "status": "True", "reason": "Yes", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status["conditions"].append(mesh)
    assert status_of(standing(ACCEPTED, Condition("KeysReady", "True", "KeysReady", "")), ALL, observed(status), NOON) is None
    again = written(standing(ACCEPTED), ALL, observed(status), NOON)
    assert [each["type"] for each in again["conditions"]] == ["Accepted", "Programmed"]


def test_what_somebody_else_wrote_into_a_condition_of_ours_is_written_over() -> None:
    status = written(standing(), ALL, observed(), NOON)
    forged = copy.deepcopy(status)
    of_type(forged, "Accepted")["status"] = "False"
    assert of_type(written(standing(), ALL, observed(forged), NOON), "Accepted")["status"] == "True"


def test_programmed_counts_replicas_and_names_those_that_are_awaited() -> None:
    told = {
        Loaded(3, 3): ("True", "Programmed", "loaded by 3 of 3 replicas"),
        Loaded(1, 1): ("True", "Programmed", "loaded by 1 of 1 replica"),
        Loaded(2, 3, ("pod-x",)): ("False", "Reconciling", "loaded by 2 of 3 replicas; waiting for pod-x: see its log"),
        Loaded(1, 3, ("pod-x",), ("pod-y",)): (
            "False", "Reconciling",
            "loaded by 1 of 3 replicas; waiting for pod-x; no version is used by pod-y: see their logs",
        ),
        Loaded(0, 5, ("a", "b", "c", "d", "e")): (
            "False", "Reconciling", "loaded by 0 of 5 replicas; waiting for a, b, c and 2 more: see their logs",
        ),
        Loaded(3, 3, silent=("a since T",)): (
            "True", "Programmed",
            "loaded by 3 of 3 replicas; no word from a since T: see its log, or delete the pod that is silent",
        ),
        Loaded(1, 3, ("a", "b"), silent=("a since T", "c since U")): (
            "False", "Reconciling",
            "loaded by 1 of 3 replicas; waiting for a, b; no word from a since T, c since U: "
            "see their logs, or delete the pod that is silent",
        ),
        Loaded(0, 2, (), ("a", "b")): ("False", "Invalid", "used by 0 of 2 replicas: mend what the other conditions name"),
    }  # fmt: skip
    for loaded, expected in told.items():
        condition = programmed(loaded)
        assert (condition.status, condition.reason, condition.message) == expected
    assert programmed(None).status == programmed(Loaded(0, 0)).status == "Unknown"


def test_what_is_said_of_programmed_is_said_instead_of_the_count() -> None:
    said = Condition("Programmed", "False", "Overridden", "shop/other decides; delete one")
    status = written(standing(ACCEPTED, programmed=said), ALL, observed(), NOON)
    assert of_type(status, "Programmed")["reason"] == "Overridden"


def test_a_replica_counts_where_it_has_come_so_far_and_uses_some_version() -> None:
    roll = Roll([Replica("a", 10, frozenset()), Replica("b", 8, frozenset({SHOP})), Replica("c", 12, frozenset({PolicyName("shop", "x")}))])
    assert roll.loaded(PolicyName("shop", "y"), 8) == Loaded(3, 3)
    assert roll.loaded(PolicyName("shop", "y"), 9) == Loaded(2, 3, ("b",))
    assert roll.loaded(SHOP, 8) == Loaded(2, 3, (), ("b",))
    assert roll.loaded(SHOP, 11) == Loaded(1, 3, ("a", "b"))
    assert Roll(()).loaded(SHOP, 1) == Loaded(0, 0)


def test_a_replica_that_fell_silent_counts_by_what_it_said_last() -> None:
    roll = Roll([Replica("a", 10, frozenset()), Replica("b", 8, frozenset(), "2027-01-15T08:00:00Z")])
    silent = ("b since 2027-01-15T08:00:00Z",)
    assert roll.loaded(SHOP, 8) == Loaded(2, 2, silent=silent)
    assert roll.loaded(SHOP, 9) == Loaded(1, 2, ("b",), silent=silent)


def test_ancestors_say_the_same_and_the_entries_of_others_stay_as_they_are() -> None:
    attached = standing(ancestors=((PolicyName("z", "z"), (INVALID,)), (GATEWAY, (ACCEPTED, RESOLVED))))
    status = written(attached, ALL, observed({"ancestors": [FOREIGN]}), NOON)
    foreign, ours, last = status["ancestors"]
    assert foreign == FOREIGN
    assert ours["controllerName"] == CONTROLLER == "ingress-authz.dev/authz"
    assert ours["ancestorRef"] == {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "infra", "name": "public"}
    assert [each["type"] for each in ours["conditions"]] == ["Accepted", "ResolvedRefs", "Programmed"]
    assert [each["type"] for each in last["conditions"]] == ["Accepted"], "what is not accepted there is not programmed there"
    assert status_of(attached, ALL, observed(status), NOON + 5) is None
    detached = written(standing(), ALL, observed(status), NOON + 5)
    assert detached["ancestors"] == [FOREIGN]


def test_there_are_never_more_ancestors_than_the_schema_allows_and_others_are_never_pushed_out() -> None:
    others = [FOREIGN | {"controllerName": f"example.com/{number}"} for number in range(14)]
    many = tuple((PolicyName("infra", f"g{number}"), (ACCEPTED,)) for number in range(5))
    status = written(standing(ancestors=many), ALL, observed({"ancestors": others}), NOON)
    assert status["ancestors"][:14] == others
    assert [each["ancestorRef"]["name"] for each in status["ancestors"][14:]] == ["g0", "g1"]
    assert status_of(standing(ancestors=many), ALL, observed(status), NOON) is None


def test_a_very_long_message_is_cut_the_same_each_time() -> None:
    long = standing(Condition("Accepted", "False", "Invalid", "x" * 50_000))
    status = written(long, ALL, observed(), NOON)
    assert len(of_type(status, "Accepted")["message"]) == 4096
    assert status_of(long, ALL, observed(status), NOON) is None


def test_only_another_count_of_replicas_is_told_apart_from_news() -> None:
    attached = standing(ancestors=((GATEWAY, (ACCEPTED,)),))
    status = written(attached, ALL, observed(), NOON)
    assert is_count_only(written(attached, Loaded(5, 5), observed(status), NOON), status)
    assert not is_count_only(written(attached, Loaded(4, 5, ("a",)), observed(status), NOON), status)
    assert not is_count_only(written(standing(INVALID), Loaded(5, 5), observed(status), NOON), status)
    assert not is_count_only(status, {})


def test_transitions_are_changes_of_a_status_and_bad_news_and_the_first_time_in_force() -> None:
    first = written(standing(), ALL, observed(), NOON)
    assert [each["type"] for each in transitions({}, first)] == ["Programmed"]
    broken = written(standing(INVALID, RESOLVED), ALL, observed(first), NOON)
    assert [each["reason"] for each in transitions(first, broken)] == ["Invalid"]
    assert [each["reason"] for each in transitions({}, broken)] == ["Invalid", "Programmed"]
    assert [each["reason"] for each in transitions(broken, first)] == ["Accepted"]
    more = written(standing(), Loaded(4, 4), observed(first), NOON)
    assert transitions(first, more) == []


names = st.sampled_from([PolicyName("infra", "a"), PolicyName("infra", "b"), PolicyName("web", "a")])


@st.composite
def some_conditions(draw: st.DrawFn) -> tuple[Condition, ...]:
    kinds = draw(st.lists(st.sampled_from(["Accepted", "ResolvedRefs", "KeysReady"]), unique=True))
    text = st.text(max_size=3)
    states = st.sampled_from(["True", "False", "Unknown"])
    return tuple(Condition(kind, draw(states), draw(st.sampled_from(["A", "B"])), draw(text)) for kind in kinds)


@st.composite
def some_standing(draw: st.DrawFn) -> Standing:
    ancestors = tuple((name, draw(some_conditions())) for name in draw(st.lists(names, unique=True)))
    said = draw(st.none() | st.just(Condition("Programmed", "False", "Overridden", "x")))
    return Standing(SHOP, 1, True, draw(some_conditions()), ancestors, said)


some_loaded = st.none() | st.builds(Loaded, st.integers(0, 2), st.integers(2, 2), st.just(("a",)))


@given(st.lists(st.tuples(some_standing(), some_loaded), min_size=1, max_size=5), st.booleans())
def test_whatever_happened_before_the_same_knowledge_writes_nothing_and_times_change_with_the_status_only(
    history: list[tuple[Standing, Loaded | None]], has_foreign: bool
) -> None:
    there: dict[str, Any] = {"ancestors": [FOREIGN]} if has_foreign else {}
    for (stands, loaded), now in zip(history, itertools.count(NOON, 60), strict=False):
        status = status_of(stands, loaded, observed(there, 1), now)
        if status is None:
            continue
        before = {each["type"]: each for each in there.get("conditions", ())}
        for each in status["conditions"]:
            known = before.get(each["type"])
            same = known is not None and known["status"] == each["status"]
            assert (known is not None and known["lastTransitionTime"] == each["lastTransitionTime"]) == same
        assert (FOREIGN in status.get("ancestors", ())) == has_foreign
        there = status
        assert status_of(stands, loaded, observed(copy.deepcopy(there), 1), now + 7) is None
