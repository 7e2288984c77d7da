"""Telling time, and spreading it, where the clock on the wall will not do."""

import random
import time
from datetime import UTC, datetime
from typing import Final

_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC).timestamp()
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


def since_boot() -> float:
    """Return seconds that nobody can set back, and that pass while the machine is suspended, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def micro_time(seconds: float) -> str:
    """Return Unix time as Kubernetes writes its MicroTime.

    >>> micro_time(1_800_000_000.25)
    '2027-01-15T08:00:00.250000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def whole_seconds(seconds: float) -> str:
    """Return Unix time as Kubernetes writes its Time.

    >>> whole_seconds(1_800_000_000.25)
    '2027-01-15T08:00:00Z'
    """
    # As a float, the last microseconds of year 9999 are in the next, which cannot be written.
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def unix_time(text: object) -> float:
    """Return Unix time of a Kubernetes time stamp; 0 where there is none.

    >>> unix_time("2027-01-15T08:00:00.250000Z"), unix_time("2027-01-15T08:00:00Z"), unix_time(None)
    (1800000000.25, 1800000000.0, 0.0)
    """
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def spread(seconds: float, factor: float) -> float:
    """Return `seconds` and up to `factor` times as much more, so that those who began together do not go on together."""
    return seconds * (1 + random.random() * factor)  # noqa: S311 - spreads load, protects nothing
