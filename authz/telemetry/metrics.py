"""Prometheus metrics. Plain integers on the hot path, read by a collector when somebody scrapes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

from authz import __version__
from authz.model.decision import Allow, Decision
from authz.model.reason import Reason
from authz.service.keyring import IssuerKeys
from authz.service.standing import ClusterState
from authz.service.states import State
from authz.telemetry.by_policy import PolicyCounts
from authz.telemetry.cluster import Samples, cluster_samples
from authz.telemetry.histogram import Histogram
from authz.telemetry.table import BUCKETS, CLUSTER, OWN, RELOAD_BUCKETS, TABLE

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_FAMILIES: Final = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
# What is told of an issuer's keys, and which of two numbers is the worse.
_KEY_FACTS: Final[dict[str, tuple[Callable[[IssuerKeys], float], Callable[[float, float], float]]]] = {
    "authz_jwks_keys": (lambda known: len(known.keys.kids) if known.keys is not None else 0, min),
    "authz_jwks_last_success_timestamp_seconds": (lambda known: known.fetched_at, min),
    "authz_jwks_consecutive_failures": (lambda known: known.failures, max),
}


class Metrics:
    """Counts what it is told; satisfies the parts of the service's ports that are about numbers.

    Args:
        keys: what is known of every issuer.
        remembered: how many tokens are remembered.
        dropped: how many log lines nobody read.
        cluster: this replica's place in the cluster; None where policies come from files.
        stalled: the longest stall of the event loop since it was last asked, in seconds.
    """

    def __init__(
        self,
        keys: Callable[[], Iterable[IssuerKeys]],
        remembered: Callable[[], int],
        dropped: Callable[[], int] = int,
        cluster: Callable[[], ClusterState | None] = lambda: None,
        stalled: Callable[[], float] = float,
    ) -> None:
        self._keys = keys
        self._cluster = cluster
        self._checks = [0] * len(Reason)
        self._durations = {"authz_check_duration_seconds": Histogram(BUCKETS), "authz_reload_duration_seconds": Histogram(RELOAD_BUCKETS)}
        self._observe = self._durations["authz_check_duration_seconds"].observe
        self._policies = PolicyCounts()
        self._shadows: dict[tuple[str, str, str, str], int] = {}
        self._fetches: dict[tuple[str, str], int] = {}
        self._reloads = {"success": 0, "failure": 0}
        self._reloaded_at = 0.0
        self._states: dict[str, int] = {}
        self.faults = 0
        self.ambiguous = 0
        self._sources = self._with_labels()
        self._single: dict[str, Callable[[], float]] = {
            "authz_ambiguous_unprotected_total": lambda: self.ambiguous,
            "authz_faults_total": lambda: self.faults,
            "authz_last_reload_success_timestamp_seconds": lambda: self._reloaded_at,
            "authz_log_lines_dropped_total": dropped,
            "authz_remembered_tokens": remembered,
            "authz_event_loop_stall_seconds": stalled,
        }
        self.registry = CollectorRegistry()
        self.registry.register(self)
        for process in (ProcessCollector, PlatformCollector, GCCollector):
            process(registry=self.registry)

    def _with_labels(self) -> dict[str, Callable[[], Samples]]:
        return {
            "authz_checks_total": lambda: [(("allow" if r.allows else "deny", r.value), self._checks[r.ordinal]) for r in Reason],
            "authz_policy_checks_total": self._policies.samples,
            "authz_shadow_decisions_total": lambda: self._shadows.copy().items(),
            "authz_policies": lambda: _by_first_label(self._states),
            "authz_reloads_total": lambda: _by_first_label(self._reloads),
            "authz_jwks_fetches_total": lambda: self._fetches.copy().items(),
            "authz_build_info": lambda: [((__version__,), 1)],
        }

    def decided(self, decision: Decision, seconds: float) -> None:
        """Count a decision."""
        self._checks[decision.reason.ordinal] += 1
        self._observe(seconds)
        counts = self._policies.cells.get(decision.policy) or self._policies.begin(decision.policy)
        counts[decision.__class__ is Allow] += 1
        for shadow in decision.shadows:
            word = "allow" if isinstance(shadow.decision, Allow) else "deny"
            key = (shadow.policy, shadow.rule, word, shadow.decision.reason.value)
            self._shadows[key] = self._shadows.get(key, 0) + 1

    @property
    def answered(self) -> int:
        """How many checks have been answered."""
        return sum(self._checks)

    def fetched(self, issuer: str, *, ok: bool) -> None:
        """Count a fetch of an issuer's keys."""
        key = (issuer, "success" if ok else "failure")
        self._fetches[key] = self._fetches.get(key, 0) + 1

    def reloaded(self, states: Iterable[State], now: float, *, ok: bool, seconds: float | None = None) -> None:
        """Take note of an update: what became of each policy, whether everything could be read, and what it took."""
        self._reloads["success" if ok else "failure"] += 1
        if ok:
            self._reloaded_at = now
        if seconds is not None:
            self._durations["authz_reload_duration_seconds"].observe(seconds)
        counts = dict.fromkeys(("enforced", "shadow", "definitions", "stale", "invalid"), 0)
        names = set()
        for state in states:
            counts[_word(state)] += 1
            names.add(str(state.name))
        self._states = counts
        self._policies.retain(names)
        self._shadows = {key: count for key, count in self._shadows.items() if key[0] in names}

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry need not ask for names at the start."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of OWN, and those of CLUSTER that this replica knows of."""
        for name in OWN:
            yield self._durations[name].family(name, TABLE[name][2]) if name in self._durations else _family(name, self._samples(name))
        state = self._cluster()
        if state is not None:
            known = ((name, cluster_samples(name, state)) for name in CLUSTER)
            yield from (_family(name, samples) for name, samples in known if samples is not None)

    def _samples(self, name: str) -> Samples:
        if name in _KEY_FACTS:
            return self._key_samples(name)
        if name in self._sources:
            return self._sources[name]()
        return [((), self._single[name]())]

    def _key_samples(self, name: str) -> Samples:
        # Two policies may define one issuer differently: one series each would be the same, so the worse one is shown.
        number, worse = _KEY_FACTS[name]
        found: dict[tuple[str, ...], float] = {}
        for known in self._keys():
            label = (known.issuer,)
            if known.is_fetched or name != "authz_jwks_last_success_timestamp_seconds":
                found[label] = worse(found[label], number(known)) if label in found else number(known)
        return found.items()


def _family(name: str, samples: Samples) -> Metric:
    kind, labels, text = TABLE[name]
    family: CounterMetricFamily | GaugeMetricFamily = _FAMILIES[kind](name, text, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _by_first_label(counts: Mapping[str, int]) -> Samples:
    return [((word,), number) for word, number in counts.items()]


def _word(state: State) -> str:
    if not state.in_use:
        return "invalid"
    if not state.accepted:
        return "stale"
    if not state.in_force:
        return "definitions"
    return "shadow" if state.is_shadow else "enforced"
