"""The member `when`: what an expression sees of a check, and what its result makes of the item."""

import pytest

from authz.model.policy import Item, JwtCondition, PathKind, PathMatch, RequestMatch
from authz.model.principal import Caller, Rank
from authz.model.reason import Reason
from authz.model.trace import Trace
from authz.policy.credential import API_KEY, CERTIFICATE, Credential
from authz.policy.items import fires
from authz.policy.when import when_member
from tests.builders import a_request
from tests.policy.given import FORGED, FakeReader, a_principal, a_view, compiled_item

PATH = ("spec", "rules", 0, "allow", 0, "when")
USERS = RequestMatch(PathMatch(PathKind.TEMPLATE, "/users/{id}"))


def outcome(text, view, *credentials, matches=()):
    return when_member(text, credentials, matches, Rank.NOT_PERMITTED, PATH)(view)


def reason(text, view, *credentials, matches=()):
    failure = outcome(text, view, *credentials, matches=matches)
    return None if failure is None else failure.reason


def holding(kind, **claims):
    return Credential(kind, FakeReader(Caller("x", "y", claims)), lambda caller, view: None, (), ())


@pytest.mark.parametrize(
    "text",
    [
        "request.method == 'GET'",
        "request.host == 'api.example.com'",
        "request.path == '/users/alice'",
        "request.pathParams['id'] == 'alice'",
        "request.query['a'] == '1 2' && request.query['b'] == ''",
        "request.headers['x-tenant'] == 'blue'",
        "apiKey.labels['plan'] == 'gold'",
        "clientCertificate.commonName == 'client'",
        "clientIP == '203.0.113.7'",
        "now == timestamp(1800000000)",
    ],
)
def test_what_an_expression_sees(text):
    request = a_request(target="/users/alice?a=1+2&b=", host="API.example.com:443", headers={"x-tenant": "blue"})
    credentials = (holding(API_KEY, labels={"plan": "gold"}), holding(CERTIFICATE, commonName="client"))
    assert reason(text, a_view(request), *credentials, matches=(USERS,)) is None


def test_only_true_holds_and_an_error_is_told_from_false():
    false, error = outcome("request.method == 'PUT'", a_view()), outcome("request.headers['nothing'] == ''", a_view())
    assert (false.reason, false.rank, false.undecided) == (Reason.EXPRESSION_FALSE, Rank.NOT_PERMITTED, False)
    assert (error.reason, error.rank, error.undecided) == (Reason.EXPRESSION_ERROR, Rank.NOT_PERMITTED, True)


@pytest.mark.parametrize("text", ["request.query['a'] == '1'", "request.query['a'] == '2'", "has(request.query.a)"])
def test_a_parameter_that_comes_twice_has_no_value(text):
    assert reason(text, a_view(a_request(target="/?a=1&%61=2"))) is Reason.EXPRESSION_ERROR


def test_an_unknown_address_is_an_error():
    assert reason("clientIP != '192.0.2.1'", a_view(address="garbage")) is Reason.EXPRESSION_ERROR


def test_parameters_of_a_template_that_does_not_fit_are_not_there():
    assert reason("request.pathParams['id'] == ''", a_view(a_request(target="/x")), matches=(USERS,)) is Reason.EXPRESSION_ERROR


def test_a_credential_that_failed_says_nothing():
    failed = Credential("jwt", FakeReader(FORGED), lambda caller, view: None, (), ())
    assert reason("jwt.sub == 'alice'", a_view(), failed) is Reason.EXPRESSION_ERROR


def test_the_result_is_written_down_and_no_value_of_the_request():
    trace = Trace()
    outcome("request.headers['x-key'] == 'a'", a_view(a_request(headers={"x-key": "hidden"}), trace=trace))
    (step,) = trace.steps
    assert (step.holds, step.got, step.path) == (False, "false", PATH)
    assert "hidden" not in repr(step)


def test_an_item_of_deny_fires_on_true_and_on_an_error():
    item = compiled_item(Item("it", jwt=JwtCondition(("idp",)), when="jwt.sub == 'mallory'"), a_principal(sub="mallory"))
    assert fires(item, a_view()).reason is Reason.RULE_DENY
    item = compiled_item(Item("it", jwt=JwtCondition(("idp",)), when="jwt.sub == 'mallory'"), a_principal())
    assert fires(item, a_view()).reason is Reason.EXPRESSION_ERROR
    item = compiled_item(Item("it", jwt=JwtCondition(("idp",)), when="jwt.sub == 'mallory'"), a_principal(sub="alice"))
    assert fires(item, a_view()) is None
