"""A checked expression as a tree of plain values, read out of CEL's own wire format (cel.expr.CheckedExpr, syntax.proto).

Only what the rules of expression_limits need is kept. The format is protobuf's; the few octets of it are read here, so that this
floor knows no protobuf.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

Fields = dict[int, list[int | bytes]]

_VALUE, _EXPRESSION, _SOURCE, _POSITIONS = 2, 4, 5, 4
_ID, _CONSTANT, _NAME, _SELECT, _CALL, _LIST, _STRUCT, _MACRO = range(2, 10)
_STRING: Final = 6


class Kind(Enum):
    """What a node is."""

    LITERAL = "literal"
    NAME = "name"
    MEMBER = "member"
    CALL = "call"
    LIST = "list"
    MAP = "map"
    MESSAGE = "message"
    MACRO = "macro"


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression.

    Attributes:
        kind: what it is.
        place: where it stands, in characters from 0; of a call or a member usually the bracket, dot or operator.
        name: of a name; of a member; of a function, operators as `_==_`; of the variable of a macro; else "".
        text: the value of a literal that is a string, else None.
        parts: the operand of a member; target and arguments of a call; elements; keys and values; and of a macro what it runs
            over, where its result begins, until when, its step, and its result.
    """

    kind: Kind
    place: int
    name: str = ""
    text: str | None = None
    parts: tuple["Node", ...] = ()

    def walk(self) -> Iterator["Node"]:
        """Return the node and all below."""
        yield self
        for part in self.parts:
            yield from part.walk()


# Of a field of Expr: what it is, and the numbers of its own fields that give the name (0: none) and what is below.
_SHAPES: Final[Mapping[int, tuple[Kind, int, tuple[int, ...]]]] = {
    _NAME: (Kind.NAME, 1, ()),
    _SELECT: (Kind.MEMBER, 2, (1,)),
    _CALL: (Kind.CALL, 2, (1, 3)),
    _LIST: (Kind.LIST, 0, (1,)),
    _MACRO: (Kind.MACRO, 1, (2, 4, 5, 6, 7)),
}


def tree(serialized: bytes) -> Node:
    """Return the tree of a checked expression. Raises ValueError where the octets are of another format."""
    try:
        expression = _fields(_octets(_fields(serialized), _VALUE))
        places: dict[int, int] = {}
        for entry in _fields(_octets(expression, _SOURCE)).get(_POSITIONS, []):
            pair = _fields(_is_octets(entry))
            places[_number(pair, 1)] = _number(pair, 2)
        return _node(_octets(expression, _EXPRESSION), places)
    except IndexError as fault:
        raise ValueError("a checked expression in another format") from fault


def _node(data: bytes, places: Mapping[int, int]) -> Node:
    fields = _fields(data)
    place = places.get(_number(fields, _ID), 0)
    for number, values in fields.items():
        if number != _ID:
            return _of(number, _fields(_is_octets(values[0])), place, places)
    raise ValueError("a node of no kind")


def _of(number: int, inner: Fields, place: int, places: Mapping[int, int]) -> Node:
    if number == _CONSTANT:
        return Node(Kind.LITERAL, place, text=_string(inner, _STRING) if _STRING in inner else None)
    if number == _STRUCT:
        entries = [_fields(_is_octets(each)) for each in inner.get(2, [])]
        parts = tuple(part for entry in entries for part in _below(entry, (3, 4), places))
        return Node(Kind.MESSAGE if 1 in inner else Kind.MAP, place, parts=parts)
    if number not in _SHAPES or (number == _MACRO and 8 in inner):
        raise ValueError("a node of an unknown kind, or a macro of two variables")
    kind, name, below = _SHAPES[number]
    # A leading dot says that a name is the root's; it is the same variable.
    return Node(kind, place, _string(inner, name).removeprefix("."), parts=_below(inner, below, places))


def _below(inner: Fields, numbers: tuple[int, ...], places: Mapping[int, int]) -> tuple[Node, ...]:
    return tuple(_node(_is_octets(each), places) for number in numbers for each in inner.get(number, []))


def _fields(data: bytes) -> Fields:
    """Return the fields of one protobuf message by number, in their order."""
    found: Fields = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value: int | bytes
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
            case 1:
                value, at = data[at : at + 8], at + 8
            case 2:
                length, at = _varint(data, at)
                value, at = data[at : at + length], at + length
            case _:
                raise ValueError("a field of an unknown kind")
        found.setdefault(tag >> 3, []).append(value)
    if at != len(data):
        raise ValueError("a field that is cut off")
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        octet = data[at]
        value |= (octet & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if octet < 0x80:
            return value, at


def _octets(fields: Fields, number: int) -> bytes:
    return _is_octets(fields.get(number, [b""])[0])


def _is_octets(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message is expected")
    return value


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number, [0])[0]
    return value if isinstance(value, int) else 0


def _string(fields: Fields, number: int) -> str:
    return _octets(fields, number).decode("utf-8")
