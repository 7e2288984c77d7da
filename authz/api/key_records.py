"""The records of API keys, as text: JSON Lines, a JSON array, or YAML. One that cannot be used is left out, the others count.

No message shows what stands in a record: where a digest belongs, somebody may have written a key.
"""

import io
import json
import re
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any, Final

from authz.api.key_record import record_of
from authz.api.manifest import Document, Place, Unreadable, documents
from authz.model.api_key import KeyRecord
from authz.model.problem import Problem

MAX_RECORDS: Final = 200_000
MAX_CHARACTERS: Final = 128 * 1024 * 1024
MAX_LINE: Final = 16 * 1024
STEP: Final = 50  # Records that are read between two chances for others to have their turn.
MAX_PROBLEMS: Final = 100
_BLANK: Final = re.compile(r"[ \t\r\n]*")
# What the reader of YAML says shows what stands there; this does not.
_OF_YAML: Final = {
    "AZ103": "only what JSON can say is read: no tags, no merge keys, plain words as field names",
    "AZ104": "a field is given twice; keep one",
}


def read_records(text: str, origin: str) -> tuple[tuple[KeyRecord, ...], tuple[Problem, ...]]:
    """Return the records of a text that can be used, and what is wrong with the others: the first hundred mistakes, and how many more.

    `origin` says where the text is from: a file, or the key of a Secret.
    """
    steps = reading(text, origin)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: tuple[tuple[KeyRecord, ...], tuple[Problem, ...]] = end.value
            return found


def reading(text: str, origin: str) -> Generator[None, None, tuple[tuple[KeyRecord, ...], tuple[Problem, ...]]]:
    """Return short steps that come to the same: there may be a hundred thousand records, one a line."""
    records: list[KeyRecord] = []
    problems: list[Problem] = []
    further = 0
    for at, each in enumerate(each_record(text, origin)):
        if at % STEP == 0:
            yield
        if isinstance(each, KeyRecord):
            records.append(each)
        elif len(problems) < MAX_PROBLEMS:
            problems.append(each)
        else:
            further += 1
    if further:
        problems.append(Problem("AZ214", f"and {further} further records that are not used", file=origin, line=1, column=1))
    return tuple(records), tuple(problems)


def each_record(text: str, origin: str) -> Iterator[KeyRecord | Problem]:
    """Yield each record of a text, or why it is not used, one by one: whoever has little time at once can take them so."""
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_CHARACTERS:
        yield _unreadable(f"larger than {MAX_CHARACTERS // 1024 // 1024} Mi characters; split it into several texts", origin)
    elif is_lines(text):
        yield from _of_lines(text, origin)
    elif (array := _json_array(text)) is not None:
        for value, (line, column) in array:
            found = record_of(value)
            yield found if isinstance(found, KeyRecord) else replace(found, path=(), file=origin, line=line, column=column)
    else:
        yield from _of_documents(text, origin)


def is_lines(text: str) -> bool:
    """Return whether a text is JSON Lines: its first line that says anything begins an object, and not over several lines."""
    for line in io.StringIO(text):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            return bare.startswith("{") and bare != "{"
    return False


def _of_lines(text: str, origin: str) -> Iterator[KeyRecord | Problem]:
    count = 0
    for number, line in enumerate(io.StringIO(text), 1):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        count += 1
        if count > MAX_RECORDS:
            yield replace(_unreadable(f"more than {MAX_RECORDS} records; those after this line are not used", origin), line=number)
            return
        found = _of_line(bare)
        yield found if isinstance(found, KeyRecord) else replace(found, path=(), file=origin, line=number, column=1)


def _of_line(line: str) -> KeyRecord | Problem:
    if len(line) > MAX_LINE:
        return Problem("AZ214", f"the line is longer than {MAX_LINE} characters; a record is one line, and short")
    try:
        value = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return Problem("AZ214", "the line is not a JSON object with each field once; write one record a line, whole")
    return record_of(value)


def _json_array(text: str) -> list[tuple[Any, Place]] | None:
    """Return the values of a JSON array, each with the place where it begins, or None where the text is none with one reading.

    YAML would say the same, but not of a hundred thousand.
    """
    found: list[tuple[Any, Place]] = []
    at, line, began, seen = _beyond(text, 0), 1, 0, 0
    if text[at : at + 1] != "[" or text[at + 1 :].strip() == "]":
        return None
    while text[at : at + 1] in ("[", ",") and len(found) < MAX_RECORDS:
        start = _beyond(text, at + 1)
        line, began, seen = line + text.count("\n", seen, start), max(began, text.rfind("\n", seen, start) + 1), start
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return None
        found.append((value, (line, start - began + 1)))
        at = _beyond(text, end)
    return found if text[at : at + 1] == "]" and not text[at + 1 :].strip() else None


def _beyond(text: str, at: int) -> int:
    """Return where the white space that begins at `at` ends (RFC 8259 §2)."""
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _no_constant(word: str) -> Any:  # noqa: ANN401 - never returns
    raise ValueError("no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_no_constant)


def _of_documents(text: str, origin: str) -> Iterator[KeyRecord | Problem]:
    found = documents(text)
    if isinstance(found, Unreadable):
        problem = found.problem
        what = "too deep or too large for YAML; write" if problem.code == "AZ102" else "neither YAML nor JSON; mend this place, or write"
        yield replace(_unreadable(f"{what} one record a line, in JSON", origin), line=problem.line, column=problem.column)
        return
    for document in found:
        yield from _of_document(document, origin)


def _of_document(document: Document, origin: str) -> Iterator[KeyRecord | Problem]:
    if any(problem.code == "AZ102" for problem in document.problems):
        yield _unreadable("too deep, too large, or repeated by aliases; write one record a line, in JSON", origin)
        return
    listed = isinstance(document.value, list)
    for at, value in enumerate(document.value if listed else [document.value]):
        here = (at,) if listed else ()
        unread = [each for each in document.problems if each.path[: len(here)] == here]
        found = Problem("AZ214", _of_yaml(unread[0]), unread[0].path[len(here) :]) if unread else record_of(value)
        if isinstance(found, KeyRecord):
            yield found
        else:
            line, column = document.places.get((*here, *found.path)) or document.places.get(here) or (1, 1)
            yield replace(found, path=(), file=origin, line=line, column=column)


def _of_yaml(problem: Problem) -> str:
    return _OF_YAML.get(problem.code, "it has no plain reading; write it in JSON")


def _unreadable(what: str, origin: str) -> Problem:
    return Problem("AZ215", f"the records are {what}", file=origin, line=1, column=1)
