"""Every compiled policy at one moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.model.operator import ClientAddress, Operator
from authz.model.policy import Mode
from authz.model.reason import Reason
from authz.policy import addresses
from authz.policy.snapshot import Conflict, Snapshot, find
from tests.builders import a_request
from tests.policy.given import a_policy, a_rule, compiled

HOSTS = ["a.example", "b.a.example", "c.b.a.example", "*.a.example", "*.b.a.example", "*.example", "other.test"]
PREFIXES = ["/", "/orders", "/orders/7", "/ordersx", "/v2/orders"]
PATHS = ["/", "/orders", "/orders/", "/orders/7", "/orders/7/items", "/ordersx", "/v2/orders", "/v2"]


def _snapshot(*policies, operator=None, owned=frozenset()):
    return Snapshot([compiled(policy) for policy in policies], owned, operator or Operator())


def _decides(snapshot, host, path="/"):
    policy = find(snapshot.site(host), path)
    return policy.name if policy else None


def _for_hosts(name, *hosts, **changes):
    return a_policy(name, hosts=hosts, **changes)


def test_the_closest_host_pattern_decides():
    snapshot = _snapshot(
        _for_hosts("all", "*.example"),
        _for_hosts("deep", "*.b.a.example"),
        _for_hosts("shallow", "*.a.example"),
        _for_hosts("exact", "b.a.example"),
    )
    assert _decides(snapshot, "b.a.example") == "shop/exact"
    assert _decides(snapshot, "c.b.a.example") == "shop/deep"
    assert _decides(snapshot, "d.c.b.a.example") == "shop/deep"
    assert _decides(snapshot, "x.a.example") == "shop/shallow"
    assert _decides(snapshot, "a.example") == "shop/all"
    assert _decides(snapshot, "example") is None
    assert _decides(snapshot, "other.test") is None


def test_the_longest_whole_segment_prefix_decides():
    snapshot = _snapshot(
        _for_hosts("rest", "a.example"),
        _for_hosts("orders", "a.example", path_prefixes=("/orders/", "/v2/orders")),
        _for_hosts("seven", "a.example", path_prefixes=("/orders/7",)),
    )
    assert _decides(snapshot, "a.example", "/orders/7/items") == "shop/seven"
    assert _decides(snapshot, "a.example", "/orders/7") == "shop/seven"
    assert _decides(snapshot, "a.example", "/orders/77") == "shop/orders"
    assert _decides(snapshot, "a.example", "/orders") == "shop/orders"
    assert _decides(snapshot, "a.example", "/v2/orders/1") == "shop/orders"
    assert _decides(snapshot, "a.example", "/ordersx") == "shop/rest"


def test_a_wider_pattern_decides_where_the_closer_one_has_no_prefix_for_the_path():
    snapshot = _snapshot(_for_hosts("narrow", "b.a.example", path_prefixes=("/orders",)), _for_hosts("wide", "*.a.example"))
    assert _decides(snapshot, "b.a.example", "/orders") == "shop/narrow"
    assert _decides(snapshot, "b.a.example", "/billing") == "shop/wide"


def test_no_policy_decides_where_no_prefix_covers_the_path():
    snapshot = _snapshot(_for_hosts("orders", "a.example", path_prefixes=("/orders", "/v2")))
    assert _decides(snapshot, "a.example", "/billing") is None
    assert _decides(snapshot, "a.example", "/") is None


@pytest.mark.parametrize("sent", ["B.A.EXAMPLE", "b.a.example.", "b.a.example:8443", "b.a.example"])
def test_every_spelling_of_a_host_finds_its_policy(sent):
    assert _decides(_snapshot(_for_hosts("exact", "b.a.example")), sent) == "shop/exact"
    assert _decides(_snapshot(_for_hosts("wide", "*.a.example")), sent) == "shop/wide"


def test_what_is_no_host_has_no_site_and_an_unknown_host_an_empty_one():
    snapshot = _snapshot(_for_hosts("exact", "a.example"))
    assert snapshot.site("a.example,b.example") is None
    assert snapshot.site("") is None
    assert snapshot.site("other.test") == ()


def test_of_two_policies_for_one_place_the_first_by_name_decides_and_the_conflict_is_told():
    snapshot = _snapshot(_for_hosts("b", "a.example"), _for_hosts("a", "a.example", "*.example"), _for_hosts("c", "*.example"))
    assert _decides(snapshot, "a.example") == "shop/a"
    assert snapshot.lost == {
        "shop/b": [Conflict("shop/b", "shop/a", "a.example/")],
        "shop/c": [Conflict("shop/c", "shop/a", "*.example/")],
    }


def test_different_prefixes_of_one_host_are_no_conflict():
    snapshot = _snapshot(
        _for_hosts("a", "a.example", path_prefixes=("/a",)),
        _for_hosts("b", "a.example", path_prefixes=("/b",)),
        _for_hosts("c", "a.example", path_prefixes=("/a/",)),
    )
    assert snapshot.lost == {"shop/c": [Conflict("shop/c", "shop/a", "a.example/a")]}


def test_policies_in_shadow_decide_nothing_and_conflict_with_nobody():
    snapshot = _snapshot(_for_hosts("a", "a.example", mode=Mode.SHADOW), _for_hosts("b", "a.example"))
    assert _decides(snapshot, "a.example") == "shop/b"
    assert snapshot.lost == {}
    assert snapshot.has_shadows
    assert _decides(_snapshot(_for_hosts("a", "a.example", mode=Mode.SHADOW)), "a.example") is None


def test_a_rule_in_shadow_is_something_in_shadow():
    assert _snapshot(a_policy(rules=(a_rule(mode=Mode.SHADOW),))).has_shadows
    assert not _snapshot(a_policy()).has_shadows


def _shadows(snapshot, host, path="/orders/7"):
    return [policy.name for policy in snapshot.shadows_for(host, path)]


def test_a_policy_in_shadow_is_asked_where_it_would_decide_if_it_were_enforced():
    tried = {"mode": Mode.SHADOW}
    snapshot = _snapshot(
        _for_hosts("enforced", "*.a.example", path_prefixes=("/orders",)),
        _for_hosts("exact", "b.a.example", **tried),
        _for_hosts("same", "*.a.example", path_prefixes=("/orders",), **tried),
        _for_hosts("longer", "*.a.example", path_prefixes=("/orders/7",), **tried),
        _for_hosts("shorter", "*.a.example", path_prefixes=("/",), **tried),
        _for_hosts("wider", "*.example", **tried),
    )
    assert sorted(_shadows(snapshot, "b.a.example")) == ["shop/exact", "shop/longer", "shop/same"]
    assert sorted(_shadows(snapshot, "X.a.example")) == ["shop/longer", "shop/same"]
    assert sorted(_shadows(snapshot, "x.a.example", "/billing")) == ["shop/shorter", "shop/wider"]
    assert _shadows(snapshot, "x.example") == ["shop/wider"]
    assert _shadows(snapshot, "other.test") == []


def test_a_policy_in_shadow_is_asked_once_though_several_of_its_places_fit():
    snapshot = _snapshot(_for_hosts("tried", "b.a.example", "*.a.example", path_prefixes=("/", "/orders"), mode=Mode.SHADOW))
    assert _shadows(snapshot, "b.a.example") == ["shop/tried"]


def test_without_shadows_nothing_is_asked():
    assert _shadows(_snapshot(a_policy()), "api.example.com") == []


@pytest.mark.parametrize(
    ("unprotected", "host", "passes"),
    [
        ({"a.example"}, "a.example", True),
        ({"a.example"}, "A.Example.:80", True),
        ({"a.example"}, "b.a.example", False),
        ({"*.example"}, "b.a.example", True),
        ({"*.example"}, "example", False),
        (set(), "a.example", False),
    ],
)
def test_unprotected_requests_pass_where_the_operator_named_the_host(unprotected, host, passes):
    assert _snapshot(operator=Operator(unprotected=frozenset(unprotected))).allows_unprotected(host) is passes


def test_unprotected_requests_pass_everywhere_where_the_operator_said_all():
    assert _snapshot(operator=Operator(unprotected_all=True)).allows_unprotected("other.test")


def test_an_unprotected_request_loses_every_header_that_is_ours():
    allow = _snapshot(owned=frozenset({"x-auth-id", "x_auth-id"})).unprotected
    assert allow.reason is Reason.POLICY_UNPROTECTED
    assert allow.remove_headers == ("x-auth-id", "x_auth-id")


def test_the_clients_address_is_found_as_the_operator_says():
    request = a_request(peer="192.0.2.7")
    assert _snapshot().address_of(request) == addresses.UNKNOWN
    assert _snapshot(operator=Operator(ClientAddress())).address_of(request) == addresses.parse("192.0.2.7")


@st.composite
def _some_policies(draw):
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), unique=True, max_size=5))
    return [
        a_policy(
            name,
            draw(st.sampled_from(["shop", "shop-a", "team"])),
            hosts=tuple(draw(st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True))),
            path_prefixes=tuple(draw(st.lists(st.sampled_from(PREFIXES), max_size=2, unique=True))),
            mode=draw(st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.SHADOW])),
        )
        for name in names
    ]


@given(_some_policies().flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_order_in_which_policies_arrive_makes_no_difference(orders):
    one, other = (_snapshot(*policies) for policies in orders)
    assert one.lost == other.lost
    assert list(one.policies) == list(other.policies)
    for host in (*HOSTS[:3], "x.example", "x.a.example"):
        for path in PATHS:
            assert _decides(one, host, path) == _decides(other, host, path)
            assert _shadows(one, host, path) == _shadows(other, host, path)


@given(_some_policies(), st.sampled_from(["a.example", "b.a.example", "c.b.a.example", "x.example"]), st.sampled_from(PATHS))
def test_the_policy_that_decides_is_the_closest_by_a_plain_reading(policies, host, path):
    def rank(policy, pattern, prefix):
        exact = pattern == host
        return (not exact, -pattern.count("."), -len(prefix.rstrip("/")), f"{policy.name}")

    fits = [
        rank(policy, pattern, prefix)
        for policy in policies
        if policy.mode is Mode.ENFORCE
        for pattern in policy.hosts
        for prefix in policy.path_prefixes or ("/",)
        if pattern == host or (pattern.startswith("*.") and host.endswith(pattern[1:]))
        if (path + "/").startswith(prefix.rstrip("/") + "/")
    ]
    assert _decides(_snapshot(*policies), host, path) == (min(fits)[-1] if fits else None)
