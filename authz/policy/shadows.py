"""What policies and rules in Shadow would have decided. The decision stands, whatever they say."""

from collections.abc import Sequence

from authz.model.decision import Allow, Decision, Shadow
from authz.model.reason import Reason
from authz.policy.candidate import Candidate
from authz.policy.compiled import CompiledPolicy
from authz.policy.decide import come_through, named_policy
from authz.policy.judge import decide_policy, decide_rule, denied_before
from authz.policy.snapshot import Snapshot
from authz.policy.view import View


def shadows(snapshot: Snapshot, view: View, decision: Decision) -> tuple[Shadow, ...]:
    """Return what policies and rules in Shadow would have decided for a request that was decided."""
    if not view.path or decision.reason is Reason.PATH_AMBIGUOUS:
        return ()
    candidates = snapshot.routes.candidates(view.request, view.path) if snapshot.has_routes else ()
    if candidates:
        come_through(view, candidates)
    found = [Shadow(each.name, "", decide_policy(each, view)) for each in snapshot.shadows_for(view.request.host, view.path)]
    found += _attached(candidates, view)
    deciders = [snapshot.policies.get(decision.policy)] if decision.rule or decision.reason is Reason.RULE_NONE else []
    if isinstance(decision, Allow):
        deciders += [each.attached.decider for each in candidates]
        deciders += [named_policy(snapshot, view)] if view.request.policy else []
    for policy in dict.fromkeys(deciders):
        if policy is not None and not policy.is_shadow:
            found += _rules(policy, view)
    return tuple(found)


def _attached(candidates: Sequence[Candidate], view: View) -> list[Shadow]:
    deciding = dict.fromkeys(policy for each in candidates for policy in each.attached.shadows)
    found = [Shadow(policy.name, "", decide_policy(policy, view)) for policy in deciding]
    for policy in dict.fromkeys(policy for each in candidates for policy in each.attached.shadow_denies):
        denial = denied_before(policy, view)
        if denial is not None:
            found.append(Shadow(policy.name, "", denial))
    return found


def _rules(policy: CompiledPolicy, view: View) -> list[Shadow]:
    """Return what the rules in Shadow that stand before the deciding rule would have decided."""
    method, path = view.request.method, view.path
    chosen = policy.rule_for(method, path)
    return [
        Shadow(policy.name, rule.name, decide_rule(policy, rule, view))
        for rule in policy.shadow_rules
        if (chosen is None or rule.at < chosen.at) and rule.matches(method, path)
    ]
