"""The store is what the server holds, whatever happens on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from authz.app import SystemClock
from authz.kube.reflector import Pace, Reflector
from tests.kube.scripted import Reply, Scripted, bookmark, event, page, policy, refusal, stream

SWIFT = Pace(silence=5, first_retry=0.01, last_retry=0.02)
IMPATIENT = Pace(silence=0.2, first_retry=0.01, last_retry=0.02)


class Scene:
    def __init__(self, server: Scripted, reflector: Reflector, changes: list[set[str]]) -> None:
        self.server, self.reflector, self.changes = server, reflector, changes

    @property
    def names(self) -> dict[str, str]:
        return {key: each["metadata"]["resourceVersion"] for key, each in self.reflector.store.items()}

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 - the other side of a socket has no event
                await asyncio.sleep(0.01)


def play(*script: Reply, story: Callable[[Scene], Awaitable[None]], pace: Pace = SWIFT) -> None:
    async def run() -> None:
        server, changes = Scripted(*script), []
        api = await server.start()
        reflector = Reflector(api, "/policies", SystemClock(), lambda: changes.append(set(reflector.store)), pace)
        task = asyncio.create_task(reflector.run())
        try:
            await story(Scene(server, reflector, changes))
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await api.close()
            await server.stop()

    asyncio.run(run())


def test_a_streaming_list_becomes_the_store_at_once_and_the_watch_follows() -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: scene.names == {"shop/a": "5"})
        assert scene.changes[0] == {"shop/a", "shop/b"}
        assert scene.server.asked[0]["sendInitialEvents"] == "true"
        assert len(scene.server.asked) == 1
        assert "managedFields" not in scene.reflector.store["shop/a"]["metadata"]

    first = [event("ADDED", policy("a", 1)), event("ADDED", policy("b", 2)), bookmark(3, ends_list=True)]
    play(stream(*first, event("MODIFIED", policy("a", 5)), event("DELETED", policy("b", 6))), story=story)


@pytest.mark.parametrize(
    "answer", [refusal(422, "sendInitialEvents is forbidden"), stream(event("ERROR", {"code": 500, "message": "etcd"}))]
)
def test_a_server_without_streaming_lists_is_asked_page_by_page(answer: Reply) -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: len(scene.server.asked) == 4)
        assert scene.names == {"shop/a": "1", "shop/b": "2"}
        assert scene.changes == [{"shop/a", "shop/b"}]
        assert scene.server.asked[2]["continue"] == "next"
        assert scene.server.asked[3]["resourceVersion"] == "7"

    play(answer, page(policy("a", 1), more="next"), page(policy("b", 2), version=7), story=story)


def test_a_watch_that_the_server_ends_goes_on_from_the_last_bookmark() -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: len(scene.server.asked) == 2)
        assert scene.server.asked[1]["resourceVersion"] == "9"
        assert scene.names == {"shop/a": "1"}

    play(stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True), bookmark(9), stays=False), story=story)


@pytest.mark.parametrize("gone", [refusal(410), stream(event("ERROR", {"code": 410, "message": "too old"}))])
def test_a_place_that_is_gone_is_listed_anew_and_nothing_is_lost_meanwhile(gone: Reply) -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: scene.names == {"shop/b": "8"})
        assert set() not in scene.changes
        assert scene.reflector.state().restarts["gone"] == 1

    begin = stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True), stays=False)
    play(begin, gone, stream(event("ADDED", policy("b", 8)), bookmark(9, ends_list=True)), story=story)


@pytest.mark.parametrize(
    "fault", [refusal(500), refusal(403), refusal(429), refusal(401), stream(b'{"type": "ADD', stays=False), refusal(404)]
)
def test_no_error_empties_the_store(fault: Reply) -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: len(scene.server.asked) >= 3)
        assert scene.names.keys() == {"shop/a"}
        assert all(change == {"shop/a"} for change in scene.changes)

    begin = stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True), stays=False)
    play(begin, fault, stream(event("ADDED", policy("a", 1)), bookmark(3, ends_list=True)), story=story)


def test_silence_ends_a_watch() -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: scene.names == {"shop/a": "4"})
        assert scene.reflector.state().restarts["silent"] >= 1

    begin = stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True))
    play(begin, stream(event("MODIFIED", policy("a", 4))), story=story, pace=IMPATIENT)


def test_a_list_that_is_cut_off_is_no_list() -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: scene.reflector.is_synced)
        assert scene.changes == [{"shop/a", "shop/b"}]

    cut = stream(event("ADDED", policy("a", 1)), stays=False)
    whole = stream(event("ADDED", policy("a", 1)), event("ADDED", policy("b", 2)), bookmark(3, ends_list=True))
    play(cut, whole, story=story)


def test_what_did_not_change_stays_the_very_same_object_through_a_new_list() -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: "shop/a" in scene.names)
        before = scene.reflector.store["shop/a"]
        await scene.until(lambda: "shop/b" in scene.names)
        assert scene.reflector.store["shop/a"] is before

    begin = stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True), stays=False)
    again = stream(event("ADDED", policy("a", 1)), event("ADDED", policy("b", 3)), bookmark(4, ends_list=True))
    play(begin, refusal(410), again, story=story)


def test_an_event_that_tells_nothing_new_changes_nothing() -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: len(scene.changes) == 2)
        assert scene.names == {"shop/a": "1", "shop/b": "4"}

    twice: list[Any] = [event("MODIFIED", policy("a", 1)), event("DELETED", policy("never", 3)), event("ADDED", policy("b", 4))]
    play(stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True), *twice), story=story)


def test_a_server_that_is_away_is_asked_again_without_a_storm() -> None:
    async def story(scene: Scene) -> None:
        await scene.until(lambda: scene.reflector.is_synced)
        assert len(scene.server.asked) == 31
        assert scene.reflector.failure == ""

    play(*[refusal(503)] * 30, stream(bookmark(1, ends_list=True)), story=story)
