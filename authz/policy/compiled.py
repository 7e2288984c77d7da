"""A policy, compiled: everything that can be known when it is loaded is computed then."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from authz.model.decision import Allow, Deny
from authz.model.issuer import Issuer, Place
from authz.model.policy import Answer, Denied, Item, JwtCondition, Mode, Policy, RequestMatch, Rule
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.policy import hosts, paths
from authz.policy.alternatives import Alternative, guards
from authz.policy.answers import Decider, deny
from authz.policy.forwarding import Credentials
from authz.policy.items import CompiledItem, Path
from authz.policy.view import Reader

ReaderOf = Callable[[tuple[Issuer, ...], tuple[str, ...]], Reader]
RequestTest = Callable[[str, str], bool]


class CompiledRule:
    """One rule: which requests, what is denied, who is allowed, in which order."""

    __slots__ = ("_tests", "alternatives", "at", "denied", "deny", "is_shadow", "name", "path", "schemes")

    def __init__(self, at: int, rule: Rule, parts: "Parts") -> None:
        self.at = at
        self.name = rule.name
        self.path: Path = ("spec", "rules", at)
        self.is_shadow = rule.mode is Mode.SHADOW
        self.denied = _words(rule.denied, parts.policy.denied)
        self._tests = tuple(_request_test(match) for match in rule.matches)
        self.deny = tuple(parts.item(item, (*self.path, "deny", n)) for n, item in enumerate(rule.deny))
        self.alternatives = self._alternatives(rule, parts)
        self.schemes = tuple(dict.fromkeys(scheme for each in self.alternatives for scheme in each.item.schemes))

    def _alternatives(self, rule: Rule, parts: "Parts") -> tuple[Alternative, ...]:
        base = parts.allow(Reason.RULE_ALLOW, rule.name, keep=rule.keep_credentials)
        tokens = tuple(item.jwt for item in rule.allow if item.jwt is not None)
        watch = guards((parts.reader(_issuers_of(group)), group) for group in parts.together(tokens))
        return tuple(
            Alternative(parts.item(item, (*self.path, "allow", n)), base, rule.forward, watch) for n, item in enumerate(rule.allow)
        )

    def matches(self, method: str, path: str) -> bool:
        """Return whether the rule is for such a request."""
        if not self._tests:
            return True
        for test in self._tests:  # noqa: SIM110 - any() with a generator costs more than the tests
            if test(method, path):
                return True
        return False


class Parts:
    """What the rules of one policy share while it is compiled."""

    def __init__(self, policy: Policy, issuers: Mapping[str, Issuer], owned: frozenset[str], reader_of: ReaderOf) -> None:
        self.policy = policy
        self.name = str(policy.name)
        self.owned = owned
        self.credentials = Credentials(place for issuer in issuers.values() for place in issuer.places)
        self._issuers = issuers
        self._reader_of = reader_of
        self._readers: dict[tuple[str, ...], Reader] = {}

    def reader(self, names: tuple[str, ...]) -> Reader:
        """Return the one reader of this policy for these issuers."""
        if names not in self._readers:
            self._readers[names] = self._reader_of(tuple(self._issuers[name] for name in names), self.policy.audiences)
        return self._readers[names]

    def together(self, tokens: Iterable[JwtCondition]) -> list[tuple[JwtCondition, ...]]:
        """Return the conditions in groups: those that look into one place, if only by way of others, speak of one token."""
        groups: list[tuple[frozenset[Place], tuple[JwtCondition, ...]]] = []
        for each in tokens:
            found = (place for name in each.issuers for place in self._issuers[name].places)
            places = frozenset(replace(place, scheme=place.scheme.lower()) for place in found)
            joined = [group for group in groups if not group[0].isdisjoint(places)]
            groups = [group for group in groups if group not in joined]
            groups.append((places.union(*(other for other, _ in joined)), (*(one for _, those in joined for one in those), each)))
        return [those for _, those in groups]

    def item(self, item: Item, path: Path) -> CompiledItem:
        """Return an item ready to be asked."""
        if item.jwt is None:
            return CompiledItem(item, None, (), path)
        places = [place for name in item.jwt.issuers for place in self._issuers[name].places]
        # Where a token is read without a scheme, RFC 6750's is the one that clients know how to answer.
        schemes = tuple(dict.fromkeys(place.scheme for place in places if place.scheme)) or ("Bearer",)
        return CompiledItem(item, self.reader(item.jwt.issuers), schemes, path)

    def allow(self, reason: Reason, rule: str = "", *, keep: bool = False) -> Allow:
        """Return the allow on which every answer builds: what the upstream must not see is taken away."""
        taken = Credentials(()) if keep else self.credentials
        removed = tuple(sorted(self.owned | taken.headers))
        return Allow(reason, self.name, rule, remove_headers=removed, strip_queries=taken.queries, strip_cookies=taken.cookies)


class CompiledPolicy:
    """One policy, ready to decide. `broken`: it never compiled, and every request that it covers is answered 503."""

    __slots__ = (
        "age",
        "broken",
        "denied",
        "deny",
        "hosts",
        "is_shadow",
        "name",
        "namespace",
        "none",
        "override",
        "prefixes",
        "preflight",
        "removes",
        "rules",
        "shadow_rules",
        "targets",
    )

    def __init__(self, policy: Policy, parts: Parts | None) -> None:
        self.name = str(policy.name)
        # A policy that cannot be used decides only where no other does: a mistake of one must not shut out the others.
        self.age = (parts is None, policy.created, self.name)
        self.namespace = policy.name.namespace
        self.hosts = policy.hosts
        self.targets = policy.targets
        self.override = policy.override
        self.prefixes = tuple(paths.bare_prefix(prefix) for prefix in policy.path_prefixes or ("/",))
        self.is_shadow = policy.mode is Mode.SHADOW
        self.denied = policy.denied
        # Request headers that an allow takes away as credentials.
        self.removes: frozenset[str] = parts.credentials.touched if parts is not None else frozenset()
        self.broken: Deny | None = None
        self.preflight: Allow | None = None
        self.deny: tuple[CompiledItem, ...] = ()
        self.rules: tuple[CompiledRule, ...] = ()
        self.shadow_rules: tuple[CompiledRule, ...] = ()
        self.none = deny(Failure(Reason.RULE_NONE, Rank.NOT_PERMITTED), Decider(self.name), policy.denied)
        if parts is None:
            self.broken = deny(Failure(Reason.POLICY_INVALID, Rank.NOT_PERMITTED), Decider(self.name))
            return
        self.deny = tuple(parts.item(item, ("spec", "deny", n)) for n, item in enumerate(policy.deny))
        rules = tuple(CompiledRule(at, rule, parts) for at, rule in enumerate(policy.rules))
        self.rules = tuple(rule for rule in rules if not rule.is_shadow)
        self.shadow_rules = tuple(rule for rule in rules if rule.is_shadow)
        if policy.preflight:
            self.preflight = parts.allow(Reason.PREFLIGHT_ALLOW)

    def rule_for(self, method: str, path: str) -> CompiledRule | None:
        """Return the first rule that is for such a request, or None. Rules in Shadow are not there."""
        for rule in self.rules:
            if rule.matches(method, path):
                return rule
        return None

    def covers(self, patterns: Iterable[str], path: str) -> bool:
        """Return whether the policy is for one of these host patterns and this path."""
        return not frozenset(patterns).isdisjoint(self.hosts) and any(paths.is_below(path, prefix) for prefix in self.prefixes)


def _issuers_of(conditions: Iterable[JwtCondition]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in conditions for name in each.issuers))


def compile_policy(policy: Policy, issuers: Mapping[str, Issuer], owned: frozenset[str], reader_of: ReaderOf) -> CompiledPolicy:
    """Return `policy` ready to decide. It has no problems (see problems.py).

    Args:
        issuers: every issuer that the policy may name, its own and those of `definitionsFrom`.
        owned: the spellings of every header that some policy of the installation forwards.
        reader_of: makes the reader of the tokens of some issuers for some audiences.
    """
    return CompiledPolicy(policy, Parts(policy, issuers, owned, reader_of))


def broken_policy(policy: Policy) -> CompiledPolicy:
    """Return what stands in for a policy that has problems and no earlier version: it answers 503."""
    repaired = tuple(dict.fromkeys(host for each in policy.hosts if (host := hosts.repaired(each))))
    # A path prefix that is none would cover nothing: the policy answers for the whole host then.
    sound = all(prefix.startswith("/") and (prefix == "/" or not paths.ambiguity(prefix)) for prefix in policy.path_prefixes)
    return CompiledPolicy(replace(policy, hosts=repaired, path_prefixes=policy.path_prefixes if sound else ()), None)


def _words(own: Denied | None, policy: Denied) -> Denied:
    """Return a rule's own words for denials, and the policy's where the rule says nothing."""
    if own is None:
        return policy
    nothing = Answer()
    unauthenticated = policy.unauthenticated if own.unauthenticated == nothing else own.unauthenticated
    return Denied(unauthenticated, policy.forbidden if own.forbidden == nothing else own.forbidden)


def _request_test(match: RequestMatch) -> RequestTest:
    methods = frozenset(match.methods)
    if match.path is None:
        return lambda method, path: method in methods
    fits = paths.test_of(match.path)
    if not methods:
        return lambda method, path: fits(path)
    return lambda method, path: method in methods and fits(path)
