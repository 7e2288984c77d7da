"""Objects of Gateway API as the API server holds them → the model's values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.kube import objects
from authz.model.cluster import Attachment, Grant, NamedMatch, RouteMatch, RouteRule
from authz.model.policy import PathKind, PathMatch, PolicyName
from authz.model.request import Request
from tests.policy.test_routes import a_table

GATEWAY = PolicyName("infra", "gw")
ACCEPTED = [{"type": "Accepted", "status": "True"}]


def a_gateway(*listeners: dict[str, Any], namespace: str = "infra") -> dict[str, Any]:
    """A Gateway whose listeners take routes of every namespace, unless they say otherwise."""
    open_to_all = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    made = [{**open_to_all, **each} for each in listeners or ({"name": "http", "port": 80},)]
    return {"metadata": {"name": "gw", "namespace": namespace}, "spec": {"listeners": made}}


def a_parent(conditions: Any = None, **ref: Any) -> dict[str, Any]:
    return {"parentRef": {"name": "gw", "namespace": "infra", **ref}, "conditions": ACCEPTED if conditions is None else conditions}


def a_route(*rules: Any, name: str = "orders", namespace: str = "shop", hostnames: Any = (), parents: Any = None) -> dict[str, Any]:
    spec: dict[str, Any] = {"hostnames": list(hostnames)} if hostnames else {}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"}
    status = {"parents": [a_parent()] if parents is None else parents}
    return {"metadata": metadata, "spec": {**spec, **({"rules": list(rules)} if rules else {})}, "status": status}


def read(route: dict[str, Any], *listeners: dict[str, Any]) -> Any:
    return objects.route(route, {GATEWAY: a_gateway(*listeners)})


def attached(route: dict[str, Any], *listeners: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.listener, each.hosts) for each in read(route, *listeners).attachments]


# What a route says.


def test_a_route_keeps_its_name_its_age_and_every_rule_in_order():
    found = read(a_route({"matches": [{"method": "GET"}]}, {"matches": [{"method": "PUT"}, {"method": "POST"}]}))
    assert (found.name, found.created) == (PolicyName("shop", "orders"), "2026-01-01T00:00:00Z")
    assert [[match.method for match in rule.matches] for rule in found.rules] == [["GET"], ["PUT", "POST"]]
    assert found.attachments == (Attachment(GATEWAY, "http", ("*",)),)
    assert found.gateways == (GATEWAY,)


@pytest.mark.parametrize("rules", [(), ({},), ({"matches": []},), ({"matches": [{}]},), ({"matches": [{"path": {}}]},)])
def test_what_is_not_written_matches_everything(rules):
    assert read(a_route(*rules)).rules == (RouteRule((RouteMatch(PathMatch(PathKind.PREFIX, "/")),)),)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"type": "Exact", "value": "/a"}, PathMatch(PathKind.EXACT, "/a")),
        ({"type": "PathPrefix", "value": "/a"}, PathMatch(PathKind.PREFIX, "/a")),
        ({"value": "/a"}, PathMatch(PathKind.PREFIX, "/a")),
        ({"type": "RegularExpression", "value": "/a.*"}, PathMatch(PathKind.REGEX, "/a.*")),
        ({"type": "SomethingNew", "value": "/a"}, PathMatch(PathKind.REGEX, "/a")),
    ],
)
def test_a_kind_of_path_that_is_not_known_may_match_anything(written, expected):
    assert read(a_route({"matches": [{"path": written}]})).rules[0].matches[0].path == expected


def test_method_headers_and_query_parameters_are_read():
    match = {
        "method": "GET",
        "headers": [
            {"name": "X-A", "value": "1"},
            {"name": "X-B", "type": "RegularExpression", "value": ".*"},
            {"name": "X-C", "type": "New"},
        ],
        "queryParams": [{"name": "q", "type": "Exact", "value": "1"}, {"name": "r", "type": "RegularExpression", "value": "1"}],
    }
    found = read(a_route({"matches": [match]})).rules[0].matches[0]
    assert found.method == "GET"
    assert found.headers == (NamedMatch("X-A", "1"), NamedMatch("X-B", ".*", is_exact=False), NamedMatch("X-C", "", is_exact=False))
    assert found.queries == (NamedMatch("q", "1"), NamedMatch("r", "1", is_exact=False))


@pytest.mark.parametrize(
    ("filters", "redirects"),
    [
        (None, False),
        ([], False),
        ([{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}], True),
        ([{"type": "RequestHeaderModifier"}, {"type": "RequestRedirect"}], True),
        ([{"type": "URLRewrite"}], False),
        ([{"type": "RequestMirror"}], False),
        ([{"type": "ExtensionRef"}], False),
    ],
)
def test_only_a_redirect_leads_to_no_backend(filters, redirects):
    assert read(a_route({"filters": filters})).rules[0].redirects is redirects


# Who accepted it.


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        [{"type": "Accepted", "status": "False"}],
        [{"type": "Accepted", "status": "Unknown"}],
        [{"type": "Programmed", "status": "True"}],
        [{"type": "ResolvedRefs", "status": "True"}],
    ],
)
def test_only_what_a_gateway_accepted_counts(conditions):
    assert attached(a_route(parents=[a_parent(conditions)])) == []


def test_a_route_whose_status_nobody_has_written_is_attached_nowhere():
    assert read({"metadata": {"name": "orders", "namespace": "shop"}}).attachments == ()
    assert attached(a_route(parents=[{}])) == []


@pytest.mark.parametrize(
    "ref",
    [{"name": "other"}, {"namespace": "shop"}, {"kind": "Service"}, {"group": ""}, {"group": "example.com"}, {"kind": "ListenerSet"}],
)
def test_only_listed_gateways_count(ref):
    assert attached(a_route(parents=[a_parent(**ref)])) == []


def test_a_parent_without_a_namespace_is_of_the_routes_own():
    parent = {"parentRef": {"name": "gw"}, "conditions": ACCEPTED}
    assert len(attached(a_route(parents=[parent], namespace="infra"))) == 1
    assert attached(a_route(parents=[parent], namespace="shop")) == []


def test_one_controller_that_accepts_is_enough():
    assert len(attached(a_route(parents=[a_parent([{"type": "Accepted", "status": "False"}]), a_parent()]))) == 1


TWO = ({"name": "http", "port": 80, "hostname": "a.example"}, {"name": "https", "port": 443, "hostname": "*.example"})


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ({}, ["http", "https"]),
        ({"sectionName": "https"}, ["https"]),
        ({"port": 80}, ["http"]),
        ({"sectionName": "https", "port": 443}, ["https"]),
    ],
)
def test_a_parent_names_all_listeners_or_some(ref, expected):
    assert [name for name, _ in attached(a_route(parents=[a_parent(**ref)]), *TWO)] == expected


@pytest.mark.parametrize("ref", [{"sectionName": "gone"}, {"port": 81}, {"sectionName": "https", "port": 80}])
def test_a_listener_that_is_not_known_narrows_nothing(ref):
    route = a_route(hostnames=["b.example"], parents=[a_parent(**ref)])
    assert attached(route, *TWO) == [(ref.get("sectionName", ""), ("b.example",))]


def test_a_gateway_that_is_not_there_narrows_nothing():
    found = objects.route(a_route(hostnames=["b.example"]), {GATEWAY: None})
    assert found.attachments == (Attachment(GATEWAY, "", ("b.example",), ("b.example",)),)
    assert objects.route(a_route(), {GATEWAY: None}).attachments == (Attachment(GATEWAY, "", ("*",)),)


@pytest.mark.parametrize(
    ("listener", "wanted", "common"),
    [
        ("", [], ("*",)),
        ("", ["a.example"], ("a.example",)),
        ("a.example", [], ("a.example",)),
        ("a.example", ["a.example"], ("a.example",)),
        ("a.example", ["*.example"], ("a.example",)),
        ("a.example", ["b.example"], None),
        ("test.example.com", ["test.example.com", "test.example.net"], ("test.example.com",)),
        (
            "*.example.com",
            ["*.example.com", "test.example.com", "foo.test.example.com"],
            ("*.example.com", "test.example.com", "foo.test.example.com"),
        ),
        ("*.example.com", ["example.com", "test.example.net"], None),
        ("*.example.com", ["*.com"], ("*.example.com",)),
        ("*.example.com", ["*.com", "*.example.com"], ("*.example.com",)),
        ("*.com", ["*.example.com"], ("*.example.com",)),
        ("*.example", ["badexample"], None),
    ],
)
def test_a_route_has_the_hosts_at_a_listener_that_both_name(listener, wanted, common):
    found = attached(a_route(hostnames=wanted), {"name": "http", **({"hostname": listener} if listener else {})})
    # Accepted without a host in common: the Gateway was edited, and may still serve what it served.
    assert found == ([("http", common)] if common else [("", tuple(wanted))])


NAMES = st.sampled_from(["a.example", "b.a.example", "*.example", "*.a.example", "*.b.a.example", "other.test", "*.test"])


@given(
    st.none() | NAMES,
    st.lists(NAMES, max_size=3, unique=True),
    st.sampled_from(["a.example", "b.a.example", "x.b.a.example", "y.test", "test"]),
)
def test_a_host_is_common_exactly_where_both_mean_it(listener, wanted, host):
    def means(pattern: str) -> bool:
        return pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) >= len(pattern))

    expected = (listener is None or means(listener)) and (not wanted or any(map(means, wanted)))
    made = objects.route(a_route(hostnames=wanted), {GATEWAY: a_gateway({"name": "http", **({"hostname": listener} if listener else {})})})
    found = [(each.listener, each.hosts) for each in made.attachments if each.is_sure]
    assert any(pattern == "*" or means(pattern) for _, hosts in found for pattern in hosts) is expected


# Through to what may be chosen.


def _chosen(
    routes: list[dict[str, Any]], listeners: list[dict[str, Any]], path: str = "/orders/7", host: str = "api.example.com"
) -> set[str]:
    made = [objects.route(each, {GATEWAY: a_gateway(*listeners)}) for each in routes]
    request = Request("GET", host, path, {":path": path})
    return {each.route.name for each in a_table(made).candidates(request, path)}


SECTIONS = [{"name": "http", "port": 80}, {"name": "https", "port": 443}]


def prefix(path: str) -> dict[str, Any]:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}]}


def test_routes_of_two_sections_are_both_asked():
    inside = a_route(prefix("/"), name="inside", parents=[a_parent(sectionName="http")])
    outside = a_route(prefix("/orders"), name="outside", parents=[a_parent(sectionName="https")])
    assert _chosen([inside, outside], SECTIONS) == {"inside", "outside"}


@pytest.mark.parametrize(
    "closed",
    [
        {"name": "http", "port": 80, "allowedRoutes": {}},  # `Same` is the default.
        {"name": "http", "port": 80, "allowedRoutes": {"namespaces": {"from": "Same"}}},
        {"name": "http", "port": 80, "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "infra"}}}}},
    ],
)
def test_a_route_that_one_listener_does_not_take_hides_no_other_route_there(closed):
    opened = {"name": "https", "port": 443, "allowedRoutes": {"namespaces": {"from": "All"}}}
    # The stranger is accepted, for https takes it; at http the Gateway chooses `own`, whose policy must be asked.
    stranger = a_route(prefix("/orders"), name="stranger", namespace="stranger")
    own = a_route(prefix("/"), name="own", namespace="infra")
    assert _chosen([stranger, own], [closed, opened]) >= {"own", "stranger"}


def test_a_rule_with_a_filter_of_the_gateways_own_hides_no_other_route():
    extension = {"type": "ExtensionRef", "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "cookies"}}
    beta = a_route({**prefix("/orders"), "filters": [extension]}, name="beta")
    assert "own" in _chosen([beta, a_route(prefix("/"), name="own")], SECTIONS)


def test_a_rule_that_the_gateway_may_have_dropped_hides_no_other_route():
    conditions = [*ACCEPTED, {"type": "PartiallyInvalid", "status": "True", "message": "Dropped Rule 0"}]
    partly = a_route(prefix("/orders"), prefix("/x"), name="partly", parents=[a_parent(conditions)])
    assert "own" in _chosen([partly, a_route(prefix("/"), name="own")], SECTIONS)


def test_an_edit_that_the_gateway_has_not_accepted_yet_hides_no_other_route():
    edited = a_route(prefix("/orders"), name="edited", parents=[a_parent([{**ACCEPTED[0], "observedGeneration": 1}])])
    edited["metadata"]["generation"] = 2
    assert "own" in _chosen([edited, a_route(prefix("/"), name="own")], SECTIONS)


@pytest.mark.parametrize("hostnames", [[], ["*.example.com"]])
def test_a_route_that_names_the_host_goes_before_one_that_only_has_it_from_its_listener(hostnames):
    inherits = a_route(prefix("/orders"), name="inherits", hostnames=hostnames)
    names_it = a_route(prefix("/"), name="names-it", hostnames=["api.example.com"])
    assert "names-it" in _chosen([inherits, names_it], [{"name": "http", "hostname": "api.example.com"}])


# Grants.

US = {"group": "ingress-authz.dev", "kind": "AuthPolicy", "namespace": "shop"}


def a_grant(origins: Any, to: Any) -> dict[str, Any]:
    return {"metadata": {"name": "g", "namespace": "platform"}, "spec": {"from": origins, "to": to}}


@pytest.mark.parametrize(
    ("to", "kind", "name"),
    [
        ({"group": "", "kind": "Secret"}, "Secret", ""),
        ({"kind": "Secret", "name": "ca"}, "Secret", "ca"),
        ({"group": "", "kind": "ConfigMap", "name": "ca"}, "ConfigMap", "ca"),
        ({"group": "ingress-authz.dev", "kind": "AuthPolicy", "name": "idps"}, "AuthPolicy", "idps"),
    ],
)
def test_a_grant_permits_what_it_names_to_those_whom_it_names(to, kind, name):
    assert list(objects.grants(a_grant([US], [to]))) == [Grant("shop", "platform", kind, name)]


@pytest.mark.parametrize(
    "origin",
    [
        {**US, "group": "gateway.networking.k8s.io"},
        {**US, "group": ""},
        {**US, "kind": "HTTPRoute"},
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "shop"},
    ],
)
def test_a_grant_for_others_is_none_for_us(origin):
    assert list(objects.grants(a_grant([origin], [{"group": "", "kind": "Secret"}]))) == []


@pytest.mark.parametrize(
    "to", [{"group": "", "kind": "Service"}, {"group": "", "kind": "AuthPolicy"}, {"group": "ingress-authz.dev", "kind": "Secret"}]
)
def test_a_grant_to_something_else_permits_nothing_of_ours(to):
    assert list(objects.grants(a_grant([US], [to]))) == []


def test_every_pair_of_a_grant_counts():
    found = objects.grants(
        a_grant([US, {**US, "namespace": "team"}], [{"group": "", "kind": "Secret"}, {"group": "", "kind": "ConfigMap"}])
    )
    assert {(each.from_namespace, each.kind) for each in found} == {
        (one, kind) for one in ("shop", "team") for kind in ("Secret", "ConfigMap")
    }


def test_an_empty_grant_permits_nothing():
    assert list(objects.grants({"metadata": {"name": "g", "namespace": "platform"}})) == []


@pytest.mark.parametrize(
    ("question", "covered"),
    [
        (("shop", "Secret", "platform", "ca"), True),
        (("team", "Secret", "platform", "ca"), False),
        (("shop", "ConfigMap", "platform", "ca"), False),
        (("shop", "Secret", "other", "ca"), False),
        (("shop", "Secret", "platform", "other"), False),
    ],
)
def test_a_grant_covers_one_kind_in_one_namespace_out_of_one_namespace(question, covered):
    assert Grant("shop", "platform", "Secret", "ca").covers(*question) is covered
    assert Grant("shop", "platform", "Secret").covers(*question) is (covered or question[3] == "other")
