"""AuthPolicy as immutable values."""

from dataclasses import FrozenInstanceError

import pytest

from authz.model.policy import PolicyName
from tests.policy.given import a_policy, a_rule


def test_a_name_is_written_namespace_slash_name():
    assert str(PolicyName("shop", "orders")) == "shop/orders"


def test_names_sort_by_namespace_first():
    names = [PolicyName("b", "a"), PolicyName("a", "z"), PolicyName("a", "b")]
    assert sorted(names) == [PolicyName("a", "b"), PolicyName("a", "z"), PolicyName("b", "a")]


@pytest.mark.parametrize(
    ("hosts", "rules", "only_defines"),
    [
        ((), (), True),
        (("api.example.com",), (), False),
        ((), (a_rule(),), False),
        (("api.example.com",), (a_rule(),), False),
    ],
)
def test_a_policy_without_hosts_and_rules_only_defines(hosts, rules, only_defines):
    assert a_policy(hosts=hosts, rules=rules).only_defines is only_defines


def test_a_policy_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        a_policy().generation = 2
