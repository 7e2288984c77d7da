"""Items of `allow` and `deny`."""

import pytest

from authz.model.decision import Allow
from authz.model.policy import (
    AddressCondition,
    AddressRange,
    ClaimCondition,
    ClaimMatch,
    HeaderCondition,
    Item,
    JwtCondition,
)
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.trace import Trace
from authz.policy.items import fires
from tests.builders import a_request
from tests.policy.given import (
    FORGED,
    NOT_PRESENTED,
    UNAVAILABLE,
    a_principal,
    a_view,
    compiled_item,
    from_networks,
    with_header,
)

MULTIPLE = Failure(Reason.CREDENTIALS_MULTIPLE, Rank.UNREADABLE, undecided=True)
BLUE = {"x-tenant": "blue"}
BASE = Allow(Reason.RULE_ALLOW, "shop/orders", "read", remove_headers=("authorization", "x-auth-subject", "x_auth-subject"))


def _jwt(**members):
    return Item("staff", jwt=JwtCondition(("idp",), **members))


# Items of `deny`: they fire unless a member is certainly false.

TRUE, FALSE, UNCLEAR = "true", "false", "unclear"
ADDRESS = {TRUE: "192.0.2.7", FALSE: "203.0.113.7", UNCLEAR: "unix"}
TENANT = {TRUE: BLUE, FALSE: {}, UNCLEAR: {"x-tenant": "red,blue"}}
TOKEN = {TRUE: a_principal(), FALSE: NOT_PRESENTED, UNCLEAR: UNAVAILABLE}


@pytest.mark.parametrize("token", [TRUE, FALSE, UNCLEAR, None])
@pytest.mark.parametrize("address", [TRUE, FALSE, UNCLEAR, None])
@pytest.mark.parametrize("header", [TRUE, FALSE, UNCLEAR, None])
def test_an_item_of_deny_fires_unless_a_member_is_certainly_false(token, address, header):
    item = Item(
        "blocked",
        jwt=JwtCondition(("idp",)) if token else None,
        addresses=from_networks("192.0.2.0/24") if address else None,
        headers=with_header("x-tenant", "blue") if header else (),
    )
    view = a_view(a_request(headers=TENANT[header or TRUE]), address=ADDRESS[address or TRUE])
    failure = fires(compiled_item(item, TOKEN[token or TRUE]), view)
    members = {token, address, header}
    if FALSE in members:
        assert failure is None
    elif UNCLEAR in members:
        # The first member that cannot be told gives its own reason.
        reasons = ((token, Reason.KEYS_UNAVAILABLE), (address, Reason.IP_UNKNOWN), (header, Reason.HEADER_MISMATCH))
        assert failure.reason is next(reason for member, reason in reasons if member == UNCLEAR)
    else:
        assert (failure.reason, failure.got) == (Reason.RULE_DENY, "blocked")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (NOT_PRESENTED, None),
        (FORGED, None),
        (Failure(Reason.TOKEN_EXPIRED, Rank.NOT_VERIFIED), None),
        (Failure(Reason.TOKEN_MALFORMED, Rank.UNREADABLE), None),
        (MULTIPLE, Reason.CREDENTIALS_MULTIPLE),
        (UNAVAILABLE, Reason.KEYS_UNAVAILABLE),
        (a_principal(sub="mallory"), Reason.RULE_DENY),
    ],
)
def test_what_an_item_of_deny_makes_of_a_token(found, reason):
    failure = fires(compiled_item(_jwt(), found), a_view())
    assert (failure.reason if failure else None) is reason


@pytest.mark.parametrize(("subject", "is_denied"), [("mallory", True), ("alice", False), (None, False)])
def test_an_item_of_deny_with_claims_is_for_those_callers_only(subject, is_denied):
    item = _jwt(claims=(ClaimCondition(("sub",), ClaimMatch.ANY, ("mallory",)),))
    claims = {"sub": subject} if subject else {}
    assert (fires(compiled_item(item, a_principal(**claims)), a_view()) is not None) is is_denied


# What is written down.


def test_every_member_that_was_looked_at_is_written_down_with_its_place():
    trace = Trace()
    item = Item(
        "staff",
        jwt=JwtCondition(("idp",), ("orders",), ("read",), (ClaimCondition(("realm", "roles"), ClaimMatch.ALL, ("a", "b")),)),
        addresses=AddressCondition(("192.0.2.0/24",), (AddressRange("192.0.2.1", "192.0.2.9"),)),
        headers=(HeaderCondition("X-Tenant"),),
    )
    principal = a_principal(aud="orders", scope="read", realm={"roles": ["a", "b"]})
    compiled, view = compiled_item(item, principal), a_view(a_request(headers=BLUE), address="192.0.2.7", trace=trace)
    assert compiled.only.permit(principal, view) is None
    assert compiled.member_failure(view) is None
    here = ("spec", "rules", 0, "allow", 0)
    assert [(step.what, step.name, step.holds, step.got, step.want, step.path) for step in trace.steps] == [
        ("audience", "", True, "orders", "orders", (*here, "jwt", "audiences")),
        ("scopes", "", True, "read", "read", (*here, "jwt", "scopes")),
        ("claim", "realm.roles", True, "a, b", "realm.roles: all of a, b", (*here, "jwt", "claims", 0)),
        ("clientIP", "", True, "192.0.2.7", "192.0.2.0/24, 192.0.2.1 - 192.0.2.9", (*here, "clientIP")),
        ("header", "x-tenant", True, "x-tenant is as wanted", "x-tenant: any value", (*here, "headers", 0)),
    ]
