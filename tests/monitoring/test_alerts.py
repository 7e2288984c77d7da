"""The alert rules, as promtool sees them: each fires when it must, says what it should, and is quiet otherwise."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.alerts import ALERTS, GROUPS
from monitoring.rules import RUNBOOK, Alert, Severity, anchor
from tests.monitoring.cases import CASES, Case
from tests.monitoring.promql import strangers
from tests.monitoring.tools import promtool

ROOT = Path(__file__).parents[2]
FILE = ROOT / "charts/ingress-authz/alerts.yaml"
NAMES = {alert.name: alert for alert in ALERTS}


def told(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool(), *map(str, words)], capture_output=True, text=True, timeout=30, check=False)


def test_promtool_accepts_the_rules() -> None:
    done = told("check", "rules", FILE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.name}")
def test_an_alert_fires_when_it_must_and_only_then(case: Case, tmp_path: Path) -> None:
    scene = tmp_path / "scene.yaml"
    scene.write_text(yaml.safe_dump(scene_of(case)), encoding="utf-8")
    done = told("test", "rules", scene)
    assert done.returncode == 0, done.stdout + done.stderr


def scene_of(case: Case) -> dict[str, Any]:
    alert = NAMES[case.alert]
    usual = {"summary": alert.summary, "runbook_url": f"{RUNBOOK}#{anchor(alert)}"}
    expected = [
        {"exp_labels": {"severity": alert.severity.value, **dict(labels)}, "exp_annotations": {**usual, "description": says}}
        for labels, says in case.says.items()
    ]
    return {
        "rule_files": [str(FILE)],
        "evaluation_interval": case.interval,
        # Else by chance: with long intervals what was recorded before is too old to be seen.
        "group_eval_order": [group.name for group in GROUPS],
        "tests": [
            {
                "interval": case.interval,
                "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
                "alert_rule_test": [
                    {"eval_time": case.at, "alertname": case.alert, "exp_alerts": expected},
                    *([{"eval_time": case.early, "alertname": case.alert, "exp_alerts": []}] if case.early else []),
                ],
            },
        ],
    }


def test_each_alert_has_a_case_where_it_fires_and_one_where_it_does_not() -> None:
    fires = Counter((case.alert, bool(case.says)) for case in CASES)
    assert set(fires) == {(name, fired) for name in NAMES for fired in (True, False)}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_what_is_wrong_and_the_runbook_what_to_do(alert: Alert) -> None:
    assert alert.name.startswith("Authz")
    assert alert.summary.endswith(".")
    assert "$" not in alert.summary
    assert any(letter.isdigit() for letter in alert.says.replace("503", "")) or "$value" in alert.says
    sections = (ROOT / RUNBOOK).read_text(encoding="utf-8").split("\n## ")
    (section,) = [section for section in sections if section.splitlines()[0].lower() == anchor(alert)]
    for heading in ("**Means**", "**Look**", "**Do**"):
        assert heading in section, heading


def test_an_alert_that_waits_is_seen_waiting() -> None:
    assert {case.alert for case in CASES if case.early} == {alert.name for alert in ALERTS if alert.hold}


def test_the_runbook_has_no_section_of_an_alert_that_is_none() -> None:
    headings = [line.removeprefix("## ") for line in (ROOT / RUNBOOK).read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert headings == [alert.name for alert in ALERTS]


def test_names_are_used_once() -> None:
    assert len(NAMES) == len(ALERTS)


def test_only_what_denies_requests_wakes_somebody() -> None:
    assert {alert.name for alert in ALERTS if alert.severity is Severity.CRITICAL} == {
        "AuthzAvailabilityBurnFast",
        "AuthzLatencyBurnFast",
        "AuthzNotScraped",
        "AuthzJwksMissing",
    }


def test_rules_speak_of_metrics_and_labels_that_exist() -> None:
    recorded = frozenset(rule.record for group in GROUPS for rule in group.rules if not isinstance(rule, Alert))
    for group in GROUPS:
        for rule in group.rules:
            assert strangers(rule.expr, recorded) == [], rule


def test_the_runbook_is_named_once_for_each_alert() -> None:
    assert FILE.read_text(encoding="utf-8").count(RUNBOOK) == len(ALERTS)


def test_the_example_of_a_scrape_configuration_is_one(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/monitoring.md").read_text(encoding="utf-8"), re.DOTALL)
    config = {"rule_files": [str(FILE)], **yaml.safe_load(text)}
    # Debian's Prometheus is built without the discovery of pods, so that one line is not checked by it.
    assert config["scrape_configs"][0].pop("kubernetes_sd_configs")[0]["role"] == "pod"
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    done = told("check", "config", tmp_path / "prometheus.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
