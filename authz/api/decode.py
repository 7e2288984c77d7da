"""Documents → declared policies, with every mistake and its place."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from authz.api import v1alpha1
from authz.api.convert import policy_of, target_of
from authz.api.manifest import Document, Unreadable, documents
from authz.api.mistakes import problem_of
from authz.api.salvage import salvaged
from authz.model.declared import Declared, Stray
from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity

Path = tuple[str | int, ...]
T = TypeVar("T")
API_VERSION: Final = f"{v1alpha1.GROUP}/{v1alpha1.VERSION}"


class Metadata(BaseModel):
    """What is read of an object's metadata; the rest is Kubernetes' own."""

    model_config = ConfigDict(extra="ignore", strict=True)
    name: v1alpha1.ObjectName
    namespace: v1alpha1.ObjectName = "default"
    generation: int = 1
    # Tools that print what they would create write null.
    created: str | None = Field(None, alias="creationTimestamp")


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
    return [_object(each, file) for document in found for each in _unfolded(document)]


def _unfolded(document: Document) -> Iterator[Document]:
    """Yield the objects of a List, as kubectl prints several; a document that is none yields itself."""
    value = document.value
    items = value.get("items") if isinstance(value, dict) and (value.get("apiVersion"), value.get("kind")) == ("v1", "List") else None
    if not isinstance(items, list):
        yield document
        return
    for at, item in enumerate(items):
        here: Path = ("items", at)
        places = {path[2:]: place for path, place in document.places.items() if path[:2] == here}
        problems = [replace(each, path=each.path[2:]) for each in document.problems if each.path[:2] == here]
        yield Document(item, places, problems)


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
    # What could not be read as YAML has no value either: that is said once.
    unread = {problem.path for problem in found}
    found += [problem_of(error, Manifest) for error in errors if error["type"] != "no_value" or tuple(error["loc"]) not in unread]
    places: Mapping[Path, tuple[int, int]] = document.places
    if manifest is None:
        rest, further = salvaged(document.value, errors, lambda value: _validated(value)[1])
        found += [problem_of(error, Manifest) for error in further]
        manifest, _ = _validated(rest.value)
        places = {path: place for path, old in rest.origin.items() if (place := document.places.get(old))}
    if manifest is not None:
        repeated = _repeated(manifest.spec, ("spec",))
        found += [replace(each, path=rest.origin.get(each.path, each.path)) if errors else each for each in repeated]
    name = _name(document.value)
    metadata = manifest.metadata if manifest is not None else None
    directory = file.rpartition("/")[0] or "."
    policy = (
        policy_of(name, metadata.generation, manifest.spec, metadata.created or "", directory) if name and manifest and metadata else None
    )
    target = target_of(name, document.value.get("spec")) if name else None
    # A name that cannot be read still lends its places to the problems.
    whole = Declared(
        name or PolicyName("", ""),
        policy,
        target,
        file=file,
        places=document.places,
        is_partial=bool(errors),
        generation=_of_metadata(document.value, "generation", 0),
        uid=_of_metadata(document.value, "uid", ""),
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


def _of_metadata(value: Mapping[str, Any], key: str, otherwise: T) -> T:
    """Return what the metadata say, also where the object cannot be read whole; `otherwise` where they say nothing of that type."""
    metadata = value.get("metadata")
    found = metadata.get(key) if isinstance(metadata, dict) else None
    return found if isinstance(found, type(otherwise)) else otherwise


def _in_file(problem: Problem, file: str) -> Problem:
    return replace(problem, file=file)


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
