"""The engine and the plain reading of AuthPolicy never decide differently, for drawn policies and requests."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings

from authz.model.reason import Reason
from tests.corpus_runner import RequestOf, SettingOf
from tests.differential import plain
from tests.differential.comparison import compared, difference
from tests.differential.engine import decided, plain_request, world_of
from tests.differential.generate import REQUESTS, cases, drawn
from tests.differential.words import Hand

# What no policy and no request bring about.
NEVER = {"internal.error", "overloaded"}
UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def _both_say_the_same(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    for reason in compared(*case):
        event(reason)


@settings(UNHURRIED, max_examples=2_000 // REQUESTS)
@given(cases())
def test_the_engine_decides_what_the_plain_reading_decides(case):
    _both_say_the_same(case)


@pytest.mark.nightly
@settings(UNHURRIED, max_examples=200_000 // REQUESTS)
@given(cases())
def test_the_engine_decides_what_the_plain_reading_decides_200_000_times(case):
    _both_say_the_same(case)


def test_every_reason_is_reached_within_2_000_requests():
    """The same ones each time, so that this says something of the generator and not of luck."""
    chance, reasons = Random(1), Counter[str]()
    for _ in range(2_000 // REQUESTS):
        reasons += compared(*drawn(Hand(lambda most: chance.randint(0, most))))
    assert {each.value for each in Reason} - NEVER <= reasons.keys()
    # Nor is it all refusals before anything was looked at.
    assert reasons["rule.allow"] > 200
    assert sum(count for reason, count in reasons.items() if reason.startswith("token.")) > 100


SEVERAL: dict[str, Any] = {
    "about": "Each alternative finds its own token, and each of the two is verified but not permitted.",
    "policies": [
        {
            "metadata": {"name": "mixed", "namespace": "shop"},
            "spec": {
                "hosts": ["api.example.com"],
                "audiences": ["orders"],
                "issuers": [
                    {"name": "idp", "issuer": "https://idp.example.com", "jwks": "@JWKS:idp@"},
                    {
                        "name": "partner",
                        "issuer": "https://partner.example.com",
                        "jwks": "@JWKS:partner@",
                        "tokenFrom": [{"header": "X-Token"}],
                    },
                ],
                "rules": [
                    {
                        "name": "all",
                        "allow": [
                            {"name": "readers", "jwt": {"issuers": ["idp"], "scopes": ["read"]}},
                            {"name": "partners", "jwt": {"issuers": ["partner"], "scopes": ["read"]}},
                            {"name": "anyone", "anonymous": {}},
                        ],
                    }
                ],
            },
        }
    ],
    "tokens": {"idp": {}, "partner": {"signedBy": "partner"}},
    "cases": [{"name": "-", "why": "-", "expect": {"decision": "allow", "status": 200}}],
}


def test_a_difference_would_be_seen():
    given_, request = SettingOf.model_validate(SEVERAL), RequestOf(token="idp")
    _, (outcome,) = decided(given_, [request])
    expected = plain.decide(world_of(given_, set()), plain_request(request, given_))
    assert difference(expected, outcome) == ""
    for name in ("decision", "reason", "status", "policy", "rule", "alternative", "set", "removed", "removed_query"):
        assert difference({**expected, name: {"other": "1"}}, outcome), name
