"""What is wrong with an expression that someone wrote, in our words, whatever words the library has for it."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final

from authz.policy.facts import VARIABLES

_GUIDE: Final = "docs/expressions.md"
_FIRST: Final = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
_ROOTS: Final = frozenset(name.partition(".")[0] for name in VARIABLES if "." in name)
_LONGEST_NAME: Final = 60


class ExpressionMistake(ValueError):
    """An expression that cannot be used.

    Attributes:
        what: one sentence that ends with the remedy.
        line: from 1, within the expression.
        column: from 1, in characters.
    """

    def __init__(self, what: str, line: int = 1, column: int = 1) -> None:
        what = "".join(each if each.isprintable() else "?" for each in what)
        super().__init__(f"{line}:{column}: {what}")
        self.what = what
        self.line = line
        self.column = column


def at(text: str, place: int, what: str) -> ExpressionMistake:
    """Return the mistake at a character of `text`, counted from 0."""
    before = text[:place]
    return ExpressionMistake(what, before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1)


def reworded(message: str, text: str) -> ExpressionMistake:
    """Return the mistake that the library's message about `text` tells."""
    if "recursion" in message:
        return ExpressionMistake("the expression is nested, or chained, more than 32 deep; split it into several items")
    if "node count" in message:
        return ExpressionMistake("the expression is too large; split it into several items")
    found = _FIRST.search(message)
    if found is None:
        return ExpressionMistake(f"the expression cannot be read; compare it with the examples in {_GUIDE}")
    line, column, said = max(int(found[1]), 1), max(int(found[2]), 1), found[3]
    for pattern, words in _WORDS:
        if told := re.match(pattern, said):
            return ExpressionMistake(words(*told.groups()), line, column - _before(told, text, line, column))
    return ExpressionMistake(f"this cannot be used here; compare it with the examples in {_GUIDE}", line, column)


def _before(told: re.Match[str], text: str, line: int, column: int) -> int:
    """Return how many characters before the place that is told, a dot, the name begins that is not known."""
    owner = told[1].rpartition(".")[0] if told.re.groups == 1 else ""
    lines = text.split("\n")
    if not owner or line > len(lines):
        return 0
    return len(owner) if lines[line - 1][: column - 1].endswith(owner) else 0


def _unknown(name: str) -> str:
    name = name[:_LONGEST_NAME]
    if name == "ip" or name.startswith("ip."):
        return "of ip there is one function; write ip.inCidr(clientIP, '192.0.2.0/24'), with two strings"
    if name in _ROOTS:
        example = next(known for known in VARIABLES if known.startswith(f"{name}."))
        return f"{name} alone is no value; name a member, as in {example}"
    near = get_close_matches(name, VARIABLES, 1, 0.75)
    return f"{name} is not known here; " + (f"did you mean {near[0]}?" if near else f"use what {_GUIDE} lists")


def _overload(function: str, types: str) -> str:
    name = function.strip("_").replace("_", " ").lstrip("@").strip() or function
    types = types[: _LONGEST_NAME * 2]
    if function.startswith(("_", "!", "-", "@")):
        return f"{name} does not work with ({types}); make both sides of one type, as in string(x) or int(x)"
    return f"{name} does not take ({types}); give it what {_GUIDE} says"


def _syntax(detail: str) -> str:
    if "'<EOF>'" in detail.partition(" expecting")[0]:
        return "the expression ends too early; finish it, and close every bracket and quote"
    return "this cannot be read; check the operators, brackets and quotes here and before"


# Patterns of the library's messages, each with our words for it; a pattern with one group alone gives a name.
_WORDS: Final[tuple[tuple[str, Callable[..., str]], ...]] = (
    (r"undeclared reference to '([^']*)'", _unknown),
    (r"found no matching overload for '([^']*)' applied to '\((.*)\)'", _overload),
    (r"Syntax error: ()(.*)", lambda _, detail: _syntax(detail)),
    (
        r"expression of type '([^']*)' cannot be the operand of a select operation()",
        lambda kind, _: f"a value of type {kind[:_LONGEST_NAME]} has no members; take away the dot and what follows",
    ),
    (r"(has\(\) argument must be)()", lambda _, __: "has asks for a member; write it as in has(jwt.scp)"),
    (r"invalid (u?int|double|float) literal()", lambda _, __: "this number is beyond 64 bits; write a smaller one"),
)
