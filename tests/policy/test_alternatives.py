"""Alternatives of a rule: items of `allow` with their answers."""

import pytest

from authz.model.decision import Allow
from authz.model.policy import (
    AddressCondition,
    AddressRange,
    ClaimCondition,
    ClaimMatch,
    ForwardedHeader,
    Item,
    JwtCondition,
)
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.trace import Trace
from authz.policy.alternatives import Alternative, token_guard
from tests.builders import a_request
from tests.policy.given import (
    FORGED,
    NOT_PRESENTED,
    UNAVAILABLE,
    FakeReader,
    a_principal,
    a_view,
    an_issuer,
    compiled_item,
    from_networks,
    with_header,
)

MULTIPLE = Failure(Reason.CREDENTIALS_MULTIPLE, Rank.UNREADABLE, undecided=True)
BLUE = {"x-tenant": "blue"}
BASE = Allow(Reason.RULE_ALLOW, "shop/orders", "read", remove_headers=("authorization", "x-auth-subject", "x_auth-subject"))


def _alternative(item, found=None, *, forward=(), watch=None):
    return Alternative(compiled_item(item, found), BASE, forward, watch)


def _jwt(**members):
    return Item("staff", jwt=JwtCondition(("idp",), **members))


# Alternatives.


def test_an_anonymous_alternative_allows_and_names_itself():
    allow = _alternative(Item("anyone", anonymous=True)).judge(a_view())
    assert isinstance(allow, Allow)
    assert (allow.reason, allow.policy, allow.rule, allow.alternative) == (Reason.RULE_ALLOW, "shop/orders", "read", "anyone")
    assert (allow.issuer, allow.subject) == ("", "")


def test_an_allow_that_depends_on_nothing_is_made_once():
    alternative = _alternative(Item("anyone", anonymous=True))
    assert alternative.judge(a_view()) is alternative.judge(a_view())


def test_an_alternative_with_a_token_names_issuer_and_subject():
    allow = _alternative(_jwt(), a_principal(sub="alice")).judge(a_view())
    assert (allow.issuer, allow.subject) == ("idp", "alice")


def test_what_an_alternative_makes_of_a_token_is_remembered_with_the_token():
    principal = a_principal(sub="alice")
    alternative = _alternative(_jwt(), principal)
    assert alternative.judge(a_view()) is alternative.judge(a_view())
    assert principal.answers.keys() == {alternative}


def test_a_token_that_fails_is_the_failure_of_the_alternative():
    for found in (NOT_PRESENTED, FORGED, MULTIPLE, UNAVAILABLE):
        assert _alternative(_jwt(), found).judge(a_view()) is found


@pytest.mark.parametrize(
    ("jwt", "claims", "reason", "rank"),
    [
        ({"audiences": ("billing",)}, {"aud": ["orders"]}, Reason.TOKEN_AUDIENCE, Rank.NOT_VERIFIED),
        ({"audiences": ("billing",)}, {}, Reason.TOKEN_AUDIENCE, Rank.NOT_VERIFIED),
        ({"scopes": ("read", "write")}, {"scope": "read"}, Reason.SCOPE_INSUFFICIENT, Rank.NOT_PERMITTED),
        ({"scopes": ("read",)}, {}, Reason.SCOPE_INSUFFICIENT, Rank.NOT_PERMITTED),
        (
            {"claims": (ClaimCondition(("roles",), ClaimMatch.ANY, ("admin",)),)},
            {"roles": ["reader"]},
            Reason.CLAIMS_MISMATCH,
            Rank.NOT_PERMITTED,
        ),
    ],
)
def test_a_verified_token_that_is_not_what_is_asked_for(jwt, claims, reason, rank):
    failure = _alternative(_jwt(**jwt), a_principal(**claims)).judge(a_view())
    assert (failure.reason, failure.rank, failure.undecided) == (reason, rank, False)


def test_the_first_failing_check_of_a_token_is_reported():
    jwt = _jwt(audiences=("billing",), scopes=("read",), claims=(ClaimCondition(("roles",), ClaimMatch.ANY, ("admin",)),))
    claims = {"aud": "billing", "scope": "read", "roles": "admin"}
    assert isinstance(_alternative(jwt, a_principal(**claims)).judge(a_view()), Allow)
    order = [("aud", Reason.TOKEN_AUDIENCE), ("scope", Reason.SCOPE_INSUFFICIENT), ("roles", Reason.CLAIMS_MISMATCH)]
    for at, (_, reason) in enumerate(order):
        some = {name: value for name, value in claims.items() if name not in {missing for missing, _ in order[at:]}}
        assert _alternative(jwt, a_principal(**some)).judge(a_view()).reason is reason


def test_a_failure_says_what_was_wanted_and_what_came():
    failure = _alternative(_jwt(scopes=("read", "write")), a_principal(scope="write other")).judge(a_view())
    assert (failure.want, failure.got) == ("read write", "other, write")


def test_a_failure_lists_no_more_than_eight_values():
    failure = _alternative(_jwt(scopes=("x",)), a_principal(scope=" ".join("abcdefghijk"))).judge(a_view())
    assert failure.got == "a, b, c, d, e, f, g, h"


@pytest.mark.parametrize("anonymous", [True, False])
@pytest.mark.parametrize(
    ("item", "address", "headers", "reason"),
    [
        ({"addresses": from_networks("192.0.2.0/24")}, "192.0.2.7", {}, None),
        ({"addresses": from_networks("192.0.2.0/24")}, "203.0.113.7", {}, Reason.IP_DENIED),
        ({"addresses": from_networks("192.0.2.0/24")}, "unix", {}, Reason.IP_UNKNOWN),
        ({"addresses": AddressCondition((), (AddressRange("192.0.2.1", "192.0.2.9"),))}, "192.0.2.9", {}, None),
        ({"headers": with_header("X-Tenant", "blue")}, "192.0.2.7", BLUE, None),
        ({"headers": with_header("X-Tenant", "blue")}, "192.0.2.7", {}, Reason.HEADER_MISMATCH),
        (
            {"headers": (*with_header("x-tenant", "blue"), *with_header("x-other"))},
            "192.0.2.7",
            BLUE,
            Reason.HEADER_MISMATCH,
        ),
        (
            {"addresses": from_networks("192.0.2.0/24"), "headers": with_header("x-tenant", "blue")},
            "203.0.113.7",
            {},
            Reason.IP_DENIED,
        ),
    ],
)
def test_every_member_must_hold_and_the_first_that_does_not_is_reported(anonymous, item, address, headers, reason):
    item = Item("item", anonymous=True, **item) if anonymous else Item("item", jwt=JwtCondition(("idp",)), **item)
    answer = _alternative(item, a_principal()).judge(a_view(a_request(headers=headers), address=address))
    if reason is None:
        assert isinstance(answer, Allow)
    else:
        assert answer.reason is reason
        assert answer.rank is (Rank.ANONYMOUS if anonymous else Rank.NOT_PERMITTED)
        assert answer.undecided is (reason is Reason.IP_UNKNOWN)


def test_a_failing_header_condition_does_not_tell_the_value_that_came():
    item = Item("item", anonymous=True, headers=with_header("x-tenant", "blue", "green"))
    failure = _alternative(item).judge(a_view(a_request(headers={"x-tenant": "s3cret"})))
    assert (failure.want, failure.got) == ("x-tenant: blue | green", "x-tenant is another")
    assert _alternative(item).judge(a_view()).got == "no x-tenant"


def test_the_credential_is_looked_at_before_the_other_members():
    item = Item("item", jwt=JwtCondition(("idp",)), addresses=from_networks("192.0.2.0/24"))
    assert _alternative(item, FORGED).judge(a_view()) is FORGED


def test_a_fault_of_ours_does_not_hide_a_member_that_is_certainly_false():
    item = Item("item", jwt=JwtCondition(("idp",)), addresses=from_networks("192.0.2.0/24"))
    assert _alternative(item, UNAVAILABLE).judge(a_view(address="192.0.2.7")) is UNAVAILABLE
    assert _alternative(item, UNAVAILABLE).judge(a_view(address="unix")) is UNAVAILABLE
    failure = _alternative(item, UNAVAILABLE).judge(a_view(address="203.0.113.7"))
    assert (failure.reason, failure.rank) == (Reason.IP_DENIED, Rank.NOT_VERIFIED)


def test_a_member_that_cannot_be_told_does_not_hide_one_that_is_certainly_false():
    item = Item("item", jwt=JwtCondition(("idp",)), addresses=from_networks("192.0.2.0/24"), headers=with_header("x-tenant", "blue"))
    failure = _alternative(item, UNAVAILABLE).judge(a_view(address="unix"))
    assert (failure.reason, failure.rank) == (Reason.HEADER_MISMATCH, Rank.NOT_VERIFIED)
    assert _alternative(item, UNAVAILABLE).judge(a_view(a_request(headers=BLUE), address="unix")) is UNAVAILABLE


def test_what_is_forwarded_is_not_removed_and_what_has_no_value_is():
    forward = (ForwardedHeader("X-Auth-Subject", claim=("sub",)),)
    known = _alternative(_jwt(), a_principal(sub="alice"), forward=forward).judge(a_view())
    assert known.set_headers == (("x-auth-subject", "alice"),)
    assert known.remove_headers == ("authorization", "x_auth-subject")
    unnamed = _alternative(_jwt(), a_principal(), forward=forward).judge(a_view())
    assert unnamed.set_headers == ()
    assert unnamed.remove_headers == BASE.remove_headers


def test_an_anonymous_alternative_forwards_fixed_values_only():
    forward = (ForwardedHeader("x-auth-plan", value="free"), ForwardedHeader("x-auth-subject", claim=("sub",)))
    allow = _alternative(Item("anyone", anonymous=True), forward=forward).judge(a_view())
    assert allow.set_headers == (("x-auth-plan", "free"),)


def test_a_value_that_is_too_long_to_be_forwarded_denies():
    forward = (ForwardedHeader("x-auth-groups", claim=("groups",)),)
    failure = _alternative(_jwt(), a_principal(groups=["g" * 100] * 50), forward=forward).judge(a_view())
    assert (failure.reason, failure.rank) == (Reason.CLAIMS_MISMATCH, Rank.NOT_PERMITTED)
    assert "x-auth-groups" in failure.want


# The guard of `anonymous`.

ASKED = (JwtCondition(("idp",)),)


@pytest.mark.parametrize(
    ("found", "blocks"),
    [
        (a_principal(sub="alice"), False),
        (NOT_PRESENTED, False),
        (FORGED, True),
        (MULTIPLE, True),
        (UNAVAILABLE, True),
        (Failure(Reason.TOKEN_MALFORMED, Rank.UNREADABLE), True),
        (Failure(Reason.TOKEN_EXPIRED, Rank.NOT_VERIFIED), True),
        (Failure(Reason.TOKEN_SIGNATURE, Rank.NOT_VERIFIED, unasked=True), False),
        (Failure(Reason.TOKEN_MALFORMED, Rank.UNREADABLE, unasked=True), False),
    ],
)
def test_anonymous_does_not_overlook_a_token_that_was_sent_on_purpose_and_failed(found, blocks):
    answer = _alternative(Item("anyone", anonymous=True), watch=token_guard(FakeReader(found), ASKED)).judge(a_view())
    assert isinstance(answer, Allow) is not blocks
    if blocks:
        assert (answer.reason, answer.rank, answer.undecided) == (found.reason, Rank.ANONYMOUS, found.undecided)


NARROW = (JwtCondition(("idp",), audiences=("orders",)), JwtCondition(("partner",), audiences=("billing",)))


@pytest.mark.parametrize(
    ("asked", "issuer", "audience", "blocks"),
    [
        (NARROW, "idp", ["orders"], False),
        (NARROW, "idp", ["other", "orders"], False),
        (NARROW, "idp", ["billing"], True),
        (NARROW, "idp", [], True),
        (NARROW, "partner", "billing", False),
        (NARROW, "partner", "orders", True),
        ((*NARROW, JwtCondition(("idp",))), "idp", ["billing"], False),
    ],
)
def test_anonymous_does_not_overlook_a_token_for_an_audience_that_no_alternative_asks_for(asked, issuer, audience, blocks):
    found = a_principal(an_issuer(issuer), aud=audience)
    answer = _alternative(Item("anyone", anonymous=True), watch=token_guard(FakeReader(found), asked)).judge(a_view())
    assert isinstance(answer, Allow) is not blocks
    if blocks:
        assert (answer.reason, answer.rank, answer.want) == (Reason.TOKEN_AUDIENCE, Rank.ANONYMOUS, "orders, billing")


def test_a_fault_of_ours_does_not_hide_a_false_member_of_an_anonymous_alternative():
    item = Item("office", anonymous=True, addresses=from_networks("192.0.2.0/24"))
    failure = _alternative(item, watch=token_guard(FakeReader(UNAVAILABLE), ASKED)).judge(a_view(address="203.0.113.7"))
    assert failure.reason is Reason.IP_DENIED


def test_a_recorded_judgement_is_made_anew_so_that_no_step_is_missing():
    alternative = _alternative(_jwt(scopes=("read",)), a_principal(scope="read"))
    alternative.judge(a_view())
    trace = Trace()
    alternative.judge(a_view(trace=trace))
    assert [step.what for step in trace.steps] == ["scopes"]
