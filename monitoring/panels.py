"""What a Grafana dashboard is made of, and its JSON. Nothing here knows a metric.

Grafana's own builder (grafana-foundation-sdk) is thousands of generated classes under a version per Grafana release; the few shapes
that one dashboard needs are written here instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

COLUMNS: Final = 24
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_REF_IDS: Final = "ABCDEFGHIJ"


class Kind(StrEnum):
    """How a panel draws."""

    LINES = "timeseries"
    NUMBER = "stat"
    BARS = "bargauge"
    HEATMAP = "heatmap"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression, and the name of its lines (`{{label}}` stands for a label's value)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        unit: Grafana's name of the unit of the values, as in `s` or `percentunit`.
        does: what is seen, and what to do about it.
        empty: why the panel is empty where all is well; "" where it never is.
        width: of the dashboard's 24 columns.
        bounds: for numbers: from which value on they turn yellow, and from which red.
        is_stacked: whether lines add up.
        shows_name: whether a number's name is shown instead of its value.
    """

    title: str
    kind: Kind
    unit: str
    does: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    empty: str = ""
    bounds: tuple[float, float] | None = None
    is_stacked: bool = False
    shows_name: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable whose values are the values of a label.

    Attributes:
        all_as: what stands for all of them; "" for the list of them.
    """

    name: str
    title: str
    query: str
    all_as: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A whole dashboard."""

    uid: str
    title: str
    about: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]
    tags: tuple[str, ...] = field(default=())


def json_of(dashboard: Dashboard) -> dict[str, Any]:
    """Return what Grafana imports."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": list(dashboard.tags),
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_DATASOURCE_CHOICE, *map(_choice, dashboard.choices)]},
        "panels": list(_panels(dashboard.rows)),
    }


_DATASOURCE_CHOICE: Final = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "refresh": 1,
}


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "name": choice.name,
        "label": choice.title,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": choice.query,
        "query": {"query": choice.query, "refId": choice.name},
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "refresh": 2,
        "sort": 1,
        **({"allValue": choice.all_as} if choice.all_as else {}),
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    number, top = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        number, top, left, tallest = number + 1, top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            yield _panel(panel, number, left, top)
            number, left, tallest = number + 1, left + panel.width, max(tallest, panel.height)
        top += tallest


def _panel(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind.value,
        "title": panel.title,
        "description": " ".join(filter(None, [panel.does, panel.empty and f"Empty: {panel.empty}"])),
        "datasource": DATASOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "targets": [_target(panel, query, ref) for query, ref in zip(panel.queries, _REF_IDS, strict=False)],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(panel: Panel, query: Query, ref: str) -> dict[str, Any]:
    is_now = panel.kind in (Kind.NUMBER, Kind.BARS)
    return {
        "refId": ref,
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": is_now,
        "range": not is_now,
        "format": "heatmap" if panel.kind is Kind.HEATMAP else "time_series",
    }


def _field(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bounds is not None:
        steps += [{"color": color, "value": bound} for color, bound in zip(("yellow", "red"), panel.bounds, strict=True)]
    found: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind is Kind.LINES:
        stacking = {"mode": "normal" if panel.is_stacked else "none", "group": "A"}
        found["custom"] = {"fillOpacity": 30 if panel.is_stacked else 5, "showPoints": "never", "stacking": stacking}
    else:
        found["color"] = {"mode": "thresholds"}
    return found


def _options(panel: Panel) -> dict[str, Any]:
    match panel.kind:
        case Kind.LINES:
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case Kind.HEATMAP:
            return {"calculate": False, "yAxis": {"unit": panel.unit}, "cellGap": 1, "legend": {"show": True}}
        case Kind.NUMBER:
            return {"textMode": "name" if panel.shows_name else "auto", "colorMode": "value", "graphMode": "none", **_LAST}
    return {"displayMode": "basic", "orientation": "horizontal", **_LAST}


_LAST: Final = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
