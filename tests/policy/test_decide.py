"""From a snapshot and a request to a decision."""

import asyncio

import pytest

from authz.model.decision import Allow
from authz.model.operator import ClientAddress, Operator
from authz.model.reason import Reason
from authz.service.ports import FetchedKeys
from tests.builders import AUDIENCE, ISSUER, Installation, a_jwks, a_manifest, a_request, a_token, issuer_yaml, rsa_key

TOKENS = f"""
hosts: [api.example.com]
audiences: [{AUDIENCE}]
issuers:
- {issuer_yaml()}
"""


def _policy(rules, more=""):
    return TOKENS + more + "rules:\n" + rules


STAFF_ONLY = _policy("- {name: read, allow: [{name: staff, jwt: {issuers: [idp]}}]}\n")
ANYONE_ONLY = "hosts: [api.example.com]\nrules:\n- {name: open, allow: [{name: anyone, anonymous: {}}]}\n"
TWO_RULES = """
hosts: [api.example.com]
rules:
- name: admin
  matches: [{path: {type: Exact, value: /admin}}]
  allow: []
- name: rest
  allow: [{name: anyone, anonymous: {}}]
"""


def _decided(spec, request, *others, operator=None):
    manifests = [a_manifest(each, f"p{at}") for at, each in enumerate((spec, *others))]
    installation = Installation(*manifests, operator=operator)
    assert len(installation.report.states) == len(manifests), "a manifest cannot be read"
    return installation.decide(request)


def _facts(decision):
    return (decision.reason.value, decision.policy, decision.rule, decision.alternative)


# Which policy.


@pytest.mark.parametrize(
    ("method", "target", "host"),
    [
        ("", "/orders", "api.example.com"),
        ("GET", "", "api.example.com"),
        ("GET", "?a=1", "api.example.com"),
        ("GET", "orders", "api.example.com"),
        ("OPTIONS", "*", "api.example.com"),
        ("GET", "http://api.example.com/", "api.example.com"),
        ("GET", "/orders", ""),
        ("GET", "/orders", "api.example.com,api.example.com"),
    ],
)
def test_what_is_no_request_is_malformed(method, target, host):
    decision = _decided(ANYONE_ONLY, a_request(method, target, host=host), operator=Operator(unprotected_all=True))
    assert (decision.reason, decision.status) == (Reason.REQUEST_MALFORMED, 400)


def test_a_host_that_no_policy_covers_is_denied_unless_the_operator_says_otherwise():
    request = a_request(host="other.test")
    denied = _decided(ANYONE_ONLY, request)
    assert (denied.reason, denied.status, denied.policy) == (Reason.POLICY_NONE, 403, "")
    allowed = _decided(ANYONE_ONLY, request, operator=Operator(unprotected=frozenset({"other.test"})))
    assert allowed.reason is Reason.POLICY_UNPROTECTED


def test_a_path_outside_the_prefixes_of_a_host_is_covered_by_no_policy():
    decision = _decided(ANYONE_ONLY + "pathPrefixes: [/orders]", a_request(target="/billing"))
    assert decision.reason is Reason.POLICY_NONE


def test_an_unprotected_host_still_loses_the_headers_that_are_ours():
    rule = "{name: r, allow: [{name: a, anonymous: {}}], forward: {headers: [{name: x-auth-plan, value: gold}]}}"
    rules = f"hosts: [api.example.com]\nrules:\n- {rule}\n"
    decision = _decided(rules, a_request(host="other.test"), operator=Operator(unprotected_all=True))
    assert decision.remove_headers == ("x-auth-plan", "x-auth_plan", "x_auth-plan", "x_auth_plan")


# Which path.


@pytest.mark.parametrize("target", ["/a/..%2fadmin", "//admin", "/admin;x=1", "/./admin", "/admin%00", "/%ff"])
def test_an_ambiguous_path_is_denied_where_a_policy_could_be_meant(target):
    decision = _decided(TWO_RULES, a_request(target=target))
    assert (decision.reason, decision.status) == (Reason.PATH_AMBIGUOUS, 400)
    assert decision.got


def test_an_ambiguous_path_on_an_unprotected_host_is_counted_and_elsewhere_covered_by_no_policy():
    request = a_request(target="//a", host="other.test")
    assert _decided(TWO_RULES, request, operator=Operator(unprotected_all=True)).reason is Reason.POLICY_UNPROTECTED
    assert _decided(TWO_RULES, request).reason is Reason.POLICY_NONE


def test_an_ambiguous_path_on_a_protected_host_is_denied_though_the_operator_leaves_it_unprotected():
    decision = _decided(TWO_RULES, a_request(target="//a"), operator=Operator(unprotected_all=True))
    assert decision.reason is Reason.PATH_AMBIGUOUS


def test_a_spelling_that_selects_another_rule_than_its_canonical_form_is_denied():
    assert _decided(TWO_RULES, a_request(target="/admin")).reason is Reason.RULE_DENY
    assert _decided(TWO_RULES, a_request(target="/%61dmin")).reason is Reason.PATH_AMBIGUOUS


def test_a_spelling_that_selects_the_same_rule_as_its_canonical_form_passes():
    assert _facts(_decided(TWO_RULES, a_request(target="/%6frders"))) == ("rule.allow", "shop/p0", "rest", "anyone")


def test_a_spelling_that_selects_another_policy_than_its_canonical_form_is_denied():
    orders, rest = ANYONE_ONLY + "pathPrefixes: [/orders]", ANYONE_ONLY
    assert _decided(orders, a_request(target="/%6frders"), rest).reason is Reason.PATH_AMBIGUOUS
    assert _decided(orders, a_request(target="/orders"), rest).reason is Reason.RULE_ALLOW
    assert _decided(orders, a_request(target="/%6frders")).reason is Reason.PATH_AMBIGUOUS


# Which rule.


def test_the_first_rule_that_matches_decides_alone():
    decision = _decided(TWO_RULES, a_request(target="/admin/"))
    assert _facts(decision) == ("rule.deny", "shop/p0", "admin", "")
    assert decision.status == 403


def test_no_rule_denies():
    spec = "hosts: [api.example.com]\nrules:\n- {name: get, matches: [{methods: [GET]}], allow: [{name: a, anonymous: {}}]}"
    decision = _decided(spec, a_request("POST"))
    assert (*_facts(decision), decision.status) == ("rule.none", "shop/p0", "", "", 403)


# Deny.

DENY = "deny: [{name: blocked, clientIP: {cidrs: [192.0.2.0/24]}}]\n"


def test_the_policys_deny_comes_before_every_rule():
    decision = _decided(ANYONE_ONLY + DENY, a_request(peer="192.0.2.7"))
    assert _facts(decision) == ("rule.deny", "shop/p0", "", "blocked")
    assert _decided(ANYONE_ONLY + DENY, a_request()).reason is Reason.RULE_ALLOW


def test_the_rules_deny_comes_before_its_alternatives():
    spec = "hosts: [api.example.com]\nrules:\n- {name: open, " + DENY.strip() + ", allow: [{name: anyone, anonymous: {}}]}\n"
    decision = _decided(spec, a_request(peer="192.0.2.7"))
    assert _facts(decision) == ("rule.deny", "shop/p0", "open", "blocked")


def test_an_address_that_cannot_be_told_is_denied_by_its_own_reason():
    decision = _decided(ANYONE_ONLY + DENY, a_request(peer="unix"))
    assert (decision.reason, decision.status) == (Reason.IP_UNKNOWN, 403)


# Preflight.

PREFLIGHT = {"origin": "https://app.example", "access-control-request-method": "PUT"}


def test_a_preflight_passes_without_credentials_where_the_policy_says_so():
    request = a_request("OPTIONS", headers=PREFLIGHT)
    decision = _decided(STAFF_ONLY + "preflight: Allow", request)
    assert _facts(decision) == ("preflight.allow", "shop/p0", "", "")
    assert "authorization" in decision.remove_headers
    assert _decided(STAFF_ONLY, request).reason is Reason.CREDENTIALS_MISSING


@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", PREFLIGHT), ("OPTIONS", {"origin": "https://app.example"}), ("OPTIONS", {**PREFLIGHT, "origin": ""}), ("OPTIONS", {})],
)
def test_what_is_no_preflight_does_not_pass_as_one(method, headers):
    assert _decided(STAFF_ONLY + "preflight: Allow", a_request(method, headers=headers)).reason is Reason.CREDENTIALS_MISSING


def test_deny_and_the_path_check_come_before_a_preflight():
    spec = STAFF_ONLY + "preflight: Allow\n" + DENY
    assert _decided(spec, a_request("OPTIONS", headers=PREFLIGHT, peer="192.0.2.7")).reason is Reason.RULE_DENY
    assert _decided(spec, a_request("OPTIONS", "//a", headers=PREFLIGHT)).reason is Reason.PATH_AMBIGUOUS


# Which failure is reported.


MIXED = _policy(
    """
- name: read
  allow:
  - {name: office, anonymous: {}, clientIP: {cidrs: [192.0.2.0/24]}}
  - {name: staff, jwt: {issuers: [idp], scopes: [orders.read]}}
  - {name: admins, jwt: {issuers: [idp], claims: [{path: [roles], match: Any, values: [admin]}]}}
"""
)


@pytest.mark.parametrize(
    ("token", "status", "facts"),
    [
        (None, 401, ("credentials.missing", "shop/p0", "read", "staff")),
        ("not.a.token", 401, ("token.malformed", "shop/p0", "read", "staff")),
        (a_token(rsa_key("stranger")), 401, ("token.signature", "shop/p0", "read", "staff")),
        (a_token(aud="billing"), 401, ("token.audience", "shop/p0", "read", "staff")),
        (a_token(), 403, ("scope.insufficient", "shop/p0", "read", "staff")),
    ],
)
def test_the_failure_that_got_furthest_is_reported_and_ties_go_to_the_first(token, status, facts):
    decision = _decided(MIXED, a_request(token=token))
    assert (decision.status, _facts(decision)) == (status, facts)


@pytest.mark.parametrize("claims", [{"scope": "orders.read"}, {"roles": ["admin"]}])
def test_one_alternative_that_holds_is_enough(claims):
    assert _decided(MIXED, a_request(token=a_token(**claims))).reason is Reason.RULE_ALLOW


def test_the_first_alternative_that_holds_is_named():
    decision = _decided(MIXED, a_request(token=a_token(scope="orders.read", roles=["admin"]), peer="192.0.2.7"))
    assert _facts(decision) == ("rule.allow", "shop/p0", "read", "office")


def test_anonymous_does_not_overlook_a_bad_token():
    assert _decided(MIXED, a_request(token="not.a.token", peer="192.0.2.7")).reason is Reason.TOKEN_MALFORMED
    assert _decided(MIXED, a_request(peer="192.0.2.7")).reason is Reason.RULE_ALLOW


def test_an_address_alone_is_403_without_a_challenge():
    spec = "hosts: [api.example.com]\nrules:\n- {name: r, allow: [{name: office, anonymous: {}, clientIP: {cidrs: [192.0.2.0/24]}}]}"
    decision = _decided(spec, a_request())
    assert (decision.reason, decision.status) == (Reason.IP_DENIED, 403)
    assert "www-authenticate" not in dict(decision.headers)


FETCHED = TOKENS.replace("jwks:", "jwksURL: 'https://idp.example.com/keys', unused:").partition(", unused")[0] + "}\n"


def _without_keys(rule):
    return FETCHED + f"rules:\n- {rule}\n"


async def _awaited(installation, request):
    decision = installation.checker.check(request, 0.05)
    return await decision if hasattr(decision, "__await__") else decision


def test_keys_that_cannot_be_fetched_are_our_fault_and_never_rewritten():
    spec = _without_keys("{name: read, denied: {forbidden: {statusCode: 404}}, allow: [{name: staff, jwt: {issuers: [idp]}}]}")
    installation = Installation(a_manifest(spec))
    decision = asyncio.run(_awaited(installation, a_request(token=a_token())))
    assert (decision.reason, decision.status) == (Reason.KEYS_UNAVAILABLE, 503)
    assert ("retry-after", "5") in decision.headers


def test_our_fault_comes_before_a_failure_that_got_further():
    other = f"- {{name: local, issuer: https://local.example, jwks: '{a_jwks()}'}}\n"
    alternatives = "[{name: a, jwt: {issuers: [local]}}, {name: b, jwt: {issuers: [idp]}}]"
    installation = Installation(a_manifest(FETCHED + other + f"rules:\n- {{name: read, allow: {alternatives}}}\n"))
    decision = asyncio.run(_awaited(installation, a_request(token=a_token())))
    assert _facts(decision)[::3] == ("keys.unavailable", "b")


def test_keys_that_arrive_in_time_decide():
    installation = Installation(a_manifest(_without_keys("{name: read, allow: [{name: staff, jwt: {issuers: [idp]}}]}")))
    installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks().encode())
    assert asyncio.run(_awaited(installation, a_request(token=a_token()))).reason is Reason.RULE_ALLOW


# What the upstream sees.

PLACES = TOKENS.replace("}'}", "}', tokenFrom: [{header: X-Token}, {cookie: session}, {query: access_token}]}")


@pytest.mark.parametrize(
    ("target", "cookie", "set_headers", "removed", "query"),
    [
        ("/orders", "", (), ("x-token",), ()),
        ("/orders?a=1", "theme=dark", (), ("x-token",), ()),
        ("/orders", "session=T; theme=dark", (("cookie", "theme=dark"),), ("x-token",), ()),
        ("/orders", "session=T", (), ("x-token", "cookie"), ()),
        ("/orders?a=1&access%5Ftoken=T", "", (), ("x-token",), ("access%5Ftoken",)),
    ],
)
def test_credentials_are_taken_away_wherever_the_policy_looks(target, cookie, set_headers, removed, query):
    token = a_token()
    headers = {"x-token": token, **({"cookie": cookie.replace("T", token)} if cookie else {})}
    spec = PLACES + "rules:\n- {name: read, allow: [{name: staff, jwt: {issuers: [idp]}}]}\n"
    decision = _decided(spec, a_request(target=target.replace("T", token), headers=headers))
    assert isinstance(decision, Allow)
    assert (decision.set_headers, decision.remove_headers, decision.remove_query) == (set_headers, removed, query)


def test_credentials_stay_where_the_rule_keeps_them():
    spec = PLACES + "rules:\n- {name: read, allow: [{name: staff, jwt: {issuers: [idp]}}], forward: {credentials: Keep}}\n"
    decision = _decided(spec, a_request(headers={"cookie": f"session={a_token()}"}))
    assert (decision.set_headers, decision.remove_headers, decision.remove_query) == ((), (), ())


def test_a_preflight_loses_its_cookies_too():
    spec = PLACES + "preflight: Allow\nrules:\n- {name: read, allow: [{name: staff, jwt: {issuers: [idp]}}]}\n"
    decision = _decided(spec, a_request("OPTIONS", headers={**PREFLIGHT, "cookie": "session=x; a=1"}))
    assert decision.reason is Reason.PREFLIGHT_ALLOW
    assert decision.set_headers == (("cookie", "a=1"),)


# A policy that the route names.


def _for_orders(more=""):
    return "hosts: ['*.example.com']\npathPrefixes: [/orders]\n" + (
        more or "rules:\n- {name: open, allow: [{name: anyone, anonymous: {}}]}\n"
    )


def test_a_policy_that_the_route_names_must_allow_too():
    closed = _for_orders("rules:\n- {name: closed, allow: []}\n")
    assert _decided(ANYONE_ONLY, a_request(policy="shop/p1"), _for_orders()).policy == "shop/p0"
    assert _facts(_decided(ANYONE_ONLY, a_request(policy="shop/p1"), closed)) == ("rule.deny", "shop/p1", "closed", "")


def test_a_policy_that_the_route_names_replaces_none():
    closed = (
        TWO_RULES.replace("name: anyone, anonymous: {}", "name: nobody, jwt: {issuers: [idp]}")
        + TOKENS.partition("\n")[2].partition("\n")[2]
    )
    decision = _decided(closed, a_request(policy="shop/p1"), _for_orders())
    assert _facts(decision)[:2] == ("credentials.missing", "shop/p0")


@pytest.mark.parametrize(
    ("named", "target"), [("shop/p1", "/billing"), ("shop/absent", "/orders"), ("other/p1", "/orders"), ("p1", "/orders")]
)
def test_a_named_policy_that_does_not_cover_the_request_denies(named, target):
    decision = _decided(ANYONE_ONLY, a_request(target=target, policy=named), _for_orders())
    assert (decision.reason, decision.status, decision.policy) == (Reason.POLICY_MISMATCH, 403, named)


def test_a_named_policy_for_another_host_denies():
    other = _for_orders().replace("*.example.com", "other.test")
    assert _decided(ANYONE_ONLY, a_request(policy="shop/p1"), other).reason is Reason.POLICY_MISMATCH


def test_a_named_policy_that_decides_anyway_is_asked_once():
    decision = _decided(ANYONE_ONLY, a_request(policy="shop/p0"))
    assert _facts(decision) == ("rule.allow", "shop/p0", "open", "anyone")


def test_a_named_policy_in_shadow_is_not_there_and_so_cannot_allow_too():
    tried = _for_orders("mode: Shadow\nrules:\n- {name: closed, allow: []}\n")
    assert _decided(ANYONE_ONLY, a_request(policy="shop/p1"), tried).reason is Reason.POLICY_MISMATCH


@pytest.mark.parametrize("target", ["/orders", "//orders"])
def test_a_named_policy_that_does_not_cover_an_unprotected_host_denies(target):
    request = a_request(target=target, host="other.test", policy="shop/p0")
    assert _decided(ANYONE_ONLY, request, operator=Operator(unprotected_all=True)).reason is Reason.POLICY_MISMATCH


def test_a_spelling_that_selects_another_rule_of_the_named_policy_is_denied():
    named = """
hosts: ["*.example.com"]
rules:
- {name: health, matches: [{path: {type: Exact, value: /health}}], allow: [{name: anyone, anonymous: {}}]}
- {name: rest, allow: []}
"""
    request = a_request(target="/%68ealth", policy="shop/p1")
    assert _decided(ANYONE_ONLY, request, named).reason is Reason.PATH_AMBIGUOUS


def _forwarding(value, hosts="api.example.com", header="x-auth-plan"):
    forward = f"forward: {{headers: [{{name: {header}, value: {value}}}]}}"
    return f"hosts: ['{hosts}']\nrules:\n- {{name: r, allow: [{{name: a, anonymous: {{}}}}], {forward}}}\n"


def test_headers_of_both_policies_are_forwarded():
    decision = _decided(_forwarding("gold"), a_request(policy="shop/p1"), _forwarding("eu", "*.example.com", "x-auth-zone"))
    assert decision.set_headers == (("x-auth-plan", "gold"), ("x-auth-zone", "eu"))
    assert not {"x-auth-plan", "x-auth-zone"} & set(decision.remove_headers)
    assert {"x_auth_plan", "x_auth_zone"} <= set(decision.remove_headers)


def test_two_values_for_one_forwarded_header_are_a_conflict():
    assert _decided(_forwarding("gold"), a_request(policy="shop/p1"), _forwarding("gold", "*.example.com")).reason is Reason.RULE_ALLOW
    decision = _decided(_forwarding("gold"), a_request(policy="shop/p1"), _forwarding("free", "*.example.com"))
    assert (decision.reason, decision.status, decision.policy) == (Reason.POLICY_CONFLICTED, 503, "shop/p0")
    assert (decision.want, decision.got) == ("shop/p1", "x-auth-plan")


def _reading_cookies(*names, hosts="api.example.com"):
    places = ", ".join(f"{{cookie: {name}}}" for name in names)
    spec = TOKENS.replace("}'}", f"}}', tokenFrom: [{places}]}}").replace("[api.example.com]", f"['{hosts}']")
    return spec + "rules:\n- {name: r, allow: [{name: a, anonymous: {}}]}\n"


@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        (("one",), ("two",), "theme=dark"),
        (("one", "two", "theme"), ("one",), None),
    ],
)
def test_the_credentials_of_both_policies_are_cut_out_of_the_cookies(first, second, left):
    request = a_request(policy="shop/p1", headers={"cookie": "one=x; two=y; theme=dark"})
    decision = _decided(_reading_cookies(*first), request, _reading_cookies(*second, hosts="*.example.com"))
    assert decision.reason is Reason.RULE_ALLOW
    assert dict(decision.set_headers).get("cookie") == left
    assert ("cookie" in decision.remove_headers) is (left is None)


# A policy that never compiled.


def test_a_policy_with_mistakes_answers_503_on_its_hosts():
    decision = _decided("hosts: [api.example.com]\nrules:\n- {name: r, allow: [{name: a, jwt: {issuers: [nobody]}}]}\n", a_request())
    assert (decision.reason, decision.status, decision.policy) == (Reason.POLICY_INVALID, 503, "shop/p0")


# Shadow.


def _shadow_facts(decision):
    return [(each.policy, each.rule, each.decision.reason.value) for each in decision.shadows]


def test_a_policy_in_shadow_says_what_it_would_have_decided():
    decision = _decided(ANYONE_ONLY, a_request(), STAFF_ONLY + "mode: Shadow\n")
    assert decision.reason is Reason.RULE_ALLOW
    assert _shadow_facts(decision) == [("shop/p1", "", "credentials.missing")]


def test_a_policy_in_shadow_speaks_where_no_policy_decides():
    decision = _decided(STAFF_ONLY + "mode: Shadow\n", a_request(token=a_token()), operator=Operator(unprotected_all=True))
    assert decision.reason is Reason.POLICY_UNPROTECTED
    assert _shadow_facts(decision) == [("shop/p0", "", "rule.allow")]


def test_an_ambiguous_path_asks_nobody_in_shadow():
    assert _decided(ANYONE_ONLY, a_request(target="//a"), STAFF_ONLY + "mode: Shadow\n").shadows == ()


SHADOW_RULES = """
hosts: [api.example.com]
rules:
- {name: never, mode: Shadow, matches: [{methods: [DELETE]}], allow: []}
- {name: tried, mode: Shadow, allow: []}
- {name: open, matches: [{methods: [GET, PUT]}], allow: [{name: anyone, anonymous: {}}]}
- {name: late, mode: Shadow, matches: [{methods: [GET, POST]}], allow: [{name: anyone, anonymous: {}}]}
"""


@pytest.mark.parametrize(
    ("method", "reason", "shadows"),
    [
        ("GET", "rule.allow", [("shop/p0", "tried", "rule.deny")]),
        ("DELETE", "rule.none", [("shop/p0", "never", "rule.deny"), ("shop/p0", "tried", "rule.deny")]),
        ("POST", "rule.none", [("shop/p0", "tried", "rule.deny"), ("shop/p0", "late", "rule.allow")]),
    ],
)
def test_a_rule_in_shadow_says_what_it_would_have_decided_where_it_would_have_been_first(method, reason, shadows):
    decision = _decided(SHADOW_RULES, a_request(method))
    assert decision.reason.value == reason
    assert _shadow_facts(decision) == shadows


def test_a_rule_in_shadow_is_not_asked_where_the_policys_deny_fired_or_a_preflight_passed():
    assert _decided(SHADOW_RULES + DENY, a_request(peer="192.0.2.7")).shadows == ()
    assert _decided(SHADOW_RULES + "preflight: Allow\n", a_request("OPTIONS", headers=PREFLIGHT)).shadows == ()


def test_the_rules_in_shadow_of_a_named_policy_speak_too():
    named = SHADOW_RULES.replace("api.example.com", "'*.example.com'")
    decision = _decided(SHADOW_RULES, a_request(policy="shop/p1"), named)
    assert decision.reason is Reason.RULE_ALLOW
    assert _shadow_facts(decision) == [("shop/p0", "tried", "rule.deny"), ("shop/p1", "tried", "rule.deny")]
    decision = _decided(SHADOW_RULES, a_request(policy="shop/p0"), named)
    assert _shadow_facts(decision) == [("shop/p0", "tried", "rule.deny")]


def test_a_spelling_that_is_denied_asks_nobody_in_shadow():
    spec = TWO_RULES.replace("- name: rest", "- {name: tried, mode: Shadow, allow: []}\n- name: rest")
    assert _decided(spec, a_request(target="/%61dmin")).shadows == ()


# What is written down.


def test_the_steps_of_a_decision_are_written_down_in_order():
    installation = Installation(a_manifest(TWO_RULES + DENY, "p0"))
    decision, trace = installation.checker.explain(a_request())
    assert decision.reason is Reason.RULE_ALLOW
    assert [(step.what, step.name, step.holds) for step in trace.steps] == [
        ("policy", "shop/p0", None),
        ("deny", "blocked", None),
        ("clientIP", "", False),
        ("rule", "admin", False),
        ("rule", "rest", True),
        ("allow", "anyone", None),
    ]


def test_every_rule_is_written_down_where_none_matches():
    spec = "hosts: [api.example.com]\nrules:\n- {name: get, matches: [{methods: [GET]}], allow: []}\n"
    _, trace = Installation(a_manifest(spec)).checker.explain(a_request("PUT"))
    assert [(step.what, step.holds) for step in trace.steps] == [("policy", None), ("rule", False)]


def test_the_client_address_setting_reaches_the_decision():
    spec = "hosts: [api.example.com]\nrules:\n- {name: r, allow: [{name: a, anonymous: {}, clientIP: {cidrs: [192.0.2.0/24]}}]}\n"
    operator = Operator(ClientAddress("x-forwarded-for", 1, appended=True, trusted=("10.0.0.0/8",)))
    request = a_request(peer="10.0.0.1", headers={"x-forwarded-for": "192.0.2.7,10.0.0.1"})
    assert _decided(spec, request, operator=operator).reason is Reason.RULE_ALLOW
    assert _decided(spec, a_request(peer="10.0.0.1"), operator=operator).reason is Reason.IP_UNKNOWN


COOKIE = ", tokenFrom: [{cookie: session}]"


def test_an_allow_whose_cookies_were_cut_is_no_ones_elses() -> None:
    rules = "[{name: all, allow: [{name: anyone, anonymous: {}}]}]"
    spec = f"hosts: [api.example.com]\naudiences: [orders]\nissuers: [{issuer_yaml(more=COOKIE)}]\nrules: {rules}"
    installation = Installation(a_manifest(spec))
    assert installation.decide(a_request()).is_shared
    assert not installation.decide(a_request(headers={"cookie": "session=x; a=1"})).is_shared
