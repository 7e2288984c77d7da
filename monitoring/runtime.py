"""The row about the process."""

from typing import Final

from monitoring.objectives import CHOSEN
from monitoring.panels import Kind, Panel, Query, Row

_RATE: Final = "$__rate_interval"

RUNTIME: Final = Row(
    "Runtime",
    (
        Panel(
            "CPU",
            Kind.LINES,
            "none",
            "Cores in use. One replica uses at most one core for checks: near 1, or near its limit, add replicas.",
            (Query(f"rate(process_cpu_seconds_total{{{CHOSEN}}}[{_RATE}])", "{{instance}}"),),
            6,
        ),
        Panel(
            "Memory",
            Kind.LINES,
            "bytes",
            "Resident. It grows with the number of policies, and with remembered tokens up to a bound.",
            (Query(f"process_resident_memory_bytes{{{CHOSEN}}}", "{{instance}}"),),
            6,
        ),
        Panel(
            "Longest stall",
            Kind.LINES,
            "s",
            "How long checks had to wait for something else in the process. Above 0.1 s: CPU throttling (raise or drop "
            "the CPU limit), or a bug.",
            (Query(f"max_over_time(authz_event_loop_stall_seconds{{{CHOSEN}}}[{_RATE}])", "{{instance}}"),),
            6,
        ),
        Panel(
            "Faults",
            Kind.LINES,
            "none",
            "Exceptions that were turned into a deny. Any is a bug: please report it with the log line, event `fault`.",
            (Query(f"sum by (instance) (increase(authz_faults_total{{{CHOSEN}}}[{_RATE}]))", "{{instance}}"),),
            6,
        ),
        Panel(
            "Log lines dropped",
            Kind.LINES,
            "none",
            "Nobody read them in time; the decisions were made all the same. Lower --allow-sample, or mend what reads the logs.",
            (Query(f"sum by (instance) (increase(authz_log_lines_dropped_total{{{CHOSEN}}}[{_RATE}]))", "{{instance}}"),),
            6,
        ),
        Panel(
            "Open files and sockets",
            Kind.LINES,
            "none",
            "Rises with Envoy's connections and falls again. Only ever rising: please report it.",
            (Query(f"process_open_fds{{{CHOSEN}}}", "{{instance}}"),),
            6,
        ),
        Panel(
            "Remembered tokens",
            Kind.LINES,
            "none",
            "A token that is remembered is not verified again. Near the number of active clients: as it should be.",
            (Query(f"authz_remembered_tokens{{{CHOSEN}}}", "{{instance}}"),),
            6,
        ),
        Panel(
            "Garbage collections of everything",
            Kind.LINES,
            "ops",
            "Of the oldest generation, each of which stops checks for a moment. More than one a minute: please report it.",
            (Query(f'rate(python_gc_collections_total{{{CHOSEN},generation="2"}}[{_RATE}])', "{{instance}}"),),
            6,
        ),
    ),
)
