"""Conditions on headers and claims: from what was declared to a predicate that is ready to ask."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from authz.model.policy import ClaimCondition, ClaimMatch, HeaderCondition

HeaderTest = Callable[[Mapping[str, str]], bool | None]
ClaimTest = Callable[[Mapping[str, Any]], bool]

_ABSENT: Final = object()


def header_test(condition: HeaderCondition) -> HeaderTest:
    """Return whether a request's headers fulfil `condition`: None where that cannot be told.

    A repeated header arrives as one value, joined with ","; where only a part of that fulfils the condition, which of the
    lines a backend would read is unknown.
    """
    name = condition.name.lower()
    if not condition.values:
        return lambda headers: headers.get(name, "") != ""
    fold = str.casefold if condition.ignore_case else str
    values = frozenset(fold(value) for value in condition.values)

    def test(headers: Mapping[str, str]) -> bool | None:
        value = headers.get(name)
        if value is None:
            return False
        value = fold(value)
        if value in values:
            return True
        return None if "," in value and any(part.strip(" \t") in values for part in value.split(",")) else False

    return test


def claim_at(claims: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - claims are arbitrary JSON
    """Return the value that `path` leads to, or None where it leads nowhere."""
    value: Any = claims
    for step in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step, _ABSENT)
        if value is _ABSENT:
            return None
    return value


def claim_text(value: object) -> str | None:
    """Return a scalar claim as text (`true`, `7`, the string itself), or None for null, objects, lists and fractions."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else None


def claim_values(claims: Mapping[str, Any], path: tuple[str, ...], separator: str = "") -> frozenset[str]:
    """Return the values that a claim has: a list's items, a string split by `separator`, or the scalar alone."""
    value = claim_at(claims, path)
    if separator and isinstance(value, str):
        return frozenset(part for part in value.split(separator) if part)
    # A list has several values already; what its items hold is theirs.
    items = value if isinstance(value, list) else [value]
    return frozenset(text for item in items if (text := claim_text(item)) is not None)


def claim_test(condition: ClaimCondition) -> ClaimTest:
    """Return whether claims fulfil `condition`. `None` needs the claim to be there: an absent claim proves nothing."""
    wanted, path, separator = frozenset(condition.values), condition.path, condition.separator
    match condition.match:
        case ClaimMatch.ANY:
            return lambda claims: not wanted.isdisjoint(claim_values(claims, path, separator))
        case ClaimMatch.ALL:
            return lambda claims: wanted <= claim_values(claims, path, separator)
        case ClaimMatch.NONE:
            return lambda claims: _has_none(claim_values(claims, path, separator), wanted)


def _has_none(values: frozenset[str], wanted: frozenset[str]) -> bool:
    return bool(values) and wanted.isdisjoint(values)


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of a token: `scope` (RFC 9068, RFC 8693) and `scp` (Entra ID, Okta), as string or list."""
    texts = claim_values(claims, ("scope",)) | claim_values(claims, ("scp",))
    return frozenset(scope for text in texts for scope in text.split(" ") if scope)
