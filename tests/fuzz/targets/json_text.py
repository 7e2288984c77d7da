"""JSON of tokens and key sets: refused, or read as what it says again when it is written anew."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from authz.authn.json_text import NotOneReading, parse

FOUND: Mapping[str, bytes] = {}


def fuzz(data: bytes) -> None:
    with suppress(NotOneReading):
        value = parse(data)
        assert not re.search(rb"[IN]", re.sub(rb'"(?:[^"\\]|\\.)*"', b"", data)), "neither Infinity nor NaN is JSON"
        json.loads(data, object_pairs_hook=_assert_unique)
        # A number beyond what a double holds is read as infinite, which JSON cannot say again.
        if not _is_infinite(value):
            again = json.dumps(value, ensure_ascii=False).encode()
            assert parse(again) == value, again


def _assert_unique(members: list[tuple[str, object]]) -> None:
    assert len({name for name, _ in members}) == len(members)


def _is_infinite(value: object) -> bool:
    left = [value]
    for each in left:
        if isinstance(each, float) and math.isinf(each):
            return True
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return False


def seeds() -> Iterable[bytes]:
    yield b'{"iss":"https://idp.example.com","aud":["orders"],"exp":1800000000,"nbf":1.5e9,"ok":true,"none":null}'
    yield '{"sub":"café","name":"\\u00e9\\ud83d\\ude00","path":"\\/\\n\\\\"}'.encode()
    yield b'{"a":1,"b":{"a":[1,[2,[3]]]},"":""}'
    yield b'{"a":1,"a":2}'
    yield b'{"a":"\\ud800"}'
    yield b"[1e999,-0,0.1E+2,123456789012345678901234567890]"
    yield from (b"[NaN]", b'{"a":Infinity}', b"[1,-Infinity]")
    yield '{"a":1}'.encode("utf-16")
