"""Byte sequences of structured fields."""

from base64 import b32decode

import pytest

from authz.authn import byte_sequence
from tests.corpora import corpus


def test_the_published_cases_are_read_as_expected():
    cases = [case for case in corpus("structured-fields/binary.json") if case["header_type"] == "item"]
    assert len(cases) >= 10
    for case in cases:
        text = ",".join(case["raw"])
        try:
            found = byte_sequence.item(text)
        except ValueError:
            assert case.get("must_fail") or case.get("can_fail"), case["name"]
        else:
            assert not case.get("must_fail"), case["name"]
            assert found == b32decode(case["expected"][0]["value"]), case["name"]


@pytest.mark.parametrize("name", ["item", "key-generated"])
def test_the_published_cases_of_other_items_are_none(name):
    for case in corpus(f"structured-fields/{name}.json"):
        text = ",".join(case["raw"])
        if ":" not in text:
            with pytest.raises(ValueError, match="byte sequence"):
                byte_sequence.item(text)


def test_a_list_may_be_empty_and_come_in_lines():
    assert byte_sequence.items("") == byte_sequence.items("  ") == ()
    assert byte_sequence.items(":YQ==:,:Yg==:\t, :Yw==:") == (b"a", b"b", b"c")


@pytest.mark.parametrize("text", [",", ":YQ==:,", ":YQ==:,,:Yg==:", ":YQ==: :Yg==:", ":YQ==:;a", "(:YQ==:)", "?1"])
def test_a_list_of_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="byte sequence"):
        byte_sequence.items(text)
