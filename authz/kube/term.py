"""What a leader keeps in mind while it leads: which replicas there are, what is due, and what must wait."""

from collections.abc import Iterable
from typing import Final

from authz.kube.api import ApiError, Object
from authz.kube.programmed import PROGRAMMED, Loaded, Replica, Roll

# Seconds that replicas get to load a new generation before it is told that some have not, and those that they get where all
# had it loaded, for their word may be on its way; and that a new leader gives them to be heard at all.
_LOADING: Final = 2.0
_RELOADING: Final = 30.0
_HEARING: Final = 5.0
# Seconds between two writes of nothing but another count of replicas: after each scaling, all policies have one.
_BETWEEN_COUNTS: Final = 1.0
# Seconds until a write that was refused is tried again, and the longest pause where nothing succeeds.
_REFUSED: Final = 30.0
_FAILED: Final = 2.0
_LONGEST_PAUSE: Final = 10.0
# Failures in a row after which the server gets a pause: one bad object must not hold up the others.
_IN_A_ROW: Final = 3


class Term:
    """A leader's memory of policies, by `namespace/name`.

    All times are Unix time; a clock that is set back cuts waits short, and never draws them out.

    Attributes:
        roll: the replicas; None while they are not known.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._replicas: tuple[Replica, ...] | None = None
        self._due: dict[str, None] = {}
        self._counts: dict[str, None] = {}
        self._counted = float("-inf")
        self._lagging: dict[str, float] = {}
        self._refused: dict[str, tuple[float, float]] = {}
        self._failures = 0
        self._pause = (began, 0.0)
        self.roll: Roll | None = None

    def hear(self, replicas: tuple[Replica, ...] | None, now: float) -> bool:
        """Take note of the replicas, and return whether enough is known to judge by."""
        if replicas is None and _within(self._began, _HEARING, now):
            return False
        if replicas is not self._replicas:
            self._replicas, self.roll = replicas, Roll(replicas) if replicas is not None else None
        return True

    def waits(self, key: str, loaded: Loaded | None, observed: Object, now: float) -> bool:
        """Return whether nothing is to be said yet: a refusal is too young, or some replicas may come so far in a moment."""
        refused = self._refused.get(key)
        if refused is not None and _within(*refused, now):
            return True
        if loaded is None or not loaded.behind or loaded.without:
            self._lagging.pop(key, None)
            return False
        since = self._lagging.setdefault(key, now)
        return _within(since, _RELOADING if _was_programmed(observed) else _LOADING, now)

    def line_up(self, key: str, *, is_due: bool, is_count: bool) -> None:
        """Put a policy in line for a write, or take it out of it."""
        self._due.pop(key, None)
        self._counts.pop(key, None)
        if is_due:
            (self._counts if is_count else self._due)[key] = None

    def next(self, now: float) -> str | None:
        """Return the policy whose turn it is, and take it out of line; None where none is due or may be written now."""
        line = self._line(now)
        if line is None:
            return None
        if line is self._counts:
            self._counted = now
        key = next(iter(line))
        del line[key]
        return key

    def is_idle(self, now: float) -> bool:
        """Return whether nothing can be written now."""
        return self._line(now) is None

    def succeeded(self, key: str) -> None:
        """Take note that the server takes writes."""
        self._failures = 0
        self._refused.pop(key, None)

    def failed(self, key: str, fault: ApiError, now: float) -> None:
        """Take note that a write failed: try it again later, and leave the server alone where nothing succeeds."""
        self._refused[key] = (now, _REFUSED if fault.status not in (0, 404, 409, 429, 503, 504) else _FAILED)
        # What the server says of one object is no reason to leave it alone with the others.
        self._failures += fault.status in (0, 403, 429, 503, 504)
        rest = 2.0 ** min(self._failures - _IN_A_ROW, 8) if self._failures >= _IN_A_ROW else 0.0
        self._pause = (now, max(min(rest, _LONGEST_PAUSE), fault.retry_after))

    def drop(self, keys: Iterable[str]) -> None:
        """Forget policies that are gone."""
        for key in keys:
            for memory in (self._due, self._counts, self._lagging, self._refused):
                memory.pop(key, None)

    def _line(self, now: float) -> dict[str, None] | None:
        if _within(*self._pause, now):
            return None
        if self._due:
            return self._due
        return self._counts if self._counts and not _within(self._counted, _BETWEEN_COUNTS, now) else None


def _within(since: float, seconds: float, now: float) -> bool:
    return 0 <= now - since < seconds


def _was_programmed(observed: Object) -> bool:
    """Return whether all replicas had this generation loaded."""
    for each in (observed.get("status") or {}).get("conditions") or ():
        if each.get("type") == PROGRAMMED:
            return bool(each.get("status") == "True" and each.get("observedGeneration") == observed["metadata"].get("generation"))
    return False
