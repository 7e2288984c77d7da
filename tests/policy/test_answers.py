"""What a denied client is told."""

import json

import pytest

from authz.model.advice import ADVICE
from authz.model.policy import Answer, Denied
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.policy.answers import Decider, deny, with_instance
from authz.policy.credential import Challenge

BEARER = (Challenge("Bearer"),)
DENIALS = [reason for reason in Reason if not reason.allows]
OWN_WORDS = Denied(Answer(404, "Nothing here", (("x-why", "unknown"),)), Answer(410, "Gone for you", (("x-why", "known"), ("x-more", "1"))))


def _denied(reason, **options):
    return deny(Failure(reason, Rank.NOT_PERMITTED, "what the policy wants", "what came"), **options)


def _headers(decision):
    return dict(decision.headers)


@pytest.mark.parametrize("reason", [reason for reason in DENIALS if reason.status == 401])
def test_an_unknown_caller_gets_401_with_a_challenge_where_one_helps(reason):
    decision = _denied(reason, challenges=BEARER)
    assert decision.status == 401
    assert _headers(decision)["www-authenticate"].startswith('Bearer realm="api"')


@pytest.mark.parametrize("reason", [reason for reason in DENIALS if reason.status == 401])
def test_an_unknown_caller_gets_403_where_no_challenge_helps(reason):
    assert _denied(reason).status == 403


def test_nothing_presented_is_no_error():
    challenge = _headers(_denied(Reason.CREDENTIALS_MISSING, challenges=BEARER))["www-authenticate"]
    assert challenge == 'Bearer realm="api"'


@pytest.mark.parametrize("reason", [reason for reason in DENIALS if reason.error == "invalid_token"])
def test_a_bad_token_is_an_invalid_token(reason):
    challenge = _headers(_denied(reason, challenges=BEARER))["www-authenticate"]
    assert challenge == f'Bearer realm="api", error="invalid_token", error_description="{reason.sentence}"'


def test_two_credentials_are_an_invalid_request():
    decision = _denied(Reason.CREDENTIALS_MULTIPLE, challenges=BEARER)
    assert decision.status == 400
    assert 'error="invalid_request"' in _headers(decision)["www-authenticate"]


def test_a_missing_scope_is_403_and_names_the_scopes():
    decision = _denied(Reason.SCOPE_INSUFFICIENT, challenges=BEARER, scopes=("orders.read", "orders.write"))
    assert decision.status == 403
    assert _headers(decision)["www-authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", error_description="The access token lacks a scope", '
        'scope="orders.read orders.write"'
    )


def test_scopes_are_named_for_a_missing_scope_only():
    assert "scope=" not in _headers(_denied(Reason.SCOPE_INSUFFICIENT, challenges=BEARER))["www-authenticate"]
    assert "scope=" not in _headers(_denied(Reason.TOKEN_EXPIRED, challenges=BEARER, scopes=("orders.read",)))["www-authenticate"]


NO_CERTIFICATE = (Reason.CERT_MISSING, Reason.CERT_UNTRUSTED, Reason.CERT_EXPIRED, Reason.CERT_REVOKED)


@pytest.mark.parametrize("reason", NO_CERTIFICATE)
def test_without_a_certificate_that_counts_the_caller_is_unknown_where_another_credential_would_help(reason):
    assert _denied(reason).status == 403
    decision = _denied(reason, challenges=BEARER)
    assert decision.status == 401
    assert _headers(decision)["www-authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    "reason", [reason for reason in DENIALS if reason.status != 401 and not reason.error and reason not in NO_CERTIFICATE]
)
def test_a_denial_that_no_token_would_change_has_no_challenge(reason):
    decision = _denied(reason, challenges=BEARER)
    assert decision.status == reason.status
    assert "www-authenticate" not in _headers(decision)


@pytest.mark.parametrize("reason", DENIALS)
@pytest.mark.parametrize("denied", [Denied(), OWN_WORDS])
def test_no_denial_may_be_stored(reason, denied):
    assert _headers(_denied(reason, challenges=BEARER, denied=denied))["cache-control"] == "no-store"


@pytest.mark.parametrize("reason", DENIALS)
def test_only_a_503_says_when_to_come_again(reason):
    assert ("retry-after" in _headers(_denied(reason, challenges=BEARER))) is (reason.status == 503)


@pytest.mark.parametrize("reason", DENIALS)
def test_the_body_is_problem_json_with_the_public_code(reason):
    decision = _denied(reason, challenges=BEARER)
    assert _headers(decision)["content-type"] == "application/problem+json"
    assert json.loads(decision.body) == {
        "type": f"urn:ingress-authz:problem:{reason.public}",
        "title": reason.sentence,
        "status": decision.status,
        "code": reason.public,
    }


@pytest.mark.parametrize("reason", DENIALS)
def test_no_internal_reaches_the_client(reason):
    decision = _denied(reason, decider=Decider("shop/orders", "read", "staff"), challenges=BEARER)
    assert (decision.policy, decision.rule, decision.alternative) == ("shop/orders", "read", "staff")
    assert (decision.want, decision.got) == ("what the policy wants", "what came")
    told = decision.body + repr(decision.headers)
    for internal in ("shop", "staff", '"read"', "what the policy wants", "what came", ADVICE[reason]):
        assert internal not in told


def test_the_policys_own_words_for_an_unknown_caller_replace_the_401():
    decision = _denied(Reason.TOKEN_EXPIRED, challenges=BEARER, denied=OWN_WORDS)
    assert decision.status == 404
    assert _headers(decision)["x-why"] == "unknown"
    assert "www-authenticate" not in _headers(decision)
    assert json.loads(decision.body)["title"] == "Nothing here"
    assert json.loads(decision.body)["status"] == 404


def test_the_policys_own_words_for_a_known_caller_replace_the_403():
    decision = _denied(Reason.IP_DENIED, denied=OWN_WORDS)
    assert decision.status == 410
    assert _headers(decision)["x-why"] == "known"
    assert _headers(decision)["x-more"] == "1"


def test_a_401_that_no_challenge_would_help_takes_the_words_of_the_403():
    assert _denied(Reason.CREDENTIALS_MISSING, denied=OWN_WORDS).status == 410


def test_words_without_a_status_keep_the_usual_one_and_its_challenge():
    decision = _denied(Reason.TOKEN_EXPIRED, challenges=BEARER, denied=Denied(Answer(message="Sign in again")))
    assert decision.status == 401
    assert 'error="invalid_token"' in _headers(decision)["www-authenticate"]
    assert json.loads(decision.body)["title"] == "Sign in again"


def test_a_403_that_the_policy_makes_a_401_has_a_challenge_where_one_helps():
    decision = _denied(Reason.CLAIMS_MISMATCH, challenges=BEARER, denied=Denied(forbidden=Answer(401)))
    assert decision.status == 401
    assert _headers(decision)["www-authenticate"] == 'Bearer realm="api"'


def test_there_is_a_challenge_for_every_scheme_that_helps():
    missing = _headers(_denied(Reason.CREDENTIALS_MISSING, challenges=(*BEARER, Challenge("Token"))))["www-authenticate"]
    assert missing == 'Bearer realm="api", Token realm="api"'
    scope = _headers(_denied(Reason.SCOPE_INSUFFICIENT, challenges=(*BEARER, Challenge("Token")), scopes=("read",)))["www-authenticate"]
    assert scope.count('error="insufficient_scope"') == scope.count('scope="read"') == 2


def test_a_body_can_name_the_request():
    body = _denied(Reason.IP_DENIED).body
    assert json.loads(with_instance(body, "id-7")) == {**json.loads(body), "instance": "id-7"}
    assert with_instance(body, "id-7").endswith("}\n")
    assert body.endswith("}\n")


@pytest.mark.parametrize("reason", [reason for reason in DENIALS if reason.status in (400, 503)])
def test_a_400_and_a_503_are_never_rewritten(reason):
    plain, own = _denied(reason, challenges=BEARER), _denied(reason, challenges=BEARER, denied=OWN_WORDS)
    assert (own.status, own.headers, own.body) == (plain.status, plain.headers, plain.body)


def test_a_message_in_any_language_is_valid_json():
    decision = _denied(Reason.IP_DENIED, denied=Denied(forbidden=Answer(message='Für dich "nicht"\n')))
    assert json.loads(decision.body)["title"] == 'Für dich "nicht"\n'


def test_a_denial_without_a_decider_names_nobody():
    decision = _denied(Reason.POLICY_NONE)
    assert (decision.policy, decision.rule, decision.alternative) == ("", "", "")
