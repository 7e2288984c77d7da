"""Expressions of `when` in CEL: compiled and type-checked when a policy is loaded, evaluated in bounded time for a request.

Nothing else knows the library. An expression is true, false, or fails; whoever asks denies where it fails.
"""

import re
from functools import lru_cache
from math import floor
from typing import Any, Final

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_optional, ext_strings  # type: ignore[import-untyped]

from authz.policy import expression_limits as limits
from authz.policy.addresses import UNKNOWN, bounds, cidr_problem, parse
from authz.policy.checked import Kind, Node, tree
from authz.policy.expression_mistakes import ExpressionMistake, at, reworded
from authz.policy.expression_steps import too_costly
from authz.policy.facts import VARIABLES, Ask, Facts, Type, taker

__all__ = ["Expression", "ExpressionMistake", "Facts", "compile_expression"]

MOST_OCTETS: Final = 4096
# Found before compiling: each of these writes what stands before it twice, so that a chain grows without bound.
_DOUBLING: Final = re.compile(r"\b(opt(?:Flat)?Map)\b")
_TYPES: Final = {
    Type.STRING: cel.Type.STRING,
    Type.STRINGS: cel.Type.List(cel.Type.STRING),
    Type.TEXTS: cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    Type.CLAIMS: cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    Type.TIME: cel.Type.TIMESTAMP,
}
_ANSWERS: Final = (cel.Type.BOOL, cel.Type.DYN)


class Expression:
    """One expression, ready to be asked.

    Attributes:
        text: as written.
        names: what it reads, by root: `jwt`, `apiKey`, `clientCertificate`, `clientIP`, `now`, `request.headers` and so on.
    """

    __slots__ = ("_program", "_takes", "names", "text")

    def __init__(self, text: str, program: Any, root: Node) -> None:  # noqa: ANN401 - the library's
        used = {node.name for node in root.walk() if node.kind is Kind.NAME} & VARIABLES.keys()
        self.text = text
        self.names = frozenset(VARIABLES[name].root for name in used)
        self._program = program
        self._takes = tuple((name, _take(name, root)) for name in sorted(used))

    def __repr__(self) -> str:
        """What was written."""
        return f"Expression({self.text!r})"

    def evaluate(self, facts: Facts) -> bool | None:
        """Return whether it holds; None where that cannot be told: a value is missing, odd or of another type, or it takes too long."""
        data: dict[str, object] = {}
        try:
            for name, take in self._takes:
                value = take(facts)
                if value is not None:
                    data[name] = value
            answer = self._program.eval(data=data).value()
        except Exception:  # noqa: BLE001 - whatever a request brings about here is a failed expression, and a deny
            return None
        # The library's errors are values too, and their value is a text.
        return answer if answer is True or answer is False else None


def compile_expression(text: str) -> Expression:
    """Return the expression that `text` is. Raises ExpressionMistake where it cannot be used, with the place."""
    _readable(text)
    try:
        program = _environment().compile(text)
    except (RuntimeError, TypeError, ValueError) as fault:
        raise reworded(str(fault), text) from None
    if program.return_type() not in _ANSWERS:
        kind = program.return_type().name().lower()
        raise ExpressionMistake(f"the result is of type {kind[:60]}, and must be true or false; compare it, as in x == 'value'")
    try:
        root = tree(program.serialize())
    except (RuntimeError, ValueError, RecursionError):
        raise ExpressionMistake("the expression cannot be looked through; write a simpler one") from None
    refused = limits.refusal(root, _PROBLEMS)
    if refused is not None:
        raise at(text, refused.place, refused.what)
    if costly := too_costly(root):
        raise at(text, costly[1], costly[0])
    return Expression(text, program, root)


def _readable(text: str) -> None:
    """Raise ExpressionMistake for what the library is not even shown."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError as fault:
        raise at(text, fault.start, "half of a surrogate pair is no character; take it out") from None
    if size > MOST_OCTETS:
        raise ExpressionMistake(f"the expression has {size} octets, and {MOST_OCTETS} are the most; split it into several items")
    if "\0" in text:
        raise at(text, text.index("\0"), "a NUL cannot stand in an expression; take it out")
    if found := _DOUBLING.search(text):
        raise at(text, found.start(), f"{found[1]} is not available; use orValue")


@lru_cache(maxsize=1)
def _environment() -> Any:  # noqa: ANN401 - the library's
    overload = cel.Overload("ip_in_cidr", return_type=cel.Type.BOOL, parameters=[cel.Type.STRING, cel.Type.STRING], impl=_in_cidr)
    return cel.NewEnv(
        variables={name: _TYPES[variable.type] for name, variable in VARIABLES.items()},
        extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional()],
        functions=[cel.FunctionDecl("ip.inCidr", [overload])],
    )


def _in_cidr(address: str, cidr: str) -> bool:
    """Return whether an address is in a network. Raises ValueError, which is an error of the expression, where either is none."""
    first, last = _bounds(cidr)
    value = parse(address)
    if value == UNKNOWN:
        raise ValueError("no address")
    return first <= value <= last


@lru_cache(maxsize=1024)
def _bounds(cidr: str) -> tuple[int, int]:
    if cidr_problem(cidr):
        raise ValueError("no network")
    return bounds(cidr)


def _take(name: str, root: Node) -> Ask:
    variable = VARIABLES[name]
    keyed = variable.type in (Type.TEXTS, Type.CLAIMS)
    take = taker(variable, limits.keys_of(root, name) if keyed else None)
    return (lambda facts: _moment(take(facts))) if variable.type is Type.TIME else take


@lru_cache(maxsize=4)
def _small(source: str) -> Any:  # noqa: ANN401 - the library's
    kind = cel.Type.INT if source == "timestamp(seconds)" else cel.Type.STRING
    return cel.NewEnv(variables={"seconds": kind, "text": kind}).compile(source)


def _moment(now: float) -> object:
    """Return a time as the library reads it, in whole seconds; it makes it itself, so that nothing here reads clocks or calendars."""
    return _small("timestamp(seconds)").eval(data={"seconds": floor(now)}).value()


def _trying(source: str, remedy: str) -> limits.Problem:
    def problem(text: str) -> str:
        if "\0" in text:
            return remedy
        value = _small(source).eval(data={"text": text})
        return remedy if value.type() == cel.Type.ERROR else ""

    return problem


_PROBLEMS: Final = {
    "matches": limits.pattern_problem,
    "ip.inCidr": limits.network_problem,
    "timestamp": _trying("timestamp(text)", "this is no time; write it as in '2026-01-31T08:00:00Z'"),
    "duration": _trying("duration(text)", "this is no duration; write it as in '90m' or '24h'"),
    "get": limits.zone_problem,
}
