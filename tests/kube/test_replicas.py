"""Every replica says what it has loaded, seldom; the leader hears all that live."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from authz.kube.programmed import Replica
from authz.kube.replica import LABEL, lease_name, lease_of, replica_of
from authz.kube.replicas import Replicas
from authz.model.policy import PolicyName
from tests.fakes import FakeClock, settle
from tests.kube.memory import MemoryApi, Shared

LEASES = "/apis/coordination.k8s.io/v1/namespaces/authz/leases"
NOTHING: frozenset[PolicyName] = frozenset()


class Scene:
    def __init__(self, names: str) -> None:
        self.clock = FakeClock()
        self.shared = Shared(self.clock)
        self.leader = "a"
        self.apis = {name: MemoryApi(self.shared, name) for name in names}
        self.replicas = {name: self._made(name) for name in names}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def _made(self, name: str) -> Replicas:
        api: object = self.apis[name]
        return Replicas(
            api, "authz", name, self.clock, lambda: self.leader == name, monotonic=self.clock.time  # type: ignore[arg-type]
        )  # fmt: skip

    async def start(self) -> None:
        self.tasks = {name: asyncio.create_task(each.run()) for name, each in self.replicas.items()}
        await settle()

    def lease(self, name: str) -> dict[str, object] | None:
        return self.shared.objects.get(f"{LEASES}/ingress-authz-replica-{name}")

    def writes(self, name: str) -> int:
        return sum(1 for who, _, _ in self.shared.log if who == name)

    @property
    def live(self) -> dict[str, int] | None:
        known = self.replicas[self.leader].known()
        return None if known is None else {each.name: each.version for each in known if not each.silent_since}

    @property
    def silent(self) -> dict[str, str]:
        return {each.name: each.silent_since for each in self.replicas[self.leader].known() or () if each.silent_since}


def play(names: str, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        scene = Scene(names)
        await scene.start()
        try:
            await story(scene)
            assert not any(task.done() and task.exception() for task in scene.tasks.values()), scene.tasks
        finally:
            for task in scene.tasks.values():
                task.cancel()
            await asyncio.gather(*scene.tasks.values(), return_exceptions=True)

    asyncio.run(run())


def test_a_replica_is_silent_until_it_has_loaded_and_then_says_so_at_once() -> None:
    async def story(scene: Scene) -> None:
        await scene.clock.advance(60)
        assert scene.shared.log == []
        scene.replicas["b"].loaded("17", frozenset({PolicyName("shop", "x")}))
        await settle()
        lease = scene.lease("b")
        assert lease is not None
        assert replica_of(lease) == Replica("b", 17, frozenset({PolicyName("shop", "x")}))
        assert lease["metadata"]["labels"] == {LABEL: "true"}  # type: ignore[index]
        assert lease["spec"] == {"holderIdentity": "b", "leaseDurationSeconds": 30, "renewTime": "2027-01-15T08:01:00.000000Z"}

    play("ab", story)


def test_many_changes_are_one_write_a_second_and_silence_is_one_in_ten() -> None:
    async def story(scene: Scene) -> None:
        for version in range(100):
            scene.replicas["b"].loaded(str(version), NOTHING)
            await scene.clock.advance(0.1)
        assert 9 <= scene.writes("b") <= 11
        await scene.clock.advance(1)
        before = scene.writes("b")
        await scene.clock.advance(100)
        assert 9 <= scene.writes("b") - before <= 13

    play("ab", story)


def test_a_version_that_changed_no_policy_is_told_with_the_next_renewal() -> None:
    async def story(scene: Scene) -> None:
        scene.replicas["b"].loaded("1", NOTHING)
        await settle()
        for version in range(2, 52):
            scene.replicas["b"].loaded(str(version), NOTHING, soon=False)
            await scene.clock.advance(0.1)
        assert scene.writes("b") == 1
        await scene.clock.advance(10)
        assert scene.live == {"b": 51}

    play("ab", story)


def test_the_leader_hears_all_and_a_change_within_a_second() -> None:
    async def story(scene: Scene) -> None:
        for name in "abc":
            scene.replicas[name].loaded("5", NOTHING)
        await scene.clock.advance(1)
        assert scene.live == {"a": 5, "b": 5, "c": 5}
        again = scene.replicas["a"].known()
        await scene.clock.advance(9.5)
        assert scene.replicas["a"].known() is again, "a renewal is no news"
        scene.replicas["c"].loaded("6", NOTHING)
        await scene.clock.advance(1)
        assert scene.live == {"a": 5, "b": 5, "c": 6}
        assert scene.replicas["b"].known() is None, "who does not lead does not listen"

    play("abc", story)


def test_one_that_leaves_is_gone_at_once_and_one_that_falls_silent_after_half_a_minute() -> None:
    async def story(scene: Scene) -> None:
        for name in "abc":
            scene.replicas[name].loaded("5", NOTHING)
        await scene.clock.advance(20)
        await scene.replicas["b"].close()
        await settle()
        assert scene.live == {"a": 5, "c": 5}
        scene.apis["c"].cut = True
        await scene.clock.advance(19)
        assert scene.live == {"a": 5, "c": 5}
        await scene.clock.advance(12)
        assert scene.live == {"a": 5}
        lease = scene.lease("c")
        assert lease is not None
        renewed: str = lease["spec"]["renewTime"]  # type: ignore[index]
        assert scene.silent == {"c": f"{renewed.partition('.')[0]}Z"}
        again = scene.replicas["a"].known()
        await scene.clock.advance(9)
        assert scene.replicas["a"].known() is again, "silence that lasts is no news"
        scene.apis["c"].cut = False
        await scene.clock.advance(15)
        assert (scene.live, scene.silent) == ({"a": 5, "c": 5}, {})

    play("abc", story)


def test_a_write_that_is_under_way_when_a_replica_leaves_does_not_bring_its_lease_back() -> None:
    async def story(scene: Scene) -> None:
        scene.apis["b"].latency = 4.0
        scene.replicas["b"].loaded("5", NOTHING)
        await scene.clock.advance(1)
        leaving = asyncio.create_task(scene.replicas["b"].close())
        await scene.clock.advance(30)
        assert leaving.done()
        assert scene.lease("b") is None

    play("ab", story)


def test_only_its_own_renewal_keeps_a_replica_alive() -> None:
    async def story(scene: Scene) -> None:
        for name in "ac":
            scene.replicas[name].loaded("5", NOTHING)
        await scene.clock.advance(1)
        scene.apis["c"].cut = True
        for _ in range(7):
            await scene.clock.advance(5)
            lease = scene.lease("c")
            assert lease is not None
            scene.shared.put(f"{LEASES}/ingress-authz-replica-c", lease)
        assert scene.live == {"a": 5}

    play("ac", story)


def test_what_a_replica_left_behind_days_ago_counts_for_nothing_and_is_cleared_away() -> None:
    async def story(scene: Scene) -> None:
        dead = lease_of(Replica("z", 1, NOTHING), 30, "2027-01-10T08:00:00.000000Z")
        scene.shared.put(f"{LEASES}/ingress-authz-replica-z", dead)
        scene.replicas["a"].loaded("5", NOTHING)
        await scene.clock.advance(0.4)
        assert (scene.live, scene.silent) == ({"a": 5}, {})
        await scene.clock.advance(590)
        assert scene.lease("z") is not None
        await scene.clock.advance(20)
        assert scene.lease("z") is None
        assert scene.lease("a") is not None

    play("a", story)


def test_a_silent_pod_is_told_for_as_long_as_it_is_there_and_one_that_is_no_pod_for_ten_minutes() -> None:
    async def story(scene: Scene) -> None:
        pod = lease_of(Replica("z", 1, NOTHING), 30, "2027-01-10T08:00:00.000000Z", uid="0d9c")
        assert pod["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "z", "uid": "0d9c"}]
        scene.shared.put(f"{LEASES}/ingress-authz-replica-z", pod)
        for name in "ab":
            scene.replicas[name].loaded("5", NOTHING)
        await scene.clock.advance(0.4)
        scene.apis["b"].cut = True
        await scene.clock.advance(590)
        assert scene.silent == {"b": "2027-01-15T08:00:00Z", "z": "2027-01-10T08:00:00Z"}
        await scene.clock.advance(20)
        assert scene.silent == {"z": "2027-01-10T08:00:00Z"}
        scene.shared.remove(f"{LEASES}/ingress-authz-replica-z")
        await settle()
        assert (scene.live, scene.silent) == ({"a": 5}, {})

    play("ab", story)


def test_a_new_leader_hears_all_within_a_second_and_a_clock_that_is_off_costs_one_renewal() -> None:
    async def story(scene: Scene) -> None:
        for name in "abc":
            scene.replicas[name].loaded("5", NOTHING)
        await scene.clock.advance(5)
        lagging = lease_of(Replica("slow-clock", 5, NOTHING), 30, "2027-01-15T07:50:05.000000Z")
        scene.shared.put(f"{LEASES}/ingress-authz-replica-slow-clock", lagging)
        scene.leader = "b"
        await scene.clock.advance(1)
        assert scene.live == {"a": 5, "b": 5, "c": 5}
        lagging["spec"]["renewTime"] = "2027-01-15T07:50:15.000000Z"
        scene.shared.put(f"{LEASES}/ingress-authz-replica-slow-clock", lagging)
        await settle()
        assert scene.live == {"a": 5, "b": 5, "c": 5, "slow-clock": 5}

    play("abc", story)


@pytest.mark.parametrize(("version", "renewed"), [("9" * 5000, "2027-01-15T08:00:00.000000Z"), ("7", "9999-12-31T23:59:59.999999Z")])
def test_a_lease_that_says_nonsense_hides_no_other(version: str, renewed: str) -> None:
    async def story(scene: Scene) -> None:
        odd = lease_of(Replica("odd", 7, NOTHING), 30, renewed)
        odd["metadata"]["annotations"]["ingress-authz.dev/loaded-version"] = version
        scene.shared.put(f"{LEASES}/ingress-authz-replica-odd", odd)
        for name in "ab":
            scene.replicas[name].loaded("5", NOTHING)
        await scene.clock.advance(1)
        assert scene.live == {"a": 5, "b": 5, "odd": 7 if version == "7" else 0}

    play("ab", story)


def test_a_refusal_says_what_to_grant_and_the_leader_still_knows_of_itself() -> None:
    async def story(scene: Scene) -> None:
        scene.replicas["a"].loaded("5", NOTHING)
        await scene.clock.advance(1)
        scene.apis["a"].refuses = 403
        scene.replicas["a"].loaded("6", NOTHING)
        await scene.clock.advance(2)
        assert "grant get, list, watch, create, patch and delete on leases in authz" in scene.replicas["a"].failure
        assert scene.live == {"a": 6}
        scene.apis["a"].refuses = 0
        await scene.clock.advance(4)
        assert scene.replicas["a"].failure == ""

    play("a", story)


def test_a_hundred_names_and_more_are_told_as_a_hundred_and_more() -> None:
    many = frozenset(PolicyName("shop", f"p{number:04}") for number in range(150))
    lease = lease_of(Replica("a", 1, many), 30, "")
    told = lease["metadata"]["annotations"]["ingress-authz.dev/not-in-use"]
    assert told.endswith("shop/p0099,…")
    assert replica_of(lease).not_in_use == frozenset(sorted(many, key=str)[:100])
    worst = frozenset(PolicyName("n" * 63, f"{number:03}" + "p" * 250) for number in range(150))
    assert len(str(lease_of(Replica("a", 1, worst), 30, ""))) < 40_000


def test_whatever_a_replica_is_called_its_lease_has_a_name_of_its_own() -> None:
    odd = ["Ünï", "a_b", "a-b", "A-B", "-x-", "x" * 300, "x" * 301, "a..b", "", "---"]
    leases = [lease_name(each) for each in odd]
    assert len(set(leases)) == len(odd)
    for each in leases:
        assert len(each) <= 253
        assert not any(label.startswith("-") or label.endswith("-") or not label for label in each.split("."))


def test_a_lease_that_says_nothing_is_a_replica_that_has_loaded_nothing() -> None:
    bare = {"metadata": {"name": "ingress-authz-replica-q", "annotations": {"ingress-authz.dev/loaded-version": "soon"}}, "spec": None}
    assert replica_of(bare) == Replica("q", 0, NOTHING)
