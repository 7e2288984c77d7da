"""Collections happen when we say so, and are short."""

import gc
from collections.abc import Iterator

import pytest

from authz.service.garbage import LOADING, PATIENCE, Garbage


class Cycle:
    alive = 0

    def __init__(self) -> None:
        self.itself = self
        Cycle.alive += 1

    def __del__(self) -> None:
        Cycle.alive -= 1


@pytest.fixture
def garbage() -> Iterator[Garbage]:
    Cycle.alive = 0
    found = Garbage()
    found.start()
    yield found
    found.stop()
    gc.collect()


def test_nothing_is_collected_by_itself_and_everything_when_it_is_time(garbage: Garbage) -> None:
    for _ in range(2_000):
        Cycle()
    assert Cycle.alive == 2_000
    assert garbage.collect()
    assert Cycle.alive == 0


def test_what_is_set_apart_is_not_looked_at(garbage: Garbage) -> None:
    Cycle()
    garbage.set_apart()
    garbage.collect()
    assert Cycle.alive == 1


def test_a_collection_waits_for_a_load_but_not_for_ever(garbage: Garbage) -> None:
    loaded = [[] for _ in range(LOADING * 2)]  # type: ignore[var-annotated]
    assert [garbage.collect() for _ in range(PATIENCE + 1)] == [False] * PATIENCE + [True]
    assert loaded


def test_what_requests_leave_behind_is_never_taken_for_a_load() -> None:
    """Else it would grow for a minute under the heaviest load, and be collected in one long go."""
    answered = 0
    Cycle.alive = 0
    found = Garbage(lambda: answered)
    found.start()
    try:
        for _ in range(3):
            for _ in range(LOADING // 4):
                answered += 1
                kept = [Cycle() for _ in range(5)]
                del kept
            assert gc.get_count()[0] > LOADING
            assert found.collect()
            assert Cycle.alive == 0
    finally:
        found.stop()


def test_afterwards_pythons_own_collector_is_back() -> None:
    found = Garbage()
    found.start()
    assert not gc.isenabled()
    found.stop()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
