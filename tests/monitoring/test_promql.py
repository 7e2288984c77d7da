"""The check of expressions finds what is wrong with them."""

import pytest

from tests.monitoring.promql import selectors, strangers

RATE = 'sum by (reason) (rate(authz_checks_total{namespace=~"$namespace",decision="deny"}[$__rate_interval])) > 0'


@pytest.mark.parametrize(
    "expr",
    [
        RATE,
        "histogram_quantile(0.99, sum by (le) (rate(authz_check_duration_seconds_bucket[5m])))",
        "up == 0 and on (namespace, job) max by (namespace, job) (last_over_time(authz_build_info[1h]))",
        "time() - (authz_watch_last_contact_timestamp_seconds > 0) > 180",
        "absent(authz_build_info)",
        "a:b:c5m > 1",
    ],
)
def test_what_is_right_passes(expr: str) -> None:
    assert strangers(expr, frozenset({"a:b:c5m"})) == []


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        (RATE.replace("authz_checks_total", "authz_checks"), ["authz_checks", "reason"]),
        (RATE.replace("decision=", "decided="), ["authz_checks_total{decided}"]),
        (RATE.replace("(reason)", "(why)"), ["why"]),
        ("authz_check_duration_seconds", ["authz_check_duration_seconds"]),
        ("authz_check_duration_seconds_buckets", ["authz_check_duration_seconds_buckets"]),
        ("sum by (le) (authz_check_duration_seconds_count)", ["le"]),
        ("up and on (pod) authz_leader", ["pod"]),
        ("a:b:c5m > 1", ["a:b:c5m"]),
    ],
)
def test_what_is_wrong_is_named(expr: str, found: list[str]) -> None:
    assert strangers(expr) == found


def test_every_selector_is_seen() -> None:
    assert [name for name, _ in selectors('topk (10, sum by (policy) (rate(authz_a{x="b(c)"}[1m])) > 0) / sum(authz_b) and authz_c')] == [
        "authz_a",
        "authz_b",
        "authz_c",
    ]
