"""Validation errors in words: what is wrong, and how to mend it."""

from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from authz.model.problem import Problem

Path = tuple[str | int, ...]


def problem_of(error: ErrorDetails, model: type[BaseModel]) -> Problem:
    """Return what is to be said of a validation error of a document of this model."""
    path, kind = tuple(error["loc"]), error["type"]
    last = _called(path)
    if kind == "extra_forbidden":
        return Problem("AZ105", f"unknown field {path[-1]}{_did_you_mean(str(path[-1]), _fields(path[:-1], model))}", path)
    if kind == "missing":
        return Problem("AZ106", f"{path[-1]} is missing; add it", path[:-1])
    if kind == "no_value":
        return Problem("AZ107", f"{last} has no value; leave it out, or give it one", path)
    if kind == "literal_error":
        allowed = str(error.get("ctx", {}).get("expected", ""))
        known = [word.strip("' ") for word in allowed.replace(" or ", ", ").split(",")]
        close = _did_you_mean(str(error["input"]), known) if _is_close(str(error["input"]), known) else ""
        return Problem("AZ108", f"{last} is one of {', '.join(known)}{close}", path)
    if kind == "value_error":
        return Problem("AZ110", str(error["msg"]).removeprefix("Value error, "), path)
    if kind.endswith("_type") or kind == "int_from_float":
        return Problem("AZ107", f"{last} has the wrong type: {_wanted(error)}{_quote_hint(error)}", path)
    if last.startswith("methods["):
        return Problem("AZ109", f"{last}: a method is written in capitals, as in GET", path)
    return Problem("AZ109", f"{last}: {_lower(error['msg']).replace(' after validation', '')}", path)


def _called(path: Path) -> str:
    """Return what people call the thing at a path: a field by its name, an item by its list's."""
    if not path:
        return ""
    return f"{path[-2]}[{path[-1]}]" if isinstance(path[-1], int) and len(path) > 1 else str(path[-1])


def _is_close(word: str, known: list[str]) -> bool:
    return bool(get_close_matches(word.lower(), [each.lower() for each in known], n=1, cutoff=0.6))


def _wanted(error: ErrorDetails) -> str:
    if error["type"] == "model_type":
        return "write fields in it, or {}"
    if error["type"] == "list_type" and isinstance(error["input"], str):
        return f"write a list: [{error['input']}]"
    return _lower(error["msg"])


def _quote_hint(error: ErrorDetails) -> str:
    given = error["input"]
    plain = isinstance(given, bool | int | float) and error["type"] == "string_type"
    return f'; put it in quotes: "{str(given).lower() if isinstance(given, bool) else given}"' if plain else ""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _did_you_mean(word: str, known: list[str]) -> str:
    folded = {each.lower(): each for each in known}
    close = get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"; did you mean {folded[close[0]]}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _fields(path: Path, whole: type[BaseModel]) -> list[str]:
    """Return the names of the fields that may stand at `path`."""
    model: Any = whole
    for step in path:
        if isinstance(step, int):
            continue
        fields = {(field.alias or name): field for name, field in model.model_fields.items()}
        model = _model_in(fields[step].annotation) if step in fields else None
        if model is None:
            return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:  # noqa: ANN401 - a type form
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
