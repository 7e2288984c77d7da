"""How many lines decisions get in each second, so that a flood of denials neither fills a disk nor hides the other denials."""

from typing import Final

# What all may write together, as a multiple of what one may.
_ALL: Final = 10
_MOST_TOLD: Final = 8


class Quota:
    """Counts the lines of one second, by policy and reason, and what had to be left out of it."""

    def __init__(self, each: int) -> None:
        """`each`: lines a second for one policy and reason."""
        self._each = each
        self._second = 0
        self._written: dict[tuple[str, str], int] = {}
        self._all = 0
        self._left_out: dict[tuple[str, str], int] = {}
        self._untold: dict[tuple[str, str], int] = {}

    def takes(self, policy: str, reason: str, now: float) -> bool:
        """Return whether one more line may be written in this second; `now` is Unix time."""
        self._begin(int(now))
        key = (policy, reason)
        written = self._written.get(key, 0)
        if written >= self._each or self._all >= self._each * _ALL:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return False
        self._written[key] = written + 1
        self._all += 1
        return True

    def _begin(self, second: int) -> None:
        if second == self._second:
            return
        self._second, self._written, self._all = second, {}, 0
        for key, lines in self._left_out.items():
            self._untold[key] = self._untold.get(key, 0) + lines
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
