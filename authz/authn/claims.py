"""The times of a token (RFC 7519 §4.1): read strictly, and compared with a given now."""

from collections.abc import Mapping
from typing import Any, Final

from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

_LATEST: Final = float(1 << 53)


def lifetime(claims: Mapping[str, Any], clock_skew: int) -> tuple[float, float] | Failure:
    """Return from when and until when a token is accepted, in Unix seconds, clock skew included; `exp` is required."""
    times: dict[str, float] = {}
    for name in ("exp", "nbf", "iat"):
        if name not in claims:
            continue
        value = claims[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
            return Failure(Reason.TOKEN_MALFORMED, Rank.UNREADABLE, f"{name} is a number of seconds", "another value")
        times[name] = float(value)
    if "exp" not in times:
        return Failure(Reason.TOKEN_LIFETIME, Rank.NOT_VERIFIED, "exp", "none")
    begins = max(times.get("nbf", 0.0), times.get("iat", 0.0))
    return begins - clock_skew, times["exp"] + clock_skew


def time_failure(begins: float, expires: float, now: float) -> Failure | None:
    """Return why a token is not accepted at `now`, or None. `exp` itself is too late."""
    if now >= expires:
        return Failure(Reason.TOKEN_EXPIRED, Rank.NOT_VERIFIED, "a token that has not expired", f"expired {_span(now - expires)} ago")
    if now < begins:
        return Failure(Reason.TOKEN_NOT_YET_VALID, Rank.NOT_VERIFIED, "a token that is valid already", f"valid in {_span(begins - now)}")
    return None


def audiences(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the values of `aud`, or None where it is neither a string nor a short list of strings."""
    value = claims.get("aud", [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or len(listed) > 64 or not all(isinstance(each, str) for each in listed):
        return None
    return frozenset(listed)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
