"""From what is declared to what is in force."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from authz.model.operator import ClientAddress, Operator
from authz.model.policy import PolicyName
from authz.model.problem import Severity
from authz.service.states import State
from tests.builders import (
    ISSUER,
    Installation,
    a_jwk,
    a_jwks,
    a_manifest,
    a_request,
    a_token,
    declared,
    issuer_yaml,
    rsa_key,
)

OPEN = "hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]"
CLOSED = "hosts: [api.example.com]\nrules: [{name: all, allow: []}]"
# Its form is right, its meaning is not.
WRONG = 'hosts: [api.example.com]\nrules: [{name: all, matches: [{path: {type: RegularExpression, value: "("}}], allow: []}]'
# Even its form is wrong.
MISSHAPEN = "hosts: [api.example.com]\nrules: [{name: all, alow: []}]"
IDPS = f"issuers: [{issuer_yaml()}]"
USER = """
hosts: [api.example.com]
definitionsFrom: [{namespace: platform, name: idps}]
audiences: [orders]
rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]
"""


def idps(spec: str = IDPS) -> str:
    return a_manifest(spec, name="idps", namespace="platform")


def reason(installation: Installation, **given: Any) -> str:
    return str(installation.decide(a_request(**given)).reason.value)


def state(installation: Installation, name: str = "shop/orders") -> State:
    return next(each for each in installation.report.states if str(each.name) == name)


def codes(installation: Installation, name: str = "shop/orders") -> list[str]:
    return [problem.code for problem in state(installation, name).problems]


def compiled(installation: Installation, name: str = "shop/orders") -> object:
    return installation.updater.store.current.policies[name]


def test_nothing_declared_denies_everything() -> None:
    installation = Installation()
    assert installation.report.states == ()
    assert reason(installation) == "policy.none"


def test_a_sound_policy_is_accepted_and_in_force() -> None:
    installation = Installation(a_manifest(OPEN))
    assert reason(installation) == "rule.allow"
    assert state(installation) == State(
        PolicyName("shop", "orders"), accepted=True, in_use=True, in_force=True, is_shadow=False, problems=()
    )


@pytest.mark.parametrize("broken", [WRONG, MISSHAPEN])
def test_a_policy_that_breaks_keeps_its_last_good_version_and_says_so(broken: str) -> None:
    installation = Installation(a_manifest(OPEN))
    installation.apply(a_manifest(broken))
    assert reason(installation) == "rule.allow"
    found = state(installation)
    assert (found.accepted, found.in_force) == (False, True)
    assert found.problems
    assert all(problem.line for problem in found.problems)
    installation.apply(a_manifest(CLOSED))
    assert reason(installation) == "rule.deny"
    assert state(installation).accepted


def test_the_last_good_version_stays_through_any_number_of_bad_ones() -> None:
    installation = Installation(a_manifest(OPEN))
    first = compiled(installation)
    for broken in (WRONG, MISSHAPEN, WRONG):
        installation.apply(a_manifest(broken))
        assert compiled(installation) is first


@pytest.mark.parametrize("broken", [WRONG, MISSHAPEN])
def test_a_policy_that_never_was_good_answers_503_on_its_hosts(broken: str) -> None:
    installation = Installation(a_manifest(broken))
    decision = installation.decide(a_request())
    assert (decision.reason.value, decision.status, decision.policy) == ("policy.invalid", 503, "shop/orders")
    assert reason(installation, host="other.example.com") == "policy.none"
    found = state(installation)
    assert (found.accepted, found.in_force) == (False, False)


@pytest.mark.parametrize("broken", [WRONG, MISSHAPEN])
def test_a_policy_that_never_was_good_answers_503_although_hosts_are_unprotected(broken: str) -> None:
    installation = Installation(a_manifest(broken), operator=Operator(ClientAddress(), unprotected_all=True))
    assert reason(installation) == "policy.invalid"
    assert reason(installation, host="other.example.com") == "policy.unprotected"


@pytest.mark.parametrize("broken", [WRONG, MISSHAPEN])
def test_a_shadow_that_never_was_good_decides_nothing(broken: str) -> None:
    installation = Installation(a_manifest("mode: Shadow\n" + broken), a_manifest(OPEN, name="real"))
    assert reason(installation) == "rule.allow"
    assert state(installation).is_shadow
    alone = Installation(a_manifest("mode: Shadow\n" + broken))
    assert reason(alone) == "policy.none"


def test_a_policy_that_never_was_good_holds_its_path_prefixes_only() -> None:
    installation = Installation(a_manifest("pathPrefixes: [/orders]\n" + MISSHAPEN))
    assert reason(installation, target="/orders/7") == "policy.invalid"
    assert reason(installation, target="/other") == "policy.none"


def test_a_broken_policy_without_hosts_protects_nothing() -> None:
    installation = Installation(a_manifest("rules: [{name: all, allow: []}]"))
    assert codes(installation) == ["AZ303"]
    assert reason(installation) == "policy.none"


def test_a_deleted_policy_counts_no_more() -> None:
    installation = Installation(a_manifest(OPEN), a_manifest(OPEN.replace("api.", "b."), name="other"))
    installation.apply(a_manifest(OPEN.replace("api.", "b."), name="other"))
    assert reason(installation) == "policy.none"
    assert reason(installation, host="b.example.com") == "rule.allow"


def test_a_policy_that_was_deleted_and_comes_back_broken_has_no_earlier_version() -> None:
    installation = Installation(a_manifest(OPEN))
    installation.apply()
    installation.apply(a_manifest(WRONG))
    assert reason(installation) == "policy.invalid"


def test_definitions_of_another_policy_count() -> None:
    installation = Installation(idps(), a_manifest(USER))
    assert reason(installation, token=a_token()) == "rule.allow"
    found = state(installation, "platform/idps")
    assert (found.accepted, found.in_force) == (True, False)


def test_a_definition_that_goes_counts_at_once() -> None:
    installation = Installation(idps(), a_manifest(USER))
    installation.apply(a_manifest(USER))
    decision = installation.decide(a_request(token=a_token()))
    assert (decision.reason.value, decision.status) == ("policy.invalid", 503)
    assert codes(installation) == ["AZ203"]
    assert not state(installation).accepted
    assert not installation.ring.all()
    installation.apply(idps(), a_manifest(USER))
    assert reason(installation, token=a_token()) == "rule.allow"


def test_a_definition_that_goes_counts_for_the_last_good_version_too() -> None:
    installation = Installation(idps(), a_manifest(USER))
    installation.apply(idps(), a_manifest(USER + "\nunknown: 1"))
    assert reason(installation, token=a_token()) == "rule.allow"
    installation.apply(a_manifest(USER + "\nunknown: 1"))
    assert reason(installation, token=a_token()) == "policy.invalid"


def test_a_definer_that_breaks_keeps_its_last_good_definitions() -> None:
    installation = Installation(idps(), a_manifest(USER))
    installation.apply(idps("issuers: [{name: idp}]"), a_manifest(USER))
    assert reason(installation, token=a_token()) == "rule.allow"
    assert not state(installation, "platform/idps").accepted


def test_a_definer_that_never_was_good_has_no_definitions() -> None:
    installation = Installation(idps("issuers: [{name: idp}]"), a_manifest(USER))
    assert reason(installation, token=a_token()) == "policy.invalid"
    (problem,) = state(installation).problems
    assert "has mistakes itself" in problem.what


def test_a_definer_with_another_key_set_counts_at_once() -> None:
    installation = Installation(idps(), a_manifest(USER))
    assert reason(installation, token=a_token()) == "rule.allow"
    installation.apply(idps(f"issuers: [{issuer_yaml(a_jwks(a_jwk(rsa_key('two'))))}]"), a_manifest(USER))
    assert reason(installation, token=a_token()) == "token.signature"


def test_a_local_definition_wins() -> None:
    local = USER + f"issuers: [{issuer_yaml(a_jwks(a_jwk(rsa_key('two'))))}]"
    installation = Installation(idps(), a_manifest(local))
    assert reason(installation, token=a_token(rsa_key("two"))) == "rule.allow"
    assert reason(installation, token=a_token()) == "token.signature"


def test_definitions_are_never_chained() -> None:
    middle = a_manifest("definitionsFrom: [{namespace: platform, name: idps}]", name="middle", namespace="platform")
    installation = Installation(idps(), middle, a_manifest(USER.replace("name: idps", "name: middle")))
    assert codes(installation) == ["AZ201"]
    assert reason(installation, token=a_token()) == "policy.invalid"


def test_one_name_from_two_definers_is_a_problem_unless_they_are_equal() -> None:
    two = USER.replace("definitionsFrom: [", "definitionsFrom: [{namespace: platform, name: more}, ")
    same = a_manifest(IDPS, name="more", namespace="platform")
    assert reason(Installation(idps(), same, a_manifest(two)), token=a_token()) == "rule.allow"
    other = a_manifest(f"issuers: [{issuer_yaml(more=', clockSkewSeconds: 1')}]", name="more", namespace="platform")
    installation = Installation(idps(), other, a_manifest(two))
    assert codes(installation) == ["AZ204"]
    assert reason(installation, token=a_token()) == "policy.invalid"


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    installation = Installation(idps(), a_manifest(USER.replace("name: idps", "name: idp")))
    assert "did you mean platform/idps?" in state(installation).problems[0].what


def test_an_inline_key_set_that_cannot_be_used_is_a_problem() -> None:
    for jwks, words in (("{}", "is not"), (a_jwks(a_jwk(), {"kty": "oct", "k": "AA"}), "a key cannot be used")):
        installation = Installation(idps(f"issuers: [{issuer_yaml(jwks)}]"))
        (problem,) = state(installation, "platform/idps").problems
        assert problem.code == "AZ202"
        assert words in problem.what
        assert problem.path == ("spec", "issuers", 0, "jwks")


def test_equal_specs_keep_their_compiled_form() -> None:
    installation = Installation(idps(), a_manifest(USER), a_manifest(OPEN.replace("api.", "b."), name="other"))
    user, other = compiled(installation), compiled(installation, "shop/other")
    installation.apply(idps(), a_manifest(USER), a_manifest(CLOSED.replace("api.", "b."), name="other"))
    assert compiled(installation) is user
    assert compiled(installation, "shop/other") is not other


def test_a_token_that_was_verified_stays_so_through_a_reload() -> None:
    installation = Installation(idps(), a_manifest(USER))
    request = a_request(token=a_token())
    first = installation.decide(request)
    installation.apply(idps(), a_manifest(USER))
    assert installation.decide(request) is first


FORWARDING = """
hosts: [c.example.com]
rules:
- name: all
  allow: [{name: any, anonymous: {}}]
  forward: {headers: [{name: x-auth-plan, value: gold}]}
"""


def test_identity_headers_of_one_policy_are_removed_by_every_other() -> None:
    installation = Installation(a_manifest(OPEN), operator=Operator(ClientAddress(), frozenset({"open.example.com"})))
    before = compiled(installation)
    assert installation.decide(a_request()).remove_headers == ()
    installation.apply(a_manifest(OPEN), a_manifest(FORWARDING, name="forwarding"))
    assert compiled(installation) is not before
    assert {"x-auth-plan", "x_auth_plan", "x-auth_plan", "x_auth-plan"} <= set(installation.decide(a_request()).remove_headers)
    assert "x-auth-plan" in installation.decide(a_request(host="open.example.com")).remove_headers
    allowed = installation.decide(a_request(host="c.example.com"))
    assert allowed.set_headers == (("x-auth-plan", "gold"),)
    assert "x-auth-plan" not in allowed.remove_headers
    installation.apply(a_manifest(OPEN))
    assert installation.decide(a_request()).remove_headers == ()


def test_a_shadow_owns_no_headers() -> None:
    installation = Installation(a_manifest(OPEN), a_manifest("mode: Shadow\n" + FORWARDING.lstrip(), name="forwarding"))
    assert installation.decide(a_request()).remove_headers == ()


def test_a_broken_policy_goes_on_owning_the_headers_of_its_last_good_version() -> None:
    installation = Installation(a_manifest(OPEN), a_manifest(FORWARDING, name="forwarding"))
    installation.apply(a_manifest(OPEN), a_manifest(FORWARDING + "unknown: 1", name="forwarding"))
    assert "x-auth-plan" in installation.decide(a_request()).remove_headers


def test_a_policy_whose_definition_went_goes_on_owning_its_headers() -> None:
    forwarding = USER.replace("api.", "c.").replace("]}}]}]", "]}}], forward: {headers: [{name: x-auth-plan, value: gold}]}}]")
    installation = Installation(a_manifest(OPEN), idps(), a_manifest(forwarding, name="forwarding"))
    assert "x-auth-plan" in installation.decide(a_request()).remove_headers
    installation.apply(a_manifest(OPEN), a_manifest(forwarding, name="forwarding"))
    assert reason(installation, host="c.example.com") == "policy.invalid"
    assert "x-auth-plan" in installation.decide(a_request()).remove_headers


def test_two_claims_to_one_host_are_reported_and_the_first_name_decides() -> None:
    installation = Installation(a_manifest(CLOSED, name="b"), a_manifest(OPEN, name="a"))
    assert reason(installation) == "rule.allow"
    (problem,) = state(installation, "shop/b").problems
    assert (problem.code, problem.severity) == ("AZ205", Severity.WARNING)
    assert "shop/a already decides for api.example.com/" in problem.what
    assert state(installation, "shop/a").problems == ()
    assert state(installation, "shop/b").accepted, "a conflict is a warning"


def test_the_order_of_what_is_declared_does_not_matter() -> None:
    manifests = [
        idps(),
        a_manifest(USER),
        a_manifest(CLOSED, name="b"),
        a_manifest(WRONG, name="c"),
        a_manifest(FORWARDING, name="forwarding"),
    ]
    requests = [
        a_request(),
        a_request(token=a_token()),
        a_request(host="c.example.com"),
        a_request(host="none.example.com"),
    ]
    seen = set()
    for order in itertools.permutations(manifests):
        installation = Installation(*order)
        decisions = tuple(installation.decide(request) for request in requests)
        seen.add(
            (
                tuple((each.reason, each.policy, each.rule) for each in decisions),
                tuple(sorted((str(each.name), each.accepted, each.in_force) for each in installation.report.states)),
                tuple(sorted(each.what for every in installation.report.states for each in every.problems)),
            )
        )
    assert len(seen) == 1


def test_what_was_judged_before_is_not_judged_again_and_not_forgotten() -> None:
    installation = Installation()
    objects = declared(a_manifest(WRONG))
    first = installation.updater.apply(objects)
    second = installation.updater.apply(objects)
    assert first.states == second.states
    third = installation.updater.apply([replace(each) for each in objects])
    assert third.states == first.states


def test_keys_of_issuers_that_nobody_names_are_forgotten() -> None:
    fetched = f"issuers: [{{name: idp, issuer: {ISSUER}}}]"
    installation = Installation(idps(fetched), a_manifest(USER))
    assert len(installation.ring.all()) == 1
    known = installation.ring.all()[0]
    installation.apply(idps(fetched), a_manifest(USER), a_manifest(OPEN.replace("api.", "b."), name="other"))
    assert installation.ring.all() == [known]
    installation.apply(idps(fetched), a_manifest(OPEN))
    assert installation.ring.all() == []


def test_warnings_do_not_keep_a_policy_out() -> None:
    cookie = f"issuers: [{issuer_yaml(more=', tokenFrom: [{cookie: session}]')}]"
    installation = Installation(idps(cookie))
    assert codes(installation, "platform/idps") == ["AZ310"]
    assert state(installation, "platform/idps").accepted


def test_a_policy_that_cannot_be_used_does_not_shut_out_one_that_can() -> None:
    spec = "hosts: [api.example.com]\nrules: [{name: all, allow: [{name: anyone, anonymous: {}}]}]"
    broken = a_manifest('hosts: [api.example.com]\npathPrefixes: ["/mine//x"]\nrules: [{name: none, allow: []}]', name="a", namespace="a")
    installation = Installation(broken, a_manifest(spec))
    assert installation.decide(a_request()).reason.value == "rule.allow"
    installation.apply(broken)
    assert installation.decide(a_request()).reason.value == "policy.invalid"


def test_a_header_that_another_policy_forwards_voids_no_remembered_token() -> None:
    spec = (
        f"hosts: [api.example.com]\naudiences: [orders]\nissuers: [{issuer_yaml()}]\n"
        "rules: [{name: all, allow: [{name: users, jwt: {issuers: [idp]}}]}]"
    )
    other = (
        "hosts: [other.example.com]\nrules: [{name: all, allow: [{name: anyone, anonymous: {}}], "
        "forward: {headers: [{name: x-auth-plan, value: gold}]}}]"
    )
    installation = Installation(a_manifest(spec))
    token = a_token()
    assert "x-auth-plan" not in installation.decide(a_request(token=token)).remove_headers
    installation.apply(a_manifest(spec), a_manifest(other, name="other"))
    assert "x-auth-plan" in installation.decide(a_request(token=token)).remove_headers
    assert len(installation.memory) == 1, "the token was not verified again"
