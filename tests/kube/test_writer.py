"""Status is written by the leader alone, when it differs, slowly, and never twice for one thing."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from authz.kube.events import Events
from authz.kube.programmed import Replica
from authz.kube.writer import StatusWriter
from authz.model.policy import PolicyName
from authz.service.standing import Condition, Standing
from tests.fakes import NOON, FakeClock
from tests.kube.memory import MemoryApi, Shared

ACCEPTED = Condition("Accepted", "True", "Accepted", "the policy is valid")
INVALID = Condition("Accepted", "False", "Invalid", "spec.rules[0]: no; remove it")
PATH = "/apis/ingress-authz.dev/v1alpha1/namespaces/shop/authpolicies/"


class Scene:
    """A server, a store that follows it (unless `is_behind`), and the writer of a leader."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.shared = Shared(self.clock)
        self.api = MemoryApi(self.shared)
        self.leads = True
        self.is_behind = False
        self.live: tuple[Replica, ...] | None = (Replica("a", 10_000, frozenset()),)
        self.store: dict[str, dict[str, Any]] = {}
        self.standings: dict[PolicyName, Standing] = {}
        api: Any = self.api
        self.events = Events(api, "a", self.clock)
        self.writer = StatusWriter(api, self.clock, lambda: self.leads, lambda: self.live, self._observed, self.events)

    def _observed(self) -> dict[str, dict[str, Any]]:
        if not self.is_behind:
            held = {f"shop/{path.removeprefix(PATH)}": each for path, each in self.shared.objects.items() if path.startswith(PATH)}
            # As the reflector does: what did not change stays the very same object.
            self.store = {key: self._brought(self.store.get(key), each) for key, each in held.items()}
        return self.store

    def _brought(self, known: dict[str, Any] | None, held: dict[str, Any]) -> dict[str, Any]:
        is_known = known is not None and known["metadata"]["resourceVersion"] == held["metadata"]["resourceVersion"]
        return known if known is not None and is_known else copy.deepcopy(held)

    def policy(self, name: str, generation: int = 1, accepted: Condition = ACCEPTED) -> None:
        """A policy changes (or comes to be), and the service has judged it."""
        held = self.shared.objects.get(PATH + name, {"metadata": {"uid": name}})
        metadata = {**held["metadata"], "namespace": "shop", "name": name, "generation": generation}
        self.shared.put(PATH + name, {**held, "kind": "AuthPolicy", "metadata": metadata})
        self.standings = {**self.standings, PolicyName("shop", name): Standing(PolicyName("shop", name), generation, True, (accepted,))}
        self.writer.told(self.standings)

    def condition(self, name: str, kind: str) -> dict[str, Any] | None:
        found = self.shared.objects[PATH + name].get("status", {}).get("conditions", ())
        return next((each for each in found if each["type"] == kind), None)

    def programmed(self, name: str = "orders") -> str:
        found = self.condition(name, "Programmed")
        return "" if found is None else f"{found['status']} {found['message']}"

    @property
    def writes(self) -> int:
        return len(self.shared.log)


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        scene = Scene()
        task = asyncio.create_task(scene.writer.run())
        await scene.clock.advance(0)
        await story(scene)
        assert not task.done(), task
        task.cancel()

    asyncio.run(run())


def test_a_new_policy_is_told_of_at_once_and_then_never_again() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        await scene.clock.advance(0.01)
        assert scene.programmed() == "True loaded by 1 of 1 replica"
        assert scene.writer.counts == {"success": 1, "conflict": 0, "failure": 0}
        scene.writer.told({name: replace(standing) for name, standing in scene.standings.items()})
        await scene.clock.advance(60)
        assert scene.writes == 1

    play(story)


def test_who_does_not_lead_writes_nothing_and_who_comes_to_lead_writes_what_differs() -> None:
    async def story(scene: Scene) -> None:
        scene.leads = False
        scene.policy("orders")
        await scene.clock.advance(5)
        assert scene.writes == 0
        scene.leads = True
        await scene.clock.advance(1)
        assert scene.writes == 1
        scene.leads = False
        scene.policy("orders", 2)
        await scene.clock.advance(5)
        assert scene.writes == 1

    play(story)


def test_a_leader_whose_time_ends_between_two_writes_writes_no_more_until_it_leads_again() -> None:
    async def story(scene: Scene) -> None:
        for number in range(20):
            scene.policy(f"p{number}")
        await scene.clock.advance(0.35)
        assert scene.writes == 4
        scene.leads = False
        await scene.clock.advance(5)
        assert scene.writes == 4
        scene.leads = True
        await scene.clock.advance(5)
        assert scene.writes == 20

    play(story)


def test_while_the_watch_is_behind_what_was_written_is_not_written_again() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        scene.writer._observed()
        scene.is_behind = True
        await scene.clock.advance(30)
        assert scene.writes == 1
        scene.is_behind = False
        await scene.clock.advance(5)
        assert scene.writes == 1

    play(story)


def test_what_the_watch_brings_late_does_not_undo_what_is_known_of_a_write() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        scene.writer._observed()
        scene.is_behind = True
        await scene.clock.advance(1)
        scene.store = {"shop/orders": copy.deepcopy(scene.store["shop/orders"])}  # Brought once more, as it was before the write.
        await scene.clock.advance(30)
        assert scene.writer.counts == {"success": 1, "conflict": 0, "failure": 0}

    play(story)


def test_a_write_of_status_is_nothing_that_replicas_have_to_load() -> None:
    async def story(scene: Scene) -> None:
        scene.live = (Replica("a", 101, frozenset()),)
        scene.policy("orders")
        assert scene.shared.version == 101
        await scene.clock.advance(60)
        assert scene.shared.version == 102
        assert scene.programmed() == "True loaded by 1 of 1 replica"
        assert scene.writes == 1

    play(story)


def test_no_more_than_ten_are_written_in_a_second_and_all_are_in_the_end() -> None:
    async def story(scene: Scene) -> None:
        for number in range(60):
            scene.policy(f"p{number:02}")
        for _ in range(5):
            before = scene.writes
            await scene.clock.advance(1)
            assert 8 <= scene.writes - before <= 11
        await scene.clock.advance(3)
        assert scene.writes == 60

    play(story)


def test_news_are_written_before_mere_counts_of_replicas_which_come_one_a_second() -> None:
    async def story(scene: Scene) -> None:
        for number in range(20):
            scene.policy(f"p{number:02}")
        await scene.clock.advance(4)
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 10_000, frozenset()))
        await scene.clock.advance(5)
        assert 24 <= scene.writes <= 27
        scene.policy("p19", 2, INVALID)
        await scene.clock.advance(0.2)
        found = scene.condition("p19", "Accepted")
        assert found is not None
        assert found["status"] == "False"
        await scene.clock.advance(30)
        assert scene.programmed("p07") == "True loaded by 2 of 2 replicas"

    play(story)


def test_a_generation_is_given_two_seconds_to_be_loaded_before_it_is_said_that_it_is_not() -> None:
    async def story(scene: Scene) -> None:
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 100, frozenset()))
        scene.policy("orders")
        await scene.clock.advance(1.5)
        assert scene.writes == 0
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 10_000, frozenset()))
        await scene.clock.advance(0.6)
        assert scene.programmed() == "True loaded by 2 of 2 replicas"
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 101, frozenset()))
        scene.policy("orders", 2)
        await scene.clock.advance(3)
        assert scene.programmed() == "False loaded by 1 of 2 replicas; waiting for b: see its log"
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 10_001, frozenset()))
        await scene.clock.advance(1)
        assert scene.programmed() == "True loaded by 2 of 2 replicas"

    play(story)


def test_what_all_had_loaded_is_given_half_a_minute_for_a_new_replicas_word_may_be_on_its_way() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        await scene.clock.advance(1)
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 1, frozenset()))
        await scene.clock.advance(28)
        assert scene.writes == 1
        await scene.clock.advance(5)
        assert scene.programmed().startswith("False loaded by 1 of 2")

    play(story)


def test_that_a_replica_uses_no_version_is_said_at_once() -> None:
    async def story(scene: Scene) -> None:
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 10_000, frozenset({PolicyName("shop", "orders")})))
        scene.policy("orders")
        await scene.clock.advance(0.1)
        assert scene.programmed() == "False loaded by 1 of 2 replicas; no version is used by b: see its log"
        scene.live = (*scene.live, Replica("c", 1, frozenset()))
        await scene.clock.advance(1)
        assert scene.programmed().startswith("False loaded by 1 of 3 replicas; waiting for c; no version is used by b")

    play(story)


def test_where_loading_is_not_the_question_no_replica_is_waited_for() -> None:
    async def story(scene: Scene) -> None:
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 1, frozenset()))
        scene.policy("orders", accepted=INVALID)
        name = PolicyName("shop", "orders")
        said = Condition("Programmed", "False", "Stale", "this version is not in use")
        scene.writer.told({name: replace(scene.standings[name], programmed=said)})
        await scene.clock.advance(0.1)
        assert scene.programmed() == "False this version is not in use"

    play(story)


def test_a_leader_that_cannot_hear_the_replicas_tells_the_rest_after_a_while() -> None:
    async def story(scene: Scene) -> None:
        scene.live = None
        scene.policy("orders")
        await scene.clock.advance(4)
        assert scene.writes == 0
        await scene.clock.advance(2)
        assert scene.programmed().startswith("Unknown it is not known which replicas have loaded it")
        assert scene.condition("orders", "Accepted") is not None

    play(story)


def test_a_policy_that_somebody_else_changed_is_read_anew_and_written_once_more() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        scene.writer._observed()
        scene.is_behind = True
        scene.shared.put(PATH + "orders", scene.shared.objects[PATH + "orders"] | {"status": {"conditions": [{"type": "Other"}]}})
        await scene.clock.advance(1)
        assert scene.writer.counts == {"success": 1, "conflict": 1, "failure": 0}
        assert scene.programmed().startswith("True")

    play(story)


def test_a_leader_whose_time_ends_after_a_conflict_does_not_write_once_more() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        scene.writer._observed()
        scene.is_behind = True
        scene.shared.put(PATH + "orders", scene.shared.objects[PATH + "orders"])
        await scene.clock.advance(0.05)
        assert scene.writer.counts["conflict"] == 1
        scene.leads = False
        await scene.clock.advance(5)
        assert scene.writes == 1

    play(story)


def test_a_newer_generation_is_left_for_the_service_to_judge_first() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        scene.writer._observed()
        scene.is_behind = True
        held = scene.shared.objects[PATH + "orders"]
        scene.shared.put(PATH + "orders", held | {"metadata": held["metadata"] | {"generation": 2}})
        await scene.clock.advance(5)
        assert scene.writer.counts == {"success": 0, "conflict": 1, "failure": 0}
        assert "status" not in scene.shared.objects[PATH + "orders"]

    play(story)


@pytest.mark.parametrize(("status", "told", "most"), [(403, "grant patch on authpolicies/status", 20), (500, "refused", 40)])
def test_a_refusal_is_counted_says_what_to_do_and_is_tried_again_without_a_storm(status: int, told: str, most: int) -> None:
    async def story(scene: Scene) -> None:
        scene.api.refuses = status
        for number in range(20):
            scene.policy(f"p{number}")
        await scene.clock.advance(60)
        assert 5 <= scene.writer.counts["failure"] <= most
        assert told in scene.writer.failure
        scene.api.refuses = 0
        await scene.clock.advance(45)
        assert scene.writer.counts["success"] == 20
        assert scene.writer.failure == ""

    play(story)


def test_a_policy_that_is_gone_is_no_failure() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        scene.writer._observed()
        scene.is_behind = True
        scene.shared.remove(PATH + "orders")
        await scene.clock.advance(60)
        assert scene.writer.counts["failure"] == 0
        assert scene.writer.failure == ""
        assert 1 <= scene.writer.counts["conflict"] <= 30, "it is no storm either"

    play(story)


def test_a_clock_that_is_set_back_draws_no_wait_out() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        await scene.clock.advance(1)
        scene.live = (Replica("a", 10_000, frozenset()), Replica("b", 1, frozenset()))
        await scene.clock.advance(1)
        assert scene.writes == 1
        scene.clock.now = NOON - 7200
        scene.writer.told(scene.standings)
        await scene.clock.advance(0.5)
        assert scene.programmed().startswith("False loaded by 1 of 2")

    play(story)


def test_events_are_told_of_what_was_written() -> None:
    async def story(scene: Scene) -> None:
        scene.policy("orders")
        await scene.clock.advance(1)
        scene.policy("orders", 2, INVALID)
        await scene.clock.advance(1)
        told = [(each["type"], each["reason"]) for each in scene.events._waiting]
        assert told == [("Normal", "Programmed"), ("Warning", "Invalid")]

    play(story)
