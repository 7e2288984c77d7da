"""What became of each object, where Gateways and routes are around."""

from dataclasses import replace
from typing import Any

import pytest

from authz.model.cluster import Cluster
from authz.model.operator import ClientAddress, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.model.problem import Severity
from authz.service.states import State
from tests.builders import HOST, ISSUER, Installation, a_manifest, declared, issuer_yaml
from tests.policy.test_routes import GATEWAY, a_match, a_route, at

OTHER = PolicyName("infra", "other")
HERE, THERE = at(HOST), at(HOST, gateway=OTHER)
ORDERS = a_route("orders", to=HERE)
UNACCEPTED = replace(ORDERS, attachments=())
OPEN = "rules: [{name: all, allow: [{name: any, anonymous: {}}]}]"
BROKEN = "rules: [{name: all, allow: [{name: any, jwt: {issuers: [nobody]}}]}]"


def refs(*targets: tuple[str, str]) -> str:
    listed = ", ".join(f"{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}" for kind, name in targets)
    return f"targetRefs: [{listed}]\n"


def a_policy(name: str, *targets: tuple[str, str], namespace: str = "shop", created: str = "", more: str = "", rules: str = OPEN) -> str:
    text = a_manifest(refs(*(targets or (("HTTPRoute", "orders"),))) + more + rules, name, namespace)
    return text.replace(f"namespace: {namespace}}}", f"namespace: {namespace}, creationTimestamp: '{created}'}}", 1) if created else text


def on_gateway(name: str, gateway: str = "gw", **more: Any) -> str:
    return a_policy(name, ("Gateway", gateway), namespace="infra", **more)


def states(
    *manifests: str, routes: Any = (ORDERS,), gateways: Any = (GATEWAY,), there: Any = None, earlier: Any = None
) -> dict[str, State]:
    operator = Operator(ClientAddress(), gateways=tuple(ListedGateway(name) for name in gateways))
    installation = Installation(operator=operator)
    cluster = Cluster(tuple(routes), frozenset(gateways if there is None else there), frozenset())
    for each in (earlier, manifests):
        if each is not None:
            installation.report = installation.updater.apply(declared(*each), cluster)
    return {str(state.name): state for state in installation.report.states}


def state(*manifests: str, **around: Any) -> State:
    """The state of the first of them."""
    found = states(*manifests, **around)
    return found[str(declared(manifests[0])[0].name)]


def told(found: State) -> list[tuple[str, str]]:
    return [(each.code, each.where) for each in found.problems]


# Targets.


def test_a_policy_of_an_accepted_route_is_in_force_there():
    assert state(a_policy("orders")) == State(
        PolicyName("shop", "orders"),
        accepted=True,
        in_use=True,
        in_force=True,
        is_shadow=False,
        problems=(),
        has_targets=True,
        gateways=(GATEWAY,),
    )


def test_a_policy_of_a_listed_gateway_is_in_force_there():
    found = state(on_gateway("base"))
    assert (found.accepted, found.gateways, found.problems) == (True, (GATEWAY,), ())


def test_a_policy_for_hosts_has_no_targets():
    found = state(a_manifest(f"hosts: [{HOST}]\n{OPEN}", "by-host"), routes=())
    assert (found.has_targets, found.gateways, found.accepted) == (False, (), True)


def test_the_gateways_of_all_targets_are_told_once():
    routes = [a_route("orders", to=[HERE, THERE]), a_route("users", to=THERE)]
    found = state(a_policy("both", ("HTTPRoute", "orders"), ("HTTPRoute", "users")), routes=routes, gateways=(GATEWAY, OTHER))
    assert found.gateways == (GATEWAY, OTHER)


UNLISTED = "is not looked at: no Gateway is listed; the operator lists those that ask us with --gateway (chart: gateways)"


@pytest.mark.parametrize(
    ("manifest", "around", "what"),
    [
        (a_policy("orders"), {"gateways": (), "routes": ()}, f"the HTTPRoute shop/orders {UNLISTED}"),
        (on_gateway("base"), {"gateways": (), "routes": ()}, f"the Gateway infra/gw {UNLISTED}"),
        (a_policy("orders"), {"routes": ()}, "there is no HTTPRoute shop/orders; correct the name, or create it"),
        (on_gateway("base"), {"there": ()}, "there is no Gateway infra/gw; correct the name, or create it"),
        (
            on_gateway("base", "other"),
            {},
            "the Gateway infra/other is not among those that ask us; the operator lists it with --gateway infra/other (chart: gateways)",
        ),
        (
            a_policy("orders"),
            {"routes": (UNACCEPTED,), "gateways": (OTHER, GATEWAY)},
            "no listed Gateway (infra/gw, infra/other) has accepted the HTTPRoute shop/orders; see its parentRefs and status",
        ),
    ],
)
def test_a_target_that_leads_nowhere_is_told_with_what_to_do(manifest, around, what):
    found = state(manifest, **around)
    (problem,) = found.problems
    assert (problem.code, problem.where, problem.severity) == ("AZ208", "spec.targetRefs[0]", Severity.WARNING)
    assert problem.what == what
    assert found.gateways == ()
    assert found.accepted


def test_only_the_targets_that_lead_nowhere_are_told():
    found = state(a_policy("orders", ("HTTPRoute", "gone"), ("HTTPRoute", "orders")))
    assert told(found) == [("AZ208", "spec.targetRefs[0]")]
    assert found.gateways == (GATEWAY,)


def test_targets_are_of_the_policys_own_namespace():
    (problem,) = state(a_policy("orders", namespace="team")).problems
    assert problem.what.startswith("there is no HTTPRoute team/orders")


def test_a_policy_whose_target_comes_later_loses_the_warning():
    assert state(a_policy("orders"), routes=(), earlier=()).problems != ()
    assert state(a_policy("orders"), earlier=[a_policy("orders")]).problems == ()


# Others that decide.


def test_of_two_policies_of_a_route_the_younger_is_outranked():
    old, new = a_policy("z", created="2026-01-01T00:00:00Z"), a_policy("a", created="2026-01-02T00:00:00Z")
    found = states(old, new)
    assert (found["shop/z"].outranked, told(found["shop/z"])) == (False, [])
    assert (found["shop/a"].outranked, told(found["shop/a"])) == (True, [("AZ205", "spec.targetRefs")])
    assert found["shop/a"].problems[0].what == "shop/z already decides for HTTPRoute shop/orders; add your rules to it, or delete one"
    assert found["shop/a"].accepted


def test_a_policy_that_still_decides_somewhere_is_not_outranked():
    routes = [ORDERS, a_route("users", to=HERE)]
    found = states(a_policy("a"), a_policy("b", ("HTTPRoute", "orders"), ("HTTPRoute", "users")), routes=routes)["shop/b"]
    assert (found.outranked, told(found)) == (False, [("AZ205", "spec.targetRefs")])


def test_a_policy_for_hosts_is_outranked_where_older_ones_have_every_host_and_prefix():
    def by_host(name: str, prefixes: str) -> str:
        return a_manifest(f"hosts: [{HOST}]\npathPrefixes: [{prefixes}]\n{OPEN}", name)

    assert states(by_host("a", "/a, /b"), by_host("b", "/a, /b"))["shop/b"].outranked
    assert not states(by_host("a", "/a"), by_host("b", "/a, /b"))["shop/b"].outranked


def test_a_policy_that_claims_one_place_in_two_spellings_is_outranked_there():
    one = a_manifest(f"hosts: [{HOST}]\npathPrefixes: [/a]\n{OPEN}", "a")
    two = a_manifest(f"hosts: [{HOST}]\npathPrefixes: [/a, /a/]\n{OPEN}", "b")
    assert states(one, two)["shop/b"].outranked


OVERRIDE = "precedence: Override\n"


def test_under_override_a_routes_policy_is_overridden_at_that_gateway():
    found = states(on_gateway("base", more=OVERRIDE), a_policy("orders"))
    assert found["shop/orders"].overridden == ((GATEWAY, "infra/base"),)
    assert found["infra/base"].overridden == ()


def test_without_override_a_routes_policy_is_not_overridden():
    assert states(on_gateway("base"), a_policy("orders"))["shop/orders"].overridden == ()


def test_a_policy_is_overridden_only_at_the_gateways_that_override():
    route = a_route("orders", to=[HERE, THERE])
    found = states(on_gateway("base", "other", more=OVERRIDE), a_policy("orders"), routes=[route], gateways=(GATEWAY, OTHER))["shop/orders"]
    assert (found.gateways, found.overridden) == ((GATEWAY, OTHER), ((OTHER, "infra/base"),))


def test_a_policy_in_shadow_overrides_nobody_and_is_not_overridden():
    shadow = "mode: Shadow\n"
    assert states(on_gateway("base", more=OVERRIDE + shadow), a_policy("orders"))["shop/orders"].overridden == ()
    found = states(on_gateway("base", more=OVERRIDE), a_policy("orders", more=shadow))["shop/orders"]
    assert (found.overridden, found.is_shadow, found.problems) == ((), True, ())


def test_a_policy_is_overridden_at_a_gateway_where_its_only_route_there_has_an_older_one():
    routes = [a_route("orders", to=HERE), a_route("users", to=THERE)]
    policy = a_policy("both", ("HTTPRoute", "orders"), ("HTTPRoute", "users"), created="2026-01-02T00:00:00Z")
    found = states(a_policy("a", created="2026-01-01T00:00:00Z"), policy, routes=routes, gateways=(GATEWAY, OTHER))["shop/both"]
    assert found.overridden == ((GATEWAY, "shop/a"),)


# Beside routes.


@pytest.mark.parametrize(
    ("host", "beside"), [(HOST, True), ("'*.example.com'", True), ("'*.api.example.com'", False), ("other.test", False)]
)
def test_a_policy_for_hosts_beside_an_attached_one_is_told(host, beside):
    found = state(a_manifest(f"hosts: [{host}]\n{OPEN}", "by-host"), a_policy("orders"))
    assert told(found) == ([("AZ209", "spec.hosts")] if beside else [])


def test_a_policy_for_hosts_beside_routes_without_a_policy_is_not_told():
    assert told(state(a_manifest(f"hosts: [{HOST}]\n{OPEN}", "by-host"))) == []
    tried = a_policy("orders", more="mode: Shadow\n")
    assert told(state(a_manifest(f"hosts: [{HOST}]\n{OPEN}", "by-host"), tried)) == []


def test_a_policy_for_hosts_in_shadow_is_beside_nobody():
    assert told(state(a_manifest(f"hosts: [{HOST}]\nmode: Shadow\n{OPEN}", "by-host"), a_policy("orders"))) == []


FORWARDS = "rules: [{name: all, allow: [{name: any, anonymous: {}}], forward: {headers: [{name: X-Auth-Plan, value: gold}]}}]"


def test_a_policy_that_sets_a_header_by_which_a_route_chooses_is_told_once():
    routes = [ORDERS, a_route("gold", a_match(headers={"x-auth-plan": "gold"}), to=HERE)]
    found = state(a_policy("orders", rules=FORWARDS), routes=routes)
    assert told(found) == [("AZ210", "spec.rules")]
    assert found.problems[0].what == (
        "the HTTPRoute shop/gold chooses by x-auth-plan, which this policy sets: both ways must allow; match on another header there"
    )


def test_a_rule_in_shadow_that_would_set_a_header_by_which_a_route_chooses_is_not_told():
    routes = [ORDERS, a_route("gold", a_match(headers={"x-auth-plan": "gold"}), to=HERE)]
    rules = FORWARDS.replace("{name: all,", "{name: tried, mode: Shadow,")
    rules = rules.removesuffix("]") + ", {name: all, allow: [{name: any, anonymous: {}}]}]"
    assert told(state(a_policy("orders", rules=rules), routes=routes)) == []


def test_a_policy_that_takes_away_a_header_by_which_a_route_chooses_is_told():
    routes = [ORDERS, a_route("token", a_match(headers={"X-Token": "one"}), to=HERE)]
    reading = f"audiences: [orders]\nissuers: [{issuer_yaml(more=', tokenFrom: [{header: X-Token}]')}]\n"
    found = state(a_policy("orders", rules=reading + "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"), routes=routes)
    assert told(found) == [("AZ210", "spec.rules")]


# Mistakes.


def test_a_policy_with_mistakes_still_says_where_it_leads():
    found = state(a_policy("orders", rules=BROKEN))
    assert (found.accepted, found.in_use, found.in_force) == (False, False, False)
    assert (found.has_targets, found.gateways) == (True, (GATEWAY,))


def test_an_edit_with_mistakes_keeps_the_last_version_in_use():
    found = state(a_policy("orders", rules=BROKEN), earlier=[a_policy("orders")])
    assert (found.accepted, found.in_use, found.in_force) == (False, True, True)


def test_the_issuers_that_a_policy_reads_tokens_of_are_told_with_their_keys():
    reading = f"audiences: [orders]\nissuers: [{issuer_yaml()}]\nrules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]"
    (keys,) = state(a_policy("orders", rules=reading)).keys
    assert (keys.issuer, keys.keys is not None) == (ISSUER, True)


def test_a_policy_that_only_defines_is_in_use_and_not_in_force():
    found = state(a_manifest(f"issuers: [{issuer_yaml()}]", "idps"))
    assert (found.accepted, found.in_use, found.in_force) == (True, True, False)
