"""Burn rates: how fast what was promised of checks is being used up, in a long and a short window at once."""

from typing import Final

from monitoring.objectives import AVAILABLE, FAST, broken, slow
from monitoring.rules import Alert, Group, Recording, Severity

_BY: Final = " by (namespace, job)"
_WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_BROKEN: Final = "namespace_job:authz_checks_broken:ratio_rate"
_SLOW: Final = "namespace_job:authz_checks_slow:ratio_rate"


def _burns(record: str, allowed: float, *pairs: tuple[float, str, str]) -> str:
    """Return: in a long window and in a short one, more is used up than `factor` times what a month allows (SRE workbook, chapter 5)."""
    sides = (
        f"(\n  {record}{long} > {factor * allowed:.6g}\nand\n  {record}{short} > {factor * allowed:.6g}\n)" for factor, long, short in pairs
    )
    return "\nor\n".join(sides)


_FAST_BURN: Final = ((14.4, "1h", "5m"), (6.0, "6h", "30m"))
_SLOW_BURN: Final = ((3.0, "1d", "2h"), (1.0, "3d", "6h"))

RECORDED: Final = Group(
    "ingress-authz.recorded",
    (
        *(Recording(_BROKEN + window, broken(window, by=_BY)) for window in _WINDOWS),
        *(Recording(_SLOW + window, slow(window, by=_BY)) for window in _WINDOWS),
    ),
)

OBJECTIVES: Final = Group(
    "ingress-authz.objectives",
    (
        Alert(
            "AuthzAvailabilityBurnFast",
            Severity.CRITICAL,
            _burns(_BROKEN, 1 - AVAILABLE, *_FAST_BURN),
            "2m",
            "Requests are denied because the authorization service cannot decide.",
            "{{ $value | humanizePercentage }} of the checks of {{ $labels.job }} get a 503 that no policy asked for; 0.05% is the "
            "most that "
            "a month allows. At this rate its allowance is used up within days.",
        ),
        Alert(
            "AuthzAvailabilityBurnSlow",
            Severity.WARNING,
            _burns(_BROKEN, 1 - AVAILABLE, *_SLOW_BURN),
            "15m",
            "Some requests are denied because the authorization service cannot decide, for hours already.",
            "{{ $value | humanizePercentage }} of the checks of {{ $labels.job }} get a 503 that no policy asked for; 0.05% is the "
            "most that "
            "a month allows.",
        ),
        Alert(
            "AuthzLatencyBurnFast",
            Severity.CRITICAL,
            _burns(_SLOW, 1 - FAST, *_FAST_BURN),
            "2m",
            "Checks are slow.",
            "{{ $value | humanizePercentage }} of the checks of {{ $labels.job }} take longer than 10 ms; 1% is the most that a "
            "month allows. "
            "Envoy gives up after its timeout (200 ms, where nothing else is said) and denies.",
        ),
        Alert(
            "AuthzLatencyBurnSlow",
            Severity.WARNING,
            _burns(_SLOW, 1 - FAST, *_SLOW_BURN),
            "15m",
            "Some checks are slow, for hours already.",
            "{{ $value | humanizePercentage }} of the checks of {{ $labels.job }} take longer than 10 ms; 1% is the most that a "
            "month allows.",
        ),
    ),
)
