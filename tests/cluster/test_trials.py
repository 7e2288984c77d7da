"""What a cluster does to a service that lives long: servers that die, histories that are forgotten, rights and tokens that go."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
import yaml

from tests.cluster.accounts import RBAC
from tests.cluster.control_plane import TOKEN, ControlPlane
from tests.cluster.objects import EVERYONE, NOBODY, POLICIES, deleted, policy
from tests.cluster.serving import Replica, decides, eventually, replica

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
NAMES = [f"p{at}" for at in range(12)]
MANY = 5_000


def put(cluster: ControlPlane, namespace: str, name: str, *, allows: bool) -> None:
    """A policy for the host of its own name."""
    policy(cluster, namespace, name, EVERYONE if allows else NOBODY, hosts=[f"{name}.example"])


@asynccontextmanager
async def watched(one: Replica, **expected: str) -> AsyncIterator[dict[str, int]]:
    """Ask again and again meanwhile; every answer must be the one that is expected of its host. Yields how many were asked."""
    counts = dict.fromkeys(expected, 0)

    async def ask() -> None:
        while True:
            for name, reason in expected.items():
                assert await one.reason(f"{name}.example") == reason, name
                counts[name] += 1
            await asyncio.sleep(0.002)

    asking = asyncio.create_task(ask())
    try:
        yield counts
    finally:
        if not asking.done():
            asking.cancel()
        found = (await asyncio.gather(asking, return_exceptions=True))[0]
        assert isinstance(found, asyncio.CancelledError), found


def held(cluster: ControlPlane) -> dict[str, Any]:
    """The specs that the API server holds."""
    found = cluster.ask("GET", "/apis/ingress-authz.dev/v1alpha1/authpolicies").body["items"]
    return {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each["spec"] for each in found}


def known(one: Replica) -> dict[str, Any]:
    """The specs that a replica goes by."""
    controller = one.service._controller
    assert controller is not None
    return {key: each["spec"] for key, each in controller._source.policies.store.items()}


def changed(cluster: ControlPlane, namespace: str, chance: random.Random) -> None:
    """Create, change or delete one of the policies NAMES, as chance has it; the server may be down."""
    name = chance.choice(NAMES)
    try:
        if chance.random() < 0.3:
            cluster.ask("DELETE", f"{POLICIES.format(namespace)}/{name}")
        else:
            put(cluster, namespace, name, allows=chance.random() < 0.5)
    except (httpx2.HTTPError, AssertionError):
        pass  # Down, or not quite up: etcd's end is told as an error.


def killed_and_started(cluster: ControlPlane, victim: str) -> None:
    cluster.stop(victim, signal.SIGKILL)
    if victim == "etcd":
        cluster.start_etcd()
        cluster.is_ready()
    else:
        cluster.start_api_server()


def test_servers_are_killed_in_the_middle_of_changes_and_the_replica_ends_up_with_what_is_there(
    cluster: ControlPlane, namespace: str
) -> None:
    chance = random.Random(4)
    put(cluster, namespace, "steady", allows=True)
    put(cluster, namespace, "shut", allows=False)

    async def change(times: int) -> None:
        for _ in range(times):
            await asyncio.to_thread(changed, cluster, namespace, chance)

    async def story() -> None:
        async with (
            replica(cluster.kubeconfig, namespace) as one,
            watched(one, steady="rule.allow", shut="rule.deny") as asked,
        ):
            for victim in ("kube-apiserver", "etcd", "kube-apiserver"):
                await change(20)
                killing = asyncio.create_task(asyncio.to_thread(killed_and_started, cluster, victim))
                await change(5)
                await killing
            await change(20)
            await eventually(lambda: known(one) == held(cluster), within=30)
            there = await asyncio.to_thread(held, cluster)
            for name in NAMES:
                spec = there.get(f"{namespace}/{name}")
                await decides(
                    one, "policy.none" if spec is None else "rule.allow" if spec["rules"][0]["allow"] else "rule.deny", f"{name}.example"
                )
            assert min(asked.values()) > 100
            assert one.service.metrics.faults == 0

    asyncio.run(story())
    for name in ("steady", "shut", *NAMES):
        cluster.ask("DELETE", f"{POLICIES.format(namespace)}/{name}")


def test_a_history_that_was_forgotten_is_a_real_410_and_everything_is_listed_anew(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace, "steady", allows=True)

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace, writes=False) as one, watched(one, steady="rule.allow"):
            assert one.service._controller is not None
            policies = one.service._controller._source.policies
            await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
            await asyncio.to_thread(cluster.forget_history)
            await asyncio.to_thread(cluster.start_api_server)
            await eventually(lambda: policies.state().restarts.get("gone", 0) == 1, within=30)
            await eventually(lambda: sum(policies.state().lists.values()) == 2)
            await asyncio.to_thread(put, cluster, namespace, "steady2", allows=False)
            await decides(one, "rule.deny", "steady2.example")

    asyncio.run(story())
    for name in ("steady", "steady2"):
        deleted(cluster, POLICIES, namespace, name)


def kubeconfig_of(cluster: ControlPlane, namespace: str, folder: Path, token: str) -> Path:
    (folder / "token").write_text(token)
    file = folder / "kubeconfig"
    file.write_text(cluster.kubeconfig.read_text().replace(f"token: {TOKEN}", f"tokenFile: {folder}/token"))
    return file


def reader(cluster: ControlPlane, namespace: str) -> str:
    """Make a ServiceAccount that may read policies everywhere; return its uid."""
    rule = {"apiGroups": ["ingress-authz.dev"], "resources": ["authpolicies"], "verbs": ["get", "list", "watch"]}
    assert cluster.ask("POST", f"{RBAC}/clusterroles", {"metadata": {"name": namespace}, "rules": [rule]}).status == 201
    bound(cluster, namespace)
    made = cluster.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "authz"}})
    assert made.status == 201
    return str(made.body["metadata"]["uid"])


def bound(cluster: ControlPlane, namespace: str) -> None:
    binding = {
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
        "subjects": [{"kind": "ServiceAccount", "name": "authz", "namespace": namespace}],
    }
    assert cluster.ask("POST", f"{RBAC}/clusterrolebindings", binding).status == 201


def a_token(cluster: ControlPlane, namespace: str, uid: str, seconds: float) -> str:
    """A ServiceAccount token, signed with the API server's own key, that expires soon: the server grants a minute more."""
    now = int(time.time()) - 60
    claims = {
        "iss": f"{cluster.url}/", "aud": [f"{cluster.url}/"], "sub": f"system:serviceaccount:{namespace}:authz",
        "iat": now, "nbf": now, "exp": now + int(seconds),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": "authz", "uid": uid}},
    }  # fmt: skip
    return jwt.encode(claims, cluster.service_account_key.read_bytes(), algorithm="RS256")


def test_a_right_that_is_taken_away_is_told_and_decisions_stand_until_it_is_back(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    put(cluster, namespace, "steady", allows=True)
    uid = reader(cluster, namespace)
    config = kubeconfig_of(cluster, namespace, tmp_path, a_token(cluster, namespace, uid, 600))

    async def story() -> None:
        async with replica(config, namespace, writes=False, gateway="") as one, watched(one, steady="rule.allow"):
            assert one.service._controller is not None
            policies = one.service._controller._source.policies
            assert cluster.ask("DELETE", f"{RBAC}/clusterrolebindings/{namespace}").status == 200
            # The server looks at rights when a watch begins, so the one that runs is ended.
            await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
            await asyncio.to_thread(cluster.start_api_server)
            await eventually(lambda: policies.refusal == 403, within=30)
            await eventually(
                lambda: any(line.get("what") == "authpolicies" for line in one.lines() if line.get("event") == "cluster.trouble")
            )
            assert not policies.state().is_up
            await asyncio.to_thread(put, cluster, namespace, "late", allows=False)
            await asyncio.to_thread(bound, cluster, namespace)
            await decides(one, "rule.deny", "late.example")
            assert policies.state().is_up

    asyncio.run(story())
    for name in ("steady", "late"):
        deleted(cluster, POLICIES, namespace, name)


def test_a_token_that_expires_is_replaced_by_what_is_in_its_file(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    put(cluster, namespace, "steady", allows=True)
    uid = reader(cluster, namespace)
    config = kubeconfig_of(cluster, namespace, tmp_path, a_token(cluster, namespace, uid, 4))

    async def story() -> None:
        async with replica(config, namespace, writes=False, gateway="") as one, watched(one, steady="rule.allow"):
            first = (tmp_path / "token").read_text()
            headers = {"authorization": f"Bearer {first}"}
            await eventually(lambda: cluster.ask("GET", "/apis/ingress-authz.dev/v1alpha1/authpolicies", headers=headers).status == 401, 30)
            (tmp_path / "token").write_text(a_token(cluster, namespace, uid, 600))
            await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
            await asyncio.to_thread(cluster.start_api_server)
            await asyncio.to_thread(put, cluster, namespace, "late", allows=False)
            await decides(one, "rule.deny", "late.example")

    asyncio.run(story())
    for name in ("steady", "late"):
        deleted(cluster, POLICIES, namespace, name)


def test_the_definition_may_be_upgraded_while_it_is_watched(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace, "steady", allows=True)
    crd = yaml.safe_load((ROOT / "crds" / "authpolicies.yaml").read_text())
    crd["spec"]["versions"][0]["additionalPrinterColumns"].pop()
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    schema["newField"] = {"type": "string", "maxLength": 8, "description": "Of the next version."}

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace, writes=False) as one, watched(one, steady="rule.allow"):
            changed = await asyncio.to_thread(cluster.kubectl, "apply", "--server-side", "-f", "-", text=yaml.safe_dump(crd))
            assert changed.returncode == 0, changed.stderr
            await asyncio.to_thread(put, cluster, namespace, "late", allows=False)
            await decides(one, "rule.deny", "late.example")

    try:
        asyncio.run(story())
    finally:
        restored = cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds" / "authpolicies.yaml"))
        assert restored.returncode == 0, restored.stderr
    for name in ("steady", "late"):
        deleted(cluster, POLICIES, namespace, name)


def test_a_restarted_replica_serves_from_its_file_while_the_server_is_away(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    put(cluster, namespace, "steady", allows=True)
    file = tmp_path / "known.json"

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace, snapshot=file) as one:
            await decides(one, "rule.allow", "steady.example")
        assert file.exists()
        await asyncio.to_thread(cluster.stop, "kube-apiserver", signal.SIGKILL)
        try:
            async with replica(cluster.kubeconfig, namespace, snapshot=file) as one, watched(one, steady="rule.allow"):
                await eventually(lambda: any(line.get("event") == "policies.restored" for line in one.lines()))
                assert b"authz_snapshot_restored 1.0" in one.service.metrics.text()
                await asyncio.to_thread(cluster.start_api_server)
                await asyncio.to_thread(put, cluster, namespace, "late", allows=False)
                await decides(one, "rule.deny", "late.example")
                await eventually(lambda: b"authz_snapshot_restored 0.0" in one.service.metrics.text())
        finally:
            await asyncio.to_thread(cluster.start_api_server)

    asyncio.run(story())
    for name in ("steady", "late"):
        deleted(cluster, POLICIES, namespace, name)


def test_five_thousand_policies_are_followed_and_no_decision_is_wrong_meanwhile(cluster: ControlPlane, namespace: str) -> None:
    put(cluster, namespace, "steady", allows=True)
    put(cluster, namespace, "shut", allows=False)

    async def story() -> None:
        async with (
            replica(cluster.kubeconfig, namespace, gateway="") as one,
            watched(one, steady="rule.allow", shut="rule.deny") as asked,
            httpx2.AsyncClient(
                verify=cluster.trust, base_url=cluster.url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False, timeout=60
            ) as client,
        ):
            numbers = iter(range(MANY))

            async def create() -> None:
                for number in numbers:
                    spec = {"hosts": [f"h{number}.example"], "rules": NOBODY if number % 2 else EVERYONE}
                    body = {
                        "apiVersion": "ingress-authz.dev/v1alpha1",
                        "kind": "AuthPolicy",
                        "metadata": {"name": f"h{number}"},
                        "spec": spec,
                    }
                    answer = await client.post(POLICIES.format(namespace), json=body)
                    assert answer.status_code == 201, answer.text

            await asyncio.gather(*(create() for _ in range(8)))
            for number in (0, 1, MANY // 2, MANY - 1):
                await decides(one, "rule.deny" if number % 2 else "rule.allow", f"h{number}.example", within=30)
            await eventually(lambda: known(one) == held(cluster), within=30)
            assert min(asked.values()) > 100
            assert one.service.metrics.faults == 0

    asyncio.run(story())
    assert cluster.ask("DELETE", POLICIES.format(namespace), timeout=120).status == 200
