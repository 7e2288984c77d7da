"""The records of API keys, as text."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.api import key_records
from authz.api.key_records import MAX_LINE, MAX_PROBLEMS, read_records
from authz.model.api_key import Digest, DigestKind, KeyRecord, KeySlot, KeyState
from tests import canaries

DIGEST = "ab" * 32
MANY = 40_000  # More keys and values than YAML may have.
WHOLE = {
    "id": "k7",
    "digest": f"hmac-sha256:{DIGEST}",
    "slot": "Secondary",
    "subscription": "Acme Ltd.",
    "state": "Suspended",
    "scopes": ["orders", "*"],
    "notBefore": "1970-01-01T00:01:00Z",
    "notAfter": "1970-01-01T02:00:00.5+01:00",
    "cidrs": ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"],
    "labels": {"team": "blue"},
}
READ = KeyRecord(
    "k7",
    Digest(DigestKind.KEYED, bytes.fromhex(DIGEST)),
    KeySlot.SECONDARY,
    "Acme Ltd.",
    KeyState.SUSPENDED,
    ("orders", "*"),
    60.0,
    3600.5,
    ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7"),
    (("team", "blue"),),
)


def _a_record(**changes):
    made = {"id": "k1", "digest": f"sha256:{DIGEST}", "subscription": "acme"} | changes
    return {name: value for name, value in made.items() if value is not ...}


def _wrong(record):
    """What is said of a record, beside one that is right."""
    (good,), (problem,) = read_records(f"{json.dumps(WHOLE)}\n{json.dumps(record)}", "keys.jsonl")
    assert good == READ
    assert (problem.code, problem.file, problem.line, problem.column, problem.path) == ("AZ214", "keys.jsonl", 2, 1, ())
    # The same in the other forms.
    for text in (json.dumps([record, WHOLE]), f"- {json.dumps(record)}\n- {json.dumps(WHOLE)}"):
        (same,), (other,) = read_records(text, "keys")
        assert (same, other.code, other.file, other.what) == (READ, "AZ214", "keys", problem.what)
    return problem.what


# The forms.


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WHOLE),
        f"\ufeff# comment\n\n  {json.dumps(WHOLE)}  \r\n# more\n\n",
        json.dumps([WHOLE]),
        json.dumps(WHOLE, indent=2),
        json.dumps([WHOLE], indent=2),
        f"- {json.dumps(WHOLE)}",
        f"---\n---\n# comment\n- {json.dumps(WHOLE)}\n",
        "\n".join(f"{name}: {json.dumps(value)}" for name, value in WHOLE.items()),
    ],
)
def test_a_record_is_the_same_in_every_form(text):
    assert read_records(text, "") == ((READ,), ())


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "[]", "---\n"])
def test_a_text_without_records_has_none(text):
    assert read_records(text, "") == ((), ())


def test_what_is_not_written_is_usual_and_without_scopes_nothing_is_opened():
    (record,), _ = read_records(json.dumps(_a_record()), "")
    assert record == KeyRecord("k1", Digest(DigestKind.PLAIN, bytes.fromhex(DIGEST)), KeySlot.PRIMARY, "acme")
    assert (record.state, record.scopes, record.cidrs, record.not_before, record.not_after) == ("Active", (), (), None, None)


def test_a_line_of_two_lines_is_two_records_that_cannot_be_read():
    records, problems = read_records(json.dumps(WHOLE) + '\n{"id":\n"k1"}\n' + json.dumps(WHOLE), "")
    assert (len(records), [problem.line for problem in problems]) == (2, [2, 3])


def test_a_record_in_an_array_has_its_place():
    text = json.dumps([WHOLE, 7, WHOLE, {"id": "\ud800\udc00"}, []], indent=2)
    records, problems = read_records(text, "keys.json")
    lines = text.splitlines()
    assert records == (READ, READ)
    assert [lines[problem.line - 1][problem.column - 1 :] for problem in problems] == ["7,", "{", "[]"]


@pytest.mark.parametrize("end", ["", ",", "]]", "] x", ",]", "] # comment"])
def test_an_array_that_does_not_end_as_json_is_read_as_yaml_or_not_at_all(end):
    records, problems = read_records(f"[{json.dumps(WHOLE)}{end}", "")
    assert (records == (READ,)) is (end in (",]", "] # comment"))
    assert (problems == ()) is (end in (",]", "] # comment"))


def test_an_array_may_be_as_long_as_lines():
    text = json.dumps([_a_record(id=f"k{at}") for at in range(MANY)])
    records, problems = read_records(text, "")
    assert (len(records), problems) == (MANY, ())


def test_a_mistake_in_yaml_has_its_place():
    text = f"- id: k1\n  digest: sha256:{DIGEST}\n  subscription: acme\n  stat: Active\n- id: k2\n"
    _, problems = read_records(text, "keys.yaml")
    assert [(problem.line, problem.column) for problem in problems] == [(4, 3), (5, 3)]
    assert problems[0].what == "unknown field stat; did you mean state?"
    assert problems[1].what == "digest is missing; add it; subscription is missing; add it"


# What is wrong with a record.


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id": ...}, "id is missing"),
        ({"digest": ...}, "digest is missing"),
        ({"subscription": ...}, "subscription is missing"),
        ({"id": "a.b"}, "id: "),
        ({"id": ""}, "id: "),
        ({"id": "a" * 65}, "id: "),
        ({"id": 7}, "id has the wrong type"),
        ({"digest": DIGEST}, "64 hexadecimal digits"),
        ({"digest": f"md5:{DIGEST}"}, "64 hexadecimal digits"),
        ({"digest": f"sha256:{DIGEST}\n"}, "64 hexadecimal digits"),
        ({"digest": f"sha256:{DIGEST}ab"}, "64 hexadecimal digits"),
        ({"digest": 7}, "64 hexadecimal digits"),
        ({"subscription": ""}, "subscription: "),
        ({"subscription": "a\nb"}, "subscription: "),
        ({"subscription": "é"}, "subscription: "),
        ({"slot": "primary"}, "slot is one of Primary, Secondary; did you mean Primary?"),
        ({"state": "active"}, "state is one of Active, Suspended, Submitted, Rejected, Cancelled, Expired; did you mean Active?"),
        ({"scopes": "orders"}, "scopes has the wrong type"),
        ({"scopes": ["two words"]}, "scopes[0]: "),
        ({"scopes": ["a"] * 65}, "scopes: "),
        ({"notAfter": None}, "notAfter has no value"),
        ({"notAfter": "2027-01-01"}, "RFC 3339"),
        ({"notAfter": "2027-01-01T00:00:00"}, "RFC 3339"),
        ({"notAfter": "2027-02-30T00:00:00Z"}, "notAfter: "),
        ({"notAfter": "0001-01-01T00:00:00+14:00"}, "RFC 3339"),
        ({"notAfter": 1798761600}, "RFC 3339"),
        ({"notBefore": "2027-02-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00Z"}, "exchange them"),
        ({"cidrs": ["192.0.2.1/24"]}, "cidrs[0]: write a CIDR"),
        ({"cidrs": ["192.0.2.0/255.255.255.0"]}, "cidrs[0]: write a CIDR"),
        ({"cidrs": ["fe80::1%eth0"]}, "cidrs[0]: write a CIDR"),
        ({"cidrs": ["::ffff:192.0.2.0/120"]}, "IPv4 as IPv4"),
        ({"cidrs": ["192.0.2.01"]}, "cidrs[0]: write a CIDR"),
        ({"labels": {"a b": "c"}}, "labels: write names"),
        ({"labels": {"a": 7}}, "labels: write names"),
        ({"scope": ["orders"]}, "unknown field scope; did you mean scopes?"),
        ({"7": 1}, "a field of another name than id, digest, slot"),
    ],
)
def test_a_record_that_cannot_be_used_says_why(changes, why):
    assert why in _wrong(_a_record(**changes))


@pytest.mark.parametrize("value", [7, "text", [], True])
def test_a_record_is_an_object(value):
    assert "an object" in _wrong(value)


def test_only_three_of_many_mistakes_are_told():
    assert _wrong({str(at) + "x": at for at in range(9)}).endswith("; and 9 more mistakes")


KEY = canaries.note("k1.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcde")


@pytest.mark.parametrize("name", ["key", "Key", "value", "primaryKey", "primary_key", "PRIMARY-KEY", "secondaryKey", "secret", "token"])
def test_a_key_that_somebody_wrote_is_told_and_not_shown(name):
    what = _wrong(_a_record(digest=..., **{name: KEY}))
    assert what.startswith("never write a key: `authz apikey hash` gives its digest")
    assert list(canaries.found_in(what)) == []


@pytest.mark.parametrize("field", [*WHOLE, KEY, f"x{KEY[3:]}", "labels"])
@pytest.mark.parametrize("value", [KEY, [KEY], {KEY: KEY}, {"a": KEY, KEY: 7}, [{"a": KEY}]])
def test_wherever_a_key_is_written_it_is_not_shown(field, value):
    record = _a_record() | {field: value}
    yaml = json.dumps([record]) + "\n" + KEY + ": ["
    for text in (json.dumps(record), json.dumps([record]), json.dumps([{KEY: record}]), yaml, f"!{KEY} [a]", f"- *{KEY[3:]}"):
        _, problems = read_records(text, "")
        assert list(canaries.found_in(str(problems))) == []


def test_a_member_given_twice_counts_for_nothing():
    line = json.dumps(_a_record()).removesuffix("}") + ', "state": "Active", "state": "Cancelled"}'
    _, (problem,) = read_records(line, "")
    assert "each field once" in problem.what
    _, (problem,) = read_records(f"- {line}", "")
    assert problem.what == "a field is given twice; keep one"


@pytest.mark.parametrize("line", ['{"id": NaN}', "{" * 5000, '{"id": "\\ud800"}', '{"id": ' + "9" * 5000 + "}", "{'id': 1}", "{}{}"])
def test_what_is_no_record_on_a_line_is_one_problem(line):
    records, problems = read_records(line, "")
    assert (records, [problem.code for problem in problems]) == ((), ["AZ214"])


# Bounds.


def test_a_long_line_is_not_read():
    _, (problem,) = read_records(json.dumps(_a_record(labels={"a": "b" * MAX_LINE})), "")
    assert "longer than" in problem.what


def test_of_many_mistakes_a_hundred_are_told():
    records, problems = read_records("{bad}\n" * (MAX_PROBLEMS + 7) + json.dumps(WHOLE), "")
    assert (len(records), len(problems)) == (1, MAX_PROBLEMS + 1)
    assert problems[-1].what == "and 7 further records that are not used"


def test_more_records_than_any_list_has_are_not_used(monkeypatch):
    monkeypatch.setattr(key_records, "MAX_RECORDS", 2)
    records, (problem,) = read_records((json.dumps(WHOLE) + "\n") * 9, "")
    assert (len(records), problem.code, problem.line) == (2, "AZ215", 3)
    monkeypatch.setattr(key_records, "MAX_CHARACTERS", 9)
    records, (problem,) = read_records(json.dumps(WHOLE), "")
    assert (records, problem.code) == ((), "AZ215")


BOMB = "\n".join(["a0: &a0 [x]", *(f"a{at}: &a{at} [{','.join([f'*a{at - 1}'] * 9)}]" for at in range(1, 9))])


@pytest.mark.parametrize(
    "text", ["[", "a: b: c", "\x00", "- " + "[" * 70 + "]" * 70, "- [" + "1," * 200_000 + "]", BOMB, f"- {KEY}: [", "%a"]
)
def test_text_that_cannot_be_read_is_one_problem(text):
    began = time.process_time()
    records, (problem,) = read_records(text, "keys")
    assert (records, problem.code, problem.file) == ((), "AZ215", "keys")
    assert problem.line >= 1
    assert time.process_time() - began < 5


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5)
        | st.sampled_from([*map(str, WHOLE.values())]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WHOLE, "a"]) | st.text(max_size=3), inner, max_size=6)
        ),
        max_leaves=10,
    )
)
def test_no_record_harms_the_others(value):
    for text in (f"{json.dumps(WHOLE)}\n{json.dumps(value)}", json.dumps([WHOLE, value])):
        records, problems = read_records(text, "")
        assert records[0] == READ
        assert len(records) + len(problems) == 2
