"""Allow and Deny."""

from authz.model.decision import Allow, Deny
from authz.model.reason import Reason


def test_decisions_are_compared_by_identity():
    one, other = Allow(Reason.RULE_ALLOW, "shop/orders"), Allow(Reason.RULE_ALLOW, "shop/orders")
    assert one != other
    assert len({one, other}) == 2
    assert Deny(Reason.RULE_DENY, 403) != Deny(Reason.RULE_DENY, 403)


def test_an_allow_says_nothing_more_than_it_is_told():
    allow = Allow(Reason.RULE_ALLOW)
    assert (allow.set_headers, allow.remove_headers, allow.remove_query, allow.shadows) == ((), (), (), ())
