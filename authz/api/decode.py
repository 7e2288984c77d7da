"""Documents → declared policies, with every mistake and its place."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from authz.api import v1alpha1
from authz.api.convert import policy_of, target_of
from authz.api.manifest import Document, Unreadable, documents
from authz.api.salvage import salvaged
from authz.model.declared import Declared, Stray
from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity

Path = tuple[str | int, ...]
API_VERSION: Final = f"{v1alpha1.GROUP}/{v1alpha1.VERSION}"


class Metadata(BaseModel):
    """What is read of an object's metadata; the rest is Kubernetes' own."""

    model_config = ConfigDict(extra="ignore", strict=True)
    name: v1alpha1.ObjectName
    namespace: v1alpha1.ObjectName = "default"
    generation: int = 1
    created: str = Field("", alias="creationTimestamp")


class Manifest(v1alpha1.Object):
    """A whole object."""

    api_version: str = Field(alias="apiVersion")
    kind: str
    metadata: Metadata
    spec: v1alpha1.AuthPolicySpec
    status: dict[str, Any] = {}


def read(text: str, file: str = "") -> list[Declared | Stray]:
    """Return everything that a file holds. A file without a document is a fault: it may be half written."""
    found = documents(text)
    if isinstance(found, Unreadable):
        return [Stray((_in_file(found.problem, file),), is_fault=True)]
    if not found:
        what = "the file holds no document; write a policy into it, or delete it"
        return [Stray((Problem("AZ112", what, file=file, line=1, column=1),), is_fault=True)]
    return [_object(document, file) for document in found]


def _object(document: Document, file: str) -> Declared | Stray:
    value = document.value
    if not isinstance(value, dict):
        return _stray(document, file, Problem("AZ107", "an object is a mapping with apiVersion, kind, metadata and spec"), is_fault=True)
    foreign = _foreign(value)
    if foreign is not None:
        return _stray(document, file, foreign, is_fault=foreign.severity is Severity.ERROR)
    return decode(document, file)


def _stray(document: Document, file: str, problem: Problem, *, is_fault: bool) -> Stray:
    line, column = document.places.get(problem.path) or document.places[()]
    return Stray((replace(problem, file=file, line=line, column=column),), is_fault)


def _foreign(value: Mapping[str, Any]) -> Problem | None:
    """Return what is to be said of an object that is not an AuthPolicy of ours, or None."""
    version, kind = value.get("apiVersion"), value.get("kind")
    if version == API_VERSION and kind == v1alpha1.KIND:
        return None
    ours = isinstance(version, str) and version.partition("/")[0] == v1alpha1.GROUP
    near = isinstance(version, str) and bool(get_close_matches(version, [API_VERSION], cutoff=0.8))
    if kind == v1alpha1.KIND or ours or near:
        return Problem("AZ113", f"{version} {kind} is not known here; did you mean {API_VERSION} {v1alpha1.KIND}?", ("apiVersion",))
    if version is None or kind is None:
        return Problem("AZ113", f"not a Kubernetes object: begin with apiVersion: {API_VERSION} and kind: {v1alpha1.KIND}", ())
    return Problem("AZ114", f"{version} {kind} is not an AuthPolicy; ignored", ("kind",), severity=Severity.WARNING)


def decode(document: Document, file: str = "") -> Declared | Stray:
    """Return the AuthPolicy that a document holds, as far as it can be read, with every mistake in its form."""
    found = list(document.problems)
    manifest, errors = _validated(document.value)
    found += [_problem(error) for error in errors]
    places: Mapping[Path, tuple[int, int]] = document.places
    if manifest is None:
        rest, further = salvaged(document.value, errors, lambda value: _validated(value)[1])
        found += [_problem(error) for error in further]
        manifest, _ = _validated(rest.value)
        places = {path: place for path, old in rest.origin.items() if (place := document.places.get(old))}
    if manifest is not None:
        repeated = _repeated(manifest.spec, ("spec",))
        found += [replace(each, path=rest.origin.get(each.path, each.path)) if errors else each for each in repeated]
    name = _name(document.value)
    policy = policy_of(name, manifest.metadata.generation, manifest.spec, manifest.metadata.created) if name and manifest else None
    target = target_of(name, document.value.get("spec")) if name else None
    # A name that cannot be read still lends its places to the problems.
    whole = Declared(
        name or PolicyName("", ""),
        policy,
        target,
        file=file,
        places=document.places,
        is_partial=bool(errors),
        generation=_generation(document.value),
    )
    placed = tuple(whole.located(_in_file(problem, file)) for problem in found)
    return replace(whole, problems=placed, places=places) if name else Stray(placed, is_fault=True)


def decode_object(value: Mapping[str, Any]) -> Declared | Stray:
    """Return the AuthPolicy that an object of the API server is; problems carry their path alone."""
    return decode(Document(value))


def _validated(value: Any) -> tuple[Manifest | None, list[ErrorDetails]]:  # noqa: ANN401 - arbitrary YAML
    try:
        return Manifest.model_validate(value), []
    except ValidationError as fault:
        return None, fault.errors(include_url=False)


def _name(value: Mapping[str, Any]) -> PolicyName | None:
    try:
        metadata = Metadata.model_validate(value.get("metadata"))
    except ValidationError:
        return None
    return PolicyName(metadata.namespace, metadata.name)


def _generation(value: Mapping[str, Any]) -> int:
    metadata = value.get("metadata")
    generation = metadata.get("generation") if isinstance(metadata, dict) else None
    return generation if isinstance(generation, int) else 0


def _in_file(problem: Problem, file: str) -> Problem:
    return replace(problem, file=file)


def _problem(error: ErrorDetails) -> Problem:
    path, kind = tuple(error["loc"]), error["type"]
    last = _called(path)
    if kind == "extra_forbidden":
        return Problem("AZ105", f"unknown field {path[-1]}{_did_you_mean(str(path[-1]), _fields(path[:-1]))}", path)
    if kind == "missing":
        return Problem("AZ106", f"{path[-1]} is missing; add it", path[:-1])
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


def _fields(path: Path) -> list[str]:
    """Return the names of the fields that may stand at `path`."""
    model: Any = Manifest
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


def _repeated(value: v1alpha1.Object, path: Path) -> Iterator[Problem]:
    """Yield a problem for each list item that says again what an item before it says."""
    for name, field in type(value).model_fields.items():
        here, item = (*path, field.alias or name), getattr(value, name)
        if isinstance(item, v1alpha1.Object):
            yield from _repeated(item, here)
        if not isinstance(item, list) or field.json_schema_extra is not None:
            continue  # No list, or one in which the same may come again (ClaimPath).
        seen: dict[str, int] = {}
        for at, each in enumerate(item):
            if isinstance(each, v1alpha1.Object):
                yield from _repeated(each, (*here, at))
            word = " ".join(getattr(each, key) for key in each.list_keys) if isinstance(each, v1alpha1.Object) else each
            if isinstance(word, str) and word and seen.setdefault(word, at) != at:
                yield Problem("AZ111", f"{word} is listed twice; keep one", (*here, at))
