"""What one policy, or the policies of one route, decide for a request."""

from authz.model.decision import Allow, Decision, Deny
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.request import Request
from authz.model.trace import Step
from authz.policy.answers import NO_CERTIFICATE, POLICY_NONE, Decider, deny
from authz.policy.attached import Attached
from authz.policy.compiled import CompiledPolicy, CompiledRule
from authz.policy.items import CompiledItem, fires
from authz.policy.view import View


def decide_policy(policy: CompiledPolicy, view: View) -> Decision:
    """Return what one policy decides, whether it is in force or in Shadow."""
    if view.trace is not None:
        view.note(Step(0, "policy", policy.name, None, f"{view.request.method} {view.path}"))
    return denied_before(policy, view) or _ruled(policy, view)


def decide_attached(attached: Attached, view: View) -> Decision:
    """Return what the policies of a route decide: whose `deny` counts before, then the one whose rules decide."""
    decider = attached.decider
    if decider is None:
        return POLICY_NONE
    for policy in attached.before:
        if view.trace is not None:
            view.note(Step(0, "policy", policy.name, None, "its deny counts here"))
        denial = denied_before(policy, view)
        if denial is not None:
            return denial
    if decider not in attached.before:
        return decide_policy(decider, view)
    if view.trace is not None:
        view.note(Step(0, "policy", decider.name, None, f"{view.request.method} {view.path}"))
    return _ruled(decider, view)


def denied_before(policy: CompiledPolicy, view: View) -> Deny | None:
    """Return the deny of a policy that cannot be used, or of its own `deny`; None where its rules are to decide."""
    return policy.broken or _fired(policy.deny, view, policy, None)


def _ruled(policy: CompiledPolicy, view: View) -> Decision:
    request = view.request
    rule = policy.rule_for(request.method, view.path)
    if policy.preflight is not None and _is_preflight(request):
        return (_fired(rule.deny, view, policy, rule) if rule is not None else None) or policy.preflight
    if view.trace is not None:
        _note_rules(policy, rule, view)
    return policy.none if rule is None else decide_rule(policy, rule, view)


def _is_preflight(request: Request) -> bool:
    headers = request.headers
    return request.method == "OPTIONS" and bool(headers.get("origin")) and bool(headers.get("access-control-request-method"))


def _note_rules(policy: CompiledPolicy, chosen: CompiledRule | None, view: View) -> None:
    for rule in policy.rules:
        view.note(Step(0, "rule", rule.name, rule is chosen, view.path, "", rule.path))
        if rule is chosen:
            return


def decide_rule(policy: CompiledPolicy, rule: CompiledRule, view: View) -> Decision:
    """Return what one rule decides for a request that it matches."""
    denial = _fired(rule.deny, view, policy, rule)
    if denial is not None:
        return denial
    worst: Failure | None = None
    blamed: CompiledItem | None = None
    for alternative in rule.alternatives:
        if view.trace is not None:
            view.note(Step(1, "allow", alternative.item.name, None, path=alternative.item.path))
        answer = alternative.judge(view)
        if isinstance(answer, Allow):
            return answer
        if worst is None or _outranks(answer, worst):
            worst, blamed = answer, alternative.item
    return _refusal(policy, rule, worst, blamed, view)


def _outranks(one: Failure, other: Failure) -> bool:
    # Our own fault first: but for it, the request might have been allowed.
    return one.rank > other.rank if one.ours is other.ours else one.ours


def _refusal(policy: CompiledPolicy, rule: CompiledRule, failure: Failure | None, item: CompiledItem | None, view: View) -> Deny:
    if failure is None or item is None:
        failure = Failure(Reason.RULE_DENY, Rank.NOT_PERMITTED, "allow: [] lets nobody in")
    decider = Decider(policy.name, rule.name, item.name if item is not None else "")
    # No token and no key takes the place of a certificate that the same alternative asks for.
    challenges = rule.without_certificate if failure.reason in NO_CERTIFICATE else rule.challenges
    kind = item.failed_kind(failure, view) if item is not None and rule.denied.is_apim else ""
    return deny(failure, decider, rule.denied, challenges=challenges, scopes=item.scopes if item is not None else (), kind=kind)


def _fired(items: tuple[CompiledItem, ...], view: View, policy: CompiledPolicy, rule: CompiledRule | None) -> Deny | None:
    for item in items:
        if view.trace is not None:
            view.note(Step(1, "deny", item.name, None, path=item.path))
        failure = fires(item, view)
        if failure is not None:
            decider = Decider(policy.name, rule.name if rule is not None else "", item.name)
            denied = rule.denied if rule is not None else policy.denied
            challenges = () if failure.reason in NO_CERTIFICATE else item.challenges
            kind = item.failed_kind(failure, view) if denied.is_apim else ""
            return deny(failure, decider, denied, challenges=challenges, kind=kind)
    return None
