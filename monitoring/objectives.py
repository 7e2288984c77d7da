"""What is promised of checks, and the words in which panels and alerts speak of it."""

from typing import Final

# Denials that no client and no policy asked for: the service could not do its work.
OWN_FAULTS: Final = "internal.error|overloaded|keys.unavailable|cert.revocation_unknown|policy.invalid|policy.conflicted"
AVAILABLE: Final = 0.9995
# One of the buckets of authz_check_duration_seconds, as its label `le` is written.
FAST_SECONDS: Final = "0.01"
FAST: Final = 0.99
# What the panels are narrowed to.
CHOSEN: Final = 'namespace=~"$namespace",job=~"$job"'


def broken(window: str, chosen: str = "", by: str = "") -> str:
    """Return the share of checks that were denied by a fault of the service."""
    faults = _rate("authz_checks_total", window, chosen, f'reason=~"{OWN_FAULTS}"')
    return f"sum{by} ({faults}) / sum{by} ({_rate('authz_checks_total', window, chosen)})"


def slow(window: str, chosen: str = "", by: str = "") -> str:
    """Return the share of checks that took longer than promised."""
    fast = _rate("authz_check_duration_seconds_bucket", window, chosen, f'le="{FAST_SECONDS}"')
    return f"1 - sum{by} ({fast}) / sum{by} ({_rate('authz_check_duration_seconds_count', window, chosen)})"


def _rate(name: str, window: str, *matchers: str) -> str:
    narrowed = ",".join(filter(None, matchers))
    return f"rate({name}{{{narrowed}}}[{window}])" if narrowed else f"rate({name}[{window}])"
