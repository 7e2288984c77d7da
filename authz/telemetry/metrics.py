"""Prometheus metrics. Plain integers on the hot path, read by a collector when somebody scrapes.

Labels come from closed lists and from policies' names only: nothing that a client sends makes a series.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from authz import __version__
from authz.model.decision import Allow, Decision
from authz.model.reason import Reason
from authz.service.keyring import IssuerKeys
from authz.service.update import State

# Seconds. From 100 µs: below is a remembered token, above 1 s is an issuer that answers slowly.
BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# name → (type, labels, help). docs/reference/metrics.md is made from this table.
TABLE: Final[dict[str, tuple[str, tuple[str, ...], str]]] = {
    "authz_checks_total": ("counter", ("decision", "reason"), "Checks answered."),
    "authz_check_duration_seconds": ("histogram", (), "Time from the bytes of a check to the bytes of its answer."),
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
    "authz_last_reload_success_timestamp_seconds": ("gauge", (), "When policies were last read without a fault."),
    "authz_jwks_keys": ("gauge", ("issuer",), "Usable keys of an issuer."),
    "authz_jwks_last_success_timestamp_seconds": ("gauge", ("issuer",), "When an issuer's keys were last fetched; 0: never."),
    "authz_jwks_consecutive_failures": ("gauge", ("issuer",), "Fetches that failed since the last success."),
    "authz_jwks_fetches_total": ("counter", ("issuer", "result"), "Fetches of issuers' keys."),
    "authz_log_lines_dropped_total": ("counter", (), "Log lines that nobody read in time."),
    "authz_remembered_tokens": ("gauge", (), "Verified tokens that are remembered."),
    "authz_build_info": ("gauge", ("version",), "The version that runs."),
}

_FAMILIES: Final = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class Metrics:
    """Counts what it is told; satisfies the parts of the service's ports that are about numbers."""

    def __init__(self, keys: Callable[[], Iterable[IssuerKeys]], remembered: Callable[[], int], dropped: Callable[[], int] = int) -> None:
        self._keys = keys
        self._remembered = remembered
        self._dropped = dropped
        self._checks = [0] * len(Reason)
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._shadows: dict[tuple[str, str, str, str], int] = {}
        self._fetches: dict[tuple[str, str], int] = {}
        self._reloads = {"success": 0, "failure": 0}
        self._reloaded_at = 0.0
        self._states: dict[str, int] = {}
        self.faults = 0
        self.ambiguous = 0
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def decided(self, decision: Decision, seconds: float) -> None:
        """Count a decision."""
        self._checks[decision.reason.ordinal] += 1
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds
        for shadow in decision.shadows:
            word = "allow" if isinstance(shadow.decision, Allow) else "deny"
            key = (shadow.policy, shadow.rule, word, shadow.decision.reason.value)
            self._shadows[key] = self._shadows.get(key, 0) + 1

    def fetched(self, issuer: str, *, ok: bool) -> None:
        """Count a fetch of an issuer's keys."""
        key = (issuer, "success" if ok else "failure")
        self._fetches[key] = self._fetches.get(key, 0) + 1

    def reloaded(self, states: Iterable[State], now: float, *, ok: bool) -> None:
        """Take note of an update: what became of each policy, and whether everything could be read."""
        self._reloads["success" if ok else "failure"] += 1
        if ok:
            self._reloaded_at = now
        counts = dict.fromkeys(("enforced", "shadow", "definitions", "stale", "invalid"), 0)
        for state in states:
            counts[_word(state)] += 1
        self._states = counts
        names = {str(state.name) for state in states}
        self._shadows = {key: count for key, count in self._shadows.items() if key[0] in names}

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry need not ask for names at the start."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of TABLE."""
        for name, (kind, labels, text) in TABLE.items():
            if kind == "histogram":
                yield self._histogram(name, text)
                continue
            family = _FAMILIES[kind](name, text, labels=labels)
            for values, number in self._samples(name):
                family.add_metric(values, number)
            yield family

    def _histogram(self, name: str, text: str) -> Metric:
        family = HistogramMetricFamily(name, text)
        total, buckets = 0, []
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric([], buckets, self._seconds)
        return family

    def _samples(self, name: str) -> Iterable[tuple[tuple[str, ...], float]]:
        match name:
            case "authz_checks_total":
                return [(("allow" if r.allows else "deny", r.value), self._checks[r.ordinal]) for r in Reason]
            case "authz_shadow_decisions_total":
                return self._shadows.items()
            case "authz_policies":
                return [((state,), count) for state, count in self._states.items()]
            case "authz_reloads_total":
                return [((result,), count) for result, count in self._reloads.items()]
            case "authz_jwks_fetches_total":
                return self._fetches.items()
            case "authz_build_info":
                return [((__version__,), 1)]
        if name.startswith("authz_jwks_"):
            return self._key_samples(name)
        single: dict[str, float] = {
            "authz_ambiguous_unprotected_total": self.ambiguous,
            "authz_faults_total": self.faults,
            "authz_last_reload_success_timestamp_seconds": self._reloaded_at,
            "authz_log_lines_dropped_total": self._dropped(),
            "authz_remembered_tokens": self._remembered(),
        }
        return [((), single[name])]

    def _key_samples(self, name: str) -> Iterable[tuple[tuple[str, ...], float]]:
        # Two policies may define one issuer differently: one series each would be the same, so the worse one is shown.
        found: dict[tuple[str, ...], float] = {}
        for known in self._keys():
            number, worse = _of_keys(name, known)
            label = (known.issuer,)
            found[label] = worse(found[label], number) if label in found else number
        return found.items()


def _of_keys(name: str, known: IssuerKeys) -> tuple[float, Callable[[float, float], float]]:
    if name == "authz_jwks_keys":
        return len(known.keys.kids) if known.keys is not None else 0, min
    if name == "authz_jwks_consecutive_failures":
        return known.failures, max
    return known.fetched_at, min


def _word(state: State) -> str:
    if not state.in_use:
        return "invalid"
    if not state.accepted:
        return "stale"
    if not state.in_force:
        return "definitions"
    return "shadow" if state.is_shadow else "enforced"
