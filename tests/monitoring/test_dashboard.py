"""The dashboard as a file: what Grafana would stumble over, and what a reader would."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from monitoring.dashboard import DASHBOARD
from monitoring.panels import COLUMNS, DATASOURCE, Kind, Panel
from tests.monitoring.promql import selectors, strangers

ROOT = Path(__file__).parents[2]
FOUND = json.loads((ROOT / "charts/ingress-authz/dashboards/ingress-authz.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in FOUND["panels"] if panel["type"] != "row"]
ROWS = [panel for panel in FOUND["panels"] if panel["type"] == "row"]
# Grafana's ids: https://github.com/grafana/grafana, packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"none", "s", "bytes", "reqps", "ops", "percentunit"}


def titled(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def layout(width: int = COLUMNS) -> list[str]:
    """The dashboard drawn in letters, a line for each unit of height: `python -m tests.monitoring.test_dashboard` prints it."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in FOUND["panels"])
    drawn = [[" "] * (width * 6) for _ in range(height)]
    for panel in FOUND["panels"]:
        place = panel["gridPos"]
        left, room = place["x"] * 6, place["w"] * 6
        words = f"[{panel['title']}" if panel["type"] != "row" else f"== {panel['title']} "
        drawn[place["y"]][left : left + room] = list(words[: room - 1].ljust(room - 1, "=" if panel["type"] == "row" else " ") + "]")
    return ["".join(line).rstrip() for line in drawn]


def test_no_two_things_have_one_id_and_the_dashboard_s_is_fixed() -> None:
    ids = [panel["id"] for panel in FOUND["panels"]]
    assert len(set(ids)) == len(ids)
    assert (FOUND["uid"], FOUND.get("id")) == ("ingress-authz", None)
    assert len({titled(panel) for panel in PANELS}) == len(PANELS)


def test_panels_do_not_overlap_and_fill_the_width() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in FOUND["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        for cell in itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, f"{panel['title']} lies on {taken.get(cell)}"
            taken[cell] = titled(panel)
    height = max(y for _, y in taken) + 1
    gaps = {y for y in range(height) for x in range(COLUMNS) if (x, y) not in taken}
    assert not gaps, "\n".join(layout())


def test_rows_come_in_the_order_in_which_one_looks() -> None:
    assert [titled(row) for row in ROWS] == ["Golden signals", "Policies", "Control plane", "Dependencies", "Runtime"]
    assert FOUND["panels"][0]["type"] == "row"


def test_no_data_source_is_named_but_the_variable() -> None:
    text = json.dumps(FOUND)
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"ingress-authz", "${datasource}"}
    for panel in PANELS:
        assert panel["datasource"] == DATASOURCE
        assert all(target["datasource"] == DATASOURCE for target in panel["targets"])


def test_every_variable_is_there_and_used() -> None:
    names = [each["name"] for each in FOUND["templating"]["list"]]
    assert names == ["datasource", "namespace", "job", "policy"]
    text = json.dumps(FOUND["panels"])
    assert all(f"${name}" in text or f"${{{name}}}" in text for name in names)
    used = {name for panel in PANELS for target in panel["targets"] for name in re.findall(r"\$(\w+)", target["expr"])}
    assert used == {"namespace", "job", "policy", "__rate_interval"}
    for each in FOUND["templating"]["list"][1:]:
        (expr,) = re.findall(r"^label_values\((.*), \w+\)$", each["definition"])
        assert strangers(expr) == []


@pytest.mark.parametrize("panel", PANELS, ids=titled)
def test_a_panel_speaks_of_metrics_and_labels_that_exist_and_of_the_chosen_only(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    for target in panel["targets"]:
        expr = target["expr"]
        assert strangers(expr) == []
        for name, labels in selectors(expr):
            assert {"namespace", "job"} <= set(labels), f"{name} is not narrowed to what was chosen"


@pytest.mark.parametrize("panel", PANELS, ids=titled)
def test_names_of_lines_are_labels_that_the_expression_keeps(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            kept = re.search(rf"by \([^)]*\b{label}\b[^)]*\)", target["expr"]) or ("by (" not in target["expr"] and label == "instance")
            assert kept, f"{label} is not kept by {target['expr']}"


@pytest.mark.parametrize("panel", PANELS, ids=titled)
def test_a_panel_says_what_is_seen_and_what_to_do(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert len(panel["description"]) >= 60
    assert panel["description"].endswith(".")


def test_panels_that_other_texts_name_exist() -> None:
    titles = {titled(panel) for panel in PANELS}
    for name in ("runbook.md", "monitoring.md"):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        named = set(re.findall(r'"([A-Z][^"\n]+)"', text))
        assert named <= titles, name
    described = {name for panel in PANELS for name in re.findall(r'"([A-Z][^"]+)"', panel["description"])}
    assert described <= titles


def test_a_row_breaks_where_it_is_full() -> None:
    from monitoring.panels import Dashboard, Query, Row, json_of

    one = Panel("a", Kind.LINES, "s", "b", (Query("up"),), width=10, height=3)
    tall = Panel("b", Kind.LINES, "s", "b", (Query("up"),), width=10, height=5)
    found = json_of(Dashboard("u", "t", "a", (), (Row("r", (one, tall, one)), Row("s", (one,)))))
    assert [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in found["panels"]] == [(0, 0), (0, 1), (10, 1), (0, 6), (0, 9), (0, 10)]


def test_the_file_is_what_the_code_says() -> None:
    assert [titled(panel) for panel in PANELS] == [panel.title for row in DASHBOARD.rows for panel in row.panels]


if __name__ == "__main__":
    print("\n".join(layout()))  # noqa: T201 - this is what it is for
