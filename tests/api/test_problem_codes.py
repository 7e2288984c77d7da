"""The table of problem codes and the code that uses them are one list."""

import re
from pathlib import Path

import pytest

import authz
from authz.api import document_codes, policy_codes
from authz.api.problem_codes import CODES

PACKAGE = Path(authz.__file__).parent
TABLES = {Path(each.__file__) for each in (document_codes, policy_codes)}
USED = {
    code for path in PACKAGE.rglob("*.py") if path not in TABLES for code in re.findall(r"\bAZ\d{3}\b", path.read_text(encoding="utf-8"))
}


def test_every_code_that_is_used_is_explained() -> None:
    assert USED - CODES.keys() == set()


def test_every_code_that_is_explained_is_used() -> None:
    assert CODES.keys() - USED == set()


def test_the_codes_are_in_order() -> None:
    assert list(CODES) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_an_entry_has_a_short_title_and_whole_sentences(code: str) -> None:
    entry = CODES[code]
    assert 0 < len(entry.title) <= 40
    assert not entry.title.endswith(".")
    assert entry.meaning.endswith(".")
