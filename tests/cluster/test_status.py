"""Status and Events on a real API server: written once, by the leader, for people and for nobody's churn."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from authz.kube.api import Api, connect
from authz.kube.events import Events
from authz.kube.programmed import Replica
from authz.kube.reflector import Reflector
from authz.kube.writer import StatusWriter
from authz.model.policy import PolicyName
from authz.service.standing import Condition, Standing
from tests.cluster.accounts import account, grant, rule
from tests.cluster.contender import WallClock
from tests.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

POLICIES = "/apis/ingress-authz.dev/v1alpha1/namespaces/{}/authpolicies"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{}/events"
APPLY = {"content-type": "application/apply-patch+yaml"}
ACCEPTED = Condition("Accepted", "True", "Accepted", "the policy is valid")
RESOLVED = Condition("ResolvedRefs", "True", "ResolvedRefs", "everything that it names is there")
INVALID = Condition("Accepted", "False", "Invalid", "spec.rules[0]: unknown issuer; name one of spec.issuers")
EVERYTHING = 10**15


class Leader:
    """The writing side of a leader of one namespace, with what it is told."""

    def __init__(self, api: Api, namespace: str) -> None:
        clock = WallClock()
        self.api = api
        self.namespace = namespace
        self.reflector = Reflector(api, POLICIES.format(namespace), clock, lambda: None)
        self.events = Events(api, "pod-a", clock)
        self.live: tuple[Replica, ...] = (Replica("pod-a", EVERYTHING, frozenset()),)
        self.writer = StatusWriter(api, clock, lambda: True, lambda: self.live, lambda: self.reflector.store, self.events)

    def tell(self, *conditions: Condition, **more: Any) -> None:
        """Say the same of every policy that is in the store."""
        standings = {}
        for each in self.reflector.store.values():
            name = PolicyName(self.namespace, each["metadata"]["name"])
            standings[name] = Standing(name, each["metadata"]["generation"], True, conditions or (ACCEPTED, RESOLVED), **more)
        self.writer.told(standings)

    async def until(self, holds: Callable[[], bool], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110 - the other side of a socket has no event
                await asyncio.sleep(0.02)

    def status(self, name: str = "orders") -> dict[str, Any]:
        return self.reflector.store[f"{self.namespace}/{name}"].get("status", {})  # type: ignore[no-any-return]

    def conditions(self, name: str = "orders") -> dict[str, dict[str, Any]]:
        return {each["type"]: each for each in self.status(name).get("conditions", ())}

    @property
    def versions(self) -> dict[str, str]:
        return {key: each["metadata"]["resourceVersion"] for key, each in self.reflector.store.items()}


@asynccontextmanager
async def leading(kubeconfig: Path, namespace: str) -> AsyncIterator[Leader]:
    leader = Leader(await connect(kubeconfig), namespace)
    tasks = [asyncio.create_task(part.run()) for part in (leader.reflector, leader.writer, leader.events)]
    try:
        await leader.until(lambda: leader.reflector.is_synced)
        yield leader
        assert not any(task.done() for task in tasks), tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await leader.api.close()


def put(cluster: ControlPlane, namespace: str, name: str = "orders", host: str = "api.example.com") -> None:
    spec = {"hosts": [host], "rules": [{"name": "all", "allow": [{"name": "anyone", "anonymous": {}}]}]}
    body = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": name}, "spec": spec}
    path = f"{POLICIES.format(namespace)}/{name}"
    answer = cluster.ask("PATCH", path, body, params={"fieldManager": "test", "force": "true"}, headers=APPLY)
    assert answer.status in (200, 201), answer.message


def put_status(cluster: ControlPlane, namespace: str, manager: str, status: dict[str, Any]) -> None:
    body = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": "orders"}, "status": status}
    path = f"{POLICIES.format(namespace)}/orders/status"
    answer = cluster.ask("PATCH", path, body, params={"fieldManager": manager, "force": "true"}, headers=APPLY)
    assert answer.status == 200, answer.message


def foreign(kind: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": "Fine", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def test_a_status_is_written_once_and_a_second_pass_of_a_new_leader_changes_no_resource_version(
    cluster: ControlPlane, namespace: str
) -> None:
    for number in range(5):
        put(cluster, namespace, f"p{number}")

    async def story() -> None:
        gateway = ((PolicyName("infra", "public"), (ACCEPTED, RESOLVED)),)
        async with leading(cluster.kubeconfig, namespace) as leader:
            leader.tell(ancestors=gateway)
            await leader.until(lambda: leader.writer.counts["success"] == 5)
            await leader.until(lambda: all(leader.status(f"p{number}") for number in range(5)))
            before = leader.versions
            assert leader.status("p0")["ancestors"][0]["controllerName"] == "ingress-authz.dev/authz"
        async with leading(cluster.kubeconfig, namespace) as leader:
            leader.tell(ancestors=gateway)
            await asyncio.sleep(1.5)  # Three looks at everything; an absence has no event.
            assert leader.writer.counts == {"success": 0, "conflict": 0, "failure": 0}
            assert leader.versions == before

    asyncio.run(story())
    told = cluster.kubectl("get", "authpol", "-n", namespace, "-o", "wide").stdout.splitlines()
    assert [line.split()[3:6] for line in told[1:]] == [["True", "True", "Programmed"]] * 5


def test_two_of_three_becomes_three_of_three_and_only_a_changed_status_is_a_transition(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace)

    async def story() -> None:
        async with leading(cluster.kubeconfig, namespace) as leader:
            at = Replica("pod-b", EVERYTHING, frozenset())
            without = Replica("pod-c", EVERYTHING, frozenset({PolicyName(namespace, "orders")}))
            leader.live = (*leader.live, at, without)
            leader.tell()
            await leader.until(lambda: "Programmed" in leader.conditions())
            first = leader.conditions()
            assert first["Programmed"]["message"] == "loaded by 2 of 3 replicas; no version is used by pod-c: see its log"
            now = int(time.time())
            await leader.until(lambda: int(time.time()) > now)
            leader.live = (*leader.live[:2], Replica("pod-c", EVERYTHING, frozenset()))
            await leader.until(lambda: leader.conditions()["Programmed"]["status"] == "True")
            second = leader.conditions()
            assert second["Programmed"]["message"] == "loaded by 3 of 3 replicas"
            assert second["Accepted"] == first["Accepted"]
            assert second["Programmed"]["lastTransitionTime"] > first["Programmed"]["lastTransitionTime"]

    asyncio.run(story())


def test_what_others_say_of_a_policy_survives(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace)
    ref = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "infra", "name": "public"}
    theirs = {"ancestorRef": ref, "controllerName": "example.com/mesh", "conditions": [foreign("Accepted")]}
    put_status(cluster, namespace, "mesh", {"conditions": [foreign("MeshReady")], "ancestors": [theirs]})

    async def story() -> None:
        async with leading(cluster.kubeconfig, namespace) as leader:
            ready = Condition("KeysReady", "True", "KeysReady", "")
            leader.tell(ACCEPTED, ready, ancestors=((PolicyName("infra", "public"), (ACCEPTED,)),))
            await leader.until(lambda: "KeysReady" in leader.conditions())
            assert leader.conditions()["MeshReady"] == foreign("MeshReady")
            assert leader.status()["ancestors"][0] == theirs
            assert len(leader.status()["ancestors"]) == 2
            leader.tell(ACCEPTED)
            await leader.until(lambda: "KeysReady" not in leader.conditions())
            assert leader.conditions().keys() == {"MeshReady", "Accepted", "Programmed"}
            assert leader.status()["ancestors"] == [theirs]
            await asyncio.sleep(1.2)  # Two more looks; an absence has no event.
            assert leader.writer.counts["success"] == 2

    asyncio.run(story())


def test_a_policy_that_changes_under_a_write_is_read_anew_and_judged_first(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace)

    async def story() -> None:
        async with leading(cluster.kubeconfig, namespace) as leader:
            stale = dict(leader.reflector.store)
            leader.writer._observed = lambda: stale
            await asyncio.to_thread(put_status, cluster, namespace, "mesh", {"conditions": [foreign("MeshReady")]})
            leader.tell()
            await leader.until(lambda: "Accepted" in leader.conditions())
            assert leader.writer.counts == {"success": 1, "conflict": 1, "failure": 0}
            stale = dict(leader.reflector.store)
            await asyncio.to_thread(put, cluster, namespace, "orders", "other.example.com")
            leader.writer.told({PolicyName(namespace, "orders"): Standing(PolicyName(namespace, "orders"), 1, True, (INVALID,))})
            await leader.until(lambda: leader.writer.counts["conflict"] == 2)
            await leader.until(lambda: leader.reflector.store[f"{namespace}/orders"]["metadata"]["generation"] == 2)
            assert leader.conditions()["Accepted"]["status"] == "True", "nothing is said of a spec that was not judged"

    asyncio.run(story())


def test_a_right_that_is_missing_is_named_and_once_granted_the_status_follows(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    put(cluster, namespace)
    reading = rule("ingress-authz.dev", "authpolicies", "get", "list", "watch")
    kubeconfig = account(cluster, namespace, "authz", tmp_path, reading)

    async def story() -> None:
        async with leading(kubeconfig, namespace) as leader:
            leader.tell()
            await leader.until(lambda: leader.writer.counts["failure"] == 1)
            assert "grant patch on authpolicies/status" in leader.writer.failure
            assert "forbidden" in leader.writer.failure
            writing = rule("ingress-authz.dev", "authpolicies/status", "patch")
            telling = rule("events.k8s.io", "events", "create")
            await asyncio.to_thread(grant, cluster, namespace, "authz", reading, writing, telling)
            leader.writer._term._refused.clear()  # Its half minute is over.
            await leader.until(lambda: "Accepted" in leader.conditions())
            await leader.until(lambda: leader.events.counts["success"] == 1)
            assert leader.writer.failure == ""

    asyncio.run(story())


def test_kubectl_describe_tells_what_changed_and_no_more_than_that(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace)

    async def story() -> None:
        async with leading(cluster.kubeconfig, namespace) as leader:
            leader.tell()
            await leader.until(lambda: leader.events.counts["success"] == 1)
            leader.tell(INVALID, RESOLVED)
            await leader.until(lambda: leader.events.counts["success"] == 2)
            await leader.until(lambda: leader.conditions()["Accepted"]["status"] == "False")
            leader.tell(INVALID, RESOLVED)
            leader.live = (*leader.live, Replica("pod-b", EVERYTHING, frozenset()))
            await leader.until(lambda: "2 of 2" in leader.conditions()["Programmed"]["message"])
            assert leader.events.counts == {"success": 2, "failure": 0, "dropped": 0}

    asyncio.run(story())
    described = cluster.kubectl("describe", "authpol", "orders", "-n", namespace).stdout.partition("Events:")[2]
    assert "Normal   Programmed" in described, described
    assert "Warning  Invalid" in described
    assert "name one of spec.issuers" in described
    events = cluster.ask("GET", EVENTS.format(namespace)).body["items"]
    assert {each["regarding"]["uid"] for each in events} == {
        cluster.ask("GET", f"{POLICIES.format(namespace)}/orders").body["metadata"]["uid"]
    }
    assert "api.example.com" not in json.dumps(events), "nothing of the spec is told"
