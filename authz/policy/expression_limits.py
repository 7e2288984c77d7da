"""What an expression may hold, so that its evaluation is short whatever a caller sends: rules for a checked expression.

The library bounds nesting and the number of a macro's steps, but not what one step costs. So no value may grow from step to step:
what a macro hands on is no larger than what it was given, and functions whose result outgrows what they read are refused. What
stands in literals (patterns, networks, zones, times) is tried when the expression is loaded.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import re2

from authz.policy.addresses import UNKNOWN, cidr_problem, parse
from authz.policy.checked import Kind, Node
from authz.policy.facts import VARIABLES

Problem = Callable[[str], str]

_RESULT: Final = "@result"
_RESERVED: Final = frozenset({name.partition(".")[0] for name in VARIABLES} | {"ip"})
_REFUSED: Final[Mapping[str, str]] = {
    "format": "format is not available; compare the parts",
    "strings.quote": "strings.quote is not available; compare the text itself",
    "join": "join is not available; use exists or all on the list",
    "optMap": "optMap is not available; use orValue",
    "optFlatMap": "optFlatMap is not available; use orValue",
}
_ACCESS: Final = frozenset({"_[_]", "_?._", "_[?_]"})
_READING: Final = frozenset({"matches", "contains", "indexOf", "lastIndexOf", "split", "replace", "reverse"})
_ZONED: Final = "get"
_LONGEST: Final = 60
_ZONE: Final = re.compile(r"UTC|[+-](?:0\d|1[0-4]):[0-5]\d")


class Refusal(NamedTuple):
    """What is wrong, with the remedy, and the character from 0 where it stands."""

    what: str
    place: int


class Scope(NamedTuple):
    """The variables of the macros around a node, the outermost first."""

    variables: tuple[str, ...] = ()

    def within(self, macro: Node) -> "Scope":
        """Return the scope of what a macro does with each element."""
        return Scope((*self.variables, macro.name))


def refusal(root: Node, problems: Mapping[str, Problem]) -> Refusal | None:
    """Return the first thing that an expression may not hold, or None.

    Args:
        problems: by the name of a function, what finds the problem of a literal given to it; `get` stands for the functions
            that take a time zone.
    """
    return next(_refusals(root, Scope(), problems), None)


def pattern_problem(pattern: str) -> str:
    """Return what is wrong with a regular expression, or ""."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        re2.compile(pattern, options=options)
    except re2.error:
        return "this is no regular expression of RE2, or too large a one; mend the pattern"
    return ""


def zone_problem(zone: str) -> str:
    """Return what is wrong with a time zone, or "". Zones with a name would be read from files, which not every machine has."""
    return "" if _ZONE.fullmatch(zone) else "of time zones there are UTC and offsets; write 'UTC', or as in '+02:00'"


def network_problem(cidr: str) -> str:
    """Return what is wrong with a CIDR, or ""."""
    problem = cidr_problem(cidr) if len(cidr) <= _LONGEST else "this is no CIDR"
    return f"{problem}; write it as in 192.0.2.0/24" if problem else ""


def keys_of(root: Node, variable: str) -> frozenset[str] | None:
    """Return the only members of a map that an expression can see, or None where it sees all."""
    keys: set[str] = set()
    keyed = 0
    for node in root.walk():
        key = _key(node, variable)
        if key is not None:
            keys.add(key)
            keyed += 1
    return frozenset(keys) if keyed == sum(_is(node, variable) for node in root.walk()) else None


def _is(node: Node, variable: str) -> bool:
    return node.kind is Kind.NAME and node.name == variable


def _key(node: Node, variable: str) -> str | None:
    """Return the key where a node takes one member, that is known, of a variable."""
    if node.kind is Kind.MEMBER:
        return node.name if _is(node.parts[0], variable) else None
    if node.kind is not Kind.CALL or len(node.parts) != 2:
        return None
    held, key = node.parts if node.name in _ACCESS else reversed(node.parts)
    if not _is(held, variable) or (node.name not in _ACCESS and node.name != "@in"):
        return None
    return key.text


def _refusals(node: Node, scope: Scope, problems: Mapping[str, Problem]) -> Iterator[Refusal]:
    match node.kind:
        case Kind.MESSAGE:
            yield Refusal("messages cannot be made here; use timestamp('…') or duration('…')", node.place)
        case Kind.CALL:
            yield from _of_call(node, scope, problems)
        case Kind.MACRO:
            yield from _of_macro(node, scope, problems)
            return
    if (name := _key(node, "request.headers")) is not None and name != name.lower():
        yield Refusal(f"names of headers are in lower case here; write '{name.lower()[:_LONGEST]}'", node.place)
    for part in node.parts:
        yield from _refusals(part, scope, problems)


def _of_macro(node: Node, scope: Scope, problems: Mapping[str, Problem]) -> Iterator[Refusal]:
    over, begins, until, step, result = node.parts
    if node.name in _RESERVED or node.name in scope.variables or node.name.startswith("#"):
        yield Refusal(f"{node.name} means something else already; give the variable of this macro another name", node.place)
    if scope.variables and _builds(over):
        yield Refusal("a macro inside another runs over a list that is built there; run over one of the request's own", node.place)
    element = _appended(step)
    if element is not None and not _stems(element, node.name):
        yield Refusal(f"map hands on parts of {node.name} only; compare the rest inside exists or all", element.place)
    yield from _refusals(over, scope, problems)
    for part in (begins, until, step, result):
        yield from _refusals(part, scope.within(node), problems)


def _appended(step: Node) -> Node | None:
    """Return what a step of `map` or `filter` appends to the result; None for the steps of other macros."""
    if step.name == "_?_:_":
        step = step.parts[1]
    if step.name != "_+_" or not _is(step.parts[0], _RESULT) or step.parts[1].kind is not Kind.LIST:
        return None
    return step.parts[1].parts[0]


def _stems(node: Node, variable: str) -> bool:
    """Return whether a value is a part of a macro's variable, or comes of one by functions that make nothing larger."""
    if any(each.kind is Kind.MACRO or (each.kind is Kind.NAME and each.name != variable) for each in node.walk()):
        return False
    while node.parts and node.kind in (Kind.MEMBER, Kind.CALL) and node.name not in ("_+_", "_?_:_"):
        node = node.parts[0]
    return _is(node, variable)


def _builds(node: Node) -> bool:
    """Return whether a value may be larger than what it is made of: all but members of names, and literals."""
    while node.kind is Kind.MEMBER or (node.kind is Kind.CALL and node.name in (*_ACCESS, "orValue", "split", "value")):
        if any(each.kind is not Kind.LITERAL and _builds(each) for each in node.parts[1:]):
            return True
        node = node.parts[0]
    literal = all(each.kind in (Kind.LIST, Kind.MAP, Kind.LITERAL) for each in node.walk())
    return not (node.kind is Kind.NAME or literal)


def _of_call(node: Node, scope: Scope, problems: Mapping[str, Problem]) -> Iterator[Refusal]:
    if node.name in _READING:
        yield from _of_reading(node, scope)
    if node.name in _REFUSED:
        yield Refusal(_REFUSED[node.name], node.place)
    elif node.name == "replace" and len(node.parts) > 2:
        yield from _of_replace(node)
    elif node.name.startswith(_ZONED) and len(node.parts) > 1:
        yield from _of_literal(node.parts[1], problems[_ZONED], required="a time zone")
    elif node.name in problems:
        # The literal that is read as something else is the last argument of each of these.
        required = "a pattern" if node.name == "matches" else ""
        yield from _of_literal(node.parts[-1], problems[node.name], required=required)
    if node.name == "ip.inCidr" and (address := node.parts[0]).text is not None and parse(address.text) == UNKNOWN:
        yield Refusal("this is no IPv4 or IPv6 address; write clientIP, or an address without port and zone", address.place)


def _of_literal(given: Node, problem_of: Problem, *, required: str = "") -> Iterator[Refusal]:
    if given.text is not None:
        if problem := problem_of(given.text):
            yield Refusal(problem, given.place)
    elif required:
        yield Refusal(f"{required} is chosen by whoever writes the policy; write it as a string in quotes", given.place)


def _of_reading(node: Node, scope: Scope) -> Iterator[Refusal]:
    """A function that reads a whole text, or reads it many times over, does so once for each text and not for each step."""
    if scope.variables and not (len(scope.variables) == 1 and _stems(node.parts[0], scope.variables[0])):
        what = f"inside a macro {node.name} reads the macro's own variable only, and no macro is around that one"
        yield Refusal(f"{what}; move it out of the macro", node.place)


def _of_replace(node: Node) -> Iterator[Refusal]:
    old, new = node.parts[1].text, node.parts[2].text
    if old is None or new is None or not old or len(new) > len(old):
        what = "replace takes two strings in quotes, of which the second is not longer than the first"
        yield Refusal(f"{what}; write it so, as in replace('-', '_')", node.place)
