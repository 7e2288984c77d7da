"""Objects of which cannot be told what they are for: nothing could be denied for them, so a start would leave it open."""

from authz.model.declared import Contents, Declared
from authz.model.operator import Operator
from authz.model.problem import Problem
from authz.policy.hosts import repaired
from authz.service.references import own_problems


def unknown_targets(contents: Contents, operator: Operator) -> list[Problem]:
    """Return what is wrong with the objects whose target cannot be told; nothing where there are none."""
    found = [problem for stray in contents.faults for problem in stray.problems]
    return found + [problem for each in contents.declared if _hides_its_target(each) for problem in _problems(each, operator)]


def _problems(each: Declared, operator: Operator) -> list[Problem]:
    own = own_problems(each.policy, operator) if each.policy is not None else []
    return [*each.problems, *(each.located(problem) for problem in own)]


def _hides_its_target(each: Declared) -> bool:
    """Return whether it cannot be told which requests an object is for."""
    if each.target is None:
        return True
    if each.target.hosts:
        return not all(repaired(host) for host in each.target.hosts)
    if each.target.targets:
        return False
    # Without hosts it only defines, unless a misspelt field of the spec was meant to name them.
    misspelt = any(problem.code == "AZ105" and len(problem.path) == 2 for problem in each.problems)
    policy = each.policy
    return misspelt or policy is None or bool(policy.rules or policy.deny or policy.path_prefixes)
