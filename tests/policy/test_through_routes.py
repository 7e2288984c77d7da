"""From a snapshot and a request to a decision, where Gateways choose by routes."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from authz.model.cluster import Cluster, RouteRule
from authz.model.decision import Allow, Deny
from authz.model.operator import ClientAddress, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.model.reason import Reason
from authz.policy.forwarding import ALWAYS_REMOVED
from tests.builders import HOST, Installation, a_manifest, a_request, declared, issuer_yaml
from tests.policy.test_routes import (
    GATEWAY,
    MANY,
    SETTLED_MATCHES,
    a_match,
    a_route,
    at,
    matching,
    must_be_asked,
    read_plainly,
    some_routes,
)

OTHER = PolicyName("infra", "other")
HERE = at(HOST)
THERE = at(HOST, gateway=OTHER)
ALL_TOLD = {":path": "/", "user-agent": "test"}
OPEN = "rules: [{name: open, allow: [{name: anyone, anonymous: {}}]}]\n"
SHUT = "rules: [{name: shut, allow: []}]\n"
BROKEN = "rules: [{name: none, allow: [{name: nobody, jwt: {issuers: [nobody]}}]}]\n"
STAFF = f"audiences: [orders]\nissuers: [{issuer_yaml()}]\nrules: [{{name: staff, allow: [{{name: staff, jwt: {{issuers: [idp]}}}}]}}]\n"
BLOCKED = "deny: [{name: blocked, headers: [{name: x-bad}]}]\n"
OFFICE = "rules: [{name: office, allow: [{name: office, anonymous: {}, clientIP: {cidrs: [192.0.2.0/24]}}]}]\n"


def on_route(name: str, rules: str, route: str = "", namespace: str = "shop") -> str:
    """A policy that is attached to the route of its own name, or to another."""
    ref = f"targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {route or name}}}]\n"
    return a_manifest(ref + rules, name, namespace)


def on_gateway(rules: str, name: str = "base", gateway: PolicyName = GATEWAY) -> str:
    """A policy that is attached to a Gateway."""
    ref = f"targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {gateway.name}}}]\n"
    return a_manifest(ref + rules, name, gateway.namespace)


def on_host(rules: str, name: str = "by-host", host: str = HOST) -> str:
    """A policy for a host."""
    return a_manifest(f"hosts: ['{host}']\n" + rules, name)


def forwarding(value: str, header: str = "x-auth-plan") -> str:
    """Rules that let everybody in and forward a header."""
    return f"rules: [{{name: f, allow: [{{name: a, anonymous: {{}}}}], forward: {{headers: [{{name: {header}, value: {value}}}]}}}}]\n"


def listing(*gateways: ListedGateway, **said: Any) -> Operator:
    """The operator lists both Gateways, or those that are given."""
    usual: dict[str, Any] = {"client_address": ClientAddress()}
    return Operator(gateways=gateways or (ListedGateway(GATEWAY), ListedGateway(OTHER)), **{**usual, **said})


def installed(*manifests: str, routes: Any = (), operator: Operator | None = None) -> Installation:
    """The service with these policies and routes."""
    installation = Installation(operator=operator or listing())
    _apply(installation, manifests, routes)
    return installation


def _apply(installation: Installation, manifests: Any, routes: Any) -> None:
    cluster = Cluster(tuple(routes), frozenset({GATEWAY, OTHER}), frozenset())
    installation.report = installation.updater.apply(declared(*manifests), cluster)
    assert len(installation.report.states) == len(manifests), "a manifest cannot be read"


def asked(path: str = "/", **more: Any) -> Any:
    """A request of which every header is told."""
    return a_request(target=path, **{**more, "headers": {**ALL_TOLD, **more.get("headers", {})}})


def decided(*manifests: str, routes: Any, request: Any = None, operator: Operator | None = None) -> Any:
    return installed(*manifests, routes=routes, operator=operator).decide(request or asked())


def facts(decision: Any) -> tuple[str, str, str]:
    return decision.reason.value, decision.policy, decision.rule


def told(decision: Any) -> list[tuple[str, str, str]]:
    """What Shadow would have decided: policy, rule, reason."""
    return sorted((each.policy, each.rule, each.decision.reason.value) for each in decision.shadows)


# One route.

ORDERS = a_route("orders", to=HERE)


def test_a_routes_own_policy_decides_for_it():
    assert facts(decided(on_route("orders", OPEN), routes=[ORDERS])) == ("rule.allow", "shop/orders", "open")
    assert facts(decided(on_route("orders", SHUT), routes=[ORDERS])) == ("rule.deny", "shop/orders", "shut")


def test_two_routes_of_two_namespaces_on_one_host_meet_their_own_policies():
    routes = [a_route("orders", a_match("/orders"), to=HERE), a_route("users", a_match("/users"), namespace="team", to=HERE)]
    installation = installed(on_route("orders", OPEN), on_route("users", SHUT, namespace="team"), routes=routes)
    assert facts(installation.decide(asked("/orders/7"))) == ("rule.allow", "shop/orders", "open")
    assert facts(installation.decide(asked("/users/7"))) == ("rule.deny", "team/users", "shut")
    assert facts(installation.decide(asked("/elsewhere"))) == ("policy.none", "", "")


def test_a_policy_of_another_namespace_does_not_count_for_a_route_of_the_same_name():
    assert decided(on_route("orders", OPEN, namespace="stranger"), routes=[ORDERS]).reason is Reason.POLICY_NONE


def test_a_route_that_no_listed_gateway_accepted_does_not_count():
    unaccepted = replace(ORDERS, attachments=())
    assert decided(on_route("orders", OPEN), routes=[unaccepted]).reason is Reason.POLICY_NONE


def test_the_policys_own_rules_are_by_path_and_method_as_ever():
    rules = "rules:\n- {name: get, matches: [{methods: [GET]}], allow: [{name: a, anonymous: {}}]}\n"
    installation = installed(on_route("orders", rules), routes=[ORDERS])
    assert installation.decide(asked()).reason is Reason.RULE_ALLOW
    assert installation.decide(asked(method="PUT")).reason is Reason.RULE_NONE


# The Gateway's policy.


def test_a_gateways_policy_decides_for_a_route_without_one():
    assert facts(decided(on_gateway(SHUT), routes=[ORDERS])) == ("rule.deny", "infra/base", "shut")
    assert facts(decided(on_gateway(OPEN), routes=[ORDERS])) == ("rule.allow", "infra/base", "open")


def test_a_routes_policy_replaces_the_gateways_rules_whole_and_never_its_deny():
    installation = installed(on_gateway(BLOCKED + SHUT), on_route("orders", OPEN), routes=[ORDERS])
    assert facts(installation.decide(asked())) == ("rule.allow", "shop/orders", "open")
    assert facts(installation.decide(asked(headers={"x-bad": "1"}))) == ("rule.deny", "infra/base", "")


def test_under_override_the_gateways_rules_decide_and_the_routes_deny_still_counts():
    installation = installed(on_gateway("precedence: Override\n" + OPEN), on_route("orders", BLOCKED + SHUT), routes=[ORDERS])
    assert facts(installation.decide(asked())) == ("rule.allow", "infra/base", "open")
    assert facts(installation.decide(asked(headers={"x-bad": "1"}))) == ("rule.deny", "shop/orders", "")


def test_an_override_of_one_gateway_says_nothing_of_another():
    route = a_route("orders", to=THERE)
    decision = decided(on_gateway("precedence: Override\n" + OPEN), on_route("orders", SHUT), routes=[route])
    assert facts(decision) == ("rule.deny", "shop/orders", "shut")


def test_a_route_at_two_gateways_of_which_one_overrides_must_be_allowed_by_both():
    route, shut = a_route("orders", to=[HERE, THERE]), on_gateway("precedence: Override\n" + SHUT, gateway=OTHER)
    assert facts(decided(shut, on_route("orders", OPEN), routes=[route])) == ("rule.deny", "infra/base", "shut")


# Several candidates.

UNSURE = [a_route("canary", a_match(headers={"x-canary": "yes"}), to=HERE), a_route("main", to=HERE)]
HIDDEN = a_request(target="/", headers={"user-agent": "test"})


@pytest.mark.parametrize(
    ("canary", "main", "expected"),
    [
        (OPEN, OPEN, ("rule.allow", "shop/canary")),
        (SHUT, OPEN, ("rule.deny", "shop/canary")),
        (OPEN, SHUT, ("rule.deny", "shop/main")),
        (STAFF, OPEN, ("credentials.missing", "shop/canary")),
    ],
)
def test_candidates_that_cannot_be_told_apart_must_all_allow(canary, main, expected):
    assert facts(decided(on_route("canary", canary), on_route("main", main), routes=UNSURE, request=HIDDEN))[:2] == expected


def test_where_every_header_is_told_only_the_chosen_route_is_asked():
    installation = installed(on_route("canary", SHUT), on_route("main", OPEN), routes=UNSURE)
    assert facts(installation.decide(asked()))[:2] == ("rule.allow", "shop/main")
    assert facts(installation.decide(asked(headers={"x-canary": "yes"})))[:2] == ("rule.deny", "shop/canary")
    assert facts(installation.decide(asked(headers={"x-canary": "no,yes"})))[:2] == ("rule.deny", "shop/canary")


def test_a_route_without_a_policy_among_the_candidates_denies():
    assert facts(decided(on_route("main", OPEN), routes=UNSURE, request=HIDDEN)) == ("policy.none", "", "")


def test_a_route_without_a_policy_among_the_candidates_passes_where_the_operator_says_so_and_the_others_still_decide():
    for said in ({"unprotected": frozenset({HOST})}, {"unprotected_all": True}, {"unprotected_gateways": frozenset({GATEWAY})}):
        allowed = decided(on_route("main", OPEN), routes=UNSURE, request=HIDDEN, operator=listing(**said))
        assert facts(allowed) == ("rule.allow", "shop/main", "open")
        assert decided(on_route("main", SHUT), routes=UNSURE, request=HIDDEN, operator=listing(**said)).reason is Reason.RULE_DENY


def test_the_same_route_at_two_gateways_with_one_policy_is_allowed_as_ever():
    route = a_route("orders", to=[HERE, THERE])
    assert facts(decided(on_route("orders", OPEN), routes=[route])) == ("rule.allow", "shop/orders", "open")


def test_a_regular_expression_of_another_route_has_to_allow_too():
    routes = [a_route("regex", matching("/internal/.*"), to=HERE), a_route("main", to=HERE)]
    decision = decided(on_route("regex", SHUT), on_route("main", OPEN), routes=routes, request=asked("/orders"))
    assert facts(decision)[:2] == ("rule.deny", "shop/regex")


# Beside policies for hosts.


@pytest.mark.parametrize(
    ("by_host", "own", "expected"),
    [
        (OPEN, OPEN, ("rule.allow", "shop/by-host")),
        (SHUT, OPEN, ("rule.deny", "shop/by-host")),
        (OPEN, SHUT, ("rule.deny", "shop/orders")),
    ],
)
def test_a_policy_of_the_host_and_one_that_is_attached_must_both_allow(by_host, own, expected):
    installation = installed(on_host(by_host), on_route("orders", own), routes=[ORDERS])
    assert facts(installation.decide(asked()))[:2] == expected
    assert [problem.code for problem in installation.report.states[0].problems] == ["AZ209"]


def test_a_policy_of_the_host_decides_alone_for_a_route_without_a_policy():
    assert facts(decided(on_host(OPEN), routes=[ORDERS])) == ("rule.allow", "shop/by-host", "open")


def test_a_policy_of_the_host_decides_for_a_route_without_a_policy_though_that_is_unprotected():
    assert facts(decided(on_host(SHUT), routes=[ORDERS], operator=listing(unprotected_all=True))) == ("rule.deny", "shop/by-host", "shut")


def test_a_policy_of_the_host_beside_several_candidates_is_asked_with_each():
    decision = decided(on_host(OPEN), on_route("canary", SHUT), routes=UNSURE, request=HIDDEN)
    assert facts(decision) == ("rule.deny", "shop/canary", "shut")


# What is forwarded.


def test_headers_of_all_candidates_are_forwarded():
    policies = on_route("canary", forwarding("gold")), on_route("main", forwarding("eu", "x-auth-zone"))
    decision = decided(*policies, routes=UNSURE, request=HIDDEN)
    assert dict(decision.set_headers) == {"x-auth-plan": "gold", "x-auth-zone": "eu"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (on_route("canary", forwarding("gold")), on_route("main", forwarding("free"))),
        (on_host(forwarding("gold")), on_route("main", forwarding("free"))),
    ],
)
def test_two_values_for_one_forwarded_header_are_a_conflict(first, second):
    decision = decided(first, second, routes=UNSURE[1:] if "by-host" in first else UNSURE, request=HIDDEN)
    assert (decision.reason, decision.status) == (Reason.POLICY_CONFLICTED, 503)
    assert (decision.want, decision.got) == ("shop/main", "x-auth-plan")


def test_two_spellings_of_one_forwarded_header_with_two_values_are_a_conflict():
    policies = on_route("canary", forwarding("gold", "x-auth-a-b")), on_route("main", forwarding("free", "x-auth-a_b"))
    assert decided(*policies, routes=UNSURE, request=HIDDEN).reason is Reason.POLICY_CONFLICTED


def test_the_same_value_from_two_candidates_is_none():
    policies = on_route("canary", forwarding("gold")), on_route("main", forwarding("gold"))
    assert decided(*policies, routes=UNSURE, request=HIDDEN).set_headers == (("x-auth-plan", "gold"),)


ELSEWHERE = on_route("elsewhere", forwarding("gold"))
SPELLINGS = {"x-auth-plan", "x-auth_plan", "x_auth-plan", "x_auth_plan"}


@pytest.mark.parametrize(
    ("manifests", "routes", "operator", "reason"),
    [
        ([on_route("orders", OPEN)], [ORDERS], listing(), "rule.allow"),
        ([on_gateway(OPEN)], [ORDERS], listing(), "rule.allow"),
        ([on_host(OPEN)], [ORDERS], listing(), "rule.allow"),
        ([on_host(OPEN), on_route("orders", OPEN)], [ORDERS], listing(), "rule.allow"),
        ([on_route("canary", OPEN), on_route("main", OPEN)], UNSURE, listing(), "rule.allow"),
        ([], [ORDERS], listing(unprotected_all=True), "policy.unprotected"),
        ([], [ORDERS], listing(unprotected_gateways=frozenset({GATEWAY})), "policy.unprotected"),
        ([], UNSURE, listing(unprotected_all=True), "policy.unprotected"),
        ([], [], listing(unprotected_all=True), "policy.unprotected"),
    ],
)
def test_identity_headers_are_removed_on_every_allow(manifests, routes, operator, reason):
    decision = decided(*manifests, ELSEWHERE, routes=routes, request=HIDDEN, operator=operator)
    assert decision.reason.value == reason
    assert set(decision.remove_headers) >= SPELLINGS


def test_identity_headers_are_removed_on_a_preflight_through_a_route():
    preflight = {"origin": "https://app.example", "access-control-request-method": "PUT"}
    decision = decided(
        on_route("orders", "preflight: Allow\n" + SHUT), ELSEWHERE, routes=[ORDERS], request=asked(method="OPTIONS", headers=preflight)
    )
    assert decision.reason is Reason.PREFLIGHT_ALLOW
    assert set(decision.remove_headers) >= SPELLINGS


def test_the_credentials_of_every_candidate_are_taken_away():
    reading = STAFF.replace("}'}", "}', tokenFrom: [{header: X-Token}]}").replace("jwt: {issuers: [idp]}", "anonymous: {}")
    decision = decided(on_route("canary", reading), on_route("main", OPEN), routes=UNSURE, request=HIDDEN)
    assert "x-token" in decision.remove_headers


# Unprotected.


def test_a_route_without_a_policy_is_denied_unless_the_operator_says_otherwise():
    assert facts(decided(routes=[ORDERS])) == ("policy.none", "", "")
    for said in (
        {"unprotected": frozenset({HOST})},
        {"unprotected": frozenset({"*.example.com"})},
        {"unprotected_all": True},
        {"unprotected_gateways": frozenset({GATEWAY})},
    ):
        assert decided(routes=[ORDERS], operator=listing(**said)).reason is Reason.POLICY_UNPROTECTED
    for said in ({"unprotected": frozenset({"other.test"})}, {"unprotected_gateways": frozenset({OTHER})}):
        assert decided(routes=[ORDERS], operator=listing(**said)).reason is Reason.POLICY_NONE


def test_a_route_at_two_gateways_passes_only_where_both_are_unprotected():
    route = a_route("orders", to=[HERE, THERE])
    assert decided(routes=[route], operator=listing(unprotected_gateways=frozenset({GATEWAY}))).reason is Reason.POLICY_NONE
    assert decided(routes=[route], operator=listing(unprotected_gateways=frozenset({GATEWAY, OTHER}))).reason is Reason.POLICY_UNPROTECTED


def test_what_no_route_of_an_unprotected_gateway_takes_is_denied():
    operator = listing(unprotected_gateways=frozenset({GATEWAY}))
    assert decided(routes=[a_route("a", a_match("/a"), to=HERE)], request=asked("/b"), operator=operator).reason is Reason.POLICY_NONE


def test_when_a_policy_goes_what_is_left_decides():
    installation = installed(on_gateway(SHUT), on_route("orders", OPEN), routes=[ORDERS], operator=listing(unprotected_all=True))
    assert installation.decide(asked()).reason is Reason.RULE_ALLOW
    _apply(installation, [on_gateway(SHUT)], [ORDERS])
    assert facts(installation.decide(asked()))[:2] == ("rule.deny", "infra/base")
    _apply(installation, [], [ORDERS])
    assert installation.decide(asked()).reason is Reason.POLICY_UNPROTECTED


# Rules that redirect.

REDIRECT = a_route("to-https", to=at(HOST, listener="http"), redirects=True)
APP = a_route("app", to=at(HOST, listener="https"))


def test_a_redirect_needs_no_leave_where_a_route_with_a_backend_may_have_been_chosen():
    assert facts(decided(on_route("app", OPEN), on_route("to-https", SHUT), routes=[REDIRECT, APP])) == ("rule.allow", "shop/app", "open")
    assert facts(decided(on_route("app", OPEN), routes=[REDIRECT, APP])) == ("rule.allow", "shop/app", "open")
    assert decided(on_route("to-https", OPEN), routes=[REDIRECT, APP]).reason is Reason.POLICY_NONE


def test_a_redirect_alone_is_decided_like_any_route():
    assert decided(routes=[REDIRECT]).reason is Reason.POLICY_NONE
    assert decided(on_route("to-https", OPEN), routes=[REDIRECT]).reason is Reason.RULE_ALLOW
    assert decided(on_route("to-https", SHUT), routes=[REDIRECT]).reason is Reason.RULE_DENY


# A policy that the route names.


def test_a_named_policy_must_allow_too_and_replaces_none():
    named = on_host(SHUT, "named", "*.example.com")
    assert facts(decided(on_route("orders", OPEN), named, routes=[ORDERS], request=asked(policy="shop/named")))[:2] == (
        "rule.deny",
        "shop/named",
    )
    opened = on_host(OPEN, "named", "*.example.com")
    assert facts(decided(on_route("orders", SHUT), opened, routes=[ORDERS], request=asked(policy="shop/named")))[:2] == (
        "rule.deny",
        "shop/orders",
    )


def test_a_named_policy_that_decides_for_a_candidate_anyway_is_asked_once():
    assert facts(decided(on_route("orders", OPEN), routes=[ORDERS], request=asked(policy="shop/orders"))) == (
        "rule.allow",
        "shop/orders",
        "open",
    )


@pytest.mark.parametrize("named", ["shop/absent", "shop/other", "team/elsewhere", "orders"])
def test_a_named_policy_that_does_not_cover_the_request_denies(named):
    other, elsewhere = on_route("other", OPEN), a_manifest("hosts: [other.test]\n" + OPEN, "elsewhere", "team")
    decision = decided(on_route("orders", OPEN), other, elsewhere, routes=[ORDERS], request=asked(policy=named))
    assert (decision.reason, decision.status, decision.policy) == (Reason.POLICY_MISMATCH, 403, named)


@pytest.mark.parametrize("said", [{"unprotected_all": True}, {"unprotected_gateways": frozenset({GATEWAY})}])
def test_a_named_policy_that_is_not_there_denies_on_an_unprotected_route_too(said):
    decision = decided(routes=[ORDERS], request=asked(policy="shop/absent"), operator=listing(**said))
    assert decision.reason is Reason.POLICY_MISMATCH


def test_a_named_policy_in_shadow_is_not_there():
    tried = on_host("mode: Shadow\n" + OPEN, "named")
    assert decided(on_route("orders", OPEN), tried, routes=[ORDERS], request=asked(policy="shop/named")).reason is Reason.POLICY_MISMATCH


# Which path.

ADMIN = [a_route("admin", a_match("/admin"), to=HERE), a_route("rest", to=HERE)]


def test_a_spelling_that_selects_another_route_than_its_canonical_form_is_denied():
    installation = installed(on_route("admin", OPEN), on_route("rest", OPEN), routes=ADMIN)
    assert installation.decide(asked("/admin/users")).policy == "shop/admin"
    decision = installation.decide(asked("/%61dmin/users"))
    assert (decision.reason, decision.status) == (Reason.PATH_AMBIGUOUS, 400)
    assert installation.decide(asked("/admin/%75sers")).reason is Reason.RULE_ALLOW


def test_a_spelling_that_selects_another_rule_of_the_routes_policy_is_denied():
    health = "{name: health, matches: [{path: {type: Exact, value: /health}}], allow: [{name: a, anonymous: {}}]}"
    rules = f"rules: [{health}, {{name: rest, allow: []}}]\n"
    installation = installed(on_route("orders", rules), routes=[ORDERS])
    assert installation.decide(asked("/health")).reason is Reason.RULE_ALLOW
    assert installation.decide(asked("/%68ealth")).reason is Reason.PATH_AMBIGUOUS


@pytest.mark.parametrize("path", ["//admin", "/a/..%2fadmin", "/admin;x", "/%00", "/a/./b"])
def test_an_ambiguous_path_is_denied_where_any_route_of_the_host_has_a_policy(path):
    operator = listing(unprotected_all=True)
    assert decided(on_route("admin", OPEN), routes=ADMIN, request=asked(path), operator=operator).reason is Reason.PATH_AMBIGUOUS
    assert decided(on_gateway(OPEN), routes=ADMIN, request=asked(path), operator=operator).reason is Reason.PATH_AMBIGUOUS
    assert decided(routes=ADMIN, request=asked(path), operator=operator).reason is Reason.POLICY_UNPROTECTED
    assert decided(routes=ADMIN, request=asked(path)).reason is Reason.POLICY_NONE


def test_an_ambiguous_path_on_an_unprotected_gateway_is_counted():
    operator = listing(unprotected_gateways=frozenset({GATEWAY}))
    assert decided(routes=[ORDERS], request=asked("//a"), operator=operator).reason is Reason.POLICY_UNPROTECTED


def test_a_spelling_that_envoy_leaves_as_it_is_and_chooses_another_route_for_is_denied():
    # Envoy with normalize_path makes /a/caf%c3%a9 of /%61/caf%c3%a9, tells us that, and chooses `near` for it.
    routes = [a_route("both", a_match("/"), a_match("/a/caf%C3%A9", exact=True), to=HERE), a_route("near", a_match("/a"), to=HERE)]
    installation = installed(on_route("both", OPEN), on_route("near", SHUT), routes=routes)
    assert installation.decide(asked("/a/caf%C3%A9")).policy == "shop/both"
    assert installation.decide(asked("/a/caf%c3%a9")).reason is Reason.PATH_AMBIGUOUS


# The client's address.

BY_HEADER = ClientAddress("x-real-ip", trusted=("10.0.0.0/8",))


def _from(peer: str, **headers: str) -> Any:
    return asked(peer=peer, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_each_gateways_own_way_of_finding_the_clients_address_counts():
    operator = listing(ListedGateway(GATEWAY), ListedGateway(OTHER, BY_HEADER))
    policy = on_route("orders", OFFICE)
    here, there = [a_route("orders", to=HERE)], [a_route("orders", to=THERE)]
    assert decided(policy, routes=here, request=_from("192.0.2.7"), operator=operator).reason is Reason.RULE_ALLOW
    assert decided(policy, routes=here, request=_from("10.0.0.1", x_real_ip="192.0.2.7"), operator=operator).reason is Reason.IP_DENIED
    assert decided(policy, routes=there, request=_from("10.0.0.1", x_real_ip="192.0.2.7"), operator=operator).reason is Reason.RULE_ALLOW
    assert decided(policy, routes=there, request=_from("10.0.0.1"), operator=operator).reason is Reason.IP_UNKNOWN


def test_candidate_gateways_that_differ_in_the_clients_address_make_it_unknown():
    route, policy = a_route("orders", to=[HERE, THERE]), on_route("orders", OFFICE)
    differing = listing(ListedGateway(GATEWAY), ListedGateway(OTHER, BY_HEADER))
    decision = decided(policy, routes=[route], request=_from("192.0.2.7"), operator=differing)
    assert (decision.reason, decision.status) == (Reason.IP_UNKNOWN, 403)
    agreeing = listing(ListedGateway(GATEWAY), ListedGateway(OTHER, ClientAddress()))
    assert decided(policy, routes=[route], request=_from("192.0.2.7"), operator=agreeing).reason is Reason.RULE_ALLOW


def test_an_address_that_is_unknown_fires_deny_of_the_gateways_policy_too():
    blocked = "deny: [{name: blocked, clientIP: {cidrs: [198.51.100.0/24]}}]\n"
    differing = listing(ListedGateway(GATEWAY), ListedGateway(OTHER, BY_HEADER))
    route = a_route("orders", to=[HERE, THERE])
    decision = decided(on_gateway(blocked + OPEN), on_route("orders", OPEN), routes=[route], request=_from("192.0.2.7"), operator=differing)
    assert facts(decision)[:2] == ("ip.unknown", "infra/base")


def test_a_gateway_of_which_nothing_is_said_knows_no_address_though_another_does():
    operator = listing(ListedGateway(GATEWAY), ListedGateway(OTHER, ClientAddress()), client_address=None)
    policy = on_route("orders", OFFICE)
    assert decided(policy, routes=[a_route("orders", to=HERE)], request=_from("192.0.2.7"), operator=operator).reason is Reason.IP_UNKNOWN
    assert decided(policy, routes=[a_route("orders", to=THERE)], request=_from("192.0.2.7"), operator=operator).reason is Reason.RULE_ALLOW


def test_a_policy_of_the_host_sees_the_address_of_the_gateway_that_the_request_came_through():
    operator = listing(ListedGateway(GATEWAY, BY_HEADER))
    decision = decided(on_host(OFFICE), routes=[ORDERS], request=_from("10.0.0.1", x_real_ip="192.0.2.7"), operator=operator)
    assert facts(decision)[:2] == ("rule.allow", "shop/by-host")


# Shadow.

SHADOW = "mode: Shadow\n"


def test_a_policy_in_shadow_of_a_route_or_gateway_is_told_and_changes_nothing():
    for tried in (on_route("tried", SHADOW + SHUT, "orders"), on_gateway(SHADOW + SHUT, "tried")):
        name = "infra/tried" if "Gateway" in tried else "shop/tried"
        decision = decided(tried, routes=[ORDERS], operator=listing(unprotected_all=True))
        assert decision.reason is Reason.POLICY_UNPROTECTED
        assert told(decision) == [(name, "", "rule.deny")]
        assert decided(tried, routes=[ORDERS]).reason is Reason.POLICY_NONE


def test_a_second_policy_of_a_route_in_shadow_tries_an_edit():
    decision = decided(on_route("orders", OPEN), on_route("edit", SHADOW + SHUT, "orders"), routes=[ORDERS])
    assert facts(decision) == ("rule.allow", "shop/orders", "open")
    assert told(decision) == [("shop/edit", "", "rule.deny")]


def test_of_a_gateways_policy_in_shadow_only_its_deny_is_told_beside_a_routes_own():
    tried = on_gateway(SHADOW + BLOCKED + SHUT, "tried")
    installation = installed(on_route("orders", OPEN), tried, routes=[ORDERS])
    assert told(installation.decide(asked())) == []
    decision = installation.decide(asked(headers={"x-bad": "1"}))
    assert decision.reason is Reason.RULE_ALLOW
    assert told(decision) == [("infra/tried", "", "rule.deny")]


def test_an_override_in_shadow_is_told_whole():
    decision = decided(on_route("orders", OPEN), on_gateway(SHADOW + "precedence: Override\n" + SHUT, "tried"), routes=[ORDERS])
    assert facts(decision)[:2] == ("rule.allow", "shop/orders")
    assert told(decision) == [("infra/tried", "", "rule.deny")]


def test_rules_in_shadow_of_every_candidates_policy_are_told():
    rules = "rules:\n- {name: tried, mode: Shadow, allow: []}\n- {name: open, allow: [{name: a, anonymous: {}}]}\n"
    decision = decided(on_route("canary", rules), on_route("main", rules), routes=UNSURE, request=HIDDEN)
    assert told(decision) == [("shop/canary", "tried", "rule.deny"), ("shop/main", "tried", "rule.deny")]


def test_a_policy_in_shadow_with_mistakes_changes_nothing():
    decision = decided(on_route("orders", OPEN), on_route("tried", SHADOW + BROKEN, "orders"), routes=[ORDERS])
    assert decision.reason is Reason.RULE_ALLOW


READS_CANARY = STAFF.replace("}'}", "}', tokenFrom: [{header: X-Canary}]}")


def test_the_credentials_of_a_policy_in_shadow_change_no_candidates():
    policies = on_route("canary", SHUT), on_route("main", OPEN)
    assert decided(*policies, routes=UNSURE).reason is Reason.RULE_ALLOW
    assert decided(*policies, on_host(SHADOW + READS_CANARY, "tried", "other.test"), routes=UNSURE).reason is Reason.RULE_ALLOW


def test_a_route_that_chooses_by_a_header_that_a_policy_takes_away_is_always_asked():
    policies = on_route("canary", SHUT), on_route("main", OPEN), on_host(READS_CANARY, "reader", "other.test")
    assert facts(decided(*policies, routes=UNSURE))[:2] == ("rule.deny", "shop/canary")


def test_a_route_that_chooses_by_a_forwarded_header_is_always_asked_and_the_policy_is_warned():
    routes = [a_route("gold", a_match(headers={"X-Auth-Plan": "gold"}), to=HERE), a_route("main", to=HERE)]
    installation = installed(on_route("gold", SHUT), on_route("main", forwarding("gold")), routes=routes)
    assert facts(installation.decide(asked()))[:2] == ("rule.deny", "shop/gold")
    assert [problem.code for problem in installation.report.states[1].problems] == ["AZ210"]


@pytest.mark.parametrize("name", ALWAYS_REMOVED)
def test_a_route_that_chooses_by_a_header_that_every_allow_takes_away_proves_nothing(name):
    routes = [a_route("gold", a_match(headers={name: "1"}), to=HERE), a_route("main", to=HERE)]
    installation = installed(on_route("gold", OPEN), on_route("main", SHUT), routes=routes)
    assert facts(installation.decide(asked(headers={name: "1"})))[:2] == ("rule.deny", "shop/main")
    assert "AZ210" in [problem.code for state in installation.report.states for problem in state.problems]


@pytest.mark.parametrize("request_", [asked(headers={"x-a": "a!"}), asked("/?a=a!")])
def test_a_value_that_may_hold_other_octets_than_it_shows_proves_nothing(request_):
    routes = [a_route("gold", a_match(headers={"x-a": "a!"}), a_match(queries={"a": "a!"}), to=HERE), a_route("main", to=HERE)]
    assert facts(decided(on_route("gold", OPEN), on_route("main", SHUT), routes=routes, request=request_))[:2] == ("rule.deny", "shop/main")


def test_a_route_that_chooses_by_cookies_is_asked_where_cookies_are_taken_away():
    routes = [a_route("dark", a_match(headers={"Cookie": "theme=dark"}), to=HERE), a_route("main", to=HERE)]
    reading = STAFF.replace("}'}", "}', tokenFrom: [{cookie: session}]}").replace("jwt: {issuers: [idp]}", "anonymous: {}")
    decision = decided(
        on_route("dark", SHUT), on_route("main", reading), routes=routes, request=asked(headers={"cookie": "session=x; theme=dark"})
    )
    # What is sent on is `cookie: theme=dark`: a gateway that chooses again takes the other route.
    assert isinstance(decision, Deny)


def test_a_policy_in_shadow_for_a_prefix_is_told_beside_one_with_a_longer_prefix():
    narrow, longer = "hosts: [api.example.com]\npathPrefixes: [/orders]\n", "hosts: [api.example.com]\npathPrefixes: [/orders/archive]\n"
    policies = a_manifest(narrow + OPEN, "orders"), a_manifest(longer + OPEN, "archive"), a_manifest(narrow + SHADOW + SHUT, "tried")
    assert told(decided(*policies, routes=[], request=asked("/orders"))) == [("shop/tried", "", "rule.deny")]


# Policies with mistakes.


@pytest.mark.parametrize(
    ("others", "said"),
    [([], {}), ([on_gateway(OPEN)], {}), ([], {"unprotected_all": True}), ([], {"unprotected_gateways": frozenset({GATEWAY})})],
)
def test_a_policy_that_never_compiled_answers_503_on_its_route(others, said):
    decision = decided(on_route("orders", BROKEN), *others, routes=[ORDERS], operator=listing(**said))
    assert (decision.reason, decision.status, decision.policy) == (Reason.POLICY_INVALID, 503, "shop/orders")


def test_a_gateways_policy_that_never_compiled_answers_503_on_its_routes():
    decision = decided(on_gateway(BROKEN), routes=[ORDERS], operator=listing(unprotected_all=True))
    assert (decision.reason, decision.policy) == (Reason.POLICY_INVALID, "infra/base")


def test_a_policy_whose_definitions_are_gone_answers_503_on_its_route():
    using = "definitionsFrom: [{namespace: shop, name: idps}]\n" + STAFF.replace(f"issuers: [{issuer_yaml()}]\n", "")
    idps = a_manifest(f"issuers: [{issuer_yaml()}]", "idps")
    installation = installed(idps, on_route("orders", using), routes=[ORDERS], operator=listing(unprotected_all=True))
    assert installation.decide(asked()).reason is Reason.CREDENTIALS_MISSING
    _apply(installation, [on_route("orders", using)], [ORDERS])
    assert installation.decide(asked()).reason is Reason.POLICY_INVALID


def test_a_policy_with_mistakes_hurts_no_other_route():
    routes = [a_route("orders", a_match("/orders"), to=HERE), a_route("users", a_match("/users"), to=HERE)]
    decision = decided(on_route("orders", BROKEN), on_route("users", OPEN), routes=routes, request=asked("/users"))
    assert facts(decision) == ("rule.allow", "shop/users", "open")


def test_an_edit_with_mistakes_leaves_the_last_version_in_force_on_its_route():
    installation = installed(on_route("orders", SHUT), routes=[ORDERS], operator=listing(unprotected_all=True))
    _apply(installation, [on_route("orders", BROKEN)], [ORDERS])
    assert facts(installation.decide(asked())) == ("rule.deny", "shop/orders", "shut")


# What is written down.


def test_the_steps_name_every_route_that_may_have_been_chosen_and_every_policy_asked():
    installation = installed(on_gateway(BLOCKED + SHUT), on_route("canary", OPEN), on_route("main", OPEN), routes=UNSURE)
    decision, trace = installation.checker.explain(HIDDEN)
    assert decision.reason is Reason.RULE_ALLOW
    assert [(step.what, step.name) for step in trace.steps if step.what in ("route", "policy")] == [
        ("route", "shop/canary"),
        ("policy", "infra/base"),
        ("policy", "shop/canary"),
        ("route", "shop/main"),
        ("policy", "infra/base"),
        ("policy", "shop/main"),
    ]


# What holds for all routes, policies and requests.

FEWER = settings(max_examples=40)
OPENNESS = st.sampled_from(["open", "open", "shut", "none"])
RULES = {"open": OPEN, "shut": SHUT}


@st.composite
def _installations(draw: Any) -> tuple[Any, dict[str, str], Operator]:
    """Routes, a policy or none for each of them and for each Gateway, and what the operator says."""
    routes = draw(some_routes(SETTLED_MATCHES))
    targets = {f"HTTPRoute {route.name}" for route in routes} | {f"Gateway {name}" for name in (GATEWAY, OTHER)}
    attached = {target: draw(OPENNESS) for target in sorted(targets)}
    said = draw(st.sampled_from([{}, {}, {"unprotected_all": True}, {"unprotected_gateways": frozenset({GATEWAY})}]))
    return routes, attached, listing(**said)


def _manifest(target: str, rules: str, name: str = "") -> str:
    kind, _, where = target.partition(" ")
    namespace, _, called = where.partition("/")
    ref = f"targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {called}}}]\n"
    return a_manifest(ref + rules, name or f"{called}-{kind.lower()}", namespace)


def _manifests(attached: dict[str, str]) -> list[str]:
    return [_manifest(target, RULES[how]) for target, how in attached.items() if how != "none"]


def _plainly(attached: dict[str, str], operator: Operator, asked_for: Any, by_host: str = "none") -> bool:
    """Whether every route that may be chosen, and the policy of the host, let the request in, by the words of the design."""
    verdicts = [by_host == "open"] if by_host != "none" else []
    for route, gateway in asked_for:
        own, above = attached.get(f"HTTPRoute {route}", "none"), attached[f"Gateway {gateway}"]
        how = own if own != "none" else above
        passes = operator.unprotected_all or gateway in operator.unprotected_gateways or by_host != "none"
        verdicts.append(how == "open" or (how == "none" and passes))
    return all(verdicts) if verdicts else operator.unprotected_all


def _everything(decision: Any) -> Any:
    return type(decision), {
        each.name: getattr(decision, each.name) for each in fields(decision) if each.name not in ("shadows", "is_shared")
    }


@FEWER
@given(_installations(), MANY)
def test_a_request_passes_exactly_where_every_route_that_may_be_chosen_lets_it_in(made, requests):
    routes, attached, operator = made
    installation = installed(*_manifests(attached), routes=routes, operator=operator)
    for request in requests:
        expected = _plainly(attached, operator, must_be_asked(routes, read_plainly(request)))
        assert isinstance(installation.decide(request), Allow) is expected


@FEWER
@given(_installations(), MANY, st.randoms(use_true_random=False))
def test_no_order_of_routes_or_policies_changes_a_decision(made, requests, random):
    routes, attached, operator = made
    manifests, permuted = _manifests(attached), list(routes)
    one = installed(*manifests, routes=routes, operator=operator)
    random.shuffle(manifests)
    random.shuffle(permuted)
    other = installed(*manifests, routes=permuted, operator=operator)
    for request in requests:
        first, second = one.decide(request), other.decide(request)
        # Of several that deny, which is told may differ; of none the outcome.
        assert type(first) is type(second)
        if isinstance(first, Allow):
            assert (first.set_headers, set(first.remove_headers)) == (second.set_headers, set(second.remove_headers))


@FEWER
@given(_installations(), MANY, st.data())
def test_a_policy_in_shadow_on_a_route_a_gateway_or_a_host_changes_no_outcome(made, requests, data):
    routes, attached, operator = made
    rules = data.draw(st.sampled_from([OPEN, SHUT, BLOCKED + OPEN, forwarding("gold"), BROKEN, READS_CANARY.replace("Canary", "A")]))
    target = data.draw(st.sampled_from([*attached, "host"]))
    override = "precedence: Override\n" if target.startswith("Gateway") and data.draw(st.booleans()) else ""
    tried = on_host(SHADOW + rules, "tried", "b.a.example") if target == "host" else _manifest(target, SHADOW + override + rules, "tried")
    without = installed(*_manifests(attached), routes=routes, operator=operator)
    beside = installed(*_manifests(attached), tried, routes=routes, operator=operator)
    for request in requests:
        assert _everything(beside.decide(request)) == _everything(without.decide(request))


@FEWER
@given(_installations(), _installations(), OPENNESS, MANY)
def test_another_route_opens_only_what_goes_to_it_and_only_where_its_own_policy_allows(made, further, how, requests):
    routes, attached, operator = made
    added = replace(further[0][0], rules=tuple(replace(rule, redirects=False) for rule in further[0][0].rules))
    assume(added.name not in {each.name for each in routes})
    manifests = _manifests(attached)
    before = installed(*manifests, routes=routes, operator=operator)
    attached = {**attached, f"HTTPRoute {added.name}": how}
    after = installed(*_manifests(attached), routes=[*routes, added], operator=operator)
    for request in requests:
        asked_for = must_be_asked([*routes, added], read_plainly(request))
        mine = [each for each in asked_for if each[0] == added.name]
        if not mine:
            assert isinstance(before.decide(request), Allow) is isinstance(after.decide(request), Allow)
        elif not _plainly(attached, operator, mine):
            assert isinstance(after.decide(request), Deny)


@FEWER
@given(_installations(), MANY, st.sampled_from(["", "", "shop/a-httproute", "infra/gw-gateway", "shop/absent"]), st.booleans())
def test_what_is_explained_is_what_is_decided(made, requests, named, hidden):
    routes, attached, operator = made
    installation = installed(*_manifests(attached), on_host(OPEN, "by-host", "*.a.example"), routes=routes, operator=operator)
    for request in requests:
        request.policy = named
        request.headers = {} if hidden else request.headers
        explained, trace = installation.checker.explain(request)
        assert _everything(explained) == _everything(installation.decide(request))
        assert trace.steps


@FEWER
@given(_installations(), MANY)
def test_no_allow_lets_an_identity_header_through(made, requests):
    routes, attached, operator = made
    installation = installed(*_manifests(attached), ELSEWHERE, routes=routes, operator=operator)
    for request in requests:
        decision = installation.decide(request)
        if isinstance(decision, Allow):
            assert set(decision.remove_headers) >= SPELLINGS


ONE_ROUTE = (a_route("a"),), {"HTTPRoute shop/a": "open", f"Gateway {GATEWAY}": "none", f"Gateway {OTHER}": "none"}, listing()


@FEWER
@given(_installations(), MANY, st.sampled_from(["open", "shut"]))
@example(ONE_ROUTE, [asked(host="b.a.example")], "open")
def test_a_policy_of_the_host_and_every_route_that_may_be_chosen_must_let_a_request_in(made, requests, by_host):
    routes, attached, operator = made
    installation = installed(*_manifests(attached), on_host(RULES[by_host], host="b.a.example"), routes=routes, operator=operator)
    for request in requests:
        beside = by_host if request.host == "b.a.example" else "none"
        expected = _plainly(attached, operator, must_be_asked(routes, read_plainly(request)), beside)
        assert isinstance(installation.decide(request), Allow) is expected


@FEWER
@given(_installations(), MANY)
def test_a_policy_of_a_host_only_takes_away_there_and_says_nothing_elsewhere(made, requests):
    routes, attached, operator = made
    without = installed(*_manifests(attached), routes=routes, operator=operator)
    beside = installed(*_manifests(attached), on_host(SHUT, host="b.a.example"), routes=routes, operator=operator)
    for request in requests:
        if request.host == "b.a.example":
            assert isinstance(beside.decide(request), Deny)
        else:
            assert _everything(beside.decide(request)) == _everything(without.decide(request))


def test_a_rule_of_a_route_that_redirects_leaves_the_other_rules_alone():
    rules = (RouteRule((a_match("/old"),), redirects=True), RouteRule((a_match("/"),)))
    route = replace(a_route("orders", to=HERE), rules=rules)
    installation = installed(on_route("orders", SHUT), routes=[route])
    assert {installation.decide(asked(path)).reason for path in ("/old", "/new")} == {Reason.RULE_DENY}
