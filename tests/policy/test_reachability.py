"""Rules that can never match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.model.policy import Mode, PathKind, PathMatch, RequestMatch
from authz.policy import paths
from authz.policy.reachability import unreachable
from tests.policy.given import a_policy, a_rule, compiled

EXACT, PREFIX, TEMPLATE, REGEX = PathKind.EXACT, PathKind.PREFIX, PathKind.TEMPLATE, PathKind.REGEX


def _match(kind=PREFIX, value="/", *methods):
    return RequestMatch(PathMatch(kind, value), methods)


def _found(*matches, prefixes=(), modes=()):
    """The codes and rules that are reported for rules with these lists of matches."""
    modes = (*modes, *([Mode.ENFORCE] * len(matches)))
    rules = tuple(a_rule(f"r{at}", matches=tuple(each), mode=modes[at]) for at, each in enumerate(matches))
    return [(problem.code, problem.path) for problem in unreachable(a_policy(rules=rules, path_prefixes=prefixes))]


TAKEN = [("AZ317", ("spec", "rules", 1))]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (RequestMatch(), _match(EXACT, "/a")),
        (RequestMatch(), RequestMatch(methods=("GET",))),
        (RequestMatch(methods=("GET", "HEAD")), RequestMatch(methods=("GET",))),
        (RequestMatch(methods=("GET",)), _match(EXACT, "/a", "GET")),
        (_match(PREFIX, "/"), _match(EXACT, "/a")),
        (_match(PREFIX, "/"), _match(PREFIX, "/a")),
        (_match(PREFIX, "/"), _match(TEMPLATE, "/{id}")),
        (_match(PREFIX, "/a"), _match(PREFIX, "/a/b")),
        (_match(PREFIX, "/a/"), _match(PREFIX, "/a")),
        (_match(PREFIX, "/a"), _match(EXACT, "/a/")),
        (_match(PREFIX, "/a"), _match(TEMPLATE, "/a/{id}")),
        (_match(PREFIX, "/%61"), _match(EXACT, "/a/b")),
        (_match(EXACT, "/a"), _match(EXACT, "/a/")),
        (_match(TEMPLATE, "/a/{id}"), _match(EXACT, "/a/7")),
        (_match(TEMPLATE, "/a/{id}"), _match(TEMPLATE, "/a/{id}")),
        (_match(REGEX, "/a.*"), _match(EXACT, "/ab")),
        (_match(REGEX, "/a[0-9]"), _match(REGEX, "/a[0-9]")),
    ],
)
def test_a_rule_that_an_earlier_one_takes_whole_is_reported(earlier, later):
    assert _found([earlier], [later]) == TAKEN


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (_match(EXACT, "/a"), RequestMatch()),
        (RequestMatch(methods=("GET",)), RequestMatch()),
        (RequestMatch(methods=("GET",)), RequestMatch(methods=("GET", "POST"))),
        (RequestMatch(methods=("GET",)), _match(EXACT, "/a")),
        (_match(PREFIX, "/a"), _match(PREFIX, "/ab")),
        (_match(PREFIX, "/a/b"), _match(PREFIX, "/a")),
        (_match(PREFIX, "/a/b"), _match(TEMPLATE, "/a/{id}")),
        (_match(PREFIX, "/a"), _match(REGEX, "/a/.*")),
        (_match(EXACT, "/a"), _match(PREFIX, "/a")),
        (_match(REGEX, "/a"), _match(EXACT, "/a")),
        (_match(TEMPLATE, "/a/{id}"), _match(PREFIX, "/a/7")),
        (_match(TEMPLATE, "/a/{id}"), _match(TEMPLATE, "/a/{name}/x")),
        (_match(PREFIX, "/a", "GET"), _match(EXACT, "/a", "POST")),
    ],
)
def test_a_rule_that_some_request_may_reach_is_not_reported(earlier, later):
    assert _found([earlier], [later]) == []


def test_a_rule_is_reported_only_where_all_its_matches_are_taken():
    assert _found([_match(PREFIX, "/a")], [_match(PREFIX, "/b")], [_match(PREFIX, "/a/x"), _match(PREFIX, "/b/x")]) == [
        ("AZ317", ("spec", "rules", 2))
    ]
    assert _found([_match(PREFIX, "/a")], [_match(PREFIX, "/a/x"), _match(PREFIX, "/c")]) == []


def test_the_rules_that_take_it_are_named():
    rules = (a_rule("staff", matches=(_match(PREFIX, "/a"),)), a_rule("late", matches=(_match(EXACT, "/a"),)))
    (problem,) = unreachable(a_policy(rules=rules))
    assert '"staff" above it' in problem.what


def test_a_rule_in_shadow_takes_nothing_and_can_itself_be_out_of_reach():
    assert _found([], [_match(PREFIX, "/a")], modes=[Mode.SHADOW]) == []
    assert _found([], [_match(PREFIX, "/a")], modes=[Mode.ENFORCE, Mode.SHADOW]) == TAKEN


@pytest.mark.parametrize(
    ("match", "is_outside"),
    [
        (_match(EXACT, "/billing"), True),
        (_match(EXACT, "/"), True),
        (_match(PREFIX, "/billing"), True),
        (_match(PREFIX, "/ordersx"), True),
        (_match(TEMPLATE, "/billing/{id}"), True),
        (_match(EXACT, "/orders"), False),
        (_match(PREFIX, "/"), False),
        (_match(PREFIX, "/orders/7"), False),
        (_match(PREFIX, "/v2"), False),
        (_match(TEMPLATE, "/{any}"), False),
        (_match(TEMPLATE, "/orders/{id}"), False),
        (_match(REGEX, "/billing"), False),
        (RequestMatch(methods=("GET",)), False),
    ],
)
def test_a_rule_outside_the_policys_prefixes_is_reported(match, is_outside):
    found = _found([match], prefixes=("/orders", "/v2/orders"))
    assert found == ([("AZ318", ("spec", "rules", 0, "matches"))] if is_outside else [])


def test_a_match_that_has_mistakes_is_left_to_those():
    assert _found([_match(PREFIX, "/")], [_match(REGEX, "(")]) == []
    assert _found([_match(REGEX, "(")], [_match(PREFIX, "/")]) == []


PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/b", "/ab", "/a/7", "/b/b", "/b/7/c"]
VALUES = {
    EXACT: ["/", "/a", "/a/", "/a/b", "/b"],
    PREFIX: ["/", "/a", "/a/", "/a/b", "/b"],
    TEMPLATE: ["/", "/{x}", "/a/{x}", "/{x}/b", "/{x}/{y}/c", "/a"],
    REGEX: [".*", "/a.*", "/[ab]", "/a/[0-9]", "/b/?"],
}


@st.composite
def _matches(draw):
    kind = draw(st.sampled_from([*VALUES, None]))
    methods = tuple(draw(st.lists(st.sampled_from(["GET", "POST"]), unique=True, min_size=1 if kind is None else 0)))
    return RequestMatch(PathMatch(kind, draw(st.sampled_from(VALUES[kind]))) if kind else None, methods)


@given(
    st.lists(
        st.tuples(st.lists(_matches(), max_size=2), st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.SHADOW])), min_size=1, max_size=5
    ),
    st.lists(st.sampled_from(["/", "/a", "/a/b", "/b"]), unique=True, max_size=2),
)
def test_a_rule_that_some_request_reaches_is_never_reported(rules, prefixes):
    declared = tuple(a_rule(f"r{at}", matches=tuple(matches), mode=mode) for at, (matches, mode) in enumerate(rules))
    policy = a_policy(rules=declared, path_prefixes=tuple(prefixes))
    reported = {problem.path[2] for problem in unreachable(policy)}
    ready = compiled(policy)
    for path in PATHS:
        if not any(paths.is_below(path, prefix) for prefix in ready.prefixes):
            continue
        for method in ("GET", "POST", "PUT"):
            chosen = ready.rule_for(method, path)
            last = chosen.at if chosen else len(rules)
            reached = {rule.at for rule in ready.shadow_rules if rule.at < last and rule.matches(method, path)}
            assert not reported & (reached | ({last} if chosen else set())), (method, path)
