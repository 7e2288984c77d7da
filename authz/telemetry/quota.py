"""How many lines decisions get in each second, so that a flood of denials neither fills a disk nor hides the other denials.

Allows, denials and faults have a share each: one cannot use up the other's.
"""

from typing import Final

# What all may write together, as a multiple of what one may.
_ALL: Final = 10
_MOST_TOLD: Final = 8
# Names that are kept apart while they wait to be told; a route may name any policy, and clients choose routes.
_MOST_KEPT: Final = 1000
_LONGEST: Final = 512


class Quota:
    """Counts the lines of one second, by policy and reason, and what had to be left out of it."""

    def __init__(self, each: int) -> None:
        """`each`: lines a second for one policy and reason."""
        self._each = each
        self._second = 0
        self._written: dict[tuple[str, str], int] = {}
        self._all: dict[str, int] = {}
        self._left_out: dict[tuple[str, str], int] = {}
        self._untold: dict[tuple[str, str], int] = {}

    def takes(self, policy: str, reason: str, now: float, share: str = "deny") -> bool:
        """Return whether one more line may be written in this second; `now` is Unix time, `share` out of which one."""
        self._begin(int(now))
        key = (policy[:_LONGEST], reason)
        written, together = self._written.get(key, 0), self._all.get(share, 0)
        if written >= self._each or together >= self._each * _ALL:
            _count(self._left_out, key, 1)
            return False
        self._written[key] = written + 1
        self._all[share] = together + 1
        return True

    def _begin(self, second: int) -> None:
        if second == self._second:
            return
        self._second, self._written, self._all = second, {}, {}
        for key, lines in self._left_out.items():
            _count(self._untold, key, lines)
        self._left_out.clear()

    def left_out(self, now: float) -> dict[str, object]:
        """Return what was left out of the seconds that have ended, as fields of a line, and forget it; {} where nothing was."""
        self._begin(int(now))
        if not self._untold:
            return {}
        counts, self._untold = self._untold, {}
        most = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_MOST_TOLD]
        told = [{"policy": policy, "reason": reason, "lines": lines} for (policy, reason), lines in most]
        return {"lines": sum(counts.values()), "most": told}


def _count(counts: dict[tuple[str, str], int], key: tuple[str, str], lines: int) -> None:
    key = key if key in counts or len(counts) < _MOST_KEPT else ("", "others")
    counts[key] = counts.get(key, 0) + lines
