"""Objects of which parts are of another kind than their schema says, or missing: they hide no other and stop nothing.

The data are threes of octets: two say which part, of all that sound objects have, and one what stands there instead.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from tests.fuzz.targets import kube_objects

FOUND: Mapping[str, bytes] = {}
Path = tuple[str | int, ...]
MISSING = ...
INSTEAD = (
    MISSING, None, True, 0, -1, 1.5, 10**30, "", "x", "*", "*.example.com", "é\n", "(", "shop", "True", "Exact", "RegularExpression",
    "HTTPRoute", "AuthPolicy", [], [None], [1], ["x"], [[]], [{}], {}, {"x": None}, {"name": 7}, {"name": "x", "value": ["x"]}, ["x"] * 99,
)  # fmt: skip


@cache
def _whole() -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Sound objects of every kind, and all of their parts but the metadata, which the API server writes itself."""
    whole = json.loads(next(iter(kube_objects.seeds())))
    return whole, tuple(path for path in _parts(whole, ()) if len(path) > 2 and path[2] != "metadata")


def _parts(value: object, path: Path) -> Iterator[Path]:
    yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _parts(each, (*path, key))


def fuzz(data: bytes) -> None:
    held, paths = _whole()
    held = copy.deepcopy(held)
    for at in range(0, len(data) - 2, 3):
        path = paths[int.from_bytes(data[at : at + 2], "big") % len(paths)]
        # A copy, into which the next can be put without being put into itself.
        _replace(held, path, copy.deepcopy(INSTEAD[data[at + 2] % len(INSTEAD)]))
    kube_objects.fuzz(json.dumps(held).encode())


def _replace(value: Any, path: Path, instead: object) -> None:
    """Put something else at a path, where that is still there."""
    for step in path[:-1]:
        if not isinstance(value, dict | list) or (isinstance(value, list) != isinstance(step, int)):
            return
        value = value.get(step) if isinstance(value, dict) else value[step] if step < len(value) else None
    last = path[-1]
    if isinstance(value, dict) and isinstance(last, str):
        value[last] = instead
        if instead is MISSING:
            del value[last]
    elif isinstance(value, list) and isinstance(last, int) and last < len(value):
        value[last] = None if instead is MISSING else instead


def seeds() -> Iterable[bytes]:
    """Each part with something else in its place, and then two of them."""
    yield b""
    for number in range(len(_whole()[1])):
        yield bytes((0, number, number % len(INSTEAD)))
        yield bytes((0, number, (number + 7) % len(INSTEAD), 0, number // 2, (number + 13) % len(INSTEAD)))
