"""For each alert: what Prometheus saw when it must fire, word for word what it then says, and what is close to it and must not fire.

Series are in promtool's notation: `0+3x10` begins at 0 and rises by 3, ten times; `_` is a scrape that failed.
"""

from dataclasses import dataclass, field

HERE = 'namespace="edge",job="authz"'
ONE = f'{HERE},instance="one"'
TWO = f'{HERE},instance="two"'


@dataclass(frozen=True)
class Case:
    """What was seen, every `interval`, until `at`; `says` is the description of each alert that fires, by its own labels.

    At `early` its expression holds, but not for long enough.
    """

    alert: str
    name: str
    series: dict[str, str]
    at: str
    says: dict[tuple[tuple[str, str], ...], str] = field(default_factory=dict)
    interval: str = "1m"
    early: str = ""


def _checks(broken: str, fine: str) -> dict[str, str]:
    return {
        f'authz_checks_total{{{ONE},decision="deny",reason="keys.unavailable"}}': broken,
        f'authz_checks_total{{{ONE},decision="deny",reason="token.expired"}}': fine,
    }


def _durations(fast: str, every: str) -> dict[str, str]:
    return {
        f'authz_check_duration_seconds_bucket{{{ONE},le="0.01"}}': fast,
        f"authz_check_duration_seconds_count{{{ONE}}}": every,
    }


JOB = (("job", "authz"), ("namespace", "edge"))
INSTANCE = (("instance", "one"), *JOB)
ISSUER = (("issuer", "https://idp.example.com"), *JOB)
_503 = " of the checks of authz get a 503 that no policy asked for; 0.05% is the most that a month allows."
_SLOW = " of the checks of authz take longer than 10 ms; 1% is the most that a month allows."
_USED_UP = " At this rate its allowance is used up within days."
_TIMEOUT = " Envoy gives up after its timeout (200 ms, where nothing else is said) and denies."
_KNOWN = " It decides by what it knows; changes do not arrive."
_RESOURCE = (*INSTANCE, ("resource", "authpolicies"))

CASES = (
    Case(
        "AuthzAvailabilityBurnFast",
        "one in a hundred for an hour",
        _checks("0+1x90", "0+99x90"),
        "70m",
        {JOB: "1%" + _503 + _USED_UP},
        early="2m",
    ),
    Case(
        "AuthzAvailabilityBurnFast",
        "one in 250 for six hours",
        _checks("0+1x80", "0+249x80"),
        "370m",
        {JOB: "0.4%" + _503 + _USED_UP},
        interval="5m",
    ),
    Case("AuthzAvailabilityBurnFast", "it is over", _checks("0+10x50 500x45", "0+90x95"), "92m"),
    Case("AuthzAvailabilityBurnFast", "denials that policies ask for", _checks("0x90", "0+99x90"), "70m"),
    Case(
        "AuthzAvailabilityBurnSlow",
        "one in 500 for a day",
        _checks("0+1x110", "0+499x110"),
        "26h",
        {JOB: "0.2%" + _503},
        interval="15m",
        early="15m",
    ),
    Case("AuthzAvailabilityBurnSlow", "less than is allowed", _checks("0+1x110", "0+2499x110"), "26h", interval="15m"),
    Case(
        "AuthzLatencyBurnFast", "a fifth for an hour", _durations("0+80x90", "0+100x90"), "70m", {JOB: "20%" + _SLOW + _TIMEOUT}, early="2m"
    ),
    Case("AuthzLatencyBurnFast", "a tenth for an hour", _durations("0+95x90", "0+100x90"), "70m"),
    Case(
        "AuthzLatencyBurnSlow",
        "a twentieth for a day",
        _durations("0+95x110", "0+100x110"),
        "26h",
        {JOB: "5%" + _SLOW},
        interval="15m",
        early="15m",
    ),
    Case("AuthzLatencyBurnSlow", "less than is allowed", _durations("0+995x110", "0+1000x110"), "26h", interval="15m"),
    Case(
        "AuthzNotScraped",
        "nothing is seen",
        {},
        "15m",
        {
            (): "For 10 minutes Prometheus has had no metrics of any replica. Either none runs, and every request is denied, "
            "or none is scraped.",
        },
        early="9m",
    ),
    Case("AuthzNotScraped", "one replica is seen", {f'authz_build_info{{{ONE},version="1"}}': "1x20"}, "15m"),
    Case(
        "AuthzReplicaDown",
        "one of two is gone",
        {
            f"up{{{ONE}}}": "1x10 0x20",
            f"up{{{TWO}}}": "1x30",
            f'authz_build_info{{{ONE},version="1"}}': "1x10 _x20",
            f'authz_build_info{{{TWO},version="1"}}': "1x30",
        },
        "20m",
        {INSTANCE: "one of authz has not answered on /metrics for 5 minutes."},
        early="15m",
    ),
    Case(
        "AuthzReplicaDown",
        "somebody else is gone",
        {
            'up{namespace="edge",job="other",instance="one"}': "0x30",
            f"up{{{ONE}}}": "1x30",
            f'authz_build_info{{{ONE},version="1"}}': "1x30",
        },
        "20m",
    ),
    Case(
        "AuthzFaults",
        "three",
        {f"authz_faults_total{{{ONE}}}": "0x30 3x40"},
        "60m",
        {JOB: "About 3 exceptions within an hour in authz; each was turned into a deny."},
    ),
    Case("AuthzFaults", "none lately", {f"authz_faults_total{{{ONE}}}": "3x90"}, "70m"),
    Case(
        "AuthzEventLoopStall",
        "each scrape finds one",
        {f"authz_event_loop_stall_seconds{{{ONE}}}": "0.25x30"},
        "20m",
        {INSTANCE: "Checks had to wait up to 250ms in one, again and again for 10 minutes;" + _TIMEOUT},
        early="9m",
    ),
    Case("AuthzEventLoopStall", "one, once", {f"authz_event_loop_stall_seconds{{{ONE}}}": "0.002x9 0.25 0.002x20"}, "20m"),
    Case(
        "AuthzLogLinesDropped",
        "seventy",
        {f"authz_log_lines_dropped_total{{{ONE}}}": "0x2 0+7x10 70x20"},
        "15m",
        {
            JOB: "About 70 lines of authz were dropped within 15 minutes: what reads them does not keep up. Decisions are not touched.",
        },
    ),
    Case("AuthzLogLinesDropped", "none lately", {f"authz_log_lines_dropped_total{{{ONE}}}": "70x40"}, "20m"),
    Case(
        "AuthzPolicyInvalid",
        "two, in both replicas",
        {f'authz_policies{{{ONE},state="invalid"}}': "2x20", f'authz_policies{{{TWO},state="invalid"}}': "2x20"},
        "15m",
        {JOB: "2 AuthPolicies have had a mistake for 10 minutes and no earlier version that could be used instead."},
        early="9m",
    ),
    Case(
        "AuthzPolicyInvalid",
        "mended in time, another is stale",
        {f'authz_policies{{{ONE},state="invalid"}}': "2x8 0x20", f'authz_policies{{{ONE},state="stale"}}': "1x30"},
        "15m",
    ),
    Case(
        "AuthzPolicyStale",
        "one",
        {f'authz_policies{{{ONE},state="stale"}}': "1x20"},
        "15m",
        {JOB: "1 AuthPolicies have had a mistake for 10 minutes; the last version without one decides meanwhile."},
        early="9m",
    ),
    Case(
        "AuthzPolicyStale",
        "mended in time, another is invalid",
        {f'authz_policies{{{ONE},state="stale"}}': "1x8 0x20", f'authz_policies{{{ONE},state="invalid"}}': "1x30"},
        "15m",
    ),
    Case(
        "AuthzReloadFailing",
        "one a minute",
        {f'authz_reloads_total{{{ONE},result="failure"}}': "0+1x40"},
        "30m",
        {
            JOB: "About 15 reloads of authz within 15 minutes found a mistake. Policies without one are in force all the same.",
        },
        early="15m",
    ),
    Case(
        "AuthzReloadFailing",
        "one, once",
        {f'authz_reloads_total{{{ONE},result="failure"}}': "0x5 1x40", f'authz_reloads_total{{{ONE},result="success"}}': "0+1x40"},
        "30m",
    ),
    Case(
        "AuthzExpressionErrors",
        "one a minute",
        {f'authz_checks_total{{{ONE},decision="deny",reason="expression.error"}}': "0+1x90"},
        "70m",
        {
            JOB: "About 60 requests to authz within an hour met an expression that has no result for them. "
            "It asks for what they do not have."
        },
    ),
    Case(
        "AuthzExpressionErrors",
        "false is no error",
        {
            f'authz_checks_total{{{ONE},decision="deny",reason="expression.error"}}': "7x90",
            f'authz_checks_total{{{ONE},decision="deny",reason="expression.false"}}': "0+1x90",
        },
        "70m",
    ),
    Case(
        "AuthzRevocationUnknown",
        "one a minute",
        {f'authz_checks_total{{{ONE},decision="deny",reason="cert.revocation_unknown"}}': "0+1x40"},
        "30m",
        {JOB: "About 10 requests to authz within 10 minutes had a certificate of which no current revocation list speaks."},
        early="4m",
    ),
    Case(
        "AuthzRevocationUnknown",
        "those revoked are known",
        {
            f'authz_checks_total{{{ONE},decision="deny",reason="cert.revocation_unknown"}}': "7x40",
            f'authz_checks_total{{{ONE},decision="deny",reason="cert.revoked"}}': "0+1x40",
        },
        "30m",
    ),
    Case(
        "AuthzShadowWouldDeny",
        "sixty",
        {f'authz_shadow_decisions_total{{{ONE},policy="shop/trial",rule="",decision="deny",reason="rule.none"}}': "0+1x90"},
        "80m",
        {
            (
                *JOB,
                ("policy", "shop/trial"),
            ): "shop/trial in Shadow would have denied about 60 requests within an hour. Look at them before it is enforced.",
        },
    ),
    Case(
        "AuthzShadowWouldDeny",
        "it would allow now",
        {
            f'authz_shadow_decisions_total{{{ONE},policy="shop/trial",rule="",decision="allow",reason="rule.allow"}}': "0+1x90",
            f'authz_shadow_decisions_total{{{ONE},policy="shop/trial",rule="",decision="deny",reason="rule.none"}}': "5x90",
        },
        "80m",
    ),
    Case(
        "AuthzRoutesWithoutPolicy",
        "three",
        {f'authz_routes{{{ONE},state="none"}}': "3x30"},
        "20m",
        {JOB: "3 accepted routes have been without an AuthPolicy for 15 minutes."},
        early="14m",
    ),
    Case(
        "AuthzRoutesWithoutPolicy",
        "all have one",
        {f'authz_routes{{{ONE},state="none"}}': "3x10 0x20", f'authz_routes{{{ONE},state="unprotected"}}': "3x30"},
        "20m",
    ),
    Case(
        "AuthzWatchDown",
        "one of two",
        {f'authz_watch_up{{{ONE},resource="authpolicies"}}': "1x5 0x20", f'authz_watch_up{{{TWO},resource="authpolicies"}}': "1x30"},
        "15m",
        {_RESOURCE: "one has had no watch of authpolicies for 5 minutes." + _KNOWN},
        early="10m",
    ),
    Case("AuthzWatchDown", "begun anew in time", {f'authz_watch_up{{{ONE},resource="authpolicies"}}': "1x5 0x3 1x20"}, "15m"),
    Case(
        "AuthzWatchStale",
        "silent since minute 5",
        {f'authz_watch_last_contact_timestamp_seconds{{{ONE},resource="authpolicies"}}': "0+60x5 300x20"},
        "15m",
        {_RESOURCE: "one has heard nothing of authpolicies for 10m 0s; usual is less than a minute." + _KNOWN},
        early="10m",
    ),
    Case(
        "AuthzWatchStale",
        "a word a minute, and one that never was",
        {
            f'authz_watch_last_contact_timestamp_seconds{{{ONE},resource="authpolicies"}}': "0+60x20",
            f'authz_watch_last_contact_timestamp_seconds{{{TWO},resource="authpolicies"}}': "0x20",
        },
        "15m",
    ),
    Case(
        "AuthzNoLeader",
        "none of two",
        {f"authz_leader{{{ONE}}}": "1x5 0x20", f"authz_leader{{{TWO}}}": "0x20"},
        "10m",
        {JOB: "authz has had no leader for 2 minutes: decisions and changes are in force, but their status is not told."},
        early="7m",
    ),
    Case("AuthzNoLeader", "handed over", {f"authz_leader{{{ONE}}}": "1x5 0x20", f"authz_leader{{{TWO}}}": "0x6 1x20"}, "10m"),
    Case(
        "AuthzTwoLeaders",
        "both of two",
        {f"authz_leader{{{ONE}}}": "1x20", f"authz_leader{{{TWO}}}": "0x5 1x20"},
        "10m",
        {JOB: "2 replicas of authz have held themselves for the leader for 2 minutes. Decisions are not touched."},
        early="7m",
    ),
    Case("AuthzTwoLeaders", "handed over", {f"authz_leader{{{ONE}}}": "1x5 0x20", f"authz_leader{{{TWO}}}": "0x4 1x20"}, "7m"),
    Case(
        "AuthzStatusWritesFailing",
        "two a minute",
        {f'authz_status_writes_total{{{ONE},result="failure"}}': "0+2x40"},
        "25m",
        {
            JOB: "About 20 writes of authz failed within 10 minutes: what `kubectl get authpolicies` shows is old. "
            "Decisions are not touched.",
        },
        early="10m",
    ),
    Case(
        "AuthzStatusWritesFailing",
        "conflicts, which are tried again",
        {
            f'authz_status_writes_total{{{ONE},result="conflict"}}': "0+2x40",
            f'authz_status_writes_total{{{ONE},result="failure"}}': "0x40",
        },
        "25m",
    ),
    Case(
        "AuthzSnapshotRestored",
        "for ten minutes",
        {f"authz_snapshot_restored{{{ONE}}}": "1x20", f"authz_snapshot_restored{{{TWO}}}": "0x20"},
        "10m",
        {
            INSTANCE: "one has not reached the API server since it started, 5 minutes ago or more. It decides by the policies on its disk; "
            "those that need a Secret answer 503.",
        },
        early="4m",
    ),
    Case("AuthzSnapshotRestored", "for three minutes", {f"authz_snapshot_restored{{{ONE}}}": "1x3 0x20"}, "10m"),
    Case(
        "AuthzJwksStale",
        "for three hours",
        {f'authz_jwks_last_success_timestamp_seconds{{{ONE},issuer="https://idp.example.com"}}': "300x40"},
        "185m",
        {
            ISSUER: "The keys of https://idp.example.com were last fetched 3h 0m 0s ago; usual is at most an hour. "
            "After 24 hours they are dropped, and its tokens are answered 503.",
        },
        interval="5m",
        early="130m",
    ),
    Case(
        "AuthzJwksStale",
        "fetched every hour, and one that never was",
        {
            f'authz_jwks_last_success_timestamp_seconds{{{ONE},issuer="https://idp.example.com"}}': "60x11 3600x11 7200x20",
            f'authz_jwks_last_success_timestamp_seconds{{{ONE},issuer="https://new.example.com"}}': "0x40",
        },
        "185m",
        interval="5m",
    ),
    Case(
        "AuthzJwksMissing",
        "in one of two replicas",
        {
            f'authz_jwks_keys{{{ONE},issuer="https://idp.example.com"}}': "0x20",
            f'authz_jwks_keys{{{TWO},issuer="https://idp.example.com"}}': "2x20",
        },
        "10m",
        {ISSUER: "For 5 minutes there has been no key of https://idp.example.com: its tokens are answered 503."},
        early="4m",
    ),
    Case("AuthzJwksMissing", "fetched in time", {f'authz_jwks_keys{{{ONE},issuer="https://idp.example.com"}}': "0x4 2x20"}, "10m"),
)
