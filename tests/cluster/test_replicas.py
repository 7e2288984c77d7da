"""Replicas that tell the leader what they have loaded, on a real API server: two, wired as the service is, and fifty."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from authz.kube.api import Api, connect
from authz.kube.elector import Elector, LeasePace
from authz.kube.events import Events
from authz.kube.reflector import Reflector
from authz.kube.replicas import ReplicaPace, Replicas
from authz.kube.writer import StatusWriter
from authz.model.policy import PolicyName
from authz.service.standing import Standing
from tests.cluster.accounts import account, rule
from tests.cluster.contender import WallClock
from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_status import ACCEPTED, POLICIES, put

pytestmark = pytest.mark.cluster

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
LEASE_RIGHTS = rule("coordination.k8s.io", "leases", "get", "list", "watch", "create", "update", "patch", "delete")
PACE = LeasePace(lease=2, deadline=1.4, retry=0.3, request=1.0)
HASTE = ReplicaPace(news=0.2, renew=0.5, live=3, look=0.2)
NOTHING: frozenset[PolicyName] = frozenset()


class Pod:
    """The writing side of one replica, wired as the service wires it. While `is_deaf`, it applies nothing."""

    def __init__(self, api: Api, namespace: str, name: str, pace: ReplicaPace | None = None) -> None:
        clock = WallClock()
        self.api, self.name, self.namespace = api, name, namespace
        self.is_deaf = False
        self.not_in_use = NOTHING
        self.policies = Reflector(api, POLICIES.format(namespace), clock, self.apply)
        self.elector = Elector(api, namespace, "ingress-authz", name, clock, PACE)
        self.replicas = Replicas(api, namespace, name, clock, lambda: self.elector.is_leader, pace, uid="0d9c")
        self.events = Events(api, name, clock)
        self.writer = StatusWriter(
            api, clock, lambda: self.elector.is_leader, self.replicas.known, lambda: self.policies.store, self.events
        )
        self._tasks = [asyncio.create_task(part.run()) for part in (self.policies, self.elector, self.replicas, self.events, self.writer)]
        self._generations: dict[str, int] = {}

    def apply(self) -> None:
        """Take every policy for accepted, and say so, as an update does."""
        if self.is_deaf:
            return
        generations = {key: each["metadata"]["generation"] for key, each in self.policies.store.items()}
        names = [PolicyName(*key.split("/")) for key in generations]
        self.writer.told({name: Standing(name, generations[str(name)], True, (ACCEPTED,)) for name in names})
        self.replicas.loaded(self.policies.version, self.not_in_use, soon=generations != self._generations)
        self._generations = generations

    async def end(self) -> None:
        """End as by SIGKILL, without a word."""
        assert not any(task.done() for task in self._tasks), self._tasks
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        await self.end()
        await self.elector.close()
        await self.replicas.close()
        await self.api.close()


@asynccontextmanager
async def pods(kubeconfig: Path, namespace: str, *names: str, pace: ReplicaPace | None = None) -> AsyncIterator[dict[str, Pod]]:
    running: dict[str, Pod] = {}
    try:
        for name in names:
            running[name] = Pod(await connect(kubeconfig), namespace, name, pace)
        yield running
    finally:
        for pod in running.values():
            await pod.stop()


async def until(holds: Callable[[], object], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - the other side of a socket has no event
            await asyncio.sleep(0.02)


def programmed(pod: Pod, name: str = "orders") -> str:
    status = pod.policies.store[f"{pod.namespace}/{name}"].get("status", {})
    return next((f"{each['status']} {each['message']}" for each in status.get("conditions", ()) if each["type"] == "Programmed"), "")


def test_two_replicas_are_counted_by_the_one_that_leads_and_the_other_goes_on_when_that_stops(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    rights = (
        LEASE_RIGHTS,
        rule("ingress-authz.dev", "authpolicies", "get", "list", "watch"),
        rule("ingress-authz.dev", "authpolicies/status", "patch"),
        rule("events.k8s.io", "events", "create"),
    )
    kubeconfig = account(cluster, namespace, "authz", tmp_path, *rights)
    put(cluster, namespace)

    async def story() -> None:
        async with pods(kubeconfig, namespace, "a", "b") as running:
            a, b = running["a"], running["b"]
            await until(lambda: a.elector.is_leader or b.elector.is_leader)
            leader, other = (a, b) if a.elector.is_leader else (b, a)
            await until(lambda: programmed(other) == "True loaded by 2 of 2 replicas")
            other.is_deaf = True
            await asyncio.to_thread(put, cluster, namespace, "orders", "other.example.com")
            await until(lambda: programmed(leader).startswith("False"))
            assert programmed(leader) == f"False loaded by 1 of 2 replicas; waiting for {other.name}: see its log"
            other.is_deaf = False
            other.apply()
            await until(lambda: programmed(leader) == "True loaded by 2 of 2 replicas")
            assert leader.writer.counts["failure"] == other.writer.counts["failure"] == 0
            assert other.writer.counts["success"] == 0
            assert (leader.replicas.failure, leader.elector.failure, leader.events.failure) == ("", "", "")
            await running.pop(leader.name).stop()
            await until(lambda: programmed(other) == "True loaded by 1 of 1 replica")

    asyncio.run(story())
    left = cluster.ask("GET", LEASES.format(namespace)).body["items"]
    assert [each["metadata"]["name"] for each in left] == ["ingress-authz"]
    assert left[0]["spec"]["holderIdentity"] == ""


def test_a_replica_that_falls_silent_is_named_until_its_lease_goes_with_its_pod(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace)

    async def story() -> None:
        async with pods(cluster.kubeconfig, namespace, "a", pace=HASTE) as running:
            a = running["a"]
            await until(lambda: a.elector.is_leader)
            b = Pod(await connect(cluster.kubeconfig), namespace, "b", HASTE)
            await until(lambda: programmed(a) == "True loaded by 2 of 2 replicas")
            await b.end()
            silence = r"no word from b since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ: see its log, or delete the pod that is silent"
            await until(lambda: re.fullmatch(f"True loaded by 2 of 2 replicas; {silence}", programmed(a)))
            await asyncio.to_thread(put, cluster, namespace, "orders", "other.example.com")
            await until(lambda: re.fullmatch(f"False loaded by 1 of 2 replicas; waiting for b; {silence}", programmed(a)))
            await b.api.delete(f"{LEASES.format(namespace)}/ingress-authz-replica-b")  # As the garbage collector does.
            await until(lambda: programmed(a) == "True loaded by 1 of 1 replica")
            await b.api.close()

    asyncio.run(story())


def test_a_replica_without_rights_to_leases_says_what_to_grant(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    kubeconfig = account(cluster, namespace, "authz", tmp_path, rule("ingress-authz.dev", "authpolicies", "get", "list", "watch"))

    async def story() -> None:
        async with pods(kubeconfig, namespace, "a") as running:
            pod = running["a"]
            await until(lambda: pod.elector.failure and pod.replicas.failure)
            assert f"grant get, create and update on leases in {namespace}" in pod.elector.failure
            assert f"grant get, list, watch, create, patch and delete on leases in {namespace}" in pod.replicas.failure
            assert not pod.elector.is_leader

    asyncio.run(story())


def written_leases(cluster: ControlPlane) -> int:
    """How many times the API server was asked to write a Lease."""
    text = cluster.ask("GET", "/metrics").message
    asked = re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", text, re.MULTILINE)
    writes = [count for labels, count in asked if 'resource="leases"' in labels and re.search('verb="(APPLY|PATCH|PUT|POST)"', labels)]
    return int(sum(map(float, writes)))


@asynccontextmanager
async def reporters(kubeconfig: Path, namespace: str, count: int) -> AsyncIterator[list[Replicas]]:
    """Replicas that only say what they have loaded, over one connection."""
    api = await connect(kubeconfig)
    many = [Replicas(api, namespace, f"replica-{number}", WallClock(), lambda: False) for number in range(count)]
    tasks = [asyncio.create_task(each.run()) for each in many]
    try:
        yield many
        assert not any(task.done() for task in tasks)
        assert not any(each.failure for each in many)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.close()


def test_fifty_replicas_write_once_a_second_at_most_and_a_new_leader_tells_of_all_ten_policies_a_second(
    cluster: ControlPlane, namespace: str
) -> None:
    for number in range(30):
        put(cluster, namespace, f"p{number}")

    async def story() -> None:
        time = asyncio.get_running_loop().time
        async with reporters(cluster.kubeconfig, namespace, 49) as many:
            began, before = time(), await asyncio.to_thread(written_leases, cluster)
            for step in range(40):
                for each in many:
                    each.loaded(str(10**9 + step), NOTHING)
                await asyncio.sleep(0.05)
            written = await asyncio.to_thread(written_leases, cluster) - before
            assert 49 * 2 <= written <= 50 * (time() - began + 1)
            async with pods(cluster.kubeconfig, namespace, "leader") as running:
                leader = running["leader"]
                await until(lambda: leader.writer.counts["success"] == 1)
                began = time()
                await until(lambda: leader.writer.counts["success"] == 30)
                assert time() - began >= 2.9
                await until(lambda: {programmed(leader, f"p{number}") for number in range(30)} == {"True loaded by 50 of 50 replicas"})
                assert leader.writer.counts == {"success": 30, "conflict": 0, "failure": 0}

    asyncio.run(story())
