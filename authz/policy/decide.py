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
from authz.policy.forwarding import cookie_without, query_names
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
    decision = _decided(snapshot, view)
    if isinstance(decision, Allow) and (decision.strip_queries or decision.strip_cookies):
        return _stripped(decision, view.request)
    return decision


def _decided(snapshot: Snapshot, view: View) -> Decision:
    request = view.request
    site = snapshot.site(request.host)
    if site is None or not request.method or not request.path.startswith("/"):
        return _told(view, MALFORMED, "request", "a method, a host and a path that begins with /")
    if not view.path:
        return _ambiguous_path(snapshot, view, is_protected=bool(site))
    policy = find(site, view.path)
    if view.path != request.path and _reads_otherwise(view, site, policy):
        return _told(view, _path_denial("its canonical form selects another policy or rule"), "path", "one reading")
    if policy is None:
        return _without_policy(snapshot, view)
    decision = decide_policy(policy, view)
    if request.policy and request.policy != policy.name and isinstance(decision, Allow):
        return _named_too(snapshot, view, decision)
    return decision


def _told(view: View, decision: Decision, what: str, want: str) -> Decision:
    if view.trace is not None:
        request = view.request
        got = decision.got if isinstance(decision, Deny) and decision.got else f"{request.method} {request.host}{request.path}"
        view.note(Step(0, what, "", isinstance(decision, Allow), got, want))
    return decision


def _ambiguous_path(snapshot: Snapshot, view: View, *, is_protected: bool) -> Decision:
    # Where no policy could be meant, there is nothing to get around: counted, not denied.
    if not is_protected:
        return _without_policy(snapshot, view)
    return _told(view, _path_denial(paths.ambiguity(view.request.path)), "path", "one reading")


def _without_policy(snapshot: Snapshot, view: View) -> Decision:
    request = view.request
    if request.policy:
        return _told(view, replace(POLICY_MISMATCH, policy=request.policy), "policy", "the policy that the route names")
    passes = snapshot.allows_unprotected(request.host)
    return _told(view, snapshot.unprotected if passes else POLICY_NONE, "policy", "one for this host and path")


def _path_denial(why: str) -> Deny:
    return deny(Failure(Reason.PATH_AMBIGUOUS, Rank.NOT_PERMITTED, "one reading of the path", why))


def _reads_otherwise(view: View, site: Tables, policy: CompiledPolicy | None) -> bool:
    if find(site, view.request.path) is not policy:
        return True
    return policy is not None and _other_rule(policy, view)


def _other_rule(policy: CompiledPolicy, view: View) -> bool:
    sent, method = view.request.path, view.request.method
    return policy.rule_for(method, sent) is not policy.rule_for(method, view.path)


def _named(snapshot: Snapshot, view: View) -> CompiledPolicy | None:
    """Return the policy that the route names, where it is in force and covers this host and path."""
    named = snapshot.policies.get(view.request.policy)
    host = hosts.canonical(view.request.host)
    if named is None or named.is_shadow or not named.covers((host, *hosts.wildcards(host)), view.path):
        return None
    return named


def _named_too(snapshot: Snapshot, view: View, first: Allow) -> Decision:
    """Return the decision where the route names a further policy: both must allow."""
    named = _named(snapshot, view)
    if named is None:
        return _told(view, replace(POLICY_MISMATCH, policy=view.request.policy), "policy", "the policy that the route names")
    if view.path != view.request.path and _other_rule(named, view):
        return _told(view, _path_denial("its canonical form selects another rule"), "path", "one reading")
    second = decide_policy(named, view)
    return _both(first, second) if isinstance(second, Allow) else second


def _both(first: Allow, second: Allow) -> Decision:
    headers = dict(first.set_headers)
    folded = {name.replace("_", "-"): value for name, value in first.set_headers}
    for name, value in second.set_headers:
        if headers.setdefault(name, value) != value or folded.get(name.replace("_", "-"), value) != value:
            return replace(POLICY_CONFLICTED, policy=first.policy, rule=first.rule, want=second.policy, got=name)
    removed = dict.fromkeys((*first.remove_headers, *second.remove_headers))
    return replace(
        first,
        set_headers=tuple(headers.items()),
        remove_headers=tuple(name for name in removed if name not in headers),
        strip_queries=first.strip_queries | second.strip_queries,
        strip_cookies=first.strip_cookies | second.strip_cookies,
        is_shared=False,
    )


def _stripped(allow: Allow, request: Request) -> Allow:
    """Return the allow with what only the request tells: its cookies and query parameters that hold a credential."""
    names = query_names(request, allow.strip_queries) if allow.strip_queries else ()
    cookie = cookie_without(request, allow.strip_cookies) if allow.strip_cookies else None
    if not names and cookie is None:
        return allow
    headers, removed = allow.set_headers, allow.remove_headers
    if cookie:
        headers = (*headers, ("cookie", cookie))
    elif cookie is not None:
        removed = (*removed, "cookie")
    return replace(allow, set_headers=headers, remove_headers=removed, remove_query=names, is_shared=False)


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
    return _refusal(policy, rule, worst, blamed)


def _outranks(one: Failure, other: Failure) -> bool:
    # Our own fault first: but for it, the request might have been allowed.
    return one.rank > other.rank if one.ours is other.ours else one.ours


def _refusal(policy: CompiledPolicy, rule: CompiledRule, failure: Failure | None, item: CompiledItem | None) -> Deny:
    if failure is None or item is None:
        failure = Failure(Reason.RULE_DENY, Rank.NOT_PERMITTED, "allow: [] lets nobody in")
    decider = Decider(policy.name, rule.name, item.name if item is not None else "")
    return deny(failure, decider, rule.denied, schemes=rule.schemes, scopes=item.scopes if item is not None else ())


def _fired(items: tuple[CompiledItem, ...], view: View, policy: CompiledPolicy, rule: CompiledRule | None) -> Deny | None:
    for item in items:
        if view.trace is not None:
            view.note(Step(1, "deny", item.name, None, path=item.path))
        failure = fires(item, view)
        if failure is not None:
            decider = Decider(policy.name, rule.name if rule is not None else "", item.name)
            denied = rule.denied if rule is not None else policy.denied
            return deny(failure, decider, denied, schemes=item.schemes)
    return None


def shadows(snapshot: Snapshot, view: View, decision: Decision) -> tuple[Shadow, ...]:
    """Return what policies and rules in Shadow would have decided. The decision stands, whatever they say."""
    if not view.path or decision.reason is Reason.PATH_AMBIGUOUS:
        return ()
    found = [Shadow(each.name, "", decide_policy(each, view)) for each in snapshot.shadows_for(view.request.host, view.path)]
    deciders = [snapshot.policies.get(decision.policy)] if decision.rule or decision.reason is Reason.RULE_NONE else []
    if isinstance(decision, Allow) and view.request.policy:
        deciders.append(_named(snapshot, view))
    for policy in dict.fromkeys(deciders):
        if policy is not None and not policy.is_shadow:
            found += _shadow_rules(policy, view)
    return tuple(found)


def _shadow_rules(policy: CompiledPolicy, view: View) -> list[Shadow]:
    """Return what the rules in Shadow that stand before the deciding rule would have decided."""
    method, path = view.request.method, view.path
    chosen = policy.rule_for(method, path)
    return [
        Shadow(policy.name, rule.name, decide_rule(policy, rule, view))
        for rule in policy.shadow_rules
        if (chosen is None or rule.at < chosen.at) and rule.matches(method, path)
    ]
