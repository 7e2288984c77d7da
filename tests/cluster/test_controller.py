"""The whole controller on a real API server: what is applied is judged, loaded by every replica, and said so in the status."""

import asyncio
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import EVERYONE, GRANTS, POLICIES, ROUTES, another_namespace, applied, deleted, gateway, policy, route, to
from tests.cluster.serving import eventually, replica

pytestmark = pytest.mark.cluster

CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
TOKEN = {"issuers": ["idp"]}
READERS = [{"name": "all", "allow": [{"name": "reader", "jwt": TOKEN}]}]


def status(cluster: ControlPlane, namespace: str, name: str) -> dict[str, Any]:
    return dict(cluster.ask("GET", f"{POLICIES.format(namespace)}/{name}").body.get("status") or {})


def conditions(cluster: ControlPlane, namespace: str, name: str) -> dict[str, tuple[str, str, str]]:
    found = status(cluster, namespace, name).get("conditions", ())
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in found}


def test_a_sound_policy_is_accepted_and_programmed_and_the_columns_say_so(cluster: ControlPlane, namespace: str) -> None:
    policy(cluster, namespace, "orders", EVERYONE)

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace):
            await eventually(lambda: conditions(cluster, namespace, "orders").get("Programmed", ("",))[0] == "True")
            found = conditions(cluster, namespace, "orders")
            assert found["Accepted"] == ("True", "Accepted", "the spec has no mistake")
            assert found["ResolvedRefs"][0] == "True"
            assert "1 of 1" in found["Programmed"][2]
            columns = await asyncio.to_thread(cluster.kubectl, "get", "authpol", "-n", namespace, "-o", "wide")
            assert columns.stdout.split("\n")[0].split() == ["NAME", "TARGET", "MODE", "ACCEPTED", "PROGRAMMED", "REASON", "RULES", "AGE"]
            row = columns.stdout.split("\n")[1].split()
            assert row[:7] == ["orders", '["localhost"]', "Enforce", "True", "True", "Programmed", "all"]

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "orders")


def test_a_broken_edit_says_so_and_that_the_earlier_version_stays(cluster: ControlPlane, namespace: str) -> None:
    policy(cluster, namespace, "orders", EVERYONE)

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace):
            await eventually(lambda: conditions(cluster, namespace, "orders").get("Programmed", ("",))[0] == "True")
            loop = [*EVERYONE, {"name": "never", "allow": []}]
            await asyncio.to_thread(policy, cluster, namespace, "orders", loop)
            found = await eventually(lambda: (c := conditions(cluster, namespace, "orders"))["Accepted"][0] == "False" and c)
            assert found["Accepted"][1] == "Invalid"
            assert 'rule "never" can never match' in found["Accepted"][2]
            assert "The last version that was accepted stays in force" in found["Accepted"][2]
            assert found["Programmed"][:2] == ("False", "Stale")

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "orders")


def test_an_attached_policy_has_its_gateways_as_ancestors_and_a_target_that_goes_is_told(cluster: ControlPlane, namespace: str) -> None:
    gateway(cluster, namespace)
    route(cluster, namespace, "orders", "/orders", of=namespace)
    policy(cluster, namespace, "orders", EVERYONE, targetRefs=to("HTTPRoute", "orders"))

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace):
            found = await eventually(lambda: status(cluster, namespace, "orders").get("ancestors"))
            assert found[0]["ancestorRef"] == {
                "group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": namespace, "name": "gw",
            }  # fmt: skip
            assert found[0]["controllerName"] == "ingress-authz.dev/authz"
            assert {each["type"]: each["status"] for each in found[0]["conditions"]}["Accepted"] == "True"
            await asyncio.to_thread(deleted, cluster, ROUTES, namespace, "orders")
            gone = await eventually(lambda: (c := conditions(cluster, namespace, "orders"))["Accepted"][0] == "False" and c)
            assert gone["Accepted"][1] == "TargetNotFound"
            assert f"there is no HTTPRoute {namespace}/orders; correct the name, or create it" in gone["Accepted"][2]
            assert status(cluster, namespace, "orders").get("ancestors", []) == []

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "orders")


def test_references_are_resolved_with_a_grant_only_and_their_loss_counts_at_once(cluster: ControlPlane, namespace: str) -> None:
    platform = another_namespace(cluster, namespace)
    applied(cluster, CONFIG_MAPS, platform, "keys", {"kind": "ConfigMap", "data": {"jwks.json": '{"keys": []}'}})
    issuer = {
        "name": "idp", "issuer": "https://idp.example.com",
        "jwksFrom": {"kind": "ConfigMap", "name": "keys", "namespace": platform},
    }  # fmt: skip
    policy(cluster, namespace, "orders", READERS, audiences=["orders"], issuers=[issuer])

    def resolved() -> tuple[str, str, str]:
        return conditions(cluster, namespace, "orders").get("ResolvedRefs", ("", "", ""))

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace) as one:
            await eventually(lambda: resolved()[1] == "RefNotPermitted")
            assert "no ReferenceGrant there permits it" in resolved()[2]
            permit = {
                "from": [{"group": "ingress-authz.dev", "kind": "AuthPolicy", "namespace": namespace}],
                "to": [{"group": "", "kind": "ConfigMap"}],
            }
            await asyncio.to_thread(applied, cluster, GRANTS, platform, "authz", {"kind": "ReferenceGrant", "spec": permit})
            await eventually(lambda: resolved()[0] == "True" or "empty" in resolved()[2] or resolved()[1] == "ReferenceNotFound")
            await asyncio.to_thread(deleted, cluster, GRANTS, platform, "authz")
            await eventually(lambda: resolved()[1] == "RefNotPermitted")
            assert one.service.metrics.faults == 0

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "orders")


def test_two_replicas_are_counted_and_a_second_pass_writes_nothing(cluster: ControlPlane, namespace: str) -> None:
    policy(cluster, namespace, "orders", EVERYONE)

    def version() -> str:
        return str(cluster.ask("GET", f"{POLICIES.format(namespace)}/orders").body["metadata"]["resourceVersion"])

    async def story() -> None:
        async with replica(cluster.kubeconfig, namespace, "one"):
            async with replica(cluster.kubeconfig, namespace, "two"):
                await eventually(lambda: "2 of 2" in conditions(cluster, namespace, "orders").get("Programmed", ("", "", ""))[2])
                before = version()
                await asyncio.to_thread(policy, cluster, namespace, "other", EVERYONE, hosts=["other.example"])
                await eventually(lambda: conditions(cluster, namespace, "other").get("Programmed", ("",))[0] == "True")
                assert version() == before
            await eventually(lambda: "1 of 1" in conditions(cluster, namespace, "orders")["Programmed"][2])

    asyncio.run(story())
    for name in ("orders", "other"):
        deleted(cluster, POLICIES, namespace, name)
