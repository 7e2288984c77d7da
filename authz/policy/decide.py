"""From a snapshot and a request to a decision, with every step recorded where somebody asks for it."""

from collections.abc import Sequence
from dataclasses import replace

from authz.model.decision import Allow, Decision, Deny
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.request import Request
from authz.model.trace import Step, Trace
from authz.policy import addresses, hosts, paths
from authz.policy.answers import MALFORMED, POLICY_MISMATCH, POLICY_NONE, deny
from authz.policy.candidate import Candidate
from authz.policy.combine import both, stripped
from authz.policy.compiled import CompiledPolicy
from authz.policy.judge import decide_attached, decide_policy
from authz.policy.snapshot import Snapshot, Tables, find
from authz.policy.view import View


def view_of(snapshot: Snapshot, request: Request, now: float, trace: Trace | None = None) -> View:
    """Return the view of a request that `decide` and `shadows` take."""
    path = paths.canonical(request.path) if request.path.startswith("/") else ""
    return View(request, path, now, snapshot.address_of, trace, snapshot.certificate_from)


def decide(snapshot: Snapshot, view: View) -> Decision:
    """Return the decision of the policies in force. Whatever is not allowed in so many words is denied."""
    decision = _decided(snapshot, view)
    if isinstance(decision, Allow) and (decision.strip_queries or decision.strip_cookies):
        return stripped(decision, view.request)
    return decision


def _decided(snapshot: Snapshot, view: View) -> Decision:
    request = view.request
    site = snapshot.site(request.host)
    if site is None or not request.method or not request.path.startswith("/"):
        return _told(view, MALFORMED, "request", "a method, a host and a path that begins with /")
    if not view.path:
        return _ambiguous_path(snapshot, view, is_protected=bool(site) or snapshot.routes.protects(request.host))
    policy = find(site, view.path)
    candidates = snapshot.routes.candidates(request, view.path) if snapshot.has_routes else ()
    if view.path != request.path and _reads_otherwise(snapshot, view, policy, candidates):
        return _told(view, _path_denial("its canonical form selects another policy or rule"), "path", "one reading")
    if candidates:
        return _through_routes(snapshot, view, candidates, policy)
    if snapshot.has_routes and view.trace is not None:
        view.note(Step(0, "route", "", False, f"{request.method} {request.host}{view.path}", "an accepted route that takes it"))
    if policy is None:
        return _without_policy(snapshot, view)
    decision = decide_policy(policy, view)
    if request.policy and request.policy != policy.name and isinstance(decision, Allow):
        return _named_too(snapshot, view, decision)
    return decision


def _through_routes(snapshot: Snapshot, view: View, candidates: Sequence[Candidate], policy: CompiledPolicy | None) -> Decision:
    """Return the decision where listed Gateways may have chosen these routes: every one of them, and `policy`, must allow."""
    request = view.request
    come_through(view, candidates)
    request.address_of = view.address_of
    request.route, request.gateway = candidates[0].told
    allowed: Decision | None = decide_policy(policy, view) if policy is not None else None
    if isinstance(allowed, Deny):
        return allowed
    asked = {policy.name if policy is not None else ""}
    for each in candidates:
        decision = _of_route(snapshot, view, each, beside=policy)
        if decision is None:
            continue
        if isinstance(decision, Deny):
            return decision
        asked.add(decision.policy)
        allowed = decision if allowed is None else both(allowed, decision)
        if isinstance(allowed, Deny):
            return allowed
    if allowed is None:
        return POLICY_NONE
    return allowed if not request.policy or request.policy in asked else _named_too(snapshot, view, allowed)


def _of_route(snapshot: Snapshot, view: View, each: Candidate, beside: CompiledPolicy | None) -> Decision | None:
    """Return the decision for one route; None where only the policy of the host, which was asked before, decides for it."""
    if view.trace is not None:
        what = "redirects" if each.redirects else "may have been chosen"
        view.note(Step(0, "route", str(each.route), None, f"{what} by the Gateway {each.gateway}"))
    if each.attached.decider is not None:
        return decide_attached(each.attached, view)
    if beside is not None:
        return None
    passes = each.gateway in snapshot.unprotected_gateways or snapshot.allows_unprotected(view.request.host)
    return _told(view, snapshot.unprotected if passes else POLICY_NONE, "policy", f"one for the route {each.route}")


def come_through(view: View, candidates: Sequence[Candidate]) -> None:
    """Have the view find address and certificate as they are found in what came through these Gateways."""
    view.address_of = address_through(candidates)
    first = candidates[0].certificate_from
    view.certificate_from = first if all(each.certificate_from == first for each in candidates) else None


def address_through(candidates: Sequence[Candidate]) -> addresses.AddressOf:
    """Return what finds the client's address in what came through these Gateways: unknown where they differ in it."""
    first = candidates[0].address_of
    return first if all(each.address_of is first for each in candidates) else addresses.unknown


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
    passes = snapshot.allows_unprotected(request.host) or (not view.path and snapshot.comes_through_unprotected(request.host))
    return _told(view, snapshot.unprotected if passes else POLICY_NONE, "policy", "one for this host and path")


def _path_denial(why: str) -> Deny:
    return deny(Failure(Reason.PATH_AMBIGUOUS, Rank.NOT_PERMITTED, "one reading of the path", why))


def _reads_otherwise(snapshot: Snapshot, view: View, policy: CompiledPolicy | None, candidates: Sequence[Candidate]) -> bool:
    """Return whether the path as sent selects another policy, route or rule than its canonical form."""
    site: Tables = snapshot.site(view.request.host) or ()
    if find(site, view.request.path) is not policy or (policy is not None and _other_rule(policy, view)):
        return True
    if not snapshot.has_routes:
        return False
    as_sent = snapshot.routes.candidates(view.request, view.request.path)
    if {(each.route, each.gateway) for each in as_sent} != {(each.route, each.gateway) for each in candidates}:
        return True
    deciders = {each.attached.decider for each in candidates} - {None}
    return any(_other_rule(each, view) for each in deciders if each is not None)


def _other_rule(policy: CompiledPolicy, view: View) -> bool:
    sent, method = view.request.path, view.request.method
    return policy.rule_for(method, sent) is not policy.rule_for(method, view.path)


def named_policy(snapshot: Snapshot, view: View) -> CompiledPolicy | None:
    """Return the policy that the route names, where it is in force and covers this host and path."""
    named = snapshot.policies.get(view.request.policy)
    host = hosts.canonical(view.request.host)
    if named is None or named.is_shadow or not named.covers((host, *hosts.wildcards(host)), view.path):
        return None
    return named


def _named_too(snapshot: Snapshot, view: View, first: Allow) -> Decision:
    """Return the decision where the route names a further policy: both must allow."""
    named = named_policy(snapshot, view)
    if named is None:
        return _told(view, replace(POLICY_MISMATCH, policy=view.request.policy), "policy", "the policy that the route names")
    if view.path != view.request.path and _other_rule(named, view):
        return _told(view, _path_denial("its canonical form selects another rule"), "path", "one reading")
    second = decide_policy(named, view)
    return both(first, second) if isinstance(second, Allow) else second
