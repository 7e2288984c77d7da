"""What a replica knows of its place in the cluster, as samples."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from authz.service.standing import ClusterState, WatchState

Samples = Iterable[tuple[tuple[str, ...], float]]

# Every word is there from the start, so that the first event is a rise from 0 and not a new series.
_RESTARTS: Final = ("closed", "silent", "gone", "error")
_LISTS: Final = ("stream", "paged")
_WRITES: Final = ("success", "conflict", "failure")
_ROUTES: Final = ("policy", "unprotected", "none")


def cluster_samples(name: str, state: ClusterState) -> Samples | None:
    """Return the samples of a metric of table.CLUSTER; None where this replica has nothing to do with it."""
    return _SAMPLES[name](state)


def _of_watches(number: Callable[[WatchState], float]) -> Callable[[ClusterState], Samples]:
    return lambda state: [((watch.resource,), number(watch)) for watch in state.watches]


def _words_of_watches(counts: Callable[[WatchState], Mapping[str, int]], words: tuple[str, ...]) -> Callable[[ClusterState], Samples]:
    return lambda state: [((watch.resource, *label), number) for watch in state.watches for label, number in _by_word(counts(watch), words)]


def _by_word(counts: Mapping[str, int], words: tuple[str, ...]) -> Samples:
    return [((word,), number) for word, number in {**dict.fromkeys(words, 0), **counts}.items()]


_SAMPLES: Final[dict[str, Callable[[ClusterState], Samples | None]]] = {
    "authz_watch_up": _of_watches(lambda watch: watch.is_up),
    "authz_watch_last_contact_timestamp_seconds": _of_watches(lambda watch: watch.contact),
    "authz_watch_objects": _of_watches(lambda watch: watch.objects),
    "authz_watch_restarts_total": _words_of_watches(lambda watch: watch.restarts, _RESTARTS),
    "authz_lists_total": _words_of_watches(lambda watch: watch.lists, _LISTS),
    # A replica that writes no status stands for no election, so a count of leaders must not wait for one.
    "authz_leader": lambda state: None if state.status_writes is None else [((), state.is_leader)],
    "authz_status_writes_total": lambda state: None if state.status_writes is None else _by_word(state.status_writes, _WRITES),
    "authz_snapshot_restored": lambda state: [((), state.is_restored)],
    "authz_routes": lambda state: None if state.routes is None else _by_word(state.routes, _ROUTES),
}
