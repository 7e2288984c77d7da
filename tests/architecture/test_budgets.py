"""Sizes that keep the house readable. A file or function that outgrows them is two ideas: find the second name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for part in ("authz", "monitoring") for path in (ROOT / part).rglob("*.py") if "pb" not in path.parts)
FILE_LINES = 250
BODY_LINES = 50
USUAL_BODY_LINES = 25
NAMES_TO_AVOID = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_named_for_something_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES
    assert path.stem not in NAMES_TO_AVOID
    assert ast.get_docstring(ast.parse(text)), "a module opens with one sentence that says what lives here"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_function_is_long(path: Path) -> None:
    long = {function.name: lines for function in functions(path) if (lines := body_lines(function)) > BODY_LINES}
    assert not long


def test_nearly_every_function_fits_the_usual_size() -> None:
    sizes = [body_lines(function) for path in MODULES for function in functions(path)]
    assert sum(size > USUAL_BODY_LINES for size in sizes) <= len(sizes) * 0.02
