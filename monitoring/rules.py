"""What alert rules and recording rules are, and their YAML as Prometheus reads it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import yaml

# A path in this repository; the chart can put an address before it.
RUNBOOK: Final = "docs/runbook.md"


class Severity(StrEnum):
    """Whom an alert is for."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Recording:
    """A rule that keeps the value of an expression under a name."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    Attributes:
        name: also the heading of its section in the runbook.
        hold: how long the expression must hold, as in `10m`.
        says: the description: what is wrong, with numbers (`$value`), and what it means.
    """

    name: str
    severity: Severity
    expr: str
    hold: str
    summary: str
    says: str


def anchor(alert: Alert) -> str:
    """Return the anchor of the alert's section in the runbook."""
    return alert.name.lower()


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in order."""

    name: str
    rules: tuple[Alert | Recording, ...]


def rules_text(mark: str, groups: Iterable[Group]) -> str:
    """Return the file: `mark` says where it comes from."""
    found = {"groups": [{"name": group.name, "rules": [_rule(rule) for rule in group.rules]} for group in groups]}
    return mark + yaml.dump(found, Dumper=_Dumper, sort_keys=False, width=100_000, allow_unicode=True)


def _rule(rule: Alert | Recording) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.record, "expr": rule.expr}
    return {
        "alert": rule.name,
        "expr": rule.expr,
        **({"for": rule.hold} if rule.hold else {}),
        "labels": {"severity": rule.severity.value},
        "annotations": {"summary": rule.summary, "description": rule.says, "runbook_url": f"{RUNBOOK}#{anchor(rule)}"},
    }


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as such."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
