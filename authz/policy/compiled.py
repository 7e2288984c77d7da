"""A policy, compiled: everything that can be known when it is loaded is computed then."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from authz.model.decision import Allow, Deny
from authz.model.definitions import Definitions
from authz.model.policy import Answer, Denied, Mode, Policy, RequestMatch, Rule
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.policy import hosts, paths
from authz.policy.alternatives import Alternative
from authz.policy.answers import Decider, deny
from authz.policy.apim import tolerant
from authz.policy.items import CompiledItem, Path
from authz.policy.parts import Parts
from authz.policy.view import Readers

RequestTest = Callable[[str, str], bool]


class CompiledRule:
    """One rule: which requests, what is denied, who is allowed, in which order.

    Attributes:
        challenges: how to present what its alternatives ask for.
        without_certificate: the same of those alternatives alone that ask for no certificate.
    """

    __slots__ = ("_tests", "alternatives", "at", "challenges", "denied", "deny", "is_shadow", "name", "path", "without_certificate")

    def __init__(self, at: int, rule: Rule, parts: Parts) -> None:
        self.at = at
        self.name = rule.name
        self.path: Path = ("spec", "rules", at)
        self.is_shadow = rule.mode is Mode.SHADOW
        self.denied = _words(rule.denied, parts.policy.denied)
        self._tests = tuple(_request_test(match) for match in rule.matches)
        self.deny = tuple(parts.item(item, (*self.path, "deny", n), rule.matches) for n, item in enumerate(rule.deny))
        self.alternatives = self._alternatives(rule, parts)
        self.challenges = tuple(dict.fromkeys(challenge for each in self.alternatives for challenge in each.item.challenges))
        plain = (each.item for each in self.alternatives if not each.item.has_certificate)
        self.without_certificate = tuple(dict.fromkeys(challenge for item in plain for challenge in item.challenges))

    def _alternatives(self, rule: Rule, parts: Parts) -> tuple[Alternative, ...]:
        base = parts.allow(Reason.RULE_ALLOW, rule.name, keep=rule.keep_credentials)
        watch = parts.guard(rule.allow)
        return tuple(
            Alternative(parts.item(item, (*self.path, "allow", n), rule.matches), base, rule.forward, watch)
            for n, item in enumerate(rule.allow)
        )

    def matches(self, method: str, path: str) -> bool:
        """Return whether the rule is for such a request."""
        if not self._tests:
            return True
        for test in self._tests:  # noqa: SIM110 - any() with a generator costs more than the tests
            if test(method, path):
                return True
        return False


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


def compile_policy(policy: Policy, definitions: Definitions, owned: frozenset[str], readers: Readers) -> CompiledPolicy:
    """Return `policy` ready to decide. It has no problems (see problems.py).

    Args:
        definitions: everything that the policy may name, its own and that of `definitionsFrom`.
        owned: the spellings of every header that some policy of the installation forwards.
        readers: makes what finds and verifies credentials.
    """
    if policy.denied.is_apim:
        policy = tolerant(policy)
    return CompiledPolicy(policy, Parts(policy, definitions, owned, readers))


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
    return Denied(unauthenticated, policy.forbidden if own.forbidden == nothing else own.forbidden, policy.is_apim)


def _request_test(match: RequestMatch) -> RequestTest:
    methods = frozenset(match.methods)
    if match.path is None:
        return lambda method, path: method in methods
    fits = paths.test_of(match.path)
    if not methods:
        return lambda method, path: fits(path)
    return lambda method, path: method in methods and fits(path)
