"""The closed list of reasons."""

import re

import pytest

from authz.model.advice import ADVICE
from authz.model.reason import Reason

DESIGNED = [
    "credentials.missing",
    "credentials.multiple",
    "token.malformed",
    "token.too_large",
    "token.type",
    "token.algorithm",
    "token.key_unknown",
    "token.signature",
    "token.issuer",
    "token.audience",
    "token.expired",
    "token.not_yet_valid",
    "token.lifetime",
    "token.binding",
    "token.decrypt",
    "token.inactive",
    "scope.insufficient",
    "claims.mismatch",
    "ip.denied",
    "ip.unknown",
    "header.mismatch",
    "cert.missing",
    "cert.untrusted",
    "cert.expired",
    "cert.revoked",
    "cert.revocation_unknown",
    "cert.not_allowed",
    "apikey.unknown",
    "apikey.disabled",
    "apikey.expired",
    "apikey.scope",
    "expression.false",
    "expression.error",
    "rule.none",
    "rule.deny",
    "rule.allow",
    "preflight.allow",
    "policy.unprotected",
    "path.ambiguous",
    "request.malformed",
    "policy.none",
    "policy.mismatch",
    "policy.conflicted",
    "policy.invalid",
    "keys.unavailable",
    "internal.error",
    "overloaded",
]


def test_every_reason_is_one_that_was_designed():
    assert {reason.value for reason in Reason} <= set(DESIGNED)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_has_a_word_a_sentence_and_advice(reason):
    assert re.fullmatch(r"[a-z]+\.[a-z_]+|overloaded", reason.value)
    assert reason.sentence
    assert ADVICE[reason].endswith((".", "?"))


def test_ordinals_count_from_zero_without_a_gap():
    assert [reason.ordinal for reason in Reason] == list(range(len(Reason)))


@pytest.mark.parametrize("reason", list(Reason))
def test_only_the_three_reasons_of_an_allow_allow(reason):
    assert reason.allows is (reason in {Reason.RULE_ALLOW, Reason.PREFLIGHT_ALLOW, Reason.POLICY_UNPROTECTED})


@pytest.mark.parametrize(
    ("status", "values"),
    [
        (400, {"credentials.multiple", "path.ambiguous", "request.malformed"}),
        (503, {"cert.revocation_unknown", "policy.conflicted", "policy.invalid", "keys.unavailable", "internal.error", "overloaded"}),
    ],
)
def test_the_statuses_of_faults_are_the_designed_ones(status, values):
    assert {reason.value for reason in Reason if reason.status == status} == values


def test_every_token_reason_is_an_invalid_token_and_missing_credentials_are_no_error():
    tokens = [reason for reason in Reason if reason.value.startswith("token.")]
    assert {(reason.status, reason.error) for reason in tokens} == {(401, "invalid_token")}
    assert Reason.CREDENTIALS_MISSING.error == ""


def test_faults_of_the_signature_share_one_public_word():
    faults = {Reason.TOKEN_ALGORITHM, Reason.TOKEN_KEY_UNKNOWN, Reason.TOKEN_SIGNATURE}
    assert {reason.public for reason in faults} == {"token_invalid"}
    assert len({reason.sentence for reason in faults}) == 1


def test_a_key_that_is_unknown_disabled_or_expired_reads_alike_for_the_client():
    faults = {Reason.APIKEY_UNKNOWN, Reason.APIKEY_DISABLED, Reason.APIKEY_EXPIRED}
    assert {reason.public for reason in faults} == {"key_invalid"}
    assert len({(reason.status, reason.error, reason.sentence) for reason in faults}) == 1


def test_other_public_words_tell_reasons_apart():
    assert Reason.TOKEN_EXPIRED.public == "token_expired"
    assert Reason.IP_DENIED.public == "ip_denied"


def test_a_denied_and_an_unknown_address_read_alike_for_the_client():
    assert Reason.IP_DENIED.sentence == Reason.IP_UNKNOWN.sentence


def test_a_reason_is_its_word():
    assert Reason("rule.deny") is Reason.RULE_DENY
    assert f"{Reason.RULE_DENY}" == "rule.deny"
