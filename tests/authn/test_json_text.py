"""JSON with one reading."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.authn.json_text import NotOneReading, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_whatever_json_writes_is_read_back(value, ascii_only):
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize("text", [rb'"\ud83d\ude00"', '"😀"'.encode(), rb'"\u00e9"', rb'"\\ud800"', b' {"a" : 1}\n', b"1e400"])
def test_valid_json_is_read(text):
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"[1,]",
        b"[1] 2",
        b"// no\n1",
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"deep": {"a": 1, "a": 2}}',
        b"NaN",
        b'{"a": Infinity}',
        b"[-Infinity]",
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32-be"),
        b'"\xff"',
        b'"\xed\xa0\x80"',
        rb'"\ud800"',
        rb'{"\udc00": 1}',
        rb'["\ud83d", "\ude00"]',
        b'"a\x00b"',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
    ],
)
def test_what_has_no_reading_or_two_is_refused(text):
    with pytest.raises(NotOneReading, match="not JSON with one reading"):
        parse(text)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data):
    with suppress(NotOneReading):
        parse(data)
