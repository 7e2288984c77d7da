"""AuthPolicy read plainly: which policy, which rule, who may, why not, what the upstream sees. Written from the documentation alone.

`world`: `policies` (documents as in YAML), `refused` (names that are not in force), `operator` (as in tests/corpus), `tokens`
(labels by text), `fetched` (key sets by URL; every other URL is out of reach), `now`.
"""

import itertools
import re
from typing import Any

from tests.differential import plain_callers as who
from tests.differential import plain_request as what

Raw = dict[str, Any]
MULTIPLE, UNAVAILABLE = "credentials.multiple", "keys.unavailable"


def answer(decision: str, reason: str, status: int, policy: str = "", rule: str = "", alternative: str = "") -> Raw:
    return {"decision": decision, "reason": reason, "status": status, "policy": policy, "rule": rule, "alternative": alternative}


def prepared(world: Raw) -> list[Raw]:
    """The policies that count, each with the issuers that it may name (a local name wins) and the rules that count."""
    spec_of = {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each["spec"] for each in world["policies"]}
    found = []
    for name, spec in spec_of.items():
        lent = [spec_of.get(f"{each['namespace']}/{each['name']}", {}) for each in spec.get("definitionsFrom", ())]
        issuers = {each["name"]: each for source in (*lent, spec) for each in source.get("issuers", ())}
        rules = [rule for rule in spec.get("rules", ()) if rule.get("mode") != "Shadow" and name not in world["refused"]]
        if spec.get("mode") != "Shadow":
            found.append({"name": name, "spec": spec, "issuers": issuers, "rules": rules, "refused": name in world["refused"]})
    return found


def covering(policies: list[Raw], host: str, path: str) -> list[Raw]:
    """The policies for this host and path, who decides first: exact host, longest wildcard, longest prefix, in force, by name."""
    found = [
        (pattern.startswith("*."), -len(pattern), -len(what.canonical(prefix).rstrip("/")), each["refused"], each["name"], each)
        for each in policies
        for pattern in each["spec"].get("hosts", ())
        for prefix in each["spec"].get("pathPrefixes", ["/"])
        if what.is_of(host, pattern) and what.is_below(path, prefix)
    ]
    return list({each[-2]: each[-1] for each in sorted(found, key=lambda each: each[:-1])}.values())


def rule_for(policy: Raw, method: str, path: str) -> Raw | None:
    for rule in policy["rules"]:
        if any(what.matches(each, method, path) for each in rule.get("matches", [{}])):
            return dict(rule)
    return None


def is_misread(policies: list[Raw], host: str, sent: str) -> bool:
    """Whether a policy could be meant and the path has two readings, or the spelling as sent selects another policy."""
    if not any(what.is_of(host, pattern) for each in policies for pattern in each["spec"].get("hosts", ())):
        return False
    return what.is_ambiguous(sent) or covering(policies, host, what.canonical(sent))[:1] != covering(policies, host, sent)[:1]


def decide(world: Raw, request: Raw) -> Raw:
    """The decision: `decision`, `reason`, `status`, `policy`, `rule`, `alternative`; of an allow what is set and removed."""
    host, sent, method = what.host_of(request), request["path"].partition("?")[0], request["method"]
    if not host or not sent.startswith("/") or not method:
        return answer("deny", "request.malformed", 400)
    policies = prepared(world)
    if is_misread(policies, host, sent):
        return answer("deny", "path.ambiguous", 400)
    found, answers = covering(policies, host, what.canonical(sent)), []
    for policy in found[:1] + [each for each in found[1:] if each["name"] == request["policy"]]:
        rule = rule_for(policy, method, what.canonical(sent))
        if rule != rule_for(policy, method, sent):
            return answer("deny", "path.ambiguous", 400)
        answers.append(by_policy(policy, world, request, rule))
        if answers[-1]["decision"] == "deny":
            return answers[-1]
    if request["policy"] not in ["", *(each["name"] for each in found)]:
        return answer("deny", "policy.mismatch", 403, request["policy"])
    if not found and not any(each == "all" or what.is_of(host, each) for each in world["operator"]["unprotected"]):
        return answer("deny", "policy.none", 403)
    return together(answers or [answer("allow", "policy.unprotected", 200)], policies, request)


def by_policy(policy: Raw, world: Raw, request: Raw, rule: Raw | None) -> Raw:
    if policy["refused"]:
        return answer("deny", "policy.invalid", 503, policy["name"])
    for source in (policy["spec"], rule or {}):
        for item in source.get("deny", ()):
            if cause := fires(item, policy, world, request):
                return denied(cause, policy, rule if source is rule else None, item["name"])
    asked = request["headers"].get("origin") and request["headers"].get("access-control-request-method")
    if policy["spec"].get("preflight") == "Allow" and request["method"] == "OPTIONS" and asked:
        return {**answer("allow", "preflight.allow", 200, policy["name"]), "taken": list(policy["issuers"].values())}
    return by_rule(rule, policy, world, request) if rule else denied("rule.none", policy, None, "")


def fires(item: Raw, policy: Raw, world: Raw, request: Raw) -> str:
    """Why an item of `deny` fires: unless a member is certainly false. "": it does not."""
    causes = what.member_faults(item, request, world["operator"])
    if "jwt" in item:
        caller = who.Caller(item["jwt"], policy, request, world)
        reason = caller.reason or who.not_permitted(item["jwt"], caller.claims)
        causes = {**({reason: reason not in (MULTIPLE, UNAVAILABLE)} if reason else {}), **causes}
    return "" if any(causes.values()) else next(iter(causes), "rule.deny")


def by_rule(rule: Raw, policy: Raw, world: Raw, request: Raw) -> Raw:
    callers = {each["name"]: who.Caller(each["jwt"], policy, request, world) for each in rule["allow"] if "jwt" in each}
    verified = {text for each in callers.values() if not each.reason for text in each.texts}
    unknown = {text for each in callers.values() if each.reason == UNAVAILABLE for text in each.texts}
    # What `anonymous` does not overlook. Of several tokens which is meant cannot be told, whoever verifies one of them.
    left = [(each.reason, each.deliberate - (verified if each.reason != MULTIPLE else set())) for each in callers.values() if each.reason]
    failed = [(reason, texts) for reason, texts in left if texts]
    failures = []
    for item in rule["allow"]:
        others = what.member_faults(item, request, world["operator"])
        if caller := callers.get(item["name"]):
            reason = caller.reason or who.not_permitted(item["jwt"], caller.claims) or next(iter(others), "")
            rank = 0 if reason == "credentials.missing" else 1 if reason in who.UNREADABLE else 2 if caller.reason else 3
            ours = reason == UNAVAILABLE
            # What cannot be told is not certainly false.
            others = {each: told for each, told in others.items() if told}
        else:
            reason = next(iter(others), failed[0][0] if failed else "")
            rank, ours = -1, bool(failed) and all(each != MULTIPLE and texts <= unknown for each, texts in failed)
        if not reason:
            claims = caller.claims if caller else {}
            return allowed(rule, item, claims, policy)
        reason = next(iter(others), UNAVAILABLE) if ours else reason
        failures.append((ours and not others, rank, reason, item["name"]))
    _, _, reason, alternative = max(failures, key=lambda each: each[:2], default=(False, 0, "rule.deny", ""))
    return denied(reason, policy, rule, alternative)


def denied(reason: str, policy: Raw, rule: Raw | None, alternative: str) -> Raw:
    """A denial in the rule's words, else the policy's, which know 401 and 403 only."""
    status = {UNAVAILABLE: 503, MULTIPLE: 400, "credentials.missing": 401}.get(reason, 401 if reason.startswith("token.") else 403)
    words = {**policy["spec"].get("denied", {}), **(rule or {}).get("denied", {})}
    status = words.get({401: "unauthenticated", 403: "forbidden"}.get(status), {}).get("statusCode", status)
    return answer("deny", reason, status, policy["name"], rule["name"] if rule else "", alternative)


def allowed(rule: Raw, item: Raw, claims: Raw, policy: Raw) -> Raw:
    forward, given = rule.get("forward", {}), {}
    for header in forward.get("headers", ()):
        found = who.claim(claims, header["from"]["claim"]) if "from" in header else []
        texts = [each.replace("%", "%25").replace(",", "%2C" if isinstance(found, list) else ",") for each in who.texts_of(found)]
        value = re.sub(r"^ | $|[^ -~]", lambda each: "".join(f"%{octet:02X}" for octet in each[0].encode()), ",".join(texts))
        given |= {header["name"].lower(): header.get("value", value)} if value or "value" in header else {}
    found = answer("allow", "rule.allow", 200, policy["name"], rule["name"], item["name"])
    return {**found, "set": given, "taken": [] if forward.get("credentials") == "Keep" else list(policy["issuers"].values())}


def together(answers: list[Raw], policies: list[Raw], request: Raw) -> Raw:
    """What one or two allows come to: all that each sets, all that each removes."""
    first, given = answers[0], {}
    for each in answers:
        if any(given.get(name, value) != value for name, value in each.get("set", {}).items()):
            return answer("deny", "policy.conflicted", 503, first["policy"], first["rule"])
        given |= each.get("set", {})
    forwarded = [each["name"] for policy in policies for rule in policy["rules"] for each in rule.get("forward", {}).get("headers", ())]
    removed = set()
    for parts in {tuple(re.split("[-_]", name.lower())) for name in forwarded}:
        for joints in itertools.product("-_", repeat=len(parts) - 1):
            removed.add("".join(itertools.chain(*zip(parts, (*joints, ""), strict=True))))
    taken = who.places([issuer for each in answers for issuer in each.get("taken", ())])
    removed |= {place["header"].lower() for place in taken if "header" in place}
    queries = {name for place in taken for name, _ in who.parameters(request) if who.unquote(name) == place.get("query")}
    sent, cut = who.cookies(request), {place["cookie"] for place in taken if "cookie" in place}
    left = [f"{name}={value}" for name, value in sent if name not in cut]
    if len(left) < len(sent):
        given, removed = ({**given, "cookie": "; ".join(left)}, removed) if left else (given, {*removed, "cookie"})
    return {**first, "set": given, "removed": removed - set(given), "removed_query": queries}
