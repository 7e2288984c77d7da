"""Conditions on headers and claims."""

import pytest

from authz.model.policy import ClaimCondition, ClaimMatch, HeaderCondition
from authz.policy import conditions


@pytest.mark.parametrize(
    ("condition", "headers", "holds"),
    [
        (HeaderCondition("X-Tenant"), {"x-tenant": "blue"}, True),
        (HeaderCondition("x-tenant"), {"x-tenant": ""}, False),
        (HeaderCondition("x-tenant"), {}, False),
        (HeaderCondition("X-Tenant", ("blue", "red")), {"x-tenant": "red"}, True),
        (HeaderCondition("x-tenant", ("blue",)), {"x-tenant": "Blue"}, False),
        (HeaderCondition("x-tenant", ("blue",)), {"x-tenant": "blue "}, False),
        (HeaderCondition("x-tenant", ("blue",)), {"x-tenant": "blue,blue"}, None),
        (HeaderCondition("x-tenant", ("blue",)), {"x-tenant": "red, blue"}, None),
        (HeaderCondition("x-tenant", ("blue",)), {"x-tenant": "red,green"}, False),
        (HeaderCondition("x-tenant", ("red,blue",)), {"x-tenant": "red,blue"}, True),
        (HeaderCondition("x-tenant"), {"x-tenant": "red,blue"}, True),
        (HeaderCondition("x-tenant", ("Blue",), ignore_case=True), {"x-tenant": "RED,BLUE"}, None),
        (HeaderCondition("x-tenant", ("blue",)), {}, False),
        (HeaderCondition("x-tenant", ("blue",)), {"x_tenant": "blue"}, False),
        (HeaderCondition("x-tenant", ("Blue",), ignore_case=True), {"x-tenant": "bLUE"}, True),
        (HeaderCondition("x-tenant", ("Blue",), ignore_case=True), {"x-tenant": "green"}, False),
        (HeaderCondition("x-tenant", ("Blue",), ignore_case=True), {}, False),
    ],
)
def test_a_header_condition(condition, headers, holds):
    assert conditions.header_test(condition)(headers) is holds


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (("sub",), "alice"),
        (("realm", "roles"), ["reader"]),
        (("realm", "deep", "name"), "x"),
        (("https://example.com/roles",), ["a"]),
        (("absent",), None),
        (("realm", "absent"), None),
        (("sub", "name"), None),
        (("realm", "roles", "0"), None),
        (("nothing",), None),
    ],
)
def test_a_claim_path_leads_into_nested_objects(path, found):
    claims = {
        "sub": "alice",
        "realm": {"roles": ["reader"], "deep": {"name": "x"}},
        "https://example.com/roles": ["a"],
        "nothing": None,
    }
    assert conditions.claim_at(claims, path) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (-1, "-1"),
        (0, "0"),
        (1.5, None),
        (7.0, None),
        (None, None),
        ([], None),
        ({}, None),
    ],
)
def test_a_scalar_claim_as_text(value, text):
    assert conditions.claim_text(value) == text


@pytest.mark.parametrize(
    ("value", "separator", "values"),
    [
        ("a", "", {"a"}),
        ("a b", "", {"a b"}),
        ("a b", " ", {"a", "b"}),
        ("  a   b ", " ", {"a", "b"}),
        ("a, b", ", ", {"a", "b"}),
        ("", " ", set()),
        ("", "", {""}),
        (["a", "b"], "", {"a", "b"}),
        (["a b", "c"], " ", {"a b", "c"}),
        (["a", 7, True, None, 1.5, ["b"], {"c": 1}], "", {"a", "7", "true"}),
        (7, "", {"7"}),
        (True, "", {"true"}),
        (None, "", set()),
        ({}, "", set()),
        ([], "", set()),
    ],
)
def test_the_values_of_a_claim(value, separator, values):
    assert conditions.claim_values({"c": value}, ("c",), separator) == values


CLAIM_TABLE = [
    # match, wanted, claim, holds
    (ClaimMatch.ANY, ("a", "b"), ["b", "c"], True),
    (ClaimMatch.ANY, ("a", "b"), ["c"], False),
    (ClaimMatch.ANY, ("a",), "a", True),
    (ClaimMatch.ANY, ("a",), [], False),
    (ClaimMatch.ANY, ("7",), 7, True),
    (ClaimMatch.ANY, ("true",), True, True),
    (ClaimMatch.ANY, ("True",), True, False),
    (ClaimMatch.ANY, ("1",), True, False),
    (ClaimMatch.ANY, ("A",), "a", False),
    (ClaimMatch.ALL, ("a", "b"), ["a", "b", "c"], True),
    (ClaimMatch.ALL, ("a", "b"), ["a"], False),
    (ClaimMatch.ALL, ("a",), "a", True),
    (ClaimMatch.ALL, ("a",), [], False),
    (ClaimMatch.NONE, ("a", "b"), ["c"], True),
    (ClaimMatch.NONE, ("a", "b"), ["b", "c"], False),
    (ClaimMatch.NONE, ("false",), True, True),
    (ClaimMatch.NONE, ("a",), [], False),
    (ClaimMatch.NONE, ("a",), None, False),
    (ClaimMatch.NONE, ("a",), {}, False),
    (ClaimMatch.NONE, ("a",), 1.5, False),
]


@pytest.mark.parametrize(("match", "wanted", "claim", "holds"), CLAIM_TABLE)
def test_a_claim_condition(match, wanted, claim, holds):
    assert conditions.claim_test(ClaimCondition(("c",), match, wanted))({"c": claim}) is holds


@pytest.mark.parametrize("match", list(ClaimMatch))
def test_an_absent_claim_fulfils_no_condition(match):
    assert conditions.claim_test(ClaimCondition(("c",), match, ("a",)))({"other": "b"}) is False


def test_a_separator_splits_before_values_are_compared():
    condition = ClaimCondition(("c",), ClaimMatch.ALL, ("a", "b"), separator=";")
    assert conditions.claim_test(condition)({"c": "b;a"}) is True
    assert conditions.claim_test(condition)({"c": "b a"}) is False


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "read write"}, {"read", "write"}),
        ({"scp": "read write"}, {"read", "write"}),
        ({"scp": ["read", "write"]}, {"read", "write"}),
        ({"scope": ["read"]}, {"read"}),
        ({"scope": "read", "scp": ["write"]}, {"read", "write"}),
        ({"scope": ""}, set()),
        ({"scope": {"read": True}}, set()),
        ({}, set()),
    ],
)
def test_scopes_are_read_from_scope_and_scp(claims, scopes):
    assert conditions.scopes_of(claims) == scopes


@pytest.mark.parametrize("sent", ["x,internal", "x, internal", "x,\tinternal", "internal\t,x"])
def test_a_repeated_header_is_undecided_whatever_stands_around_the_comma(sent: str) -> None:
    assert conditions.header_test(HeaderCondition("x-k", ("internal",)))({"x-k": sent}) is None
