"""At most one leads, whatever the network does; and soon one does, where it can."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable

import pytest

from authz.app import SystemClock
from authz.kube.elector import Elector, LeasePace
from tests.fakes import FakeClock, settle
from tests.kube.memory import MemoryApi, Shared
from tests.kube.scripted import Scripted, refusal, silence, taken

PATH = "/apis/coordination.k8s.io/v1/namespaces/authz/leases/ingress-authz"


class Scene:
    """Some contenders for one Lease."""

    def __init__(self, names: str) -> None:
        self.clock = FakeClock()
        self.shared = Shared(self.clock)
        self.apis = {name: MemoryApi(self.shared, name) for name in names}
        self.electors = {
            name: Elector(api, "authz", "ingress-authz", name, self.clock, monotonic=self.clock.time)  # type: ignore[arg-type]
            for name, api in self.apis.items()
        }
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, *names: str) -> None:
        for name in names or self.electors:
            self.tasks[name] = asyncio.create_task(self.electors[name].run())
            await settle()

    @property
    def leaders(self) -> list[str]:
        return [name for name, elector in self.electors.items() if elector.is_leader]

    @property
    def lease(self) -> dict[str, object]:
        return self.shared.objects[PATH]["spec"]

    async def within(self, seconds: float, leaders: list[str]) -> float:
        """How long it took until these led. Never more than one on the way."""
        for step in itertools.count():
            assert len(self.leaders) <= 1
            if self.leaders == leaders:
                return step * 0.1
            assert step * 0.1 < seconds, self.leaders
            await self.clock.advance(0.1)
        raise AssertionError


def play(names: str, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        scene = Scene(names)
        try:
            await story(scene)
        finally:
            for task in scene.tasks.values():
                task.cancel()
            results = await asyncio.gather(*scene.tasks.values(), return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results), results

    asyncio.run(run())


def test_the_first_to_come_creates_the_lease_and_leads_and_the_others_watch() -> None:
    async def story(scene: Scene) -> None:
        await scene.start("a", "b", "c")
        assert scene.leaders == ["a"]
        assert scene.lease == {
            "holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 0,
            "acquireTime": "2027-01-15T08:00:00.000000Z", "renewTime": "2027-01-15T08:00:00.000000Z",
        }  # fmt: skip
        await scene.clock.advance(60)
        assert scene.leaders == ["a"]
        assert scene.lease["acquireTime"] == "2027-01-15T08:00:00.000000Z"
        assert scene.lease["renewTime"] == "2027-01-15T08:01:00.000000Z"
        assert scene.electors["b"].leader == "a"
        assert {name for name, _, _ in scene.shared.log} == {"a"}

    play("abc", story)


def test_a_leader_that_is_cut_off_believes_in_itself_no_longer_before_another_takes_over() -> None:
    async def story(scene: Scene) -> None:
        await scene.start()
        await scene.clock.advance(20)
        scene.apis["a"].cut = True
        ended = await scene.within(11, [])
        assert ended > 7.9
        began = await scene.within(12, ["b"])
        assert began > 2.9
        assert scene.lease["leaseTransitions"] == 1
        scene.apis["a"].cut = False
        await scene.clock.advance(30)
        assert scene.leaders == ["b"]

    play("ab", story)


def test_a_leader_that_stops_frees_its_lease_and_the_next_need_not_wait_for_its_end() -> None:
    async def story(scene: Scene) -> None:
        await scene.start()
        await scene.clock.advance(20)
        await scene.electors["a"].close()
        assert scene.leaders == []
        assert scene.lease["holderIdentity"] == ""
        assert scene.lease["leaseDurationSeconds"] == 1
        await scene.within(4.5, ["b"])
        await scene.clock.advance(3)
        assert scene.tasks["a"].done()
        assert scene.lease["leaseTransitions"] == 1

    play("ab", story)


def test_one_that_does_not_lead_stops_without_touching_the_lease() -> None:
    async def story(scene: Scene) -> None:
        await scene.start()
        await scene.electors["b"].close()
        assert scene.lease["holderIdentity"] == "a"
        assert {name for name, _, _ in scene.shared.log} == {"a"}

    play("ab", story)


def test_closing_while_a_renewal_is_under_way_still_frees_the_lease() -> None:
    async def story(scene: Scene) -> None:
        await scene.start()
        scene.apis["a"].latency = 1.0
        await scene.clock.advance(2.2)
        closing = asyncio.create_task(scene.electors["a"].close())
        await scene.clock.advance(6)
        assert closing.done()
        assert scene.lease["holderIdentity"] == ""

    play("a", story)


def test_a_leader_whose_answers_get_lost_goes_on_leading_once_they_arrive() -> None:
    async def story(scene: Scene) -> None:
        await scene.start()
        scene.apis["a"].deaf = True
        await scene.clock.advance(7.5)
        assert scene.leaders == ["a"]
        assert "TimeoutError" in scene.electors["a"].failure
        scene.apis["a"].deaf = False
        await scene.clock.advance(8)
        assert scene.leaders == ["a"]
        assert scene.electors["a"].failure == ""
        assert scene.lease["leaseTransitions"] == 0

    play("a", story)


def test_a_conflict_makes_a_follower_of_the_leader() -> None:
    async def story(scene: Scene) -> None:
        await scene.start()
        stolen = scene.shared.objects[PATH]
        scene.shared.put(PATH, stolen | {"spec": {**stolen["spec"], "holderIdentity": "thief"}})
        await scene.clock.advance(2)
        assert scene.leaders == []
        assert scene.electors["a"].leader == "thief"
        await scene.within(20, ["a"])

    play("a", story)


def test_a_lease_that_is_deleted_is_created_again() -> None:
    async def story(scene: Scene) -> None:
        await scene.start()
        del scene.shared.objects[PATH]
        await scene.clock.advance(2)
        assert scene.leaders == ["a"]
        assert scene.lease["holderIdentity"] == "a"

    play("ab", story)


def test_a_lease_without_a_spec_is_free() -> None:
    async def story(scene: Scene) -> None:
        scene.shared.put(PATH, {"metadata": {"name": "ingress-authz"}})
        await scene.start()
        assert scene.leaders == ["a"]

    play("a", story)


@pytest.mark.parametrize(("status", "told"), [(403, "grant get, create and update on leases in authz"), (500, "refused")])
def test_a_refusal_is_told_with_what_to_do_and_tried_again(status: int, told: str) -> None:
    async def story(scene: Scene) -> None:
        scene.apis["a"].refuses = status
        await scene.start()
        await scene.clock.advance(10)
        assert scene.leaders == []
        assert told in scene.electors["a"].failure
        scene.apis["a"].refuses = 0
        await scene.within(5, ["a"])

    play("a", story)


@pytest.mark.parametrize("seed", range(4))
def test_in_an_hour_of_a_bad_network_there_are_never_two_leaders_and_mostly_one(seed: int) -> None:
    chance = random.Random(seed)

    async def story(scene: Scene) -> None:
        await scene.start()
        led = 0
        for _ in range(360):
            if chance.random() < 0.15:
                api = chance.choice(list(scene.apis.values()))
                api.cut, api.deaf = chance.choice([(False, False), (False, False), (True, False), (False, True)])
                api.refuses = chance.choice([0, 0, 0, 500])
                api.latency = chance.choice([0.0, 0.01, 1.0, 4.0])
            for _ in range(20):
                await scene.clock.advance(0.5)
                assert len(scene.leaders) <= 1
                led += bool(scene.leaders)
        assert led > 2000

    play("abc", story)


def test_a_server_that_falls_silent_in_its_answer_is_asked_again_and_the_lease_is_written_as_it_was_read() -> None:
    held = {"metadata": {"name": "ingress-authz", "resourceVersion": "5"}, "spec": {"holderIdentity": "", "leaseTransitions": 7}}

    async def run() -> None:
        server = Scripted(silence(), refusal(500), refusal(401), taken(held), taken(held | {"spec": {"holderIdentity": "a"}}))
        api = await server.start()
        pace = LeasePace(lease=3, deadline=2.0, retry=0.01, request=0.2)
        elector = Elector(api, "authz", "ingress-authz", "a", SystemClock(), pace)
        running = asyncio.create_task(elector.run())
        try:
            async with asyncio.timeout(5):
                while not elector.is_leader:  # noqa: ASYNC110 - the other side of a socket has no event
                    await asyncio.sleep(0.01)
            assert [request.method for request, _ in server.requests[:5]] == ["GET", "GET", "GET", "GET", "PUT"]
            body = server.requests[4][1]
            assert body["metadata"]["resourceVersion"] == "5"
            assert (body["spec"]["holderIdentity"], body["spec"]["leaseTransitions"]) == ("a", 8)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await api.close()
            await server.stop()

    asyncio.run(run())


def test_a_pace_that_could_make_two_leaders_is_refused() -> None:
    for pace in ({"lease": 10}, {"deadline": 15.0}, {"request": 11.0}, {"retry": 6.0}):
        with pytest.raises(ValueError, match="choose other seconds"):
            LeasePace(**pace)  # type: ignore[arg-type]
