"""A real Prometheus scrapes the service through a scripted quarter of an hour; then every query of the dashboard and rules is asked."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from authz.admin.server import HttpServer
from authz.telemetry.table import CLUSTER, TABLE
from monitoring.alerts import ALERTS, GROUPS
from monitoring.dashboard import DASHBOARD
from monitoring.panels import Kind, Panel
from monitoring.rules import Alert
from tests.monitoring.replicas import STEP_SECONDS, STEPS, Replica, Target, scripted, served
from tests.monitoring.server import Api, Series, running, scrape_config
from tests.monitoring.tools import prometheus

ROOT = Path(__file__).parents[2]
PANELS = [panel for row in DASHBOARD.rows for panel in row.panels]
LENGTH = STEPS * STEP_SECONDS
# Four scrapes, as Grafana takes for a data source whose interval is 15 s.
VARIABLES = {"$__rate_interval": "1m", "$namespace": ".*", "$job": "authz", "$policy": ".*"}
RECORDED = {rule.record for group in GROUPS for rule in group.rules if not isinstance(rule, Alert)}
# About what Prometheus itself sees, not what it is told: true when the quarter of an hour is over and a replica goes.
LIVE = {alert.name for alert in ALERTS if "namespace_job:" in alert.expr} | {"AuthzReplicaDown"}


@dataclass
class Seen:
    """What is left of the quarter of an hour."""

    api: Api
    began: float
    reasons: dict[str, int]
    live: dict[str, Series] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ended(self) -> float:
        return self.began + LENGTH

    def over(self, expr: str) -> Series:
        return self.api.over(asked(expr), self.began - 60, self.ended, STEP_SECONDS)

    def at(self, expr: str, minute: float) -> Series:
        return self.api.at(asked(expr), self.began + minute * 60)


def asked(expr: str) -> str:
    """An expression as Grafana asks it."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    prometheus()
    with asyncio.Runner() as runner:
        story = lived_through(tmp_path_factory.mktemp("quarter"))
        yield runner.run(anext(story))
        runner.run(story.aclose())


async def lived_through(folder: Path) -> AsyncIterator[Seen]:
    began = time.time() - LENGTH
    async with AsyncExitStack() as open_:
        service = await open_.enter_async_context(served(folder))
        replicas = {"files": service, "one": await open_.enter_async_context(scripted("one"))}
        replicas["two"] = await open_.enter_async_context(scripted("two"))
        targets, ports = await open_.enter_async_context(listening(replicas, began))
        config = scrape_config(ports, ROOT / "charts/ingress-authz/alerts.yaml", "120ms")
        api = open_.enter_context(running(folder, config))
        await reached(lambda: all(target.step > STEPS for target in targets.values()), 90)
        targets["two"].is_gone = True
        found = Seen(api, began, service.reasons)
        found.live = await true_now(api)
        found.groups = api.get("/rules")["groups"]
        yield found


@asynccontextmanager
async def listening(replicas: dict[str, Replica], began: float) -> AsyncIterator[tuple[dict[str, Target], dict[str, int]]]:
    targets = {name: Target(replica, began) for name, replica in replicas.items()}
    servers = {name: HttpServer(target.app) for name, target in targets.items()}
    try:
        yield targets, {name: await server.start("127.0.0.1", 0) for name, server in servers.items()}
    finally:
        await asyncio.gather(*(server.stop() for server in servers.values()))


async def true_now(api: Api) -> dict[str, Series]:
    """What the expressions of LIVE are once they are true; asked in another thread, for this one answers the scrapes."""
    found: dict[str, Series] = {}
    async with asyncio.timeout(30):
        while len(found) < len(LIVE):
            for alert in ALERTS:
                if alert.name in LIVE and (series := await asyncio.to_thread(api.at, alert.expr, time.time())):
                    found.setdefault(alert.name, series)
            await asyncio.sleep(0.05)
    return found


async def reached(holds: Any, within: float) -> None:
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - Prometheus tells nobody
            await asyncio.sleep(0.02)


def test_the_service_met_everything_that_the_script_says(seen: Seen) -> None:
    assert set(seen.reasons) >= {
        "rule.allow",
        "policy.unprotected",
        "credentials.missing",
        "token.expired",
        "token.audience",
        "rule.deny",
        "policy.invalid",
        "policy.none",
        "keys.unavailable",
    }


@pytest.mark.parametrize("name", TABLE)
def test_every_metric_was_scraped(seen: Seen, name: str) -> None:
    series = f"{name}_bucket" if TABLE[name][0] == "histogram" else name
    instances = {dict(labels)["instance"] for labels in seen.over(series)}
    assert instances >= ({"one", "two"} if name in CLUSTER else {"files"})
    assert "files" not in instances or name not in CLUSTER


def test_the_service_itself_times_its_reloads_and_its_stalls(seen: Seen) -> None:
    (reloads,) = seen.over('authz_reload_duration_seconds_count{instance="files"}').values()
    (stalls,) = seen.over('authz_event_loop_stall_seconds{instance="files"}').values()
    assert (reloads[0], max(reloads) >= 4, max(stalls) > 0) == (1, True, True)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_no_panel_is_empty_and_none_has_an_error(seen: Seen, panel: Panel) -> None:
    for query in panel.queries:
        found = seen.over(query.expr)
        assert found, query.expr
        assert seen.at(query.expr, 15) or panel.empty, "there is nothing to see at the end"
        assert all(value >= 0 for values in found.values() for value in values) or "time()" in query.expr
        named = {re.sub(r"\{\{(\w+)\}\}", lambda label, of=dict(labels): of.get(label[1], ""), query.legend) for labels in found}
        assert len(named) == len(found) or panel.kind is Kind.NUMBER, f"lines that cannot be told apart: {named}"
        assert "" not in named or panel.kind is Kind.NUMBER


@pytest.mark.parametrize("choice", DASHBOARD.choices, ids=lambda choice: choice.name)
def test_each_variable_has_values(seen: Seen, choice: Any) -> None:
    (expr, label) = re.fullmatch(r"label_values\((.*), (\w+)\)", choice.query).groups()  # type: ignore[union-attr]
    values = seen.api.get(f"/label/{label}/values", **{"match[]": asked(expr), "start": seen.began, "end": seen.ended})
    assert (
        values
        == {"namespace": ["edge"], "job": ["authz"], "policy": ["shop/away", "shop/bad", "shop/fetched", "shop/orders", "shop/trial"]}[
            choice.name
        ]
    )


NUMBERS = {
    "Replicas": [3],
    "Accepted routes without a policy": [2],
    # Of 15 s: 15 requests of the service's, of which 9 are denied, and 20 of each scripted replica's.
    "Checks per second": [(15 + 40) / 15],
    "Denied": [7 / 55],
    "Denied by our own fault": [2 / 55],
    "Slower than 10 ms": [12 / 55],
}


@pytest.mark.parametrize("title", NUMBERS)
def test_numbers_are_those_of_the_script(seen: Seen, title: str) -> None:
    (panel,) = (panel for panel in PANELS if panel.title == title)
    (values,) = seen.at(panel.queries[0].expr, 15).values()
    assert values == pytest.approx(NUMBERS[title], rel=0.1)


def test_the_policy_that_denies_most_comes_first(seen: Seen) -> None:
    (panel,) = (panel for panel in PANELS if panel.title == "Policies that deny most, now")
    found = {dict(labels)["policy"]: values[0] for labels, values in seen.at(panel.queries[0].expr, 15).items()}
    assert max(found, key=lambda policy: found[policy]) == "shop/orders"


def test_there_is_a_leader_but_for_the_minutes_without_one_and_with_two(seen: Seen) -> None:
    assert {minute: list(seen.at("sum(authz_leader)", minute).values()) for minute in (2, 7, 10, 14)} == {
        2: [[1]],
        7: [[0]],
        10: [[2]],
        14: [[1]],
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_is_quiet_while_all_is_well_and_true_in_its_fault(seen: Seen, alert: Alert) -> None:
    if alert.name in LIVE:
        assert seen.live[alert.name]
        return
    # A busy machine really stalls.
    assert alert.name == "AuthzEventLoopStall" or not seen.at(alert.expr, 2), "it is true while all is well"
    assert seen.over(alert.expr), "it is never true"


def test_prometheus_evaluates_every_rule_without_an_error(seen: Seen) -> None:
    rules = [rule for group in seen.groups for rule in group["rules"]]
    assert len(rules) == sum(len(group.rules) for group in GROUPS)
    assert [rule for rule in rules if rule["health"] != "ok" or rule.get("lastError")] == []


def test_an_alert_that_waits_for_nothing_fires_and_says_what_is_wrong(seen: Seen) -> None:
    (rule,) = (rule for group in seen.groups for rule in group["rules"] if rule["name"] == "AuthzFaults")
    (alert,) = rule["alerts"]
    assert alert["state"] == "firing"
    assert re.fullmatch(
        r"About [1-3] exceptions within an hour in authz; each was turned into a deny\.",
        alert["annotations"]["description"],
    )


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_recorded_share_is_there(seen: Seen, name: str) -> None:
    assert seen.api.at(name, time.time()) or seen.api.over(name, seen.ended, time.time(), 0.5)
