"""Every metric that there is: its name, kind, labels and help. docs/reference/metrics.md is made from this table.

Labels come from closed lists and from policies' names only: nothing that a client sends makes a series.
"""

from typing import Final

# Seconds. From 100 µs: below is a remembered token, above 1 s is an issuer that answers slowly.
BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Seconds. A reload takes a few milliseconds for a handful of policies, and seconds for thousands.
RELOAD_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Rows = dict[str, tuple[str, tuple[str, ...], str]]

# name → (type, labels, help).
OWN: Final[Rows] = {
    "authz_checks_total": ("counter", ("decision", "reason"), "Checks answered."),
    "authz_check_duration_seconds": ("histogram", (), "Time from the bytes of a check to the bytes of its answer."),
    "authz_policy_checks_total": (
        "counter",
        ("policy", "decision"),
        "Checks that a policy decided. At most 500 policies count by name, those that are asked first; the others together as _other.",
    ),
    "authz_shadow_decisions_total": (
        "counter",
        ("policy", "rule", "decision", "reason"),
        "What policies and rules in Shadow would have decided.",
    ),
    "authz_ambiguous_unprotected_total": (
        "counter",
        (),
        "Requests with an ambiguous path that passed because their host is unprotected.",
    ),
    "authz_faults_total": ("counter", (), "Exceptions that were turned into a deny. Any is a bug: please report it."),
    "authz_policies": ("gauge", ("state",), "Policies: enforced, shadow, definitions, stale (an earlier version is in force), invalid."),
    "authz_reloads_total": ("counter", ("result",), "Times that policies were read anew."),
    "authz_reload_duration_seconds": ("histogram", (), "Time from what the source holds to policies in force, checks answered meanwhile."),
    "authz_last_reload_success_timestamp_seconds": ("gauge", (), "When policies were last read without a fault."),
    "authz_jwks_keys": ("gauge", ("issuer",), "Usable keys of an issuer."),
    "authz_jwks_last_success_timestamp_seconds": (
        "gauge",
        ("issuer",),
        "When an issuer's keys were last fetched; 0: never. Issuers whose keys stand in a policy have none.",
    ),
    "authz_jwks_consecutive_failures": ("gauge", ("issuer",), "Fetches that failed since the last success."),
    "authz_jwks_fetches_total": ("counter", ("issuer", "result"), "Fetches of issuers' keys."),
    "authz_log_lines_dropped_total": ("counter", (), "Log lines that nobody read in time."),
    "authz_remembered_tokens": ("gauge", (), "Verified tokens that are remembered."),
    "authz_event_loop_stall_seconds": (
        "gauge",
        (),
        "The longest time since the last scrape that checks had to wait for something else in the process, give or take 20 ms.",
    ),
    "authz_build_info": ("gauge", ("version",), "The version that runs."),
}

# There only where policies come from an API server.
CLUSTER: Final[Rows] = {
    "authz_watch_up": ("gauge", ("resource",), "Whether the last thing that happened to this watch was an answer of the API server."),
    "authz_watch_last_contact_timestamp_seconds": (
        "gauge",
        ("resource",),
        "When the API server last said something on this watch; 0: never.",
    ),
    "authz_watch_objects": ("gauge", ("resource",), "Objects of this kind that are held."),
    "authz_watch_restarts_total": (
        "counter",
        ("resource", "reason"),
        "Watches that ended: closed (by the server, as is usual), silent (nobody answers), gone (too far behind), error (refused).",
    ),
    "authz_lists_total": ("counter", ("resource", "mode"), "Times that every object of this kind was listed: stream, paged."),
    "authz_leader": ("gauge", (), "Whether this replica is the one that writes policies' status."),
    "authz_status_writes_total": ("counter", ("result",), "Writes of policies' status: success, conflict (somebody was quicker), failure."),
    "authz_snapshot_restored": ("gauge", (), "Whether policies are still those of the snapshot on disk, for want of an API server."),
    "authz_routes": (
        "gauge",
        ("state",),
        "Accepted routes of the listed Gateways: with a policy, unprotected by the operator's word, none (every request is denied).",
    ),
}

# From prometheus_client; there only on Linux, but for the last four.
PROCESS: Final[Rows] = {
    "process_cpu_seconds_total": ("counter", (), "CPU time of the process."),
    "process_resident_memory_bytes": ("gauge", (), "Memory of the process that is in RAM."),
    "process_virtual_memory_bytes": ("gauge", (), "Address space of the process."),
    "process_start_time_seconds": ("gauge", (), "When the process started."),
    "process_open_fds": ("gauge", (), "Files and sockets that are open."),
    "process_max_fds": ("gauge", (), "How many may be open."),
    "python_info": ("gauge", ("version", "implementation", "major", "minor", "patchlevel"), "The Python that runs."),
    "python_gc_collections_total": ("counter", ("generation",), "Garbage collections."),
    "python_gc_objects_collected_total": ("counter", ("generation",), "Objects that they freed."),
    "python_gc_objects_uncollectable_total": ("counter", ("generation",), "Objects that they could not free."),
}

TABLE: Final[Rows] = {**OWN, **CLUSTER, **PROCESS}
