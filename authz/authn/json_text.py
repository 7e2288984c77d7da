"""JSON as tokens and key sets must write it: one reading only."""

import json
from typing import Any


class NotOneReading(ValueError):
    """The text is not JSON, or is JSON that two readers could take for different things."""


def parse(data: bytes) -> Any:  # noqa: ANN401 - arbitrary JSON
    """Return the value that `data` stands for.

    Refused: other encodings than UTF-8, a byte order mark, duplicate members (RFC 8725 §2.4), NaN and Infinity, lone
    surrogates, and nesting deeper than the interpreter can follow.
    """
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as fault:
        raise NotOneReading("not JSON with one reading") from fault
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_constant(word: str) -> Any:  # noqa: ANN401 - never returns
    raise ValueError(f"{word} is not JSON")
