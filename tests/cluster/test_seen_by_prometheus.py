"""Two replicas on a real API server, scraped by a real Prometheus while the API server dies and comes back."""

import asyncio
import io
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from authz.app import Running, Service
from authz.model.operator import ClientAddress, HostGrant, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.settings import Address, ClusterSettings, Settings
from authz.telemetry.table import CLUSTER
from monitoring.alerts import ALERTS
from monitoring.dashboard import DASHBOARD
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import EVERYONE, NOBODY, POLICIES, ROUTES, deleted, gateway, policy, route, to
from tests.monitoring.promql import selectors
from tests.monitoring.server import Api, Series, running, scrape_config
from tests.monitoring.tools import prometheus

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/ingress-authz/alerts.yaml"
# For what a replica knows of its cluster, as Grafana asks it once Prometheus scrapes every half second.
QUERIES = [
    query.expr.replace("$__rate_interval", "20s").replace("$namespace", ".*").replace("$job", "authz")
    for row in DASHBOARD.rows
    for panel in row.panels
    for query in panel.queries
    if any(name in CLUSTER for name, _ in selectors(query.expr))
]
ABOUT_CLUSTER = {alert.name: alert.expr for alert in ALERTS if any(name in CLUSTER for name, _ in selectors(alert.expr))}


@asynccontextmanager
async def replica(cluster: ControlPlane, namespace: str, name: str) -> AsyncIterator[int]:
    """The port of a replica's metrics, until the block ends."""
    said = Operator(ClientAddress(), host_grants=(HostGrant(namespace),), gateways=(ListedGateway(PolicyName(namespace, "gw")),))
    anywhere = Address("127.0.0.1", 0)
    how = ClusterSettings(cluster.kubeconfig, namespace, name)
    service = Service(Settings(None, anywhere, anywhere, said, drain_seconds=0, grace_seconds=1, cluster=how), io.StringIO())
    stopped = asyncio.Event()
    up: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(service.run(stopped, up.set_result))
    try:
        await asyncio.wait((task, up), return_when=asyncio.FIRST_COMPLETED)
        assert not task.done(), await task
        yield (await up).admin.port
    finally:
        stopped.set()
        await asyncio.gather(task, return_exceptions=True)


async def until(api: Api, expr: str, holds: Callable[[Series], bool], within: float = 30) -> Series:
    """What Prometheus says of an expression once that is as it should be."""
    found: Series = {}
    end = time.monotonic() + within
    while time.monotonic() < end:
        if holds(found := await asyncio.to_thread(api.at, expr, time.time())):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{expr}: {found}")


def single(value: float) -> Callable[[Series], bool]:
    return lambda found: [values[-1] for values in found.values()] == [value]


def test_prometheus_sees_the_leader_the_routes_and_the_api_server_s_absence(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    prometheus()
    gateway(cluster, namespace)
    route(cluster, namespace, "orders", "/orders", of=namespace)
    route(cluster, namespace, "bare", "/bare", of=namespace)
    policy(cluster, namespace, "orders", EVERYONE, targetRefs=to("HTTPRoute", "orders"))

    async def story() -> None:
        async with AsyncExitStack() as open_:
            ports = {name: await open_.enter_async_context(replica(cluster, namespace, name)) for name in ("one", "two")}
            with running(tmp_path, scrape_config(ports, RULES, "500ms")) as api:
                async with asyncio.timeout(20):
                    while not await asyncio.to_thread(api.is_ready):  # noqa: ASYNC110 - a process has no event
                        await asyncio.sleep(0.05)
                await seen_while_all_is_well(api)
                cluster.stop("kube-apiserver", signal.SIGKILL)
                await until(api, ABOUT_CLUSTER["AuthzWatchDown"], bool)
                await until(api, 'min by (instance) (increase(authz_watch_restarts_total{reason="silent"}[20s])) > 0', bool)
                await asyncio.to_thread(cluster.start_api_server)
                # An event shows that the watch is there again; without any it would be the next bookmark, within a minute.
                await asyncio.to_thread(policy, cluster, namespace, "orders", NOBODY, targetRefs=to("HTTPRoute", "orders"))
                await until(api, 'sum(authz_watch_up{resource="authpolicies"})', single(2))
                await until(api, "sum(authz_leader)", single(1))

    asyncio.run(story())
    deleted(cluster, POLICIES, namespace, "orders")
    for name in ("orders", "bare"):
        deleted(cluster, ROUTES, namespace, name)


async def seen_while_all_is_well(api: Api) -> None:
    await until(api, "count(authz_build_info)", single(2))
    await until(api, "sum(authz_leader)", single(1))
    await until(api, 'max(authz_routes{state="none"})', single(1))
    await until(api, 'max(authz_routes{state="policy"})', single(1))
    await until(api, 'sum(authz_status_writes_total{result="success"}) > 0', bool)
    # Other tests leave routes behind, too.
    await until(api, 'min(authz_watch_objects{resource="httproutes"}) >= 2', bool)
    followed = await until(api, "count by (resource) (authz_watch_up == 1)", bool)
    assert {dict(labels)["resource"] for labels in followed} >= {"authpolicies", "gateways", "httproutes", "referencegrants"}
    for name in CLUSTER:
        assert len({dict(labels)["instance"] for labels in await until(api, name, bool)}) == 2, name
    for expr in QUERIES:
        await until(api, expr, bool)
    holds = {name for name, expr in ABOUT_CLUSTER.items() if await asyncio.to_thread(api.at, expr, time.time())}
    assert holds == {"AuthzRoutesWithoutPolicy"}
