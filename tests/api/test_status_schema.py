"""The schema of the status: bounded, described, and as Kubernetes merges it."""

import re
from collections.abc import Iterator
from typing import Any

from authz.api.status_schema import LIST_KEYS, LIST_TYPE, status_schema

SCHEMA = status_schema()


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in (*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])):
        yield from nodes(each)


def test_everything_is_described_and_bounded() -> None:
    bounds = {"string": ("maxLength", "enum"), "integer": ("maximum",), "array": ("maxItems",), "object": ("properties",)}
    for node in nodes(SCHEMA):
        assert node["description"].endswith(".")
        assert any(bound in node for bound in bounds[node["type"]]), node


def test_conditions_are_merged_by_their_type_and_ancestors_are_replaced() -> None:
    conditions, ancestors = SCHEMA["properties"]["conditions"], SCHEMA["properties"]["ancestors"]
    assert (conditions[LIST_TYPE], conditions[LIST_KEYS]) == ("map", ["type"])
    assert ancestors[LIST_TYPE] == "atomic"
    assert ancestors["items"]["properties"]["conditions"] == conditions


def test_what_is_required_exists() -> None:
    for node in nodes(SCHEMA):
        assert set(node.get("required", ())) <= node.get("properties", {}).keys()


def test_the_words_of_our_conditions_fit() -> None:
    fields = SCHEMA["properties"]["conditions"]["items"]["properties"]
    for word in ("Accepted", "ResolvedRefs", "Programmed", "KeysReady", "gateway.networking.k8s.io/Accepted"):
        assert re.search(fields["type"]["pattern"], word)
    assert all(re.search(fields["reason"]["pattern"], word) for word in ("Accepted", "RefNotPermitted"))
    assert not re.search(fields["reason"]["pattern"], "two words")
