"""Which namespaces may decide for which hosts, as the operator says."""

import pytest

from authz.model.operator import ClientAddress, HostGrant, Operator
from authz.policy import hosts
from tests.builders import HOST, Installation, a_manifest, a_request

OPEN = f"hosts: [{HOST}]\nrules: [{{name: all, allow: [{{name: anyone, anonymous: {{}}}}]}}]"
SHUT = f"hosts: [{HOST}]\nrules: [{{name: none, allow: []}}]"


def operator(*grants: HostGrant) -> Operator:
    return Operator(ClientAddress(), unprotected_all=True, host_grants=grants)


@pytest.mark.parametrize(
    ("pattern", "host", "covered"),
    [
        ("a.example", "a.example", True),
        ("a.example", "b.example", False),
        ("*.example", "a.example", True),
        ("*.example", "a.b.example", True),
        ("*.example", "example", False),
        ("*.example", "*.a.example", True),
        ("*.a.example", "*.example", False),
        ("*.example", "*.example", True),
        ("*.example", "badexample", False),
        ("a.example", "*.a.example", False),
    ],
)
def test_a_pattern_covers_what_it_means_and_nothing_wider(pattern: str, host: str, covered: bool) -> None:
    assert hosts.covers(pattern, host) is covered


def test_a_namespace_without_a_grant_neither_decides_nor_shuts() -> None:
    installation = Installation(a_manifest(SHUT, namespace="stranger"), operator=operator(HostGrant("shop")))
    assert installation.decide(a_request()).reason.value == "policy.unprotected"
    (state,) = installation.report.states
    assert [problem.code for problem in state.problems] == ["AZ207"]
    assert not state.in_force


def test_a_broken_policy_answers_503_only_on_hosts_that_are_its_own() -> None:
    match = "{path: {type: RegularExpression, value: '('}}"
    broken = f"hosts: [{HOST}, other.example.com]\nrules: [{{name: none, allow: [], matches: [{match}]}}]"
    installation = Installation(a_manifest(broken), operator=operator(HostGrant("shop", (HOST,))))
    assert installation.decide(a_request()).reason.value == "policy.invalid"
    assert installation.decide(a_request(host="other.example.com")).reason.value == "policy.unprotected"


def test_a_stranger_cannot_win_a_host_by_its_name() -> None:
    policies = (a_manifest(SHUT, name="aaa", namespace="aaa"), a_manifest(OPEN))
    installation = Installation(*policies, operator=operator(HostGrant("shop")))
    assert installation.decide(a_request()).reason.value == "rule.allow"


def test_files_may_decide_for_every_host() -> None:
    assert Installation(a_manifest(SHUT, namespace="anyone")).decide(a_request()).reason.value == "rule.deny"
