"""Rows about what is decided: the golden signals, and the policies."""

from typing import Final

from monitoring.objectives import AVAILABLE, CHOSEN, FAST, broken, slow
from monitoring.panels import Kind, Panel, Query, Row

_RATE: Final = "$__rate_interval"
_CHECKS: Final = f"rate(authz_checks_total{{{CHOSEN}}}[{_RATE}])"
_DENIED: Final = f'rate(authz_checks_total{{{CHOSEN},decision="deny"}}[{_RATE}])'
_BUCKETS: Final = f"rate(authz_check_duration_seconds_bucket{{{CHOSEN}}}[{_RATE}])"
_DENIED_BY: Final = f'rate(authz_policy_checks_total{{{CHOSEN},policy=~"$policy",decision="deny"}}[{_RATE}])'


def _quantile(share: float, name: str) -> Query:
    return Query(f"histogram_quantile({share}, sum by (le) ({_BUCKETS}))", name)


GOLDEN_SIGNALS: Final = Row(
    "Golden signals",
    (
        Panel(
            "Checks per second",
            Kind.NUMBER,
            "reqps",
            "How often Envoy asks. 0 while there is traffic: Envoy does not reach the service, or a route does not ask it.",
            (Query(f"sum ({_CHECKS})"),),
            4,
            4,
        ),
        Panel(
            "Denied",
            Kind.NUMBER,
            "percentunit",
            'The share of checks that were denied, for whatever reason. A jump: see "Denials by reason".',
            (Query(f"sum ({_DENIED}) / sum ({_CHECKS})"),),
            4,
            4,
        ),
        Panel(
            "Denied by our own fault",
            Kind.NUMBER,
            "percentunit",
            f"Checks that got a 503 because the service could not decide. {AVAILABLE:.2%} must be without: above 0.05 % see the runbook, "
            "AuthzAvailabilityBurnFast.",
            (Query(broken(_RATE, CHOSEN)),),
            4,
            4,
            bounds=(0.00025, 1 - AVAILABLE),
        ),
        Panel(
            "Slower than 10 ms",
            Kind.NUMBER,
            "percentunit",
            f'{FAST:.0%} must be faster. Red: see "Time to answer", "CPU" and "Longest stall".',
            (Query(slow(_RATE, CHOSEN)),),
            4,
            4,
            bounds=(0.005, 1 - FAST),
        ),
        Panel(
            "Replicas",
            Kind.NUMBER,
            "none",
            "Replicas that Prometheus reaches. Fewer than you run: look at the pods, and at Prometheus' page of targets.",
            (Query(f"count (authz_build_info{{{CHOSEN}}})"),),
            4,
            4,
        ),
        Panel(
            "Version",
            Kind.NUMBER,
            "none",
            "More than one for longer than a roll-out takes: the roll-out hangs.",
            (Query(f"count by (version) (authz_build_info{{{CHOSEN}}})", "{{version}}"),),
            4,
            4,
            shows_name=True,
        ),
        Panel(
            "Checks by decision",
            Kind.LINES,
            "reqps",
            "What Envoy was told. Denials that rise alone: a client, an issuer or a policy changed.",
            (Query(f"sum by (decision) ({_CHECKS})", "{{decision}}"),),
            12,
            is_stacked=True,
        ),
        Panel(
            "Denials by reason",
            Kind.LINES,
            "reqps",
            "Why requests were denied; docs/reference/reasons.md says of each reason what to look at, and the log line of a denial "
            "says more.",
            (Query(f"sum by (reason) ({_DENIED}) > 0", "{{reason}}"),),
            12,
            empty="nothing is denied.",
            is_stacked=True,
        ),
        Panel(
            "Denied by our own fault, share",
            Kind.LINES,
            "percentunit",
            "Over 5 minutes and over an hour. Both high: it is not over yet.",
            (Query(broken("5m", CHOSEN), "5 minutes"), Query(broken("1h", CHOSEN), "1 hour")),
        ),
        Panel(
            "Time to answer",
            Kind.LINES,
            "s",
            "From the bytes of a check to the bytes of its answer, without the network. A p99 near a second while the p50 is low: "
            'checks that wait for keys of an issuer (see "Fetches of keys"). Everything slow: too little CPU.',
            (_quantile(0.5, "p50"), _quantile(0.95, "p95"), _quantile(0.99, "p99")),
        ),
        Panel(
            "Time to answer, all checks",
            Kind.HEATMAP,
            "s",
            "How many checks took how long. Two bands are normal: tokens that are remembered, and tokens that are verified.",
            (Query(f"sum by (le) (increase(authz_check_duration_seconds_bucket{{{CHOSEN}}}[{_RATE}]))", "{{le}}"),),
        ),
    ),
)

POLICIES: Final = Row(
    "Policies",
    (
        Panel(
            "Policies by state",
            Kind.LINES,
            "none",
            "invalid: every request of its hosts is answered 503. stale: an earlier version decides. `kubectl get authpolicies -A` says "
            "which, `kubectl describe` says why and what to do.",
            (Query(f"max by (state) (authz_policies{{{CHOSEN}}})", "{{state}}"),),
        ),
        Panel(
            "Policies that deny most, now",
            Kind.BARS,
            "reqps",
            "Denials per second. Unexpected: `authz explain` or the log lines of this policy.",
            (Query(f"topk (10, sum by (policy) ({_DENIED_BY}) > 0)", "{{policy}}"),),
            empty="no policy denies anything.",
        ),
        Panel(
            "Denials by policy",
            Kind.LINES,
            "reqps",
            "The ten that deny most, over time; choose one above with the variable Policy. _other: policies beyond the 500th.",
            (Query(f"topk (10, sum by (policy) ({_DENIED_BY}) > 0)", "{{policy}}"),),
            empty="no policy denies anything.",
        ),
        Panel(
            "Would be denied by what is in Shadow",
            Kind.LINES,
            "reqps",
            "Do not enforce a policy or rule while its own line here holds requests that should pass.",
            (
                Query(
                    "sum by (policy, rule, reason) (rate(authz_shadow_decisions_total"
                    f'{{{CHOSEN},policy=~"$policy",decision="deny"}}[{_RATE}])) > 0',
                    "{{policy}} {{rule}} {{reason}}",
                ),
            ),
            empty="nothing is in Shadow, or it would deny nothing.",
        ),
        Panel(
            "Accepted routes without a policy",
            Kind.NUMBER,
            "none",
            "Routes of the listed Gateways on which every request is denied, for want of an AuthPolicy. `/routes?cover=none` of the admin "
            "port lists them: give each a policy, or say that it is unprotected (--unprotected).",
            (Query(f'max (authz_routes{{{CHOSEN},state="none"}})'),),
            4,
            empty="no Gateway is listed (--gateway).",
            bounds=(1, 1),
        ),
        Panel(
            "Accepted routes",
            Kind.LINES,
            "none",
            "By what protects them. A fall: a Gateway or its routes went, or their status is no longer Accepted.",
            (Query(f"max by (state) (authz_routes{{{CHOSEN}}})", "{{state}}"),),
            6,
            empty="no Gateway is listed (--gateway).",
        ),
        Panel(
            "Ambiguous paths let through to unprotected hosts",
            Kind.LINES,
            "reqps",
            "Elsewhere such a path is denied. What stands behind these hosts must read paths with care.",
            (Query(f"sum (rate(authz_ambiguous_unprotected_total{{{CHOSEN}}}[{_RATE}]))", "requests"),),
            6,
        ),
    ),
)
