"""`authz serve --kube` on a real API server, through a real Envoy: what is applied there decides here."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from authz.model.operator import ClientAddress, HostGrant, Operator
from authz.settings import ClusterSettings
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import EVERYONE, NOBODY, POLICIES, deleted, policy
from tests.e2e.stack import Plan, Stack, running

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]


def plan(kubeconfig: Path, *grants: HostGrant) -> Plan:
    operator = Operator(ClientAddress(), host_grants=grants)
    return Plan(operator=operator, settings={"policies": None, "cluster": ClusterSettings(kubeconfig)})


async def becomes(stack: Stack, code: str, within: float = 1.0, path: str = "/") -> float:
    """Seconds until the answer has this code ("" for an allow)."""
    began = time.monotonic()
    while (await stack.ask(path)).json().get("code", "") != code:
        assert time.monotonic() - began < within, await stack.ask(path)
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def test_a_policy_that_is_applied_changed_and_deleted_counts_within_a_second(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with running(tmp_path, {}, plan(cluster.kubeconfig, HostGrant(namespace))) as stack:
            assert (await stack.ask()).json()["code"] == "policy_none"
            for rules, code in ((EVERYONE, ""), (NOBODY, "rule_deny"), (EVERYONE, "")):
                await asyncio.to_thread(policy, cluster, namespace, "orders", rules)
                await becomes(stack, code)
            await asyncio.to_thread(deleted, cluster, POLICIES, namespace, "orders")
            await becomes(stack, "policy_none")

    asyncio.run(story())


def test_hosts_are_decided_by_the_namespaces_that_the_operator_lists_only(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    stranger = f"{namespace}-stranger"
    assert cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": stranger}}).status == 201
    policy(cluster, stranger, "a-first", NOBODY)
    policy(cluster, namespace, "orders", EVERYONE)

    async def story() -> None:
        async with running(tmp_path, {}, plan(cluster.kubeconfig, HostGrant(namespace, ("localhost",)))) as stack:
            assert (await stack.ask()).status_code == 200
            problems = [line["what"] for line in stack.lines() if line.get("code") == "AZ207" and line["policy"] == f"{stranger}/a-first"]
            assert f"--hosts-from {stranger}=localhost" in problems[0]

    asyncio.run(story())
    deleted(cluster, POLICIES, stranger, "a-first")
    deleted(cluster, POLICIES, namespace, "orders")


def test_of_two_policies_that_claim_one_host_the_older_decides(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    policy(cluster, namespace, "z-older", EVERYONE)
    created = cluster.ask("GET", f"{POLICIES.format(namespace)}/z-older").body["metadata"]["creationTimestamp"]

    async def story() -> None:
        async with running(tmp_path, {}, plan(cluster.kubeconfig, HostGrant(namespace))) as stack:
            assert (await stack.ask()).status_code == 200
            # The server's time stamps are whole seconds.
            while time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) <= created:  # noqa: ASYNC110 - the clock has no event
                await asyncio.sleep(0.05)
            await asyncio.to_thread(policy, cluster, namespace, "a-younger", NOBODY)
            async with asyncio.timeout(2):
                while not any(line.get("code") == "AZ205" for line in stack.lines()):  # noqa: ASYNC110 - a log has no event
                    await asyncio.sleep(0.02)
            assert (await stack.ask()).status_code == 200
            await asyncio.to_thread(deleted, cluster, POLICIES, namespace, "z-older")
            await becomes(stack, "rule_deny")

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "a-younger")


def test_the_api_server_may_die_and_come_back_and_no_decision_changes_meanwhile(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    policy(cluster, namespace, "orders", EVERYONE)

    async def story() -> None:
        async with running(tmp_path, {}, plan(cluster.kubeconfig, HostGrant(namespace))) as stack:
            assert (await stack.ask()).status_code == 200
            cluster.stop("kube-apiserver", signal.SIGKILL)
            for _ in range(50):
                assert (await stack.ask()).status_code == 200
                assert (await stack.ask("/anything")).status_code == 200
            await asyncio.to_thread(cluster.start_api_server)
            assert (await stack.ask()).status_code == 200
            await asyncio.to_thread(policy, cluster, namespace, "orders", NOBODY)
            await becomes(stack, "rule_deny", within=15)

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "orders")


def test_a_service_account_that_may_only_read_policies_is_enough(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    policy(cluster, namespace, "orders", EVERYONE)
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    rule = {"apiGroups": ["ingress-authz.dev"], "resources": ["authpolicies"], "verbs": ["get", "list", "watch"]}
    assert cluster.ask("POST", f"{rbac}/clusterroles", {"metadata": {"name": namespace}, "rules": [rule]}).status == 201
    subject = {"kind": "ServiceAccount", "name": "authz", "namespace": namespace}
    binding = {
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace},
        "subjects": [subject],
    }
    assert cluster.ask("POST", f"{rbac}/clusterrolebindings", binding).status == 201
    assert cluster.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "authz"}}).status == 201
    token = cluster.ask(
        "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/authz/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}},
    ).body["status"]["token"]  # fmt: skip
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig.read_text().replace("admin-of-the-tests", token))
    (tmp_path / "folder").mkdir()

    async def story() -> None:
        async with running(tmp_path / "folder", {}, plan(kubeconfig, HostGrant(namespace))) as stack:
            assert (await stack.ask()).status_code == 200

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "orders")
