"""Rows about what the service follows: the API server, and issuers' keys."""

from typing import Final

from monitoring.objectives import CHOSEN
from monitoring.panels import Kind, Panel, Query, Row

_RATE: Final = "$__rate_interval"
_FILES: Final = "policies come from files."
_RELOADS: Final = f"sum by (le) (rate(authz_reload_duration_seconds_bucket{{{CHOSEN}}}[1h]))"

CONTROL_PLANE: Final = Row(
    "Control plane",
    (
        Panel(
            "Since the API server said something",
            Kind.LINES,
            "s",
            "It speaks at least once a minute. Above 180 s: look at the API server and at network policies; checks go on by what is known.",
            (
                Query(
                    f"time() - min by (resource, instance) (authz_watch_last_contact_timestamp_seconds{{{CHOSEN}}} > 0)",
                    "{{resource}} {{instance}}",
                ),
            ),
            empty=_FILES,
        ),
        Panel(
            "Watches that are up",
            Kind.LINES,
            "none",
            "Replicas whose last word from the API server was an answer. Fewer than there are replicas: see the next "
            "panels, and the log (event `cluster.trouble`).",
            (Query(f"sum by (resource) (authz_watch_up{{{CHOSEN}}})", "{{resource}}"),),
            empty=_FILES,
        ),
        Panel(
            "Objects held",
            Kind.LINES,
            "none",
            "By each replica. Replicas that differ for longer than a minute: the one behind does not follow.",
            (Query(f"max by (resource, instance) (authz_watch_objects{{{CHOSEN}}})", "{{resource}} {{instance}}"),),
            empty=_FILES,
        ),
        Panel(
            "Watches begun anew",
            Kind.LINES,
            "none",
            "closed is usual, every few minutes. silent, gone and error, again and again: the way to the API server is bad, or rights "
            "are missing.",
            (
                Query(
                    f"sum by (resource, reason) (increase(authz_watch_restarts_total{{{CHOSEN}}}[{_RATE}]))",
                    "{{resource}} {{reason}}",
                ),
            ),
            empty=_FILES,
        ),
        Panel(
            "Lists of everything",
            Kind.LINES,
            "none",
            "One per start and per watch that was gone. Many: the API server forgets faster than we follow. paged: it cannot stream lists, "
            "which costs it and us more memory.",
            (Query(f"sum by (resource, mode) (increase(authz_lists_total{{{CHOSEN}}}[{_RATE}]))", "{{resource}} {{mode}}"),),
            empty=_FILES,
        ),
        Panel(
            "Writes of status",
            Kind.LINES,
            "none",
            "By the leader only. failure: its right to patch authpolicies/status, or the API server.",
            (Query(f"sum by (result) (increase(authz_status_writes_total{{{CHOSEN}}}[{_RATE}]))", "{{result}}"),),
            empty="policies come from files, or status is not written (--namespace).",
        ),
        Panel(
            "Leader",
            Kind.LINES,
            "none",
            "1 at exactly one replica. None: see the Lease ingress-authz and the right to update it. Checks do not depend on it.",
            (Query(f"max by (instance) (authz_leader{{{CHOSEN}}})", "{{instance}}"),),
            6,
            empty="policies come from files, or status is not written (--namespace).",
        ),
        Panel(
            "Serving from the snapshot on disk",
            Kind.LINES,
            "none",
            "1: this replica started while the API server was away and decides by the policies of its last run. Bring the API server back.",
            (Query(f"max by (instance) (authz_snapshot_restored{{{CHOSEN}}})", "{{instance}}"),),
            6,
            empty=_FILES,
        ),
        Panel(
            "Reloads",
            Kind.LINES,
            "none",
            "Each change of policies is one. failure: some policy is wrong; the others are in force all the same.",
            (Query(f"sum by (result) (increase(authz_reloads_total{{{CHOSEN}}}[{_RATE}]))", "{{result}}"),),
            6,
        ),
        Panel(
            "Time of a reload, over the last hour",
            Kind.LINES,
            "s",
            "Checks are answered meanwhile. Seconds: too little CPU for so many policies.",
            (Query(f"histogram_quantile(0.5, {_RELOADS})", "p50"), Query(f"histogram_quantile(0.99, {_RELOADS})", "p99")),
            6,
            empty="nothing was reloaded for an hour.",
        ),
        Panel(
            "Since the last reload without a fault",
            Kind.NUMBER,
            "s",
            "Of the replica that is furthest behind. Longer than since your last change: that change has a mistake, or did not arrive.",
            (Query(f"max (time() - authz_last_reload_success_timestamp_seconds{{{CHOSEN}}})"),),
            24,
            3,
        ),
    ),
)

_NO_ISSUER: Final = "no policy names an issuer whose keys are fetched."

DEPENDENCIES: Final = Row(
    "Dependencies",
    (
        Panel(
            "Age of issuers' keys",
            Kind.LINES,
            "s",
            "Keys are fetched at least once an hour, and dropped after a day without. Above an hour: see the next panels.",
            (
                Query(
                    f"time() - min by (issuer) (authz_jwks_last_success_timestamp_seconds{{{CHOSEN}}} > 0)",
                    "{{issuer}}",
                ),
            ),
            6,
            empty=_NO_ISSUER,
        ),
        Panel(
            "Fetches that failed in a row",
            Kind.LINES,
            "none",
            "Above 0: the log says why, event `keys.fetch_failed`. The issuer, DNS, a network policy or a CA (--fetch-ca).",
            (Query(f"max by (issuer) (authz_jwks_consecutive_failures{{{CHOSEN}}})", "{{issuer}}"),),
            6,
            empty="no policy names an issuer.",
        ),
        Panel(
            "Usable keys",
            Kind.LINES,
            "none",
            "Of the replica that has fewest. 0: tokens of this issuer are answered 503 (`keys.unavailable`).",
            (Query(f"min by (issuer) (authz_jwks_keys{{{CHOSEN}}})", "{{issuer}}"),),
            6,
            empty="no policy names an issuer.",
        ),
        Panel(
            "Fetches of keys",
            Kind.LINES,
            "none",
            "Many: clients send tokens with keys that the issuer does not have.",
            (Query(f"sum by (issuer, result) (increase(authz_jwks_fetches_total{{{CHOSEN}}}[{_RATE}]))", "{{issuer}} {{result}}"),),
            6,
            empty=_NO_ISSUER,
        ),
    ),
)
