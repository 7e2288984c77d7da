"""The times of a token (RFC 7519 §4.1): read strictly, and compared with a given now."""

from collections.abc import Mapping
from typing import Any, Final

from authz.model.issuer import Issuer
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason

_LATEST: Final = float(1 << 53)


def lifetime(claims: Mapping[str, Any], issuer: Issuer) -> tuple[float, float] | Failure:
    """Return from when and until when a token is accepted, in Unix seconds, clock skew included.

    `exp` is required, and `iat` where the issuer's tokens may not live or grow old as they like.
    """
    times = _times(claims)
    if isinstance(times, Failure):
        return times
    if "exp" not in times:
        return _no_lifetime("exp", "none")
    begins, expires = max(times.get("nbf", 0.0), times.get("iat", 0.0)), times["exp"]
    if issuer.max_lifetime is not None or issuer.max_age is not None:
        if "iat" not in times:
            return _no_lifetime("iat", "none")
        life = expires - times["iat"]
        if issuer.max_lifetime is not None and life > issuer.max_lifetime:
            return _no_lifetime(f"a lifetime of {_span(issuer.max_lifetime)} at most", _span(life))
        expires = expires if issuer.max_age is None else min(expires, times["iat"] + issuer.max_age)
    return begins - issuer.clock_skew, expires + issuer.clock_skew


def _times(claims: Mapping[str, Any]) -> dict[str, float] | Failure:
    times: dict[str, float] = {}
    for name in ("exp", "nbf", "iat"):
        if name not in claims:
            continue
        value = claims[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
            return Failure(Reason.TOKEN_MALFORMED, Rank.UNREADABLE, f"{name} is a number of seconds", "another value")
        times[name] = float(value)
    return times


def _no_lifetime(want: str, got: str) -> Failure:
    return Failure(Reason.TOKEN_LIFETIME, Rank.NOT_VERIFIED, want, got)


def time_failure(claims: Mapping[str, Any], issuer: Issuer, times: tuple[float, float], now: float) -> Failure | None:
    """Return why a token with this `lifetime` is not accepted at `now`, or None. The last instant itself is too late."""
    begins, expires = times
    if now >= expires:
        if issuer.max_age is not None and now < claims["exp"] + issuer.clock_skew:
            want, got = f"a token that is {_span(issuer.max_age)} old at most", f"one of {_span(now - claims['iat'])}"
        else:
            want, got = "a token that has not expired", f"expired {_span(now - expires)} ago"
        return Failure(Reason.TOKEN_EXPIRED, Rank.NOT_VERIFIED, want, got)
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
