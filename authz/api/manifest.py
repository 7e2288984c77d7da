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
MAX_NODES: Final = 200_000
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
        too_much = _too_much(text)
        if too_much is not None:
            return Unreadable(too_much)
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


def _too_much(text: str) -> Problem | None:
    """Return a problem where a document is deeper or larger than any policy, for composing it would cost as much stack and memory."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.DocumentStartEvent):
            nodes = 0
        nodes += isinstance(event, yaml.NodeEvent)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            line, column = _place(event)
            what = f"nested deeper than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"larger than {MAX_NODES} keys and values"
            return Problem("AZ102", what, line=line, column=column)
    return None


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._seen: dict[int, int] = {}
        self._nodes = 0

    def read(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - arbitrary YAML
        self._document.places.setdefault(path, _place(node))
        self._seen[id(node)] = self._seen.get(id(node), 0) + 1
        self._nodes += 1
        if len(path) > MAX_DEPTH or self._seen[id(node)] > MAX_ALIASES or self._nodes > MAX_NODES:
            if self._nodes <= MAX_NODES + 1:  # Of what is too large, the rest is passed over in silence.
                self._problem("AZ102", "nested too deep, repeated too often by aliases, or too large", node, path)
            return None
        if node.tag != _usual_tag(node):
            self._problem("AZ103", f"the tag {node.tag} is not supported; write a plain value", node, path)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, at)) for at, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) and key_node.tag == _usual_tag(key_node) else None
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
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text) if len(text) < 20 else text
        return float(text) if _NUMBER.fullmatch(text) else text

    def _problem(self, code: str, what: str, node: yaml.Node, path: Path) -> None:
        line, column = _place(node)
        self._document.problems.append(Problem(code, what, path, line=line, column=column))


_RESOLVER: Final = yaml.resolver.Resolver()


def _usual_tag(node: yaml.Node) -> str:
    """Return the tag that a node has when nobody writes one. What YAML 1.1 makes of it (dates, octal numbers) is not taken."""
    kind = type(node)
    if isinstance(node, yaml.ScalarNode) and node.style not in (None, ""):
        return _RESOLVER.DEFAULT_SCALAR_TAG
    value = node.value if isinstance(node, yaml.ScalarNode) else None
    tag: str = _RESOLVER.resolve(kind, value, (True, False))  # type: ignore[no-untyped-call]
    return tag


def _place(node: yaml.Node | yaml.Event) -> Place:
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
