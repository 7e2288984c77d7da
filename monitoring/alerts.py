"""Every alert. Each has a section in docs/runbook.md; tests make it fire, and see that it does not fire without cause."""

from typing import Final

from monitoring.burn_rates import OBJECTIVES, RECORDED
from monitoring.rules import Alert, Group, Severity, rules_text

SERVICE: Final = Group(
    "ingress-authz.service",
    (
        Alert(
            "AuthzNotScraped",
            Severity.CRITICAL,
            "absent(authz_build_info)",
            "10m",
            "No replica of the authorization service is seen.",
            "For 10 minutes Prometheus has had no metrics of any replica. Either none runs, and every request is denied, or none "
            "is scraped.",
        ),
        Alert(
            "AuthzReplicaDown",
            Severity.WARNING,
            "up == 0\nand on (namespace, job)\n  max by (namespace, job) (last_over_time(authz_build_info[1h]))",
            "5m",
            "A replica of the authorization service does not answer Prometheus.",
            "{{ $labels.instance }} of {{ $labels.job }} has not answered on /metrics for 5 minutes.",
        ),
        Alert(
            "AuthzFaults",
            Severity.WARNING,
            "sum by (namespace, job) (increase(authz_faults_total[1h])) > 0",
            "",
            "The authorization service met a bug.",
            'About {{ $value | printf "%.0f" }} exceptions within an hour in {{ $labels.job }}; each was turned into a deny.',
        ),
        Alert(
            "AuthzEventLoopStall",
            Severity.WARNING,
            "max by (namespace, job, instance) (max_over_time(authz_event_loop_stall_seconds[5m])) > 0.1",
            "10m",
            "Checks wait for something else in the process.",
            "Checks had to wait up to {{ $value | humanizeDuration }} in {{ $labels.instance }}, again and again for 10 minutes; "
            "Envoy gives up after its timeout (200 ms, where nothing else is said) and denies.",
        ),
        Alert(
            "AuthzLogLinesDropped",
            Severity.INFO,
            "sum by (namespace, job) (increase(authz_log_lines_dropped_total[15m])) > 0",
            "",
            "Log lines are lost.",
            'About {{ $value | printf "%.0f" }} lines of {{ $labels.job }} were dropped within 15 minutes: what reads them does not keep '
            "up. Decisions are not touched.",
        ),
    ),
)

POLICIES: Final = Group(
    "ingress-authz.policies",
    (
        Alert(
            "AuthzPolicyInvalid",
            Severity.WARNING,
            'max by (namespace, job) (authz_policies{state="invalid"}) > 0',
            "10m",
            "An AuthPolicy cannot be used; its hosts are answered 503.",
            "{{ $value }} AuthPolicies have had a mistake for 10 minutes and no earlier version that could be used instead.",
        ),
        Alert(
            "AuthzPolicyStale",
            Severity.WARNING,
            'max by (namespace, job) (authz_policies{state="stale"}) > 0',
            "10m",
            "An AuthPolicy was changed and the change is not in force.",
            "{{ $value }} AuthPolicies have had a mistake for 10 minutes; the last version without one decides meanwhile.",
        ),
        Alert(
            "AuthzReloadFailing",
            Severity.WARNING,
            'sum by (namespace, job) (increase(authz_reloads_total{result="failure"}[15m])) > 0',
            "15m",
            "Policies are read again and again with a mistake among them.",
            'About {{ $value | printf "%.0f" }} reloads of {{ $labels.job }} within 15 minutes found a mistake. '
            "Policies without one are in force all the same.",
        ),
        Alert(
            "AuthzExpressionErrors",
            Severity.INFO,
            'sum by (namespace, job) (increase(authz_checks_total{reason="expression.error"}[1h])) > 0',
            "",
            "An expression of a policy fails on requests, which are denied.",
            'About {{ $value | printf "%.0f" }} requests to {{ $labels.job }} within an hour met an expression that has no result for '
            "them. It asks for what they do not have.",
        ),
        Alert(
            "AuthzRevocationUnknown",
            Severity.WARNING,
            'sum by (namespace, job) (increase(authz_checks_total{reason="cert.revocation_unknown"}[10m])) > 0',
            "5m",
            "Whether client certificates were revoked is not known; they are answered 503.",
            'About {{ $value | printf "%.0f" }} requests to {{ $labels.job }} within 10 minutes had a certificate of which no current '
            "revocation list speaks.",
        ),
        Alert(
            "AuthzShadowWouldDeny",
            Severity.INFO,
            'sum by (namespace, job, policy) (increase(authz_shadow_decisions_total{decision="deny"}[1h])) > 0',
            "",
            "A policy in Shadow would deny requests.",
            '{{ $labels.policy }} in Shadow would have denied about {{ $value | printf "%.0f" }} requests within an hour. '
            "Look at them before it is enforced.",
        ),
        Alert(
            "AuthzRoutesWithoutPolicy",
            Severity.INFO,
            'max by (namespace, job) (authz_routes{state="none"}) > 0',
            "15m",
            "A route has no AuthPolicy; every request on it is denied.",
            "{{ $value }} accepted routes have been without an AuthPolicy for 15 minutes.",
        ),
    ),
)

CLUSTER: Final = Group(
    "ingress-authz.cluster",
    (
        Alert(
            "AuthzWatchDown",
            Severity.WARNING,
            "authz_watch_up == 0",
            "5m",
            "A replica does not follow the API server.",
            "{{ $labels.instance }} has had no watch of {{ $labels.resource }} for 5 minutes. It decides by what it knows; changes "
            "do not arrive.",
        ),
        Alert(
            "AuthzWatchStale",
            Severity.WARNING,
            "time() - (authz_watch_last_contact_timestamp_seconds > 0) > 180",
            "2m",
            "The API server is silent towards a replica.",
            "{{ $labels.instance }} has heard nothing of {{ $labels.resource }} for {{ $value | humanizeDuration }}; usual is less "
            "than a minute. "
            "It decides by what it knows; changes do not arrive.",
        ),
        Alert(
            "AuthzNoLeader",
            Severity.WARNING,
            "sum by (namespace, job) (authz_leader) == 0",
            "2m",
            "No replica writes the status of AuthPolicies.",
            "{{ $labels.job }} has had no leader for 2 minutes: decisions and changes are in force, but their status is not told.",
        ),
        Alert(
            "AuthzTwoLeaders",
            Severity.WARNING,
            "sum by (namespace, job) (authz_leader) > 1",
            "2m",
            "Several replicas write the status of AuthPolicies.",
            "{{ $value }} replicas of {{ $labels.job }} have held themselves for the leader for 2 minutes. Decisions are not touched.",
        ),
        Alert(
            "AuthzStatusWritesFailing",
            Severity.WARNING,
            'sum by (namespace, job) (increase(authz_status_writes_total{result="failure"}[10m])) > 0',
            "10m",
            "The status of AuthPolicies cannot be written.",
            'About {{ $value | printf "%.0f" }} writes of {{ $labels.job }} failed within 10 minutes: what `kubectl get authpolicies` '
            "shows is old. "
            "Decisions are not touched.",
        ),
        Alert(
            "AuthzSnapshotRestored",
            Severity.WARNING,
            "authz_snapshot_restored == 1",
            "5m",
            "A replica decides by the snapshot of its last run.",
            "{{ $labels.instance }} has not reached the API server since it started, 5 minutes ago or more. It decides by the "
            "policies on its disk; "
            "those that need a Secret answer 503.",
        ),
    ),
)

ISSUERS: Final = Group(
    "ingress-authz.issuers",
    (
        Alert(
            "AuthzJwksStale",
            Severity.WARNING,
            "max by (namespace, job, issuer) (time() - (authz_jwks_last_success_timestamp_seconds > 0)) > 7200",
            "5m",
            "An issuer's keys are old.",
            "The keys of {{ $labels.issuer }} were last fetched {{ $value | humanizeDuration }} ago; usual is at most an hour. "
            "After 24 hours they are dropped, and its tokens are answered 503.",
        ),
        Alert(
            "AuthzJwksMissing",
            Severity.CRITICAL,
            "min by (namespace, job, issuer) (authz_jwks_keys) == 0",
            "5m",
            "There are no keys of an issuer.",
            "For 5 minutes there has been no key of {{ $labels.issuer }}: its tokens are answered 503.",
        ),
    ),
)

GROUPS: Final = (RECORDED, OBJECTIVES, SERVICE, POLICIES, CLUSTER, ISSUERS)
ALERTS: Final = tuple(rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert))


def alerts_text() -> str:
    """Return the rules as the chart holds them."""
    return rules_text("# Written by `python docs/generate.py`; not edited by hand.\n", GROUPS)
