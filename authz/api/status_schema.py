"""The structural schema of an AuthPolicy's status, which the service writes."""

from typing import Any, Final

Schema = dict[str, Any]

LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_KEYS: Final = "x-kubernetes-list-map-keys"
# The largest integer that JSON's numbers hold exactly: a larger one would come back from the API server changed.
_MAX_GENERATION: Final = 2**53 - 1


def status_schema() -> Schema:
    """Return the schema of the status."""
    return {
        "description": "What became of it. Written by the service, never by people.",
        "type": "object",
        "properties": {
            "observedGeneration": _generation("The generation of the object that this status is about."),
            "conditions": _conditions(),
            "ancestors": _ancestors(),
        },
    }


def _conditions() -> Schema:
    name = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
    reason = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
    return {
        "description": "What is true of it: `Accepted`, `Programmed` and the like.",
        "type": "array",
        "maxItems": 8,
        LIST_TYPE: "map",
        LIST_KEYS: ["type"],
        "items": {
            "description": "One condition.",
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": _text("Its name.", 316, pattern=name),
                "status": {"description": "Whether it is true.", "type": "string", "enum": ["True", "False", "Unknown"]},
                "observedGeneration": _generation("The generation of the object that it is about."),
                "lastTransitionTime": _text("When its status last changed.", 64, format="date-time"),
                "reason": _text("Why, in one word.", 1024, pattern=reason, minLength=1),
                "message": _text("Why, in a sentence for people.", 32768),
            },
        },
    }


def _ancestors() -> Schema:
    ref = {
        "group": _text("Its API group.", 253),
        "kind": _text("Its kind.", 63),
        "namespace": _text("Its namespace.", 63),
        "name": _text("Its name.", 253),
        "sectionName": _text("The listener, where it is about one alone.", 253),
    }
    return {
        "description": "What is true of it at each Gateway that its targets lead to.",
        "type": "array",
        "maxItems": 16,
        LIST_TYPE: "atomic",
        "items": {
            "description": "How it stands at one Gateway.",
            "type": "object",
            "required": ["ancestorRef", "controllerName"],
            "properties": {
                "ancestorRef": {"description": "The Gateway.", "type": "object", "required": ["name"], "properties": ref},
                "controllerName": _text("Who says so.", 253),
                "conditions": _conditions(),
            },
        },
    }


def _text(description: str, most: int, **bounds: str | int) -> Schema:
    return {"description": description, "type": "string", **bounds, "maxLength": most}


def _generation(description: str) -> Schema:
    return {"description": description, "type": "integer", "format": "int64", "minimum": 0, "maximum": _MAX_GENERATION}
