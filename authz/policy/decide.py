"""From a snapshot and a request to a decision, with every step recorded where somebody asks for it."""

from dataclasses import replace
from typing import Final

from authz.model.decision import Allow, Decision, Deny, Shadow
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.request import Request
from authz.model.trace import Step, Trace
from authz.policy import hosts, paths
from authz.policy.answers import Decider, deny
from authz.policy.compiled import CompiledPolicy, CompiledRule
from authz.policy.forwarding import Removal
from authz.policy.items import CompiledItem, fires
from authz.policy.snapshot import Snapshot, Tables, find
from authz.policy.view import View


def _plain(reason: Reason) -> Deny:
    return deny(Failure(reason, Rank.NOT_PERMITTED))


MALFORMED: Final = _plain(Reason.REQUEST_MALFORMED)
POLICY_NONE: Final = _plain(Reason.POLICY_NONE)
POLICY_MISMATCH: Final = _plain(Reason.POLICY_MISMATCH)
POLICY_CONFLICTED: Final = _plain(Reason.POLICY_CONFLICTED)
INTERNAL_ERROR: Final = _plain(Reason.INTERNAL_ERROR)


def view_of(snapshot: Snapshot, request: Request, now: float, trace: Trace | None = None) -> View:
    """Return the view of a request that `decide` and `shadows` take."""
    path = paths.canonical(request.path) if request.path.startswith("/") else ""
    return View(request, path, now, snapshot.address_of, trace)


def decide(snapshot: Snapshot, view: View) -> Decision:
    """Return the decision of the policies in force. Whatever is not allowed in so many words is denied."""
    request = view.request
    site = snapshot.site(request.host)
    if site is None or not request.method or not request.path.startswith("/"):
        return MALFORMED
    if not view.path:
        return _ambiguous_path(snapshot, view, is_protected=bool(site))
    policy = find(site, view.path)
    if view.path is not request.path and view.path != request.path and _reads_otherwise(view, site, policy):
        return _path_denial("its canonical form selects another policy or rule")
    if policy is None:
        return snapshot.unprotected if snapshot.allows_unprotected(request.host) else POLICY_NONE
    decision = decide_policy(policy, view)
    if request.policy and request.policy != policy.name and isinstance(decision, Allow):
        return _named_too(snapshot, view, decision)
    return decision


def _ambiguous_path(snapshot: Snapshot, view: View, *, is_protected: bool) -> Decision:
    # Where no policy could be meant, there is nothing to get around: counted by its path, not denied.
    if not is_protected and snapshot.allows_unprotected(view.request.host):
        return snapshot.unprotected
    if not is_protected:
        return POLICY_NONE
    return _path_denial(paths.ambiguity(view.request.path))


def _path_denial(why: str) -> Deny:
    return deny(Failure(Reason.PATH_AMBIGUOUS, Rank.NOT_PERMITTED, "one reading of the path", why))


def _reads_otherwise(view: View, site: Tables, policy: CompiledPolicy | None) -> bool:
    sent, method = view.request.path, view.request.method
    if find(site, sent) is not policy:
        return True
    return policy is not None and policy.rule_for(method, sent) is not policy.rule_for(method, view.path)


def _named_too(snapshot: Snapshot, view: View, first: Allow) -> Decision:
    """Return the decision where the route names a further policy: both must allow."""
    request = view.request
    named = snapshot.policies.get(request.policy)
    if named is not None and named.is_shadow:
        return first
    host = hosts.canonical(request.host)
    if named is None or not named.covers((host, *hosts.wildcards(host)), view.path):
        return replace(POLICY_MISMATCH, policy=request.policy)
    second = decide_policy(named, view)
    return _both(first, second) if isinstance(second, Allow) else second


def _both(first: Allow, second: Allow) -> Decision:
    headers = dict(first.set_headers)
    for name, value in second.set_headers:
        if headers.setdefault(name, value) != value:
            return replace(POLICY_CONFLICTED, policy=first.policy, rule=first.rule, want=second.policy, got=name)
    removed = dict.fromkeys((*first.remove_headers, *second.remove_headers))
    return replace(
        first,
        set_headers=tuple(headers.items()),
        remove_headers=tuple(name for name in removed if name not in headers),
        remove_query=tuple(dict.fromkeys((*first.remove_query, *second.remove_query))),
    )


def decide_policy(policy: CompiledPolicy, view: View) -> Decision:
    """Return what one policy decides, whether it is in force or in Shadow."""
    request = view.request
    if view.trace is not None:
        view.note(Step(0, "policy", policy.name, None, f"{request.method} {view.path}"))
    if policy.broken is not None:
        return policy.broken
    denial = _fired(policy.deny, view, policy, None)
    if denial is not None:
        return denial
    if policy.preflight is not None and _is_preflight(request):
        return _without_credentials(policy.preflight, policy.removal, view)
    rule = policy.rule_for(request.method, view.path)
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
            return answer if rule.removal is None else _without_credentials(answer, rule.removal, view)
        if worst is None or _outranks(answer, worst):
            worst, blamed = answer, alternative.item
    return _refusal(policy, rule, worst, blamed)


def _outranks(one: Failure, other: Failure) -> bool:
    # Our own fault first: but for it, the request might have been allowed.
    return one.rank > other.rank if one.ours is other.ours else one.ours


def _refusal(policy: CompiledPolicy, rule: CompiledRule, failure: Failure | None, item: CompiledItem | None) -> Deny:
    if failure is None or item is None:
        failure = Failure(Reason.RULE_DENY, Rank.NOT_PERMITTED, "allow: [] lets nobody in")
    decider = Decider(policy.name, rule.name, item.name if item is not None else "")
    challenge = any(alternative.item.reader is not None for alternative in rule.alternatives)
    return deny(failure, decider, rule.denied, challenge=challenge, scopes=item.scopes if item is not None else ())


def _fired(items: tuple[CompiledItem, ...], view: View, policy: CompiledPolicy, rule: CompiledRule | None) -> Deny | None:
    for item in items:
        if view.trace is not None:
            view.note(Step(1, "deny", item.name, None, path=item.path))
        failure = fires(item, view)
        if failure is not None:
            decider = Decider(policy.name, rule.name if rule is not None else "", item.name)
            denied = rule.denied if rule is not None else policy.denied
            return deny(failure, decider, denied, challenge=item.reader is not None)
    return None


def _without_credentials(allow: Allow, removal: Removal, view: View) -> Allow:
    """Return the allow with what only this request tells: its cookies and query parameters that hold a credential."""
    if removal.is_static:
        return allow
    names, cookie = removal.query_names(view.request), removal.cookie(view.request)
    if not names and cookie is None:
        return allow
    headers, removed = allow.set_headers, allow.remove_headers
    if cookie:
        headers = (*headers, ("cookie", cookie))
    elif cookie is not None:
        removed = (*removed, "cookie")
    return replace(allow, set_headers=headers, remove_headers=removed, remove_query=names)


def shadows(snapshot: Snapshot, view: View, decision: Decision) -> tuple[Shadow, ...]:
    """Return what policies and rules in Shadow would have decided. The decision stands, whatever they say."""
    if not view.path:
        return ()
    found = [Shadow(each.name, "", decide_policy(each, view)) for each in snapshot.shadows_for(view.request.host, view.path)]
    policy = snapshot.policies.get(decision.policy)
    reached_rules = bool(decision.rule) or decision.reason is Reason.RULE_NONE
    if policy is not None and policy.shadow_rules and not policy.is_shadow and reached_rules:
        method, path = view.request.method, view.path
        chosen = policy.rule_for(method, path)
        ahead = len(policy.rules) + len(policy.shadow_rules) if chosen is None else chosen.at
        found += [
            Shadow(policy.name, rule.name, decide_rule(policy, rule, view))
            for rule in policy.shadow_rules
            if rule.at < ahead and rule.matches(method, path)
        ]
    return tuple(found)
