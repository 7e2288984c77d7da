"""What a scraper sees."""

import subprocess
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from authz import __version__
from authz.model.decision import Allow, Deny, Shadow
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.model.policy import PolicyName
from authz.model.reason import Reason
from authz.service.keyring import IssuerKeys
from authz.service.standing import ClusterState, WatchState
from authz.service.states import State
from authz.telemetry.by_policy import MAX_SERIES
from authz.telemetry.metrics import Metrics
from authz.telemetry.table import BUCKETS, CLUSTER, PROCESS, RELOAD_BUCKETS, TABLE
from tests.builders import ISSUER, Installation, a_jwks, a_manifest, a_request, a_token, issuer_yaml
from tests.monitoring.tools import promtool

ALLOW = Allow(Reason.RULE_ALLOW, "shop/orders", "read", "any")
DENY = Deny(Reason.RULE_NONE, 403, "shop/orders")


def keys_of(url: str = ISSUER, **facts: Any) -> IssuerKeys:
    known = IssuerKeys(Issuer("idp", url, KeySource(jwks=a_jwks()), ("RS256",), 30, (AUTHORIZATION_BEARER,)))
    known.is_fetched = True
    for name, value in facts.items():
        setattr(known, name, value)
    return known


WATCH = WatchState("authpolicies", is_up=True, contact=1000.5, objects=3, restarts={"silent": 2}, lists={"stream": 1})
CLUSTER_STATE = ClusterState((WATCH,), is_leader=True, status_writes={"conflict": 4}, is_restored=True, routes={"none": 5})


def metrics(*known: IssuerKeys, cluster: ClusterState | None = CLUSTER_STATE) -> Metrics:
    return Metrics(lambda: known, lambda: 0, cluster=lambda: cluster)


def samples(found: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by its name and labels."""
    families = text_string_to_metric_families(found.text().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(found: Metrics, name: str, **labels: str) -> float:
    return samples(found)[name, tuple(sorted(labels.items()))]


def a_state(name: str, *, accepted: bool = True, in_force: bool = True, is_shadow: bool = False) -> State:
    return State(PolicyName("shop", name), accepted, accepted or in_force, in_force, is_shadow, ())


def family_of(name: str, kind: str) -> str:
    return name.removesuffix("_total") if kind == "counter" else name


def test_every_name_of_the_table_is_there_with_its_kind_and_words() -> None:
    families = {family.name: family for family in text_string_to_metric_families(metrics(keys_of()).text().decode())}
    for name, (kind, _, text) in TABLE.items():
        family = families.pop(family_of(name, kind))
        assert family.type == kind
        # What stands with the process's own metrics is prometheus_client's.
        assert family.documentation == text or name in PROCESS
    assert families == {}


def test_labels_are_those_of_the_table() -> None:
    found = metrics(keys_of())
    found.reloaded([a_state("orders")], 1.0, ok=True, seconds=0.1)
    found.decided(Deny(Reason.RULE_NONE, 403, shadows=(Shadow("shop/trial", "r", ALLOW),)), 0.001)
    found.fetched(ISSUER, ok=True)
    for family in text_string_to_metric_families(found.text().decode()):
        table = TABLE.get(family.name) or TABLE[f"{family.name}_total"]
        assert family.samples, family.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(table[1]), sample.name


def test_promtool_finds_nothing_wrong_with_the_names() -> None:
    done = subprocess.run([promtool(), "check", "metrics"], input=metrics(keys_of()).text(), capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


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


def test_reloads_are_timed() -> None:
    found = metrics()
    found.reloaded([], 1.0, ok=True)
    assert value(found, "authz_reload_duration_seconds_count") == 0
    for seconds in (0.0005, 0.02, 31.0):
        found.reloaded([], 1.0, ok=False, seconds=seconds)
    counts = [value(found, "authz_reload_duration_seconds_bucket", le=le) for le in (*map(str, RELOAD_BUCKETS), "+Inf")]
    assert counts == [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3]


def of_policies(found: Metrics) -> dict[tuple[str, str], float]:
    name = "authz_policy_checks_total"
    return {(dict(labels)["policy"], dict(labels)["decision"]): number for (key, labels), number in samples(found).items() if key == name}


def test_a_check_counts_for_the_policy_that_decided_it() -> None:
    found = metrics()
    found.reloaded([a_state("orders"), a_state("carts")], 1.0, ok=True)
    for decision in (ALLOW, DENY, DENY, Deny(Reason.POLICY_NONE, 403)):
        found.decided(decision, 0.001)
    assert of_policies(found) == {
        ("shop/orders", "allow"): 1,
        ("shop/orders", "deny"): 2,
        ("shop/carts", "allow"): 0,
        ("shop/carts", "deny"): 0,
    }


def test_a_policy_that_goes_takes_its_numbers_along_and_the_others_keep_theirs() -> None:
    found = metrics()
    found.reloaded([a_state("orders"), a_state("carts")], 1.0, ok=True)
    found.decided(DENY, 0.001)
    found.decided(Deny(Reason.RULE_NONE, 403, "shop/carts"), 0.001)
    found.reloaded([a_state("orders")], 1.0, ok=True)
    found.decided(DENY, 0.001)
    found.decided(Deny(Reason.RULE_NONE, 403, "shop/carts"), 0.001)
    assert of_policies(found) == {("shop/orders", "allow"): 0, ("shop/orders", "deny"): 2}


def test_a_name_that_is_no_policy_s_makes_no_series() -> None:
    found = metrics()
    found.reloaded([a_state("orders")], 1.0, ok=True)
    for number in range(100):
        found.decided(Deny(Reason.POLICY_MISMATCH, 403, f"made/up{number}"), 0.001)
    assert set(of_policies(found)) == {("shop/orders", "allow"), ("shop/orders", "deny")}


def test_series_of_policies_are_bounded_and_those_beyond_count_together() -> None:
    found, many = metrics(), MAX_SERIES // 2 + 100
    states = [a_state(f"p{number}") for number in range(many)]
    found.reloaded(states, 1.0, ok=True)
    for _ in range(2):
        for number in range(many):
            found.decided(Deny(Reason.RULE_NONE, 403, f"shop/p{number}"), 0.001)
    counted = of_policies(found)
    assert len(counted) == MAX_SERIES + 2
    assert counted["_other", "deny"] == 200
    assert counted["shop/p0", "deny"] == 2
    assert sum(counted.values()) == 2 * many
    # Once there are fewer, a policy that had no place gets one; what was counted for the others stays.
    found.reloaded(states[200:], 1.0, ok=True)
    found.decided(Deny(Reason.RULE_NONE, 403, f"shop/p{many - 1}"), 0.001)
    counted = of_policies(found)
    assert (counted[f"shop/p{many - 1}", "deny"], counted["_other", "deny"]) == (1, 200)


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


def test_keys_that_stand_in_a_policy_are_never_fetched_and_have_no_time() -> None:
    found = metrics(keys_of(is_fetched=False), keys_of("https://new.example.com", keys=None))
    times = {labels: number for (name, labels), number in samples(found).items() if name == "authz_jwks_last_success_timestamp_seconds"}
    assert times == {(("issuer", "https://new.example.com"),): 0}
    assert value(found, "authz_jwks_keys", issuer=ISSUER) == 1


def test_the_cluster_is_told_where_there_is_one() -> None:
    found = metrics()
    assert value(found, "authz_watch_up", resource="authpolicies") == 1
    assert value(found, "authz_watch_last_contact_timestamp_seconds", resource="authpolicies") == 1000.5
    assert value(found, "authz_watch_objects", resource="authpolicies") == 3
    reasons = {
        reason: value(found, "authz_watch_restarts_total", resource="authpolicies", reason=reason)
        for reason in ("closed", "silent", "gone", "error")
    }
    assert reasons == {"closed": 0, "silent": 2, "gone": 0, "error": 0}
    assert value(found, "authz_lists_total", resource="authpolicies", mode="stream") == 1
    assert value(found, "authz_lists_total", resource="authpolicies", mode="paged") == 0
    assert value(found, "authz_leader") == 1
    writes = {result: value(found, "authz_status_writes_total", result=result) for result in ("success", "conflict", "failure")}
    assert writes == {"success": 0, "conflict": 4, "failure": 0}
    assert value(found, "authz_snapshot_restored") == 1
    assert {state: value(found, "authz_routes", state=state) for state in ("policy", "unprotected", "none")} == {
        "policy": 0,
        "unprotected": 0,
        "none": 5,
    }


def test_without_a_cluster_there_is_nothing_of_it() -> None:
    text = metrics(cluster=None).text().decode()
    assert not [name for name in CLUSTER if name in text]


def test_what_a_replica_does_not_do_it_does_not_count() -> None:
    names = {name for name, _ in samples(metrics(cluster=ClusterState((WATCH,))))}
    assert set(CLUSTER) - names == {"authz_leader", "authz_status_writes_total", "authz_routes"}


def test_the_process_is_told() -> None:
    found = samples(metrics())
    assert found["process_resident_memory_bytes", ()] > 10_000_000
    assert found["process_open_fds", ()] > 2


def test_single_numbers() -> None:
    found = Metrics(lambda: (), lambda: 7, lambda: 5, stalled=lambda: 0.25)
    assert value(found, "authz_event_loop_stall_seconds") == 0.25
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


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_nothing_that_a_client_sends_makes_a_series(count: int) -> None:
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
    for number in range(count):
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
    found.reloaded(installation.report.states, 1.0, ok=True)
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
