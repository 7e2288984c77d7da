"""PEM blocks."""

import time

import pytest

from authz.authn import pem

BLOCK = "-----BEGIN A KEY-----\nYWJj\n-----END A KEY-----"


def test_each_block_is_a_label_and_octets():
    assert pem.blocks(f"{BLOCK}\n{BLOCK}", alone=True) == [("A KEY", b"abc")] * 2
    assert pem.blocks("", alone=True) == []


def test_text_between_blocks_is_passed_over_where_it_may_be_there():
    text = f"before {BLOCK} between {BLOCK} after"
    assert len(pem.blocks(text, alone=False)) == 2
    with pytest.raises(ValueError, match="text outside"):
        pem.blocks(text, alone=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BLOCK.replace("END A", "END B"), "without its END"),
        (BLOCK.replace("A KEY", "a key"), "without a label"),
        (BLOCK.replace("A KEY", ""), "without a label"),
        ("-----BEGIN " + "A" * 60 + "-----", "without a label"),
        (BLOCK.replace("YWJj", "YWJ"), "not base64"),
        (BLOCK.replace("YWJj", "YW=Jj"), "not base64"),
        (BLOCK.replace("YWJj", "Proc-Type: 4,ENCRYPTED\n\nYWJj"), "not base64"),
        (BLOCK.replace("YWJj", "ä"), "not base64"),
        (BLOCK.replace("YWJj", ""), "empty"),
        (BLOCK + "-----BEGIN ", "without a label"),
    ],
)
def test_what_is_half_a_block_or_none_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        pem.blocks(text, alone=False)


def test_many_beginnings_take_no_longer_than_their_length():
    begun = time.monotonic()
    with pytest.raises(ValueError, match="not base64"):
        pem.blocks("-----BEGIN A-----" * 100_000 + "-----END A-----", alone=False)
    assert time.monotonic() - begun < 1
