"""What one step of a macro may cost: comparisons of whole values and patterns are few, since a macro takes thousands of steps."""

from collections.abc import Iterator
from typing import Final

import re2

from authz.policy.checked import Kind, Node
from authz.policy.facts import VARIABLES, Type

MOST_COMPARISONS: Final = 2
MOST_PROGRAM: Final = 300
MOST_TEXTS: Final = 0
_COMPARISONS: Final = frozenset({"_==_", "_!=_", "@in"})
_SMALL: Final = frozenset({"size", "lowerAscii", "upperAscii", "trim", "string", "int", "substring", "charAt", "type"})


def too_costly(root: Node) -> tuple[str, int] | None:
    """Return what makes steps of macros too costly, with the remedy, and its place; or None."""
    comparisons = program = texts = 0
    for node in _stepped(root, inside=False):
        comparisons += _comparisons(node)
        texts += _reads_text(node)
        if node.kind is Kind.CALL and node.name == "matches" and (pattern := node.parts[1].text) is not None:
            program += _size(pattern)
        if comparisons > MOST_COMPARISONS:
            what = f"inside macros at most {MOST_COMPARISONS} values from claims are compared with, or put beside, another"
            return f"{what}; compare with strings in quotes or of the request, or outside", node.place
        if texts > MOST_TEXTS:
            what = "inside macros functions read the macro's variable alone: each step would read a whole text of the request or claims"
            return f"{what}; move it out of the macro", node.place
        if program > MOST_PROGRAM:
            return "the patterns inside macros are too large; write shorter ones, or use startsWith", node.place
    return None


def _stepped(node: Node, *, inside: bool) -> Iterator[Node]:
    """Return all that is evaluated in each step of a macro."""
    if inside:
        yield node
    for at, part in enumerate(node.parts):
        yield from _stepped(part, inside=inside or (node.kind is Kind.MACRO and at > 0))


def _reads_text(node: Node) -> bool:
    """Return whether a function reads, in each step anew, a text that is no part of the macro's variable."""
    return (
        node.kind is Kind.CALL and node.name[0].isalpha() and any(each.name in VARIABLES for each in node.walk() if each.kind is Kind.NAME)
    )


def _comparisons(node: Node) -> int:
    if node.kind is Kind.CALL and node.name in _COMPARISONS:
        return not any(_is_small(part) for part in node.parts)
    if node.kind in (Kind.LIST, Kind.MAP):
        return sum(not _is_small(part) for part in node.parts if part.kind is not Kind.NAME or part.name in VARIABLES)
    return 0


def _is_small(node: Node) -> bool:
    """Return whether a value is one that is compared at once: a literal, a text, a number, or a list of literals."""
    if all(each.kind in (Kind.LITERAL, Kind.LIST, Kind.MAP) for each in node.walk()):
        return True
    if node.kind is Kind.CALL and node.name in _SMALL:
        return True
    if node.kind is Kind.MEMBER or (node.kind is Kind.CALL and node.name == "_[_]"):
        return _type(node.parts[0]) is Type.TEXTS
    return _type(node) is Type.STRING


def _type(node: Node) -> Type | None:
    return VARIABLES[node.name].type if node.kind is Kind.NAME and node.name in VARIABLES else None


def _size(pattern: str) -> int:
    options = re2.Options()
    options.log_errors = False
    try:
        return int(re2.compile(pattern, options=options).programsize)
    except re2.error:
        return MOST_PROGRAM + 1
