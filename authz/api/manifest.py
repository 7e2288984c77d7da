"""YAML text → documents with the place of everything in them. One reading only: JSON's types, no duplicate keys."""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from authz.model.problem import Problem

Path = tuple[str | int, ...]
Place = tuple[int, int]
MAX_ALIASES: Final = 64
MAX_DEPTH: Final = 64
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(slots=True)
class Document:
    """One YAML document.

    Attributes:
        value: plain dicts, lists, strings, numbers, booleans and None.
        places: line and column, from 1, where each thing begins, by its path: a field at its key, a list item at itself.
        problems: duplicate keys and other things that have no one reading.
    """

    value: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Text that is no YAML at all."""

    problem: Problem


def documents(text: str) -> list[Document] | Unreadable:
    """Return the documents of a YAML (or JSON) text; empty ones are left out."""
    try:
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        mark = getattr(fault, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        what = getattr(fault, "problem", None) or "cannot be read"
        return Unreadable(Problem("AZ101", f"not YAML: {what}", line=line, column=column))
    found = []
    for node in nodes:
        if node is not None and not (isinstance(node, yaml.ScalarNode) and node.value == ""):
            document = Document()
            document.value = _Reader(document).read(node, ())
            found.append(document)
    return found


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: dict[int, int] = {}

    def read(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - arbitrary YAML
        self._document.places.setdefault(path, _place(node))
        self._seen[id(node)] = self._seen.get(id(node), 0) + 1
        if len(path) > MAX_DEPTH or self._seen[id(node)] > MAX_ALIASES:
            self._problem("AZ102", "nested too deep, or repeated too often by aliases", node, path)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, at)) for at, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str) or key == "<<":
                self._problem("AZ103", "a key is a plain word; merge keys (<<) are not supported, repeat the fields", key_node, path)
                continue
            here = (*path, key)
            if key in value:
                first = self._document.places[here][0]
                self._problem("AZ104", f"{key} is given twice (first at line {first}); keep one", key_node, here)
                continue
            self._document.places[here] = _place(key_node)
            value[key] = self.read(value_node, here)
        return value

    def _scalar(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - arbitrary YAML
        text = node.value
        if not isinstance(node, yaml.ScalarNode) or node.style in ("'", '"', "|", ">"):
            return text
        if node.tag not in _PLAIN_TAGS:
            self._problem("AZ103", f"the tag {node.tag} is not supported; write a plain value", node, path)
            return None
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text) if len(text) < 20 else text
        return float(text) if _NUMBER.fullmatch(text) else text

    def _problem(self, code: str, what: str, node: yaml.Node, path: Path) -> None:
        line, column = _place(node)
        self._document.problems.append(Problem(code, what, path, line=line, column=column))


# The tags that YAML 1.1 gives to plain scalars. Their own meaning (dates, octal numbers, yes and no) is not taken.
_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1
