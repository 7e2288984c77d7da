"""What a scraper sees."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from authz import __version__
from authz.model.decision import Allow, Deny, Shadow
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.model.policy import PolicyName
from authz.model.reason import Reason
from authz.service.keyring import IssuerKeys
from authz.service.update import State
from authz.telemetry.metrics import BUCKETS, TABLE, Metrics
from tests.builders import ISSUER, Installation, a_jwks, a_manifest, a_request, a_token, issuer_yaml

ALLOW = Allow(Reason.RULE_ALLOW, "shop/orders", "read", "any")
DENY = Deny(Reason.RULE_NONE, 403, "shop/orders")


def keys_of(url: str = ISSUER, **facts: Any) -> IssuerKeys:
    known = IssuerKeys(Issuer("idp", url, KeySource(jwks=a_jwks()), ("RS256",), 30, (AUTHORIZATION_BEARER,)))
    for name, value in facts.items():
        setattr(known, name, value)
    return known


def metrics(*known: IssuerKeys) -> Metrics:
    return Metrics(lambda: known, lambda: 0)


def samples(found: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by its name and labels."""
    families = text_string_to_metric_families(found.text().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(found: Metrics, name: str, **labels: str) -> float:
    return samples(found)[name, tuple(sorted(labels.items()))]


def a_state(name: str, *, accepted: bool = True, in_force: bool = True, is_shadow: bool = False) -> State:
    return State(PolicyName("shop", name), accepted, accepted or in_force, in_force, is_shadow, ())


def test_every_name_of_the_table_is_there_with_its_kind_and_words() -> None:
    families = {family.name: family for family in text_string_to_metric_families(metrics(keys_of()).text().decode())}
    for name, (kind, _, text) in TABLE.items():
        family = families.pop(name.removesuffix("_total") if kind == "counter" else name)
        assert (family.type, family.documentation) == (kind, text)
    assert families == {}


def test_labels_are_those_of_the_table() -> None:
    found = metrics(keys_of())
    found.reloaded([a_state("orders")], 1.0, ok=True)
    found.decided(Deny(Reason.RULE_NONE, 403, shadows=(Shadow("shop/trial", "r", ALLOW),)), 0.001)
    found.fetched(ISSUER, ok=True)
    for family in text_string_to_metric_families(found.text().decode()):
        table = TABLE.get(family.name) or TABLE[f"{family.name}_total"]
        assert family.samples, family.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(table[1]), sample.name


@pytest.mark.parametrize("reason", Reason)
def test_a_check_counts_under_its_reason(reason: Reason) -> None:
    found = metrics()
    word = "allow" if reason.allows else "deny"
    assert value(found, "authz_checks_total", decision=word, reason=reason.value) == 0
    found.decided(Allow(reason) if reason.allows else Deny(reason, reason.status), 0.001)
    counted = {key: number for key, number in samples(found).items() if key[0] == "authz_checks_total" and number}
    assert counted == {("authz_checks_total", (("decision", word), ("reason", reason.value))): 1}


def test_durations_fall_into_buckets_that_add_up() -> None:
    found = metrics()
    for seconds in (0.0, 0.0001, 0.00011, 0.004, 5.0, 6.0, 1000.0):
        found.decided(ALLOW, seconds)
    counts = [value(found, "authz_check_duration_seconds_bucket", le=le) for le in (*map(str, BUCKETS), "+Inf")]
    assert counts == [2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 7]
    assert value(found, "authz_check_duration_seconds_count") == 7
    assert value(found, "authz_check_duration_seconds_sum") == pytest.approx(1011.00421)


def test_shadows_count_by_policy_rule_and_reason_until_the_policy_goes() -> None:
    found = metrics()
    decision = Allow(Reason.RULE_ALLOW, shadows=(Shadow("shop/trial", "", DENY), Shadow("shop/orders", "new", ALLOW)))
    found.decided(decision, 0.001)
    found.decided(decision, 0.001)
    name = "authz_shadow_decisions_total"
    assert value(found, name, policy="shop/trial", rule="", decision="deny", reason="rule.none") == 2
    assert value(found, name, policy="shop/orders", rule="new", decision="allow", reason="rule.allow") == 2
    found.reloaded([a_state("orders")], 1.0, ok=True)
    assert [labels for key, labels in samples(found) if key == name] == [
        (("decision", "allow"), ("policy", "shop/orders"), ("reason", "rule.allow"), ("rule", "new"))
    ]


def test_policies_count_by_what_became_of_them() -> None:
    found = metrics()
    states = [
        a_state("a"),
        a_state("b", is_shadow=True),
        a_state("c", in_force=False),
        a_state("d", accepted=False),
        a_state("e", accepted=False, in_force=False),
        a_state("f"),
    ]
    found.reloaded(states, 1000.0, ok=True)
    words = ("enforced", "shadow", "definitions", "stale", "invalid")
    assert {word: value(found, "authz_policies", state=word) for word in words} == {
        "enforced": 2,
        "shadow": 1,
        "definitions": 1,
        "stale": 1,
        "invalid": 1,
    }
    assert value(found, "authz_last_reload_success_timestamp_seconds") == 1000
    found.reloaded([], 2000.0, ok=False)
    assert value(found, "authz_policies", state="enforced") == 0
    assert value(found, "authz_last_reload_success_timestamp_seconds") == 1000
    assert value(found, "authz_reloads_total", result="success") == 1
    assert value(found, "authz_reloads_total", result="failure") == 1


def test_definitions_of_an_earlier_version_count_as_stale() -> None:
    good = a_manifest(f"issuers: [{issuer_yaml()}]", name="idps")
    installation = Installation(good)
    installation.apply(good.replace("issuer:", "isuer:"))
    found = metrics()
    found.reloaded(installation.report.states, 1.0, ok=False)
    assert value(found, "authz_policies", state="stale") == 1


def test_keys_are_told_by_issuer_and_of_two_that_differ_the_worse() -> None:
    good = keys_of(fetched_at=200.0, failures=1)
    bad = keys_of(fetched_at=100.0, failures=3, keys=None)
    for known in ((good, bad), (bad, good)):
        found = metrics(*known, keys_of("https://other.example.com"))
        assert value(found, "authz_jwks_keys", issuer=ISSUER) == 0
        assert value(found, "authz_jwks_keys", issuer="https://other.example.com") == 1
        assert value(found, "authz_jwks_last_success_timestamp_seconds", issuer=ISSUER) == 100
        assert value(found, "authz_jwks_consecutive_failures", issuer=ISSUER) == 3


def test_single_numbers() -> None:
    found = Metrics(lambda: (), lambda: 7, lambda: 5)
    found.faults = 2
    found.ambiguous = 3
    found.fetched(ISSUER, ok=True)
    found.fetched(ISSUER, ok=False)
    found.fetched(ISSUER, ok=False)
    assert value(found, "authz_remembered_tokens") == 7
    assert value(found, "authz_log_lines_dropped_total") == 5
    assert value(found, "authz_faults_total") == 2
    assert value(found, "authz_ambiguous_unprotected_total") == 3
    assert value(found, "authz_jwks_fetches_total", issuer=ISSUER, result="success") == 1
    assert value(found, "authz_jwks_fetches_total", issuer=ISSUER, result="failure") == 2
    assert value(found, "authz_build_info", version=__version__) == 1


def test_nothing_that_a_client_sends_makes_a_series() -> None:
    rules = f"""
hosts: [api.example.com, "*.shop.example.com"]
audiences: [orders]
issuers: [{issuer_yaml()}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]
"""
    installation = Installation(a_manifest(rules), a_manifest("mode: Shadow\n" + rules.lstrip(), name="trial"))
    found = Metrics(installation.ring.all, lambda: len(installation.memory))
    found.reloaded(installation.report.states, 1.0, ok=True)
    # One of each kind of answer that the random ones will get, so that only what is new makes a difference.
    seen = len(samples(found))
    kid = a_token(kid="kid-????")
    for number in range(10_000):
        request = a_request(
            method=f"M{number}",
            target=f"/orders/{number}?q={number}",
            host=f"h{number}.shop.example.com" if number % 2 else f"h{number}.example.net",
            headers={f"x-{number}": str(number), "authorization": f"Bearer {kid}{number}"},
            policy=f"no/policy{number}",
        )
        found.decided(installation.decide(request), number / 1000)
    # The policy in Shadow has a series for each reason that it came to.
    assert len(samples(found)) - seen <= 4
    text = found.text().decode()
    assert "h17" not in text
    assert "/orders/" not in text
    assert "policy17" not in text


def test_random_key_ids_make_no_series() -> None:
    rules = f"hosts: [api.example.com]\naudiences: [a]\nissuers: [{issuer_yaml()}]\n"
    rules += "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"
    installation = Installation(a_manifest(rules))
    found = Metrics(installation.ring.all, lambda: len(installation.memory))
    before = len(samples(found))
    for number in range(300):
        token = a_token(kid=f"kid-{number}", iss=ISSUER if number % 2 else f"https://{number}.example.com")
        found.decided(installation.decide(a_request(token=token)), 0.001)
    assert len(samples(found)) == before
    assert "kid-7" not in found.text().decode()


def test_labels_are_escaped() -> None:
    strange = 'https://a.example.com/"\\\n'
    found = metrics(keys_of(strange))
    assert value(found, "authz_jwks_keys", issuer=strange) == 1
