"""Events tell of transitions, few at a time, and hinder nothing."""

import asyncio
from typing import Any

from authz.kube.events import Events
from tests.fakes import FakeClock, settle
from tests.kube.memory import MemoryApi, Shared

POLICY: dict[str, Any] = {
    "apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "spec": {"secret": "s3cret"},
    "metadata": {"namespace": "shop", "name": "orders", "uid": "u-1", "resourceVersion": "7", "generation": 2},
}  # fmt: skip
PATH = "/apis/events.k8s.io/v1/namespaces/shop/events/"


def condition(status: str = "False", message: str = "no; do this") -> dict[str, Any]:
    return {"type": "Accepted", "status": status, "reason": "Invalid", "message": message}


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.shared = Shared(self.clock)
        self.api = MemoryApi(self.shared)
        self.events = Events(self.api, "pod-a", self.clock)  # type: ignore[arg-type]

    @property
    def written(self) -> list[dict[str, Any]]:
        return [each for path, each in self.shared.objects.items() if path.startswith(PATH)]


def play(story: Any) -> None:
    async def run() -> None:
        scene = Scene()
        task = asyncio.create_task(scene.events.run())
        await settle()
        await story(scene)
        assert not task.done()
        task.cancel()

    asyncio.run(run())


def test_an_event_says_of_which_object_what_changed() -> None:
    async def story(scene: Scene) -> None:
        scene.events.tell(POLICY, [condition()])
        await settle()
        (event,) = scene.written
        name = event["metadata"].pop("name")
        assert name.startswith("orders.")
        assert event == {
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"namespace": "shop", "resourceVersion": "101"},
            "eventTime": "2027-01-15T08:00:00.000000Z", "reportingController": "ingress-authz.dev/authz", "reportingInstance": "pod-a",
            "action": "Reconcile", "type": "Warning", "reason": "Invalid", "note": "no; do this",
            "regarding": {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "namespace": "shop", "name": "orders",
                          "uid": "u-1", "resourceVersion": "7"},
        }  # fmt: skip

    play(story)


def test_good_news_is_normal_and_each_event_has_a_name_of_its_own() -> None:
    async def story(scene: Scene) -> None:
        scene.events.tell(POLICY, [condition("True"), condition(), condition("Unknown")])
        await scene.clock.advance(1)
        assert [each["type"] for each in scene.written] == ["Normal", "Warning", "Warning"]

    play(story)


def test_no_more_than_five_a_second_and_what_does_not_fit_is_counted() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(300):
            scene.events.tell(POLICY, [condition()])
        await scene.clock.advance(2)
        assert 9 <= len(scene.written) <= 11
        await scene.clock.advance(60)
        assert scene.events.counts == {"success": 100, "failure": 0, "dropped": 200}

    play(story)


def test_a_failure_is_counted_and_says_what_to_grant_and_the_next_one_is_tried() -> None:
    async def story(scene: Scene) -> None:
        scene.api.refuses = 403
        scene.events.tell(POLICY, [condition()])
        await settle()
        assert "grant create on events of events.k8s.io" in scene.events.failure
        scene.api.refuses = 0
        scene.events.tell(POLICY, [condition()])
        await scene.clock.advance(1)
        assert scene.events.counts == {"success": 1, "failure": 1, "dropped": 0}
        assert scene.events.failure == ""

    play(story)


def test_what_is_too_long_is_cut_to_what_the_server_takes() -> None:
    async def story(scene: Scene) -> None:
        long = POLICY | {"metadata": POLICY["metadata"] | {"name": "a" * 230 + "." + "b" * 22}}
        scene.events.tell(long, [condition(message="ü" * 2000), condition(message="")])
        await scene.clock.advance(1)
        first, second = scene.written
        assert len(first["metadata"]["name"]) <= 253
        assert ".." not in first["metadata"]["name"]
        assert 1000 < len(first["note"].encode()) <= 1024
        assert second["note"] == "Invalid"

    play(story)
