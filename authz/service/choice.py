"""Which version of an object is used, and what an installation has room for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from authz.model.declared import Declared
from authz.model.definitions import Definitions
from authz.model.policy import Mode, Policy, PolicyName
from authz.model.problem import Problem

# Headers that policies forward, in all: each is removed from every request, in every spelling.
MAX_FORWARDED: Final = 256


@dataclass(frozen=True, slots=True)
class Choice:
    """Which version of an object is used, with the definitions that it may name (None: some are not there), and what is missing."""

    policy: Policy | None
    definitions: Definitions | None
    missing: tuple[Problem, ...]
    lasts_for: Declared | None = None


def within_bounds(chosen: dict[PolicyName, Choice]) -> None:
    """Take those policies out of use whose forwarded headers are too many beside those of older ones."""
    policies = [choice.policy for choice in chosen.values() if choice.policy is not None and choice.definitions is not None]
    if len({name for policy in policies for name in forwarded(policy)}) <= MAX_FORWARDED:
        return
    names: set[str] = set()
    for policy in sorted(policies, key=lambda each: (each.created, str(each.name))):
        own = set(forwarded(policy))
        if not own or len(names | own) <= MAX_FORWARDED:
            names |= own
            continue
        what = f"older policies forward {len(names)} headers, and with these there are more than {MAX_FORWARDED}; forward fewer"
        choice = chosen[policy.name]
        chosen[policy.name] = replace(
            choice, policy=None, definitions=None, missing=(*choice.missing, Problem("AZ325", what, ("spec", "rules"))), lasts_for=None
        )


def forwarded(policy: Policy) -> Iterator[str]:
    """Return the headers that a policy in force sets, in lower case."""
    rules = [rule for rule in policy.rules if rule.mode is Mode.ENFORCE] if policy.mode is Mode.ENFORCE else []
    return (header.name.lower() for rule in rules for header in rule.forward)
