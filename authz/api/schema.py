"""The CustomResourceDefinition of AuthPolicy, made from the types in `v1alpha1`. Pure: printed by `authz crd`."""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from authz.api import v1alpha1
from authz.api.status_schema import LIST_KEYS, LIST_TYPE, Schema, status_schema

HEADER: Final = "# Printed by `authz crd` from the types in authz/api; not edited by hand.\n"
PLURAL: Final = "authpolicies"
MAX_TEXT: Final = 200_000
_BOUNDS: Final = (
    "enum",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)
_RULES: Final = "x-kubernetes-validations"
_REF: Final = "#/$defs/"


def crd() -> dict[str, Any]:
    """Return the CustomResourceDefinition (apiextensions.k8s.io/v1) of AuthPolicy."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{v1alpha1.GROUP}"},
        "spec": {
            "group": v1alpha1.GROUP,
            "names": {
                "kind": v1alpha1.KIND,
                "listKind": f"{v1alpha1.KIND}List",
                "plural": PLURAL,
                "singular": "authpolicy",
                "shortNames": ["authpol"],
                "categories": ["gateway-api"],
            },
            "scope": "Namespaced",
            "versions": [_version()],
        },
    }


def crd_text() -> str:
    """Return the CustomResourceDefinition as YAML, with a first line that says where it comes from."""
    return HEADER + yaml.dump(crd(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def spec_schema() -> Schema:
    """Return the structural schema of an AuthPolicy's `spec`."""
    whole = v1alpha1.AuthPolicySpec.model_json_schema(by_alias=True)
    types = whole.pop("$defs") | {v1alpha1.AuthPolicySpec.__name__: whole}
    return _Structural(types).of({"$ref": _REF + v1alpha1.AuthPolicySpec.__name__})


def _version() -> dict[str, Any]:
    return {
        "name": v1alpha1.VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": list(_columns()),
        "schema": {"openAPIV3Schema": _object_schema()},
        "subresources": {"status": {}},
    }


def _columns() -> Iterator[dict[str, Any]]:
    def condition(name: str, field: str) -> str:
        return f'.status.conditions[?(@.type=="{name}")].{field}'

    yield {
        "name": "Target",
        "type": "string",
        "description": "The hosts, or the routes and Gateways, that it is for.",
        "jsonPath": ".spec['hosts','targetRefs..name']",
    }
    yield {"name": "Mode", "type": "string", "description": "Whether it decides, or only says so.", "jsonPath": ".spec.mode"}
    for name, what in (("Accepted", "Whether it is free of mistakes."), ("Programmed", "Whether the service has loaded it.")):
        yield {"name": name, "type": "string", "description": what, "jsonPath": condition(name, "status")}
    yield {
        "name": "Reason",
        "type": "string",
        "description": "Why it is programmed or not, in one word.",
        "priority": 1,
        "jsonPath": condition("Programmed", "reason"),
    }
    yield {
        "name": "Rules",
        "type": "string",
        "description": "The name of its first rule.",
        "priority": 1,
        "jsonPath": ".spec.rules[*].name",
    }
    yield {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _object_schema() -> Schema:
    return {
        "description": "AuthPolicy says who may make which requests to some hosts.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            # Kubernetes' own fields, as bare as its tools write them: it checks them itself, and explains `metadata` itself.
            "apiVersion": {"description": f"{v1alpha1.GROUP}/{v1alpha1.VERSION}", "type": "string"},
            "kind": {"description": v1alpha1.KIND, "type": "string"},
            "metadata": {"type": "object"},
            "spec": spec_schema(),
            "status": status_schema(),
        },
    }


class _Structural:
    """Turns the JSON schema of pydantic into the structural schema of Kubernetes: nothing by reference, no alternatives."""

    def __init__(self, types: dict[str, Schema]) -> None:
        self._types = types

    def of(self, node: Schema) -> Schema:
        """Return the structural schema of a node."""
        written, type_name = self._resolved(node)
        made: Schema = {}
        if "description" in written:
            made["description"] = " ".join(written["description"].split())
        made["type"] = written["type"]
        made |= {bound: written[bound] for bound in _BOUNDS if bound in written}
        if "const" in written:
            made["enum"] = [written["const"]]
        if written.get("default") is not None:
            made["default"] = written["default"]
        if written["type"] == "array":
            made |= self._list(written["items"]) | {key: written[key] for key in (LIST_TYPE,) if key in written}
        if type_name:
            made |= self._object(written, getattr(v1alpha1, type_name))
        elif "additionalProperties" in written:
            made["additionalProperties"] = self.of(written["additionalProperties"])
        return made

    def _resolved(self, node: Schema) -> tuple[Schema, str]:
        """Return a node with what it refers to written out, and the name of its type. What the field says itself wins."""
        said = {key: value for key, value in node.items() if key not in ("anyOf", "$ref")}
        if "anyOf" in node:
            # An optional field: null is how Python says that it is absent, which is no value in Kubernetes.
            (given,) = (each for each in node["anyOf"] if each.get("type") != "null")
            written, type_name = self._resolved(given)
            return written | said, type_name
        if "$ref" in node:
            type_name = node["$ref"].removeprefix(_REF)
            return self._types[type_name] | said, type_name
        return said, ""

    def _list(self, item: Schema) -> Schema:
        written, type_name = self._resolved(item)
        made: Schema = {LIST_TYPE: "atomic" if written["type"] in ("object", "array") else "set"}
        if type_name and (keys := getattr(v1alpha1, type_name).list_keys):
            made = {LIST_TYPE: "map", LIST_KEYS: list(keys)}
        return made | {"items": self.of(item)}

    def _object(self, written: Schema, declared: type[v1alpha1.Object]) -> Schema:
        made: Schema = {}
        if declared.cel:
            made[_RULES] = [{"rule": rule, "message": message} for rule, message in declared.cel]
        if written.get("required"):
            made["required"] = written["required"]
        if written["properties"]:
            made["properties"] = {name: self.of(field) for name, field in written["properties"].items()}
        return made


class _Dumper(yaml.SafeDumper):
    """Writes everything out where it stands, without anchors and aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Return whether `data` is written out although it was written before."""
        return True
