"""Rules that can never match: an earlier rule takes every request that they are for, or the policy never sees one."""

from collections.abc import Iterator

from authz.model.policy import Mode, PathKind, PathMatch, Policy, RequestMatch
from authz.model.problem import Problem
from authz.policy import paths


def unreachable(policy: Policy) -> Iterator[Problem]:
    """Yield a problem for each rule that no request can reach. Certain cases only: what may match is not reported."""
    before: list[tuple[str, RequestMatch]] = []
    for at, rule in enumerate(policy.rules):
        matches = [match for match in rule.matches or (RequestMatch(),) if match.path is None or not paths.problem_of(match.path)]
        takers = {_taker(match, before) for match in matches}
        if matches and "" not in takers:
            names = " and ".join(f'"{name}"' for name in sorted(takers))
            yield Problem(
                "AZ317",
                f'rule "{rule.name}" can never match: {names} above it takes every such request; move it up or remove it',
                ("spec", "rules", at),
            )
        elif matches and policy.path_prefixes and not any(_within(policy.path_prefixes, match) for match in matches):
            yield Problem(
                "AZ318",
                f'rule "{rule.name}" can never match: its paths are outside spec.pathPrefixes',
                ("spec", "rules", at, "matches"),
            )
        if rule.mode is Mode.ENFORCE:
            before += [(rule.name, match) for match in matches]


def _taker(match: RequestMatch, before: list[tuple[str, RequestMatch]]) -> str:
    return next((name for name, earlier in before if _covers(earlier, match)), "")


def _covers(earlier: RequestMatch, later: RequestMatch) -> bool:
    if earlier.methods and not (later.methods and set(later.methods) <= set(earlier.methods)):
        return False
    if earlier.path is None:
        return True
    return later.path is not None and _path_covers(earlier.path, later.path)


def _path_covers(earlier: PathMatch, later: PathMatch) -> bool:
    if earlier == later:
        return True
    if later.kind is PathKind.EXACT:
        # An exact path also takes one with a trailing slash, and so do the literal kinds that may cover it.
        return all(paths.test_of(earlier)(spelling) for spelling in _spellings(later.value))
    if earlier.kind is not PathKind.PREFIX or later.kind is PathKind.REGEX:
        return False
    return paths.is_below(_literal_head(later), paths.bare_prefix(earlier.value))


def _spellings(value: str) -> tuple[str, ...]:
    bare = paths.bare_prefix(value)
    return (bare, bare + "/") if bare else ("/",)


def _literal_head(match: PathMatch) -> str:
    """Return the path below which everything lies that a prefix or template matches."""
    return paths.bare_prefix(match.value.partition("{")[0] if match.kind is PathKind.TEMPLATE else match.value)


def _within(prefixes: tuple[str, ...], match: RequestMatch) -> bool:
    if match.path is None or match.path.kind is PathKind.REGEX:
        return True
    head = _literal_head(match.path)
    if match.path.kind is PathKind.EXACT:
        return any(paths.is_below(head, paths.bare_prefix(prefix)) for prefix in prefixes)
    return any(paths.is_below(head, bare) or paths.is_below(bare, head) for bare in map(paths.bare_prefix, prefixes))
