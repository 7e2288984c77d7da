"""Which metrics and labels a PromQL expression speaks of, held against what there is. Prometheus itself judges the syntax."""

import re
from collections.abc import Iterator

from authz.telemetry.table import TABLE

# What Prometheus adds to each series of a target.
OF_THE_TARGET = frozenset({"namespace", "job", "instance"})
_SELECTOR = re.compile(r"(?<![\w:\"$-])([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?(?!\s*\()(?![\w:])")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_WORDS = frozenset({"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"})


def strangers(expr: str, recorded: frozenset[str] = frozenset()) -> list[str]:
    """Every metric that does not exist, and every label that none of the expression's metrics has."""
    found, known = [], set(OF_THE_TARGET)
    for name, labels in selectors(expr):
        own = labels_of(name, recorded)
        if own is None:
            found.append(name)
            continue
        known |= own
        found += [f"{name}{{{label}}}" for label in labels if label not in own | OF_THE_TARGET]
    grouped = {label.strip() for labels in _GROUPING.findall(expr) for label in labels.split(",") if label.strip()}
    return found + sorted(grouped - known)


def selectors(expr: str) -> Iterator[tuple[str, list[str]]]:
    """Each metric, with the labels that it is narrowed by."""
    plain = re.sub(r"\[[^\]]*\]", "", _GROUPING.sub("", expr))
    for found in _SELECTOR.finditer(plain):
        if found.group(1) not in _WORDS:
            yield found.group(1), _MATCHER.findall(found.group(2) or "")


def labels_of(name: str, recorded: frozenset[str]) -> set[str] | None:
    """The labels of a metric; None where there is no such metric."""
    if name in recorded or name == "up":
        return set()
    if name in TABLE and TABLE[name][0] != "histogram":
        return set(TABLE[name][1])
    base, _, part = name.rpartition("_")
    if TABLE.get(base, ("",))[0] == "histogram" and part in ("bucket", "count", "sum"):
        return {*TABLE[base][1], *(["le"] if part == "bucket" else [])}
    return None
