"""Raw objects → the model's values: what says the same stays the very same."""

import copy
from typing import Any

import pytest

from authz.kube.decoding import Decoded
from authz.model.cluster import EVERY_HOST, Attachment, Grant, RouteRule
from authz.model.declared import Declared, Stray
from authz.model.policy import PolicyName
from authz.service.slices import at_once
from tests.kube.scripted import policy
from tests.kube.test_objects import GATEWAY, a_gateway, a_parent, a_route

US = {"group": "ingress-authz.dev", "kind": "AuthPolicy", "namespace": "shop"}


def _policies(decoded: Decoded, **store: dict[str, Any]) -> list[Any]:
    return at_once(decoded.policies(store))


def _routes(decoded: Decoded, gateway: Any, **store: dict[str, Any]) -> tuple[Any, ...]:
    return at_once(decoded.routes(store, {GATEWAY: gateway}))


def _changed(each: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    other = copy.deepcopy(each)
    other["metadata"] |= metadata
    return other


def test_every_policy_is_decoded_in_order():
    found = _policies(Decoded(), a=policy("a", 1), b=policy("b", 2))
    assert [each.name for each in found] == [PolicyName("shop", "a"), PolicyName("shop", "b")]


def test_a_policy_whose_status_or_version_alone_changed_stays_the_very_same():
    decoded, before = Decoded(), policy("a", 1)
    (first,) = _policies(decoded, a=before)
    touched = _changed(before, resourceVersion="9", managedFields=[], labels={"team": "shop"}) | {"status": {"conditions": []}}
    assert _policies(decoded, a=touched)[0] is first
    assert _policies(decoded, a=copy.deepcopy(touched))[0] is first


@pytest.mark.parametrize("metadata", [{"generation": 2}, {"uid": "another"}, {"creationTimestamp": "2026-02-02T00:00:00Z"}])
def test_a_policy_that_was_edited_or_made_again_is_decoded_anew(metadata):
    decoded, before = Decoded(), policy("a", 1)
    (first,) = _policies(decoded, a=before)
    (second,) = _policies(decoded, a=_changed(before, **metadata))
    assert second is not first


def test_a_policy_whose_spec_changed_is_decoded_anew_though_its_generation_did_not():
    decoded, before = Decoded(), policy("a", 1)
    (first,) = _policies(decoded, a=before)
    (second,) = _policies(decoded, a=policy("a", 1, host="other.example.com"))
    assert (first.policy.hosts, second.policy.hosts) == (("api.example.com",), ("other.example.com",))


def test_the_age_and_the_generation_of_a_policy_are_kept():
    (found,) = _policies(Decoded(), a=policy("a", 1, created="2026-01-01T00:00:00Z"))
    assert (found.policy.created, found.generation) == ("2026-01-01T00:00:00Z", 1)


def test_a_policy_that_is_gone_is_forgotten():
    decoded, each = Decoded(), policy("a", 1)
    (first,) = _policies(decoded, a=each)
    assert _policies(decoded) == []
    (second,) = _policies(decoded, a=each)
    assert second == first


def test_an_object_that_is_no_policy_of_ours_hides_no_other():
    nameless = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"namespace": "shop"}, "spec": {}}
    stray, found = _policies(Decoded(), a=nameless, b=policy("b", 1))
    assert isinstance(stray, Stray)
    assert isinstance(found, Declared)


def test_a_step_is_taken_for_each_object():
    store = {name: policy(name, 1) for name in "abc"}
    assert sum(1 for _ in Decoded().policies(store)) == 3
    routes = {name: a_route(name=name) for name in "abcd"}
    assert sum(1 for _ in Decoded().routes(routes, {GATEWAY: None})) == 4


def test_a_store_that_changes_meanwhile_is_read_as_it_was():
    store = {name: policy(name, 1) for name in "ab"}
    steps = Decoded().policies(store)
    next(steps)
    store["c"] = policy("c", 1)
    assert len(at_once(steps)) == 2


def test_a_route_that_comes_to_the_same_stays_the_very_same():
    decoded, gateway, each = Decoded(), a_gateway(), a_route()
    (first,) = _routes(decoded, gateway, a=each)
    assert _routes(decoded, gateway, a=each)[0] is first
    assert _routes(decoded, gateway, a=_changed(each, resourceVersion="9"))[0] is first
    assert _routes(decoded, a_gateway(), a=each)[0] is first


def test_a_route_counts_as_soon_as_it_is_accepted_and_no_longer_than_that():
    decoded, gateway = Decoded(), a_gateway()
    waiting = a_route(parents=[])
    assert [each.gateways for each in _routes(decoded, gateway, a=waiting)] == [()]
    assert [each.gateways for each in _routes(decoded, gateway, a=a_route())] == [(GATEWAY,)]
    refused = a_route(parents=[a_parent([{"type": "Accepted", "status": "False"}])])
    assert [each.gateways for each in _routes(decoded, gateway, a=refused)] == [()]


def test_a_gateway_that_changes_changes_the_attachments_of_routes_that_did_not():
    decoded, each = Decoded(), a_route()
    (before,) = _routes(decoded, a_gateway({"name": "http"}), a=each)
    (after,) = _routes(decoded, a_gateway({"name": "http", "hostname": "a.example"}), a=each)
    assert (before.attachments[0].hosts, after.attachments[0].hosts) == (("*",), ("a.example",))
    (gone,) = _routes(decoded, None, a=each)
    assert gone.attachments[0].hosts == ("*",)


def test_a_route_that_is_gone_is_gone():
    decoded = Decoded()
    _routes(decoded, a_gateway(), a=a_route())
    assert _routes(decoded, a_gateway()) == ()


ANYTHING = (RouteRule(is_sure=False),), (Attachment(GATEWAY, "", (EVERY_HOST,), is_sure=False),)
ODD_MATCHES = [{"path": {"value": 7}}, {"path": {"value": ["/a"]}}, {"method": {}}, {"headers": [{"name": None}]}]
ODD_MATCHES += [{"queryParams": [{"name": "q", "value": True}]}, {"headers": [{"name": "x", "value": []}]}]


@pytest.mark.parametrize("match", ODD_MATCHES)
def test_a_route_of_which_a_part_is_of_another_kind_may_be_anything(match):
    odd, sound = _routes(Decoded(), a_gateway(), **{"shop/odd": a_route({"matches": [match]}, name="odd"), "shop/sound": a_route()})
    assert (odd.name, odd.rules, odd.attachments) == (PolicyName("shop", "odd"), *ANYTHING)
    assert [each.listener for each in sound.attachments] == ["http"]


@pytest.mark.parametrize(
    "listener", [{"name": []}, {"name": "http", "hostname": 7}, {"name": "http", "hostname": {"x": 1}}, {"hostname": True}]
)
def test_a_gateway_of_which_a_part_is_of_another_kind_narrows_nothing(listener):
    (route,) = _routes(Decoded(), a_gateway(listener), **{"shop/orders": a_route()})
    assert (route.rules, route.attachments) == ANYTHING


@pytest.mark.parametrize("odd", [{"from": [US | {"namespace": []}]}, {"to": [{"group": "", "kind": "Secret", "name": {}}]}])
def test_a_grant_of_which_a_part_is_of_another_kind_permits_nothing(odd):
    sound = {"from": [US], "to": [{"group": "", "kind": "Secret"}]}
    named = {key: {"metadata": {"name": key, "namespace": "one"}, "spec": spec} for key, spec in (("odd", sound | odd), ("sound", sound))}
    assert Decoded().grants(named) == {Grant("shop", "one", "Secret")}


def test_the_grants_of_all_objects_are_put_together():
    def grant(namespace: str) -> dict[str, Any]:
        return {"metadata": {"name": "g", "namespace": namespace}, "spec": {"from": [US], "to": [{"group": "", "kind": "Secret"}]}}

    found = Decoded().grants({"a": grant("one"), "b": grant("two"), "c": grant("two")})
    assert found == {Grant("shop", "one", "Secret"), Grant("shop", "two", "Secret")}
