"""YAML with one reading."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.api import manifest
from authz.api.manifest import Document, Unreadable, documents


def _only(text):
    (document,) = documents(text)
    return document


def _value(text):
    document = _only(text)
    assert document.problems == []
    return document.value


def _faults(text):
    return [(problem.code, problem.path, problem.line, problem.column) for problem in _only(text).problems]


# Plain values are what JSON would say.


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
        ("text", "text"),
        ('"7"', "7"),
        ("'true'", "true"),
        ('""', ""),
        ('"a\\nb"', "a\nb"),
        ("|\n    a\n    b\n", "a\nb\n"),
        (">\n    a\n    b\n", "a b\n"),
    ],
)
def test_a_plain_value_is_what_json_would_say(written, value):
    found = _value(f"a: {written}")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "written",
    [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Yes",
        "NO",
        "True",
        "FALSE",
        "Null",
        "NULL",
        "017",
        "0o17",
        "0x1F",
        "0b101",
        "1_000",
        "+1",
        "1:30",
        "190:20:30",
        ".5",
        "1.",
        ".inf",
        "-.INF",
        ".nan",
        "2026-11-24",
        "2026-11-24T07:00:00Z",
        "2001-01-01 00:00:00",
        "1.2.3",
        "10.0.0.0/8",
        "=",
        "12345678901234567890",
    ],
)
def test_what_yaml_alone_takes_for_something_else_is_text(written):
    assert _value(f"a: {written}")["a"] == written


def test_json_is_yaml_too():
    assert _value('{"a": [1, "b", {"c": null}], "d": true}') == {"a": [1, "b", {"c": None}], "d": True}


def test_several_documents_are_told_apart_and_empty_ones_left_out():
    found = documents("a: 1\n---\n---\n# nothing\n---\nb: 2\n...\n")
    assert [document.value for document in found] == [{"a": 1}, {"b": 2}]
    assert found[1].places["b",] == (6, 1)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n---\n", "--- \n...\n", "''"])
def test_a_text_without_anything_has_no_documents(text):
    assert documents(text) == []


def test_a_document_that_is_null_in_writing_is_one():
    assert [document.value for document in documents("--- ~\n")] == [None]


# Places.


def test_everything_has_its_place():
    text = "spec:\n  rules:\n  - name: one\n    allow: []\n  - {name: two, allow: [{jwt: x}]}\n"
    assert _only(text).places == {
        (): (1, 1),
        ("spec",): (1, 1),
        ("spec", "rules"): (2, 3),
        ("spec", "rules", 0): (3, 5),
        ("spec", "rules", 0, "name"): (3, 5),
        ("spec", "rules", 0, "allow"): (4, 5),
        ("spec", "rules", 1): (5, 5),
        ("spec", "rules", 1, "name"): (5, 6),
        ("spec", "rules", 1, "allow"): (5, 17),
        ("spec", "rules", 1, "allow", 0): (5, 25),
        ("spec", "rules", 1, "allow", 0, "jwt"): (5, 26),
    }


# Two readings.


def test_a_key_given_twice_is_reported_and_the_first_is_kept():
    document = _only("a: 1\nb: 2\na: 3\n")
    assert document.value == {"a": 1, "b": 2}
    (problem,) = document.problems
    assert (problem.code, problem.path, problem.line, problem.column) == ("AZ104", ("a",), 3, 1)
    assert problem.what == "a is given twice (first at line 1); keep one"


def test_a_key_given_twice_in_another_spelling_is_the_same_key():
    assert _faults("a: 1\n\"a\": 2\n'\\u0061': 3\n") == [("AZ104", ("a",), 2, 1)]
    assert _faults('{"a": {"b": 1, "\\u0062": 2}}') == [("AZ104", ("a", "b"), 1, 16)]


@pytest.mark.parametrize("key", ["? [a, b]\n", "? {a: b}\n", "[a]"])
def test_a_key_that_is_no_word_is_reported(key):
    (fault,) = _faults(f"x: 1\n{key}: 2\n")
    assert fault[0] == "AZ103"
    assert fault[2] == 2


def test_a_merge_key_is_not_supported():
    document = _only("base: &base {a: 1}\nmore:\n  <<: *base\n  b: 2\n")
    assert document.value["more"] == {"b": 2}
    assert [(each.code, each.path, each.line, each.column) for each in document.problems] == [("AZ103", ("more",), 3, 3)]


@pytest.mark.parametrize("tag", ["!!binary aGk=", "!secret x", "!!python/name:os.system x", "!env HOME", "!<tag:example.com,2026:x> y"])
def test_a_tag_on_a_plain_value_is_not_supported(tag):
    document = _only(f"a: {tag}\n")
    assert document.value == {"a": None}
    assert [(each.code, each.path, each.line, each.column) for each in document.problems] == [("AZ103", ("a",), 1, 4)]


@pytest.mark.parametrize(
    "written",
    [
        "!!str 123",
        "!!str true",
        '!!int "7"',
        "!secret 'x'",
        "!!binary |\n    aGk=\n",
        "!!python/object:os.system {x: y}",
        "!!set {x, y}",
        "!list [x]",
    ],
)
def test_a_tag_never_passes_silently(written):
    assert [fault[0] for fault in _faults(f"a: {written}\n")] == ["AZ103"]


def test_aliases_are_followed():
    assert _value("a: &x [1, 2]\nb: *x\nc: {d: *x}\n") == {"a": [1, 2], "b": [1, 2], "c": {"d": [1, 2]}}


@pytest.mark.parametrize(
    "text", ["a: *nothing\n", "a: [\n", "a: 'x\n", "a: b: c\n", "\tx: 1\n", "a: 1\n b: 2\n", "%\n", "@x\n", "a\x00b", "\ud800", "a: \x01"]
)
def test_what_is_no_yaml_says_so_and_where(text):
    found = documents(text)
    assert isinstance(found, Unreadable)
    assert (found.problem.code, found.problem.line >= 1, found.problem.column >= 1) == ("AZ101", True, True)
    assert found.problem.what.startswith("not YAML: ")


def test_the_place_of_a_mistake_in_the_yaml_itself():
    problem = documents("a: 1\nb: [1, 2\nc: 3\n").problem
    assert (problem.line, problem.column) == (3, 2)


# Limits.


def test_a_bomb_of_aliases_is_cut_short():
    layers = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    layers += [f"{name}: &{name} [{', '.join(['*' + before] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)]
    document = _only("\n".join(layers))
    assert {problem.code for problem in document.problems} == {"AZ102"}
    assert len(document.places) < 10_000


def test_an_alias_may_be_repeated_64_times():
    assert _faults(f"a: &x 1\nb: [{', '.join(['*x'] * (manifest.MAX_ALIASES - 1))}]\n") == []
    assert [fault[0] for fault in _faults(f"a: &x 1\nb: [{', '.join(['*x'] * manifest.MAX_ALIASES)}]\n")] == ["AZ102"]


def test_an_alias_of_itself_is_cut_short():
    document = _only("&a [*a]")
    assert [problem.code for problem in document.problems] == ["AZ102"]


def test_a_document_may_be_64_levels_deep():
    assert _faults("[" * 64 + "x" + "]" * 64) == []
    found = documents("a: 1\nb:\n " + "[" * 64 + "x" + "]" * 64)
    assert isinstance(found, Unreadable)
    assert (found.problem.code, found.problem.line, found.problem.column) == ("AZ102", 3, 65)


def test_aliases_do_not_lead_deeper():
    text = f"a: &x {'[' * 40}1{']' * 40}\nb: {'[' * 40}*x{']' * 40}\n"
    assert [(fault[0], len(fault[1])) for fault in _faults(text)] == [("AZ102", 65)]


LARGE = [f"[{'x,' * manifest.MAX_NODES}]", "- x\n" * manifest.MAX_NODES, f"{{{'a,' * (manifest.MAX_NODES // 2)}}}"]


@pytest.mark.parametrize("text", LARGE, ids=["flow", "block", "mapping"])
def test_a_document_that_is_too_large_is_not_even_put_together(text):
    found = documents(text)
    assert isinstance(found, Unreadable)
    assert found.problem.code == "AZ102"
    assert f"larger than {manifest.MAX_NODES} " in found.problem.what


def test_of_what_aliases_make_too_large_is_told_once():
    text = f"a: &a [{','.join('x' * 20_000)}]\nb: [{','.join(['*a'] * 20)}]\nc: [{','.join('x' * 100)}]"
    assert [fault[0] for fault in _faults(text)] == ["AZ102"]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_a_document_that_is_far_too_deep_does_not_end_the_process(opening):
    script = f"from authz.api.manifest import documents; documents({opening!r} * 100_000)"
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert ended.returncode == 0, ended.stderr[-200:]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-zA-Z]{1,6}", fullmatch=True), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.from_regex(r"[a-zA-Z]{1,6}", fullmatch=True), VALUES, min_size=1, max_size=4))
def test_whatever_json_says_is_read_as_json_reads_it(value):
    assert _value(json.dumps(value, ensure_ascii=False)) == value


@given(st.text("abc:-[]{}#&*!|>'\"%@`?, \n\t<01.~", max_size=40))
def test_no_text_raises(text):
    found = documents(text)
    assert isinstance(found, Unreadable) or all(isinstance(each, Document) for each in found)
