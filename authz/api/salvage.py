"""What is left of an object once its wrong parts are taken out, so that its other mistakes can be told in the same breath."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
# Taking a part out can leave a hole that takes out what is around it, and so on up; an object is not deeper.
_ROUNDS: Final = 12


@dataclass(slots=True)
class Rest:
    """A value with parts taken out; `origin` says where each thing in it stood before."""

    value: Any = None
    origin: dict[Path, Path] = field(default_factory=dict)


def salvaged(
    value: Any,  # noqa: ANN401 - arbitrary YAML
    errors: list[ErrorDetails],
    validate: Callable[[Any], list[ErrorDetails]],
) -> tuple[Rest, list[ErrorDetails]]:
    """Return what is left of `value` without its wrong parts, and the mistakes that show only without its unknown fields.

    Mistakes that come of the holes themselves are not told.
    """
    unknown = {tuple(error["loc"]) for error in errors if error["type"] == "extra_forbidden"}
    rest = without(value, unknown)
    left = validate(rest.value)
    told = {(tuple(error["loc"]), error["type"]) for error in errors}
    further = [error | {"loc": origin} for error in left if ((origin := _origin(rest, error)), error["type"]) not in told]
    gone = set(unknown)
    for _ in range(_ROUNDS):
        if not left:
            break
        gone |= {_wrong_part(rest, error) for error in left}
        rest = without(value, gone)
        left = validate(rest.value)
    return rest, further


def _origin(rest: Rest, error: ErrorDetails) -> Path:
    path = tuple(error["loc"])
    if path in rest.origin:
        return rest.origin[path]
    return (*rest.origin.get(path[:-1], path[:-1]), *path[-1:])


def _wrong_part(rest: Rest, error: ErrorDetails) -> Path:
    """Return where the part stood that must go: what is wrong, or what lacks something."""
    path = tuple(error["loc"])
    path = path[:-1] if error["type"] == "missing" else path
    while path and path not in rest.origin:
        path = path[:-1]
    return rest.origin.get(path, ())


def without(value: Any, gone: set[Path]) -> Rest:  # noqa: ANN401 - arbitrary YAML
    """Return a copy of `value` without the parts at `gone`."""
    rest = Rest()

    def copy(here: Any, path: Path, old: Path) -> Any:  # noqa: ANN401 - arbitrary YAML
        rest.origin[path] = old
        if isinstance(here, dict):
            kept = [(key, item) for key, item in here.items() if (*old, key) not in gone]
            return {key: copy(item, (*path, key), (*old, key)) for key, item in kept}
        if isinstance(here, list):
            items = [(at, item) for at, item in enumerate(here) if (*old, at) not in gone]
            return [copy(item, (*path, new), (*old, at)) for new, (at, item) in enumerate(items)]
        return here

    rest.value = None if () in gone else copy(value, (), ())
    return rest
