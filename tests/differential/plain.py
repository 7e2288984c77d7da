"""AuthPolicy read plainly: which policy, which rule, who may, why not, what the upstream sees. Written from the documentation alone.

`world`: `policies` (documents as in YAML), `refused` (names that are not in force), `operator` (as in tests/corpus), `tokens` and
`certificates` (labels by text), `keys` (by file, then by text: their records), `authorities` and `lists` (by file: whose they are),
`fetched` (key sets by URL; every other URL is out of reach), `now`.
"""

import itertools
import re
from typing import Any

from tests.differential import plain_callers as who
from tests.differential import plain_request as what

Raw = dict[str, Any]


def answer(decision: str, reason: str, status: int, policy: str = "", rule: str = "", alternative: str = "") -> Raw:
    return {"decision": decision, "reason": reason, "status": status, "policy": policy, "rule": rule, "alternative": alternative}


def prepared(world: Raw) -> list[Raw]:
    """The policies that count, each with the definitions that it may name (a local name wins) and the rules that count."""
    spec_of = {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each["spec"] for each in world["policies"]}
    found = []
    for name, spec in spec_of.items():
        lent = [spec_of.get(f"{each['namespace']}/{each['name']}", {}) for each in spec.get("definitionsFrom", ())]
        kinds = ("issuers", "apiKeys", "certificateAuthorities", "ipSets")
        defined = {kind: {each["name"]: each for source in (*lent, spec) for each in source.get(kind, ())} for kind in kinds}
        rules = [rule for rule in spec.get("rules", ()) if rule.get("mode") != "Shadow" and name not in world["refused"]]
        if spec.get("mode") != "Shadow":
            found.append({"name": name, "spec": spec, "rules": rules, "refused": name in world["refused"], **defined})
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
            if cause := fires(item, policy, world, request, rule if source is rule else None):
                return denied(cause, policy, rule if source is rule else None, item["name"])
    asked = request["headers"].get("origin") and request["headers"].get("access-control-request-method")
    if policy["spec"].get("preflight") == "Allow" and request["method"] == "OPTIONS" and asked:
        return {**answer("allow", "preflight.allow", 200, policy["name"]), "taken": every_place(policy)}
    return by_rule(rule, policy, world, request) if rule else denied("rule.none", policy, None, "")


def every_place(policy: Raw) -> list[Raw]:
    return [place for kind in ("issuers", "apiKeys") for each in policy[kind].values() for place in who.places(each)]


def callers_of(item: Raw, policy: Raw, world: Raw, request: Raw) -> dict[str, who.Caller]:
    return {kind: who.Caller(kind, item[kind], policy, request, world) for kind in who.KINDS if kind in item}


def faults_of(item: Raw, callers: dict[str, who.Caller], policy: Raw, world: Raw, request: Raw, rule: Raw | None) -> list[tuple[str, int]]:
    """Why members do not hold, each with its rank, in the order credentials, clientIP, headers, when; `?`: not certain."""
    reasons = what.member_faults(item, policy["ipSets"], request, world["operator"])
    reasons += [what.when_fault(item["when"], seen(callers, world, request, rule))] if "when" in item else []
    rank = 2 if any(each.reason for each in callers.values()) else 3
    return [each.fault for each in callers.values() if each.fault[0]] + [(reason, rank) for reason in reasons if reason]


def seen(callers: dict[str, who.Caller], world: Raw, request: Raw, rule: Raw | None) -> Raw:
    """What an expression sees."""
    headers, given = request["headers"], [(who.unquote(name), value) for name, value in who.parameters(request)]
    query = {name: ... if [each for each, _ in given].count(name) > 1 else value for name, value in given if name}
    path, params = what.canonical(request["path"].partition("?")[0]), what.path_params(rule or {}, request)
    asked = {"method": request["method"], "path": path, "headers": headers, "query": query, "pathParams": params}
    address = what.client(request, world["operator"]["clientAddress"])
    return {"request": asked, "clientIP": address, **{kind: each.facts for kind, each in callers.items()}}


def is_certain(reason: str) -> bool:
    return reason not in who.UNCERTAIN and not reason.startswith("?")


def fires(item: Raw, policy: Raw, world: Raw, request: Raw, rule: Raw | None) -> str:
    """Why an item of `deny` fires: unless a member is certainly false. "": it does not."""
    faults = faults_of(item, callers_of(item, policy, world, request), policy, world, request, rule)
    return "" if any(is_certain(reason) for reason, _ in faults) else next((each.strip("?") for each, _ in faults), "rule.deny")


def by_rule(rule: Raw, policy: Raw, world: Raw, request: Raw) -> Raw:
    callers = {item["name"]: callers_of(item, policy, world, request) for item in rule["allow"]}
    everyone = sorted((each for those in callers.values() for each in those.values()), key=lambda each: who.KINDS.index(each.kind))
    verified = {text for each in everyone if not each.vain for text in each.texts}
    unknown = {text for each in everyone if each.vain == who.UNAVAILABLE for text in each.texts}
    # What `anonymous` does not overlook. Of several credentials which is meant cannot be told, whoever verifies one of them.
    left = [(each.vain, each.deliberate - (verified if each.vain != who.MULTIPLE else set())) for each in everyone if each.vain]
    vain, failures = [(reason, texts) for reason, texts in left if texts], list[Any]()
    for item in rule["allow"]:
        faults = faults_of(item, callers[item["name"]], policy, world, request, rule)
        if "anonymous" in item:
            # Ours is the fault where every credential that is left may be a good one.
            certain = [(reason, -1) for reason, texts in vain if reason == who.MULTIPLE or not texts <= unknown]
            faults = [(reason, -1) for reason, _ in faults] or certain or [(who.UNAVAILABLE, -1)] * bool(vain)
        if not faults:
            return allowed(rule, item, callers[item["name"]], policy)
        (reason, rank), ours = faults[0], faults[0][0] in who.OURS
        others = [each for each in faults if is_certain(each[0])]
        reason, rank = others[0] if ours and others else (reason, rank)
        failures.append((ours and not others, rank, reason.strip("?"), item["name"]))
    _, _, reason, alternative = max(failures, key=lambda each: each[:2], default=(False, 0, "rule.deny", ""))
    # Nothing takes the place of a certificate that the same alternative asks for.
    alone = reason.startswith("cert.") and reason != "cert.not_allowed"
    named = [those for those in callers.values() if not alone or "clientCertificate" not in those]
    shown = {each for those in named for one in those.values() for each in one.shown}
    return {**denied(reason, policy, rule, alternative, helps=alone and bool(shown)), "shown": shown}


REFUSED = {"policy.invalid": 503, who.UNAVAILABLE: 503, "cert.revocation_unknown": 503, who.MULTIPLE: 400}
UNKNOWN = ("token.", "apikey.unknown", "apikey.disabled", "apikey.expired", "credentials.missing")


def denied(reason: str, policy: Raw, rule: Raw | None, alternative: str, *, helps: bool = False) -> Raw:
    """A denial in the rule's words, else the policy's, which know 401 (an unknown caller, whom a challenge helps) and 403 only."""
    status = REFUSED.get(reason, 401 if helps or reason.startswith(UNKNOWN) else 403)
    words = {**policy["spec"].get("denied", {}), **(rule or {}).get("denied", {})}
    status = words.get({401: "unauthenticated", 403: "forbidden"}.get(status), {}).get("statusCode", status)
    return answer("deny", reason, status, policy["name"], rule["name"] if rule else "", alternative)


def allowed(rule: Raw, item: Raw, callers: dict[str, who.Caller], policy: Raw) -> Raw:
    forward, given = rule.get("forward", {}), {}
    for header in forward.get("headers", ()):
        ((kind, path),) = header.get("from", {"": []}).items()
        caller = callers.get("jwt" if kind == "claim" else kind)
        found = who.claim(caller.facts, path) if caller else []
        texts = [each.replace("%", "%25").replace(",", "%2C" if isinstance(found, list) else ",") for each in who.texts_of(found)]
        value = re.sub(r"^ | $|[^ -~]", lambda each: "".join(f"%{octet:02X}" for octet in each[0].encode()), ",".join(texts))
        given |= {header["name"].lower(): header.get("value", value)} if value or "value" in header else {}
    found = answer("allow", "rule.allow", 200, policy["name"], rule["name"], item["name"])
    return {**found, "set": given, "taken": [] if forward.get("credentials") == "Keep" else every_place(policy)}


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
    taken = [place for each in answers for place in each.get("taken", ())]
    removed |= {place["header"].lower() for place in taken if "header" in place}
    queries = {name for place in taken for name, _ in who.parameters(request) if who.unquote(name) == place.get("query")}
    sent, cut = request["headers"].get("cookie", "").split(";"), {place["cookie"] for place in taken if "cookie" in place}
    left = [each.strip() for each in sent if each.partition("=")[0].strip() not in cut]
    if len(left) < len(sent):
        given, removed = ({**given, "cookie": "; ".join(left)}, removed) if left else (given, {*removed, "cookie"})
    return {**first, "set": given, "removed": removed - set(given), "removed_query": queries}
