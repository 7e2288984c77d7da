"""What is wrong with a policy that its types alone do not show."""

from dataclasses import replace

import pytest

from authz.model.definitions import Definitions
from authz.model.issuer import Place, PlaceKind
from authz.model.operator import ClientAddress, Operator
from authz.model.policy import (
    AddressCondition,
    AddressRange,
    Answer,
    Denied,
    ForwardedHeader,
    Item,
    JwtCondition,
    PathKind,
    PathMatch,
    RequestMatch,
)
from authz.model.problem import Severity
from authz.policy.named import dangling, did_you_mean
from authz.policy.problems import problems
from tests.policy.given import ANYONE, STAFF, a_policy, a_rule, an_issuer, from_networks

SAID = Operator(ClientAddress())
RULE = ("spec", "rules", 0)


def _found(policy, operator=SAID):
    return [(problem.code, problem.path) for problem in problems(policy, operator)]


def _with_rule(**changes):
    return a_policy(rules=(a_rule(**changes),))


def _with_path(kind, value):
    return _with_rule(matches=(RequestMatch(PathMatch(kind, value)),))


def _with_headers(*headers, status=0):
    return a_policy(denied=Denied(forbidden=Answer(status, headers=headers)))


OUTSIDE = replace(STAFF, jwt=JwtCondition(("idp",), audiences=("billing",)))
FROM_OFFICE = Item("office", anonymous=True, addresses=from_networks("192.0.2.0/24"))

ONE_MISTAKE = {
    "a host that is none": (a_policy(hosts=("API.example.com",)), "AZ301", ("spec", "hosts", 0)),
    "a host with a port": (a_policy(hosts=("a.example", "b.example:80")), "AZ301", ("spec", "hosts", 1)),
    "a prefix without slash": (a_policy(path_prefixes=("orders",)), "AZ302", ("spec", "pathPrefixes", 0)),
    "a prefix that no request has": (a_policy(path_prefixes=("/ok", "/a//b")), "AZ302", ("spec", "pathPrefixes", 1)),
    "rules without hosts": (a_policy(hosts=()), "AZ303", ("spec", "rules")),
    "prefixes without hosts": (a_policy(hosts=(), rules=(), path_prefixes=("/a",)), "AZ303", ("spec", "pathPrefixes")),
    "deny without hosts": (a_policy(hosts=(), rules=(), deny=(FROM_OFFICE,)), "AZ303", ("spec", "deny")),
    "hosts without rules": (a_policy(rules=()), "AZ304", ("spec", "hosts")),
    "tokens without audiences": (a_policy(audiences=(), rules=(a_rule(allow=(STAFF,)),)), "AZ305", ("spec",)),
    "tokens in deny without audiences": (a_policy(audiences=(), deny=(STAFF,)), "AZ305", ("spec",)),
    "an audience outside the policy's": (_with_rule(allow=(OUTSIDE,)), "AZ306", (*RULE, "allow", 0, "jwt", "audiences", 0)),
    "the same in deny": (_with_rule(deny=(OUTSIDE,)), "AZ306", (*RULE, "deny", 0, "jwt", "audiences", 0)),
    "the second of two audiences": (
        _with_rule(allow=(replace(STAFF, jwt=JwtCondition(("idp",), audiences=("orders", "billing"))),)),
        "AZ306",
        (*RULE, "allow", 0, "jwt", "audiences", 1),
    ),
    "a network that is none": (
        _with_rule(allow=(Item("office", anonymous=True, addresses=from_networks("192.0.2.0/24", "192.0.2.7/24")),)),
        "AZ308",
        (*RULE, "allow", 0, "clientIP", "cidrs", 1),
    ),
    "a range that is none": (
        a_policy(
            deny=(
                Item(
                    "blocked",
                    addresses=AddressCondition((), (AddressRange("192.0.2.1", "192.0.2.9"), AddressRange("192.0.2.9", "192.0.2.1"))),
                ),
            )
        ),
        "AZ308",
        ("spec", "deny", 0, "clientIP", "ranges", 1),
    ),
    "a path that no request has": (_with_path(PathKind.EXACT, "/a;b"), "AZ309", (*RULE, "matches", 0, "path", "value")),
    "an expression that is none": (_with_path(PathKind.REGEX, "("), "AZ309", (*RULE, "matches", 0, "path", "value")),
    "a token in a cookie": (
        a_policy(issuers=(an_issuer(places=(Place(PlaceKind.COOKIE, "session"),)),)),
        "AZ310",
        ("spec", "issuers", 0, "tokenFrom"),
    ),
    "a token in the query": (
        a_policy(issuers=(an_issuer(), an_issuer("other", places=(Place(PlaceKind.QUERY, "token"),)))),
        "AZ311",
        ("spec", "issuers", 1, "tokenFrom"),
    ),
    "a header that is not ours": (
        _with_rule(forward=(ForwardedHeader("x-user", value="gold"),)),
        "AZ312",
        (*RULE, "forward", "headers", 0, "name"),
    ),
    "a forwarded value that cannot be sent": (
        _with_rule(forward=(ForwardedHeader("x-auth-plan", value="gold\n"),)),
        "AZ313",
        (*RULE, "forward", "headers", 0, "value"),
    ),
    "an answered value that cannot be sent": (
        _with_headers(("x-why", "é")),
        "AZ313",
        ("spec", "denied", "forbidden", "headers", 0, "value"),
    ),
    "a header forwarded twice": (
        _with_rule(forward=(ForwardedHeader("x-auth-id", claim=("sub",)), ForwardedHeader("X-Auth-ID", value="1"))),
        "AZ314",
        (*RULE, "forward", "headers", 1, "name"),
    ),
    "an answer's header that is the service's": (
        _with_headers(("x-why", "1"), ("WWW-Authenticate", "Basic")),
        "AZ315",
        ("spec", "denied", "forbidden", "headers", 1, "name"),
    ),
    "an answer's header that is the connection's": (
        _with_headers(("Keep-Alive", "1")),
        "AZ315",
        ("spec", "denied", "forbidden", "headers", 0, "name"),
    ),
    "an answer's header twice": (
        _with_headers(("x-why", "1"), ("X-Why", "2")),
        "AZ314",
        ("spec", "denied", "forbidden", "headers", 1, "name"),
    ),
    "a redirect to nowhere": (_with_headers(status=302), "AZ316", ("spec", "denied", "forbidden", "statusCode")),
    "a rule's redirect to nowhere": (
        _with_rule(denied=Denied(unauthenticated=Answer(303))),
        "AZ316",
        (*RULE, "denied", "unauthenticated", "statusCode"),
    ),
    "a rule that is never reached": (a_policy(rules=(a_rule("all"), a_rule("late"))), "AZ317", ("spec", "rules", 1)),
    "a rule outside the prefixes": (
        a_policy(path_prefixes=("/orders",), rules=(a_rule(matches=(RequestMatch(PathMatch(PathKind.EXACT, "/b")),)),)),
        "AZ318",
        (*RULE, "matches"),
    ),
}


@pytest.mark.parametrize("name", ONE_MISTAKE)
def test_a_mistake_is_reported_once_with_its_place(name):
    policy, code, path = ONE_MISTAKE[name]
    assert _found(policy) == [(code, path)]


def test_every_code_of_a_policy_itself_is_among_those_mistakes():
    codes = {code for _, code, _ in ONE_MISTAKE.values()} | {"AZ307"}
    assert codes == {f"AZ3{number:02}" for number in range(1, 19)}


@pytest.mark.parametrize(
    "policy",
    [
        a_policy(),
        a_policy(hosts=(), rules=()),
        a_policy(path_prefixes=("/", "/orders/")),
        a_policy(rules=(a_rule(allow=(replace(STAFF, jwt=JwtCondition(("idp",), audiences=("orders",))), FROM_OFFICE)),)),
        a_policy(rules=(a_rule(allow=()),)),
        a_policy(audiences=()),
        _with_headers(("Location", "https://login.example/"), status=302),
        _with_rule(forward=(ForwardedHeader("x-auth-id", claim=("sub",)),)),
        _with_path(PathKind.REGEX, "/orders/[0-9]+"),
    ],
)
def test_a_policy_without_mistakes_has_no_problems(policy):
    assert _found(policy) == []


def test_an_address_is_refused_until_the_operator_says_how_it_is_found():
    policy = _with_rule(allow=(FROM_OFFICE,))
    assert _found(policy, Operator()) == [("AZ307", (*RULE, "allow", 0, "clientIP"))]
    (problem,) = problems(policy, Operator())
    assert "--client-address" in problem.what


def test_a_header_that_the_operator_gave_away_may_be_forwarded():
    policy = _with_rule(forward=(ForwardedHeader("X-User", claim=("sub",)),))
    assert _found(policy, replace(SAID, identity_headers=frozenset({"x-user"}))) == []


def test_only_where_tokens_are_risky_to_read_is_a_warning():
    places = tuple(Place(kind, "token") for kind in (PlaceKind.COOKIE, PlaceKind.QUERY))
    found = problems(a_policy(issuers=(an_issuer(places=places),)), SAID)
    assert [(problem.code, problem.severity) for problem in found] == [("AZ310", Severity.WARNING), ("AZ311", Severity.WARNING)]


def test_all_mistakes_are_reported_at_once():
    policy = a_policy(hosts=("A.example",), path_prefixes=("x",), rules=(a_rule(forward=(ForwardedHeader("user", value="\n"),)),))
    assert [code for code, _ in _found(policy)] == ["AZ301", "AZ302", "AZ312", "AZ313"]


@pytest.mark.parametrize(
    "prefix",
    [
        "/orders#x",
        "/orders?x=1",
    ],
)
def test_a_path_prefix_with_a_query_or_fragment_is_refused(prefix):
    assert _found(a_policy(path_prefixes=(prefix,))) == [("AZ302", ("spec", "pathPrefixes", 0))]


# What a policy refers to.


def test_an_issuer_that_nobody_defines_is_reported_where_it_is_named():
    other = Item("other", jwt=JwtCondition(("idp", "partners")))
    policy = a_policy(deny=(other,), rules=(a_rule(allow=(ANYONE, other), deny=(other,)),))
    known = {"idp": an_issuer(), "partner": an_issuer("partner")}
    found = list(dangling(policy, Definitions(known)))
    assert [(problem.code, problem.path) for problem in found] == [
        ("AZ201", ("spec", "deny", 0, "jwt", "issuers", 1)),
        ("AZ201", (*RULE, "deny", 0, "jwt", "issuers", 1)),
        ("AZ201", (*RULE, "allow", 1, "jwt", "issuers", 1)),
    ]
    assert "did you mean partner?" in found[0].what


def test_nothing_dangles_where_every_issuer_is_defined():
    assert list(dangling(_with_rule(allow=(STAFF,)), Definitions({"idp": an_issuer()}))) == []


def test_a_word_that_is_close_to_none_gets_no_guess():
    assert did_you_mean("idp", ["partner"]) == ""
    assert did_you_mean("idp", []) == ""
    assert did_you_mean("partnr", ["idp", "partner"]) == "; did you mean partner?"
