"""Accepted routes, and whether a policy decides for them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.model.decision import Allow
from authz.service.coverage import Cover, CoveredRoute, coverage
from tests.builders import HOST, a_manifest, a_request
from tests.policy.test_routes import GATEWAY, a_match, a_route, at, matching
from tests.policy.test_through_routes import BROKEN, HERE, OPEN, OTHER, SHUT, THERE, installed, listing, on_gateway, on_host, on_route


def covers(*manifests: str, routes: Any, **said: Any) -> list[tuple[str, str, str, str]]:
    """Route, Gateway, cover and policy of every accepted route."""
    found = installed(*manifests, routes=routes, operator=listing(**said)).report.routes
    return [(each.route.name, each.gateway.name, each.cover.value, each.policy) for each in found]


ORDERS = a_route("orders", to=HERE)
UNACCEPTED = replace(ORDERS, attachments=())


def test_an_accepted_route_without_a_policy_is_told_with_its_hosts():
    route = a_route("orders", to=[at(HOST, "b.example"), at("b.example", "*.c.example", listener="https")])
    (found,) = installed(routes=[route]).report.routes
    assert found == CoveredRoute(route.name, GATEWAY, (HOST, "b.example", "*.c.example"), Cover.NONE)


def test_a_route_that_nobody_accepted_is_not_told():
    assert covers(routes=[UNACCEPTED]) == []


def test_a_route_is_told_once_for_each_gateway():
    route = a_route("orders", to=[HERE, THERE, at(HOST, listener="https")])
    assert covers(on_gateway(OPEN, gateway=OTHER), routes=[route]) == [
        ("orders", "gw", "none", ""),
        ("orders", "other", "policy", "infra/base"),
    ]


def test_the_policy_that_decides_is_told():
    assert covers(on_route("orders", OPEN), routes=[ORDERS]) == [("orders", "gw", "policy", "shop/orders")]
    assert covers(on_gateway(OPEN), routes=[ORDERS]) == [("orders", "gw", "policy", "infra/base")]
    assert covers(on_gateway(OPEN), on_route("orders", OPEN), routes=[ORDERS]) == [("orders", "gw", "policy", "shop/orders")]
    override = on_gateway("precedence: Override\n" + OPEN)
    assert covers(override, on_route("orders", OPEN), routes=[ORDERS]) == [("orders", "gw", "policy", "infra/base")]


def test_a_policy_in_shadow_covers_nothing():
    assert covers(on_route("orders", "mode: Shadow\n" + OPEN), routes=[ORDERS]) == [("orders", "gw", "none", "")]
    assert covers(on_host("mode: Shadow\n" + OPEN), routes=[ORDERS]) == [("orders", "gw", "none", "")]


def test_a_policy_that_never_compiled_covers_its_route_and_denies_there():
    assert covers(on_route("orders", BROKEN), routes=[ORDERS]) == [("orders", "gw", "policy", "shop/orders")]


@pytest.mark.parametrize(
    ("said", "cover"),
    [
        ({"unprotected_all": True}, "unprotected"),
        ({"unprotected_gateways": frozenset({GATEWAY})}, "unprotected"),
        ({"unprotected_gateways": frozenset({OTHER})}, "none"),
        ({"unprotected": frozenset({HOST})}, "unprotected"),
        ({"unprotected": frozenset({"*.example.com"})}, "unprotected"),
        ({"unprotected": frozenset({"other.test"})}, "none"),
        ({}, "none"),
    ],
)
def test_a_route_passes_where_the_operator_says_so(said, cover):
    assert covers(routes=[ORDERS], **said) == [("orders", "gw", cover, "")]
    assert covers(on_route("orders", SHUT), routes=[ORDERS], **said) == [("orders", "gw", "policy", "shop/orders")]


def test_a_route_of_which_one_host_is_not_let_through_is_covered_by_none():
    route = a_route("orders", to=at(HOST, "other.test"))
    assert covers(routes=[route], unprotected=frozenset({HOST})) == [("orders", "gw", "none", "")]


def _prefixed(prefixes: str, host: str = HOST) -> str:
    return a_manifest(f"hosts: ['{host}']\npathPrefixes: [{prefixes}]\n" + OPEN, "by-host")


@pytest.mark.parametrize(
    ("manifest", "route", "cover"),
    [
        (on_host(OPEN), ORDERS, "policy"),
        (on_host(OPEN, host="*.example.com"), ORDERS, "policy"),
        (on_host(OPEN, host="other.test"), ORDERS, "none"),
        (on_host(OPEN), a_route("orders", to=at(HOST, "other.test")), "none"),
        (on_host(OPEN), a_route("orders", to=at("*.example.com")), "none"),
        (on_host(OPEN, host="*.example.com"), a_route("orders", to=at("*.api.example.com")), "policy"),
        (on_host(OPEN, host="*.example.com"), a_route("orders", to=at("*")), "none"),
        (_prefixed("/orders"), a_route("orders", a_match("/orders"), to=HERE), "policy"),
        (_prefixed("/orders"), a_route("orders", a_match("/orders/"), to=HERE), "policy"),
        (_prefixed("/orders"), a_route("orders", a_match("/orders/7", exact=True), to=HERE), "policy"),
        (_prefixed("/orders"), a_route("orders", a_match("/ordersx"), to=HERE), "none"),
        (_prefixed("/orders/7"), a_route("orders", a_match("/orders"), to=HERE), "none"),
        (_prefixed("/orders"), a_route("orders", a_match("/orders"), a_match("/users"), to=HERE), "none"),
        (_prefixed("/orders, /users"), a_route("orders", a_match("/orders"), a_match("/users"), to=HERE), "policy"),
        (_prefixed("/orders"), a_route("orders", matching("/orders/.*"), to=HERE), "none"),
        (on_host(OPEN), a_route("orders", matching("/orders/.*"), to=HERE), "policy"),
    ],
)
def test_policies_of_the_hosts_cover_a_route_where_they_are_for_everything_that_it_takes(manifest, route, cover):
    assert covers(manifest, routes=[route]) == [("orders", "gw", cover, "")]


def test_routes_are_told_in_their_order_and_a_step_is_taken_for_each():
    routes = [a_route(name, to=HERE) for name in "cab"]
    installation = installed(routes=routes)
    assert [each.route.name for each in installation.report.routes] == ["c", "a", "b"]
    assert sum(1 for _ in coverage(installation.updater.store.current, routes)) == 3


# What is told is what is decided.

SHARED = st.sampled_from([OPEN, SHUT, None, None])


@settings(max_examples=60)
@given(
    st.sampled_from(["/", "/orders", "/orders/7"]),
    st.booleans(),
    SHARED,
    SHARED,
    st.sampled_from([{}, {"unprotected_all": True}, {"unprotected": frozenset({HOST})}, {"unprotected_gateways": frozenset({GATEWAY})}]),
)
def test_a_route_that_is_told_to_have_no_policy_is_denied_and_one_told_unprotected_passes(path, exact, own, above, said):
    route = a_route("orders", a_match(path, exact=exact), to=HERE)
    manifests = [on_route("orders", own)] if own else []
    manifests += [on_gateway(above)] if above else []
    installation = installed(*manifests, routes=[route], operator=listing(**said))
    (covered,) = installation.report.routes
    decision = installation.decide(a_request(target=path))
    if covered.cover is Cover.NONE:
        assert decision.reason.value == "policy.none"
    elif covered.cover is Cover.UNPROTECTED:
        assert decision.reason.value == "policy.unprotected"
    else:
        assert decision.policy == covered.policy
        assert isinstance(decision, Allow) is ((own or above) == OPEN)
