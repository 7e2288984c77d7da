"""How many checks each policy allowed and denied, with a bound on the number of series."""

from collections.abc import Iterator, Set
from typing import Final

# A policy has two: what it allowed, and what it denied.
MAX_SERIES: Final = 1_000
OTHER: Final = "_other"
_WORDS: Final = ("deny", "allow")
_MAX_NAMES: Final = MAX_SERIES // len(_WORDS)


class PolicyCounts:
    """Counts by policy. `cells` is for the hot path: a policy's two numbers, denied and allowed, by its name.

    A name counts only while it is the name of a policy: a request may come with a name of its own (`policy.mismatch`).
    """

    __slots__ = ("_known", "_other", "_uncounted", "cells")

    def __init__(self) -> None:
        self._known: Set[str] = frozenset()
        self._other = [0, 0]
        self._uncounted = [0, 0]
        self.cells: dict[str, list[int]] = {}

    def begin(self, policy: str) -> list[int]:
        """Return the numbers of a policy that is asked and has no place yet; where there are too many, those of the others."""
        if policy not in self._known:
            return self._uncounted
        cell = [0, 0] if len(self.cells) < _MAX_NAMES else self._other
        self.cells[policy] = cell
        return cell

    def retain(self, policies: Set[str]) -> None:
        """Count these from now on, and forget every other. Those that had no place of their own may take one that became free."""
        self._known = policies
        self.cells = {name: cell for name, cell in self.cells.items() if name in policies and cell is not self._other}
        if len(policies) <= _MAX_NAMES:
            # There is a place for each: a series that begins at 0 shows its first denial as a rise.
            for name in policies - self.cells.keys():
                self.cells[name] = [0, 0]

    def samples(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield each series: labels (policy, decision) and value. Checks that no policy decided are not among them."""
        named = [(name, cell) for name, cell in self.cells.copy().items() if cell is not self._other]
        for name, cell in [*named, *([(OTHER, self._other)] if any(self._other) else [])]:
            for word, count in zip(_WORDS, cell, strict=True):
                yield (name, word), count
