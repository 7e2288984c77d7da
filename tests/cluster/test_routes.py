"""Policies for Gateways and routes: a real API server says which routes there are, requests come through a real Envoy."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from authz.cli.main import cli
from authz.model.operator import ClientAddress, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.settings import ClusterSettings
from tests.cluster import objects
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import EVERYONE, NOBODY, POLICIES, ROUTES, another_namespace, deleted, gateway, policy, route, to
from tests.cluster.test_serve import becomes
from tests.e2e.stack import Plan, Stack, running

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]


def plan(cluster: ControlPlane, *gateways: str, **operator: Any) -> Plan:
    listed = tuple(ListedGateway(PolicyName(namespace, "gw")) for namespace in gateways)
    said = Operator(ClientAddress(), host_grants=(), gateways=listed, **operator)
    return Plan(operator=said, settings={"policies": None, "cluster": ClusterSettings(cluster.kubeconfig)})


@contextmanager
def gone_afterwards(cluster: ControlPlane, *made: tuple[str, str, str]) -> Iterator[None]:
    """Nothing of a test may count in the next one: policies are read of all namespaces."""
    try:
        yield
    finally:
        for collection, namespace, name in made:
            cluster.ask("DELETE", f"{collection.format(namespace)}/{name}")


async def code(stack: Stack, path: str, **options: Any) -> str:
    return str((await stack.ask(path, **options)).json().get("code", ""))


def test_two_routes_of_two_namespaces_on_one_host_meet_their_own_policies(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    shop, team = another_namespace(cluster, namespace), another_namespace(cluster, namespace)
    gateway(cluster, namespace)
    route(cluster, shop, "orders", "/orders", of=namespace)
    route(cluster, team, "users", "/users", of=namespace)
    policy(cluster, shop, "orders", EVERYONE, targetRefs=to("HTTPRoute", "orders"))
    policy(cluster, team, "users", NOBODY, targetRefs=to("HTTPRoute", "users"))

    async def story() -> None:
        async with running(tmp_path, {}, plan(cluster, namespace)) as stack:
            assert await code(stack, "/orders/7") == ""
            assert await code(stack, "/users/7") == "rule_deny"
            assert await code(stack, "/elsewhere") == "policy_none"
            await asyncio.to_thread(policy, cluster, team, "users", EVERYONE, targetRefs=to("HTTPRoute", "users"))
            await becomes(stack, "", path="/users/7")
            await asyncio.to_thread(deleted, cluster, POLICIES, team, "users")
            await becomes(stack, "policy_none", path="/users/7")
            await asyncio.to_thread(route, cluster, team, "users", "/users", of=namespace, accepted=False)
            await asyncio.to_thread(deleted, cluster, ROUTES, shop, "orders")
            await becomes(stack, "policy_none", path="/orders/7")

    with gone_afterwards(cluster, (POLICIES, shop, "orders"), (ROUTES, team, "users")):
        asyncio.run(story())


def test_a_gateways_policy_decides_for_routes_without_one_and_its_denials_for_all(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    gateway(cluster, namespace)
    for name in ("orders", "users"):
        route(cluster, namespace, name, f"/{name}", of=namespace)
    blocked = [{"name": "blocked", "headers": [{"name": "x-bad", "values": ["yes"]}]}]
    policy(cluster, namespace, "base", NOBODY, targetRefs=to("Gateway", "gw"), deny=blocked)
    policy(cluster, namespace, "orders", EVERYONE, targetRefs=to("HTTPRoute", "orders"))

    async def story() -> None:
        async with running(tmp_path, {}, plan(cluster, namespace)) as stack:
            assert await code(stack, "/orders") == ""
            assert (await stack.ask("/orders", headers={"x-bad": "yes"})).json()["code"] == "rule_deny"
            assert await code(stack, "/users") == "rule_deny"
            override = {"targetRefs": to("Gateway", "gw"), "precedence": "Override"}
            await asyncio.to_thread(policy, cluster, namespace, "base", NOBODY, **override)
            await becomes(stack, "rule_deny", path="/orders")

    with gone_afterwards(cluster, *((POLICIES, namespace, name) for name in ("base", "orders")), (ROUTES, namespace, "orders")):
        asyncio.run(story())


def test_an_accepted_route_without_a_policy_is_denied_reported_and_passes_only_if_the_operator_says_so(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    gateway(cluster, namespace)
    route(cluster, namespace, "bare", "/bare", of=namespace)

    async def denied() -> None:
        async with running(tmp_path, {}, plan(cluster, namespace)) as stack:
            assert await code(stack, "/bare") == "policy_none"
            async with httpx2.AsyncClient(trust_env=False) as client:
                listed = (await client.get(f"{stack.admin}/routes?cover=none")).json()
            assert [each["route"] for each in listed] == [f"{namespace}/bare"]
            assert 'authz_routes{state="none"} 1.0' in await stack.metrics()

    async def passes() -> None:
        gateways = frozenset({PolicyName(namespace, "gw")})
        async with running(tmp_path, {}, plan(cluster, namespace, unprotected_gateways=gateways)) as stack:
            assert (await stack.ask("/bare")).status_code == 200
            assert (await stack.ask("/other")).status_code == 403

    with gone_afterwards(cluster, (ROUTES, namespace, "bare")):
        asyncio.run(denied())
        asyncio.run(passes())


def test_a_route_that_the_check_cannot_rule_out_must_allow_too(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    gateway(cluster, namespace)
    route(cluster, namespace, "main", "/", of=namespace)
    header = {"type": "Exact", "name": "x-canary", "value": "yes"}
    route(cluster, namespace, "canary", "/", of=namespace, headers=[header])
    policy(cluster, namespace, "main", EVERYONE, targetRefs=to("HTTPRoute", "main"))
    policy(cluster, namespace, "canary", NOBODY, targetRefs=to("HTTPRoute", "canary"))

    async def story() -> None:
        async with running(tmp_path, {}, plan(cluster, namespace)) as stack:
            assert await code(stack, "/") == ""
            assert await code(stack, "/", headers={"x-canary": "yes"}) == "rule_deny"
            assert await code(stack, "/", headers={"x-canary": "no"}) == ""
            repeated = [("x-canary", "no"), ("x-canary", "yes")]
            assert await code(stack, "/", headers=repeated) == "rule_deny"

    with gone_afterwards(
        cluster, *((POLICIES, namespace, name) for name in ("main", "canary")), *((ROUTES, namespace, name) for name in ("main", "canary"))
    ):
        asyncio.run(story())


def test_a_decision_on_policies_of_the_cluster_is_explained_from_the_command_line(cluster: ControlPlane, namespace: str) -> None:
    gateway(cluster, namespace)
    route(cluster, namespace, "orders", "/orders", of=namespace)
    policy(cluster, namespace, "orders", NOBODY, targetRefs=to("HTTPRoute", "orders"))
    where = ["--kube", "--kubeconfig", str(cluster.kubeconfig), "--gateway", f"{namespace}/gw"]
    with gone_afterwards(cluster, (POLICIES, namespace, "orders"), (ROUTES, namespace, "orders")):
        denied = CliRunner().invoke(cli, ["explain", *where, "GET", "http://localhost/orders/7"])
        assert denied.exit_code == 1, denied.output
        assert denied.output.startswith("DENY 403  rule.deny\n")
        assert f"route {namespace}/orders" in denied.output
        assert "spec.rules[0]" in denied.output
        other = CliRunner().invoke(cli, ["check", *where, "GET", "http://localhost/elsewhere"])
        assert other.output.startswith("DENY 403  policy.none\n")


def test_the_objects_module_names_what_the_server_knows(cluster: ControlPlane, namespace: str) -> None:
    for collection in (objects.POLICIES, objects.GATEWAYS, objects.ROUTES, objects.GRANTS):
        assert cluster.ask("GET", collection.format(namespace)).status == 200
