"""What a policy refers to: the definitions of others, and its own key sets."""

from collections.abc import Mapping

from authz.authn.keys import KeySetError, key_set
from authz.model.declared import Declared
from authz.model.issuer import Issuer
from authz.model.operator import Operator
from authz.model.policy import Policy, PolicyName
from authz.model.problem import Problem
from authz.policy.problems import did_you_mean, problems


def own_problems(policy: Policy, operator: Operator) -> list[Problem]:
    """Return every problem of a policy itself, its inline key sets included."""
    found = problems(policy, operator)
    for at, issuer in enumerate(policy.issuers):
        if issuer.keys.jwks and (why := _jwks_problem(issuer)):
            found.append(Problem("AZ202", why, ("spec", "issuers", at, "jwks")))
    return found


def resolve(
    policy: Policy, definers: Mapping[PolicyName, Policy], listed: Mapping[PolicyName, Declared]
) -> tuple[dict[str, Issuer], list[Problem]]:
    """Return every issuer that `policy` may name, and what is wrong with its `definitionsFrom`. A local name wins."""
    found: list[Problem] = []
    issuers: dict[str, Issuer] = {}
    origin: dict[str, PolicyName] = {}
    local = {issuer.name: issuer for issuer in policy.issuers}
    for at, name in enumerate(policy.definitions_from):
        definer = definers.get(name)
        if definer is None:
            what = f"the AuthPolicy {name} has mistakes itself" if name in listed else _no_such(name, definers)
            found.append(Problem("AZ203", what, ("spec", "definitionsFrom", at)))
            continue
        for issuer in definer.issuers:
            if issuers.setdefault(issuer.name, issuer) != issuer and issuer.name not in local:
                what = f"the issuer {issuer.name} is defined by {origin[issuer.name]} and by {name}; define it here, or take one"
                found.append(Problem("AZ204", what, ("spec", "definitionsFrom", at)))
            origin.setdefault(issuer.name, name)
    return issuers | local, found


def _no_such(name: PolicyName, definers: Mapping[PolicyName, Policy]) -> str:
    return f"there is no AuthPolicy {name}{did_you_mean(str(name), sorted(map(str, definers)))}"


def _jwks_problem(issuer: Issuer) -> str:
    try:
        keys = key_set(issuer.keys.jwks.encode(), issuer.algorithms)
    except KeySetError as fault:
        return str(fault)
    return f"a key cannot be used: {keys.dropped[0]}" if keys.dropped else ""
