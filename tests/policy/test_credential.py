"""Credentials of an item: what is asked of a key and a certificate that are valid, and how they are presented."""

import pytest

from authz.model.policy import ApiKeyCondition, CertificateCondition
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.model.trace import Trace
from authz.policy.credential import API_KEY, Challenge, Credential, api_key_permit, certificate_permit, listed
from tests.policy.given import NOT_PRESENTED, FakeReader, a_view

PATH = ("spec", "rules", 0, "allow", 0, "apiKey")


def a_caller(*scopes):
    return Caller("subscriptions", "k7", {"scopes": frozenset(scopes)})


@pytest.mark.parametrize(
    ("held", "wanted", "holds"),
    [
        (("orders",), ("orders",), True),
        (("billing", "orders"), ("orders", "admin"), True),
        (("*",), ("orders",), True),
        (("billing",), ("orders",), False),
        ((), ("orders",), False),
        (("orders",), (), False),
        (("order",), ("orders",), False),
    ],
)
def test_a_key_has_one_of_the_scopes_or_every_scope(held, wanted, holds):
    failure = api_key_permit(ApiKeyCondition("subscriptions", wanted), PATH)(a_caller(*held), a_view())
    assert (failure is None) is holds
    if failure is not None:
        assert (failure.reason, failure.rank, failure.undecided) == (Reason.APIKEY_SCOPE, Rank.NOT_PERMITTED, False)


def test_what_a_key_is_asked_is_written_down():
    trace = Trace()
    api_key_permit(ApiKeyCondition("subscriptions", ("orders", "admin")), PATH)(a_caller("billing"), a_view(trace=trace))
    (step,) = trace.steps
    assert (step.holds, step.got, step.want, step.path) == (False, "billing", "orders or admin", (*PATH, "scopes"))


def test_nothing_more_is_asked_of_a_certificate_that_its_reader_found():
    assert certificate_permit(CertificateCondition("partners"), PATH)(a_caller(), a_view()) is None


def test_a_credential_that_is_not_there_fails_before_anything_is_asked_of_it():
    def permit(caller, view):
        raise AssertionError("nobody is there")

    credential = Credential(API_KEY, FakeReader(NOT_PRESENTED), permit, (Challenge("ApiKey"),), PATH)
    assert credential.failure(a_view()) is NOT_PRESENTED


def test_a_credential_that_is_there_fails_by_what_is_asked_of_it():
    refused = Failure(Reason.APIKEY_SCOPE, Rank.NOT_PERMITTED)
    credential = Credential(API_KEY, FakeReader(a_caller()), lambda caller, view: refused, (), PATH)
    assert credential.failure(a_view()) is refused


def test_a_few_values_are_told_and_none_is_a_word():
    assert (listed(frozenset()), listed(frozenset("abcdefghij"))) == ("none", "a, b, c, d, e, f, g, h")
