"""How each policy stands, in the words that people read, and how well its source is followed."""

import re
from dataclasses import replace
from typing import Any

import pytest

from authz.api.decode import decode_object
from authz.model.cluster import Cluster
from authz.model.issuer import KeySource
from authz.model.operator import ClientAddress, HostGrant, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity
from authz.model.reference import Missing, Reference, Selection, Text
from authz.service.keyring import IssuerKeys
from authz.service.standing import CONTROLLER, ClusterState, Condition, Standing, WatchState, standing_of
from authz.service.states import State
from tests.builders import HOST, Installation, a_jwks, a_manifest, a_request, declared, issuer_yaml
from tests.policy.given import an_issuer
from tests.policy.test_routes import GATEWAY, a_route, at

OTHER = PolicyName("infra", "other")
HERE, THERE = at(HOST), at(HOST, gateway=OTHER)
ORDERS = a_route("orders", to=HERE)
OPEN = "rules: [{name: all, allow: [{name: any, anonymous: {}}]}]\n"
BROKEN = 'rules: [{name: all, matches: [{path: {type: RegularExpression, value: "("}}], allow: []}]\n'
TOKENS = "audiences: [orders]\nrules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]\n"
SHADOW = "mode: Shadow\n"
HOSTS = f"hosts: [{HOST}]\n"
REF = "targetRefs: [{{group: gateway.networking.k8s.io, kind: {}, name: {}}}]\n"
ON_ROUTE = REF.format("HTTPRoute", "orders")
ON_GATEWAY = REF.format("Gateway", "gw")
KEYS = Reference("Secret", "shop", "keys", "jwks.json")


def known(*manifests: str, routes: Any = (ORDERS,), earlier: Any = None, gateways: Any = (GATEWAY, OTHER), **cluster: Any) -> Standing:
    """How the first of these policies stands."""
    operator = Operator(ClientAddress(), gateways=tuple(map(ListedGateway, gateways)), host_grants=(HostGrant("shop"),))
    installation = Installation(operator=operator)
    around = Cluster(tuple(routes), frozenset(gateways), frozenset(), **cluster)
    for each in (earlier, manifests):
        if each is not None:
            installation.report = installation.updater.apply(declared(*each), around)
    name = declared(manifests[0])[0].name
    return standing_of(next(state for state in installation.report.states if state.name == name))


def of_type(standing: Standing, kind: str) -> Condition:
    found = [each for each in standing.conditions if each.type == kind]
    assert len(found) == 1
    return found[0]


def facts(condition: Condition | None) -> tuple[str, str]:
    assert condition is not None
    return condition.status, condition.reason


def a_policy(spec: str, name: str = "orders", namespace: str = "shop") -> str:
    return a_manifest(spec, name, namespace)


# One that is well.


def test_a_policy_that_is_well_says_so():
    standing = known(a_policy(ON_ROUTE + OPEN))
    accepted = Condition("Accepted", "True", "Accepted", "the spec has no mistake")
    resolved = Condition("ResolvedRefs", "True", "ResolvedRefs", "everything that it refers to is there")
    assert standing == Standing(PolicyName("shop", "orders"), 0, True, (accepted, resolved), ((GATEWAY, (accepted, resolved)),), None)


def test_a_policy_for_hosts_has_no_ancestors():
    standing = known(a_policy(HOSTS + OPEN), routes=())
    assert (standing.ancestors, standing.programmed, facts(of_type(standing, "Accepted"))) == ((), None, ("True", "Accepted"))


def test_every_gateway_that_the_targets_lead_to_is_an_ancestor():
    standing = known(a_policy(ON_ROUTE + OPEN), routes=[a_route("orders", to=[HERE, THERE])])
    assert [name for name, _ in standing.ancestors] == [GATEWAY, OTHER]


def test_a_policy_that_only_defines_is_well():
    standing = known(a_policy(f"issuers: [{issuer_yaml()}]"))
    assert (standing.in_use, facts(of_type(standing, "Accepted")), standing.programmed) == (True, ("True", "Accepted"), None)


def test_the_generation_is_the_objects():
    object_ = {
        "apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": "a", "namespace": "shop", "generation": 7},
        "spec": {"hosts": [HOST], "rules": [{"name": "all", "allow": []}]},
    }  # fmt: skip
    installation = Installation()
    (state,) = installation.updater.apply([decode_object(object_)]).states  # type: ignore[list-item]
    assert standing_of(state).generation == 7


# Accepted.


def test_a_mistake_is_told_with_its_place_its_remedy_and_what_holds_meanwhile():
    standing = known(a_policy(HOSTS + BROKEN))
    accepted = of_type(standing, "Accepted")
    assert facts(accepted) == ("False", "Invalid")
    assert accepted.message.startswith("spec.rules[0].matches[0].path.value: not an RE2 regular expression: ")
    assert accepted.message.endswith(". Until then its requests are answered 503")
    assert standing.programmed is not None
    assert standing.programmed.reason == next(each.reason for each in standing.conditions if each.status == "False")


def test_several_mistakes_are_told_by_the_first_and_their_number():
    accepted = of_type(known(a_policy("hosts: [API.example.com, B.example.com]\n" + BROKEN)), "Accepted")
    assert accepted.message.startswith("spec.hosts[0]: API.example.com is no host: write it in lower case without port, or *. before it")
    assert re.search(r" \(and \d more\)\. ", accepted.message)


def test_an_edit_with_a_mistake_says_that_the_last_version_stays_in_force():
    standing = known(a_policy(HOSTS + BROKEN), earlier=[a_policy(HOSTS + OPEN)])
    assert of_type(standing, "Accepted").message.endswith(". The last version that was accepted stays in force")
    assert facts(standing.programmed) == ("False", "Stale")
    assert standing.programmed is not None
    assert (
        standing.programmed.message
        == "this version is not in use, see Accepted and ResolvedRefs. The last version that was accepted stays in force"
    )
    assert standing.in_use


def test_a_mistake_in_shadow_says_that_nothing_changes():
    standing = known(a_policy(HOSTS + SHADOW + BROKEN))
    assert of_type(standing, "Accepted").message.endswith(". It is in Shadow, so nothing changes for requests")


def test_what_is_said_to_be_answered_503_is():
    installation = Installation(operator=Operator(ClientAddress(), gateways=(ListedGateway(GATEWAY),), unprotected_all=True))
    report = installation.updater.apply(declared(a_policy(ON_ROUTE + BROKEN)), Cluster((ORDERS,), frozenset({GATEWAY}), frozenset()))
    assert of_type(standing_of(report.states[0]), "Accepted").message.endswith("its requests are answered 503")
    assert installation.decide(a_request()).status == 503


@pytest.mark.parametrize(
    ("spec", "around", "what"),
    [
        (ON_ROUTE, {"routes": ()}, "there is no HTTPRoute shop/orders; correct the name, or create it. Until then it decides nothing"),
        (
            ON_ROUTE,
            {"routes": (replace(ORDERS, attachments=()),)},
            "no listed Gateway (infra/gw, infra/other) has accepted the HTTPRoute shop/orders; see its parentRefs and status. "
            "Until then it decides nothing",
        ),
        (
            ON_ROUTE,
            {"routes": (), "gateways": ()},
            "the HTTPRoute shop/orders is not looked at: no Gateway is listed; the operator lists those that ask us with --gateway "
            "(chart: gateways). "
            "Until then it decides nothing",
        ),
        (
            ON_GATEWAY,
            {},
            "the Gateway shop/gw is not among those that ask us; the operator lists it with --gateway shop/gw (chart: gateways). "
            "Until then it decides nothing",
        ),
    ],
)
def test_a_target_that_is_not_there_is_told_with_what_to_do(spec, around, what):
    standing = known(a_policy(spec + OPEN), **around)
    assert of_type(standing, "Accepted") == Condition("Accepted", "False", "TargetNotFound", what)
    assert facts(standing.programmed) == ("False", "TargetNotFound")
    assert standing.ancestors == ()


def test_one_target_of_several_that_is_not_there_is_told_and_the_policy_is_accepted():
    both = (
        "targetRefs:\n- {group: gateway.networking.k8s.io, kind: HTTPRoute, name: gone}\n"
        "- {group: gateway.networking.k8s.io, kind: HTTPRoute, name: orders}\n"
    )
    standing = known(a_policy(both + OPEN))
    expected = "there is no HTTPRoute shop/gone; correct the name, or create it"
    assert of_type(standing, "Accepted") == Condition("Accepted", "True", "Accepted", expected)
    assert standing.programmed is None


def test_a_policy_that_older_ones_leave_nothing_is_in_conflict():
    standing = known(a_policy(HOSTS + OPEN, "b"), a_policy(HOSTS + OPEN, "a"))
    expected = f"shop/a already decides for {HOST}/; narrow one of them"
    assert of_type(standing, "Accepted") == Condition("Accepted", "False", "Conflicted", expected)
    assert facts(standing.programmed) == ("False", "Overridden")


def test_a_policy_that_loses_some_of_its_claims_is_accepted_and_says_which():
    standing = known(a_policy(f"hosts: [{HOST}, other.test]\n" + OPEN, "b"), a_policy(HOSTS + OPEN, "a"))
    expected = f"shop/a already decides for {HOST}/; narrow one of them"
    assert of_type(standing, "Accepted") == Condition("Accepted", "True", "Conflicted", expected)
    assert standing.programmed is None


def test_a_policy_for_hosts_beside_an_attached_one_says_conflicted():
    standing = known(a_policy(HOSTS + OPEN, "by-host"), a_policy(ON_ROUTE + OPEN))
    expected = f"routes of {HOST} have policies of their own, and requests need the leave of both; attach this one, too"
    assert of_type(standing, "Accepted") == Condition("Accepted", "True", "Conflicted", expected)


def test_a_host_of_somebody_else_is_told_with_what_the_operator_can_do():
    standing = known(a_policy(HOSTS + OPEN, namespace="stranger"))
    accepted = of_type(standing, "Accepted")
    assert facts(accepted) == ("False", "Invalid")
    remedy = f"policies of the namespace stranger may not decide for {HOST}; the operator can allow it: --hosts-from stranger={HOST}"
    assert accepted.message.startswith(f"spec.hosts[0]: {remedy}")


def test_a_policy_for_hosts_of_somebody_else_is_not_said_to_answer_503():
    accepted = of_type(known(a_policy(HOSTS + OPEN, namespace="stranger")), "Accepted")
    assert "503" not in accepted.message


def test_a_mistake_of_the_whole_object_reads_well():
    object_ = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": "a", "namespace": "shop"}}
    (state,) = Installation().updater.apply([decode_object(object_)]).states  # type: ignore[list-item]
    assert of_type(standing_of(state), "Accepted").message.startswith("spec is missing; add it")


# ResolvedRefs.


def using(text: str) -> str:
    return a_policy(HOSTS + text + TOKENS)


JWKS_FROM = "issuers: [{name: idp, issuer: 'https://idp.example.com', jwksFrom: {kind: Secret, name: keys, key: jwks.json}}]\n"
FAR = "issuers: [{name: idp, issuer: 'https://idp.example.com', jwksFrom: {kind: Secret, namespace: far, name: keys, key: jwks.json}}]\n"
DEFINED = "definitionsFrom: [{namespace: shop, name: idps}]\n"


def defining(name: str, issuer: str = "https://idp.example.com") -> str:
    return a_policy(f"issuers: [{{name: idp, issuer: '{issuer}', jwks: '{a_jwks()}'}}]\n", name)


@pytest.mark.parametrize(
    ("manifests", "texts", "reason", "message"),
    [
        (
            [using(JWKS_FROM)],
            {KEYS: Missing("there is no Secret shop/keys; create it, or correct the name")},
            "ReferenceNotFound",
            "spec.issuers[0].jwksFrom: there is no Secret shop/keys; create it, or correct the name",
        ),
        (
            [using(FAR)],
            {},
            "RefNotPermitted",
            "spec.issuers[0].jwksFrom: the Secret far/keys is of another namespace, and no ReferenceGrant there permits it; "
            "its owner can write one: from AuthPolicy of shop to Secret keys",
        ),
        (
            [using(DEFINED), defining("idp")],
            {},
            "DefinitionNotFound",
            "spec.definitionsFrom[0]: there is no AuthPolicy shop/idps; did you mean shop/idp?",
        ),
        (
            [using(DEFINED.replace("]", ", {namespace: shop, name: more}]")), defining("idps"), defining("more", "https://b.example")],
            {},
            "DefinitionAmbiguous",
            "spec.definitionsFrom[1]: the issuer idp is defined by shop/idps and by shop/more; define it here, or take one",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_what_to_do(manifests, texts, reason, message):
    standing = known(*manifests, texts=texts)
    resolved = of_type(standing, "ResolvedRefs")
    assert facts(resolved) == ("False", reason)
    assert resolved.message.startswith(message)
    assert resolved.message.endswith("Until then its requests are answered 503")
    assert standing.programmed is not None
    assert standing.programmed.reason == next(each.reason for each in standing.conditions if each.status == "False")


def test_a_policy_of_which_only_a_reference_is_missing_has_nothing_else_wrong_with_it():
    standing = known(using(JWKS_FROM), texts={KEYS: Missing("gone; create it")})
    assert facts(of_type(standing, "Accepted")) == ("True", "Accepted")


def test_a_reference_that_goes_counts_at_once_and_the_policy_is_in_use_no_more():
    texts = {KEYS: Missing("gone; create it")}
    standing = known(using(JWKS_FROM), earlier=[a_policy(HOSTS + OPEN)], texts=texts)
    # The last version needs no reference, so that one stays; of one that needs it nothing does.
    assert of_type(standing, "ResolvedRefs").message.endswith("The last version that was accepted stays in force")
    assert not known(using(JWKS_FROM), texts=texts).in_use


def test_a_missing_reference_in_shadow_says_that_nothing_changes():
    standing = known(a_policy(HOSTS + SHADOW + JWKS_FROM + TOKENS), texts={KEYS: Missing("gone; create it")})
    assert of_type(standing, "ResolvedRefs").message.endswith("It is in Shadow, so nothing changes for requests")


# KeysReady.


def keys(issuer: str, *, there: bool, tried: bool = True) -> IssuerKeys:
    made = IssuerKeys(an_issuer(issuer=issuer, keys=KeySource(jwks=a_jwks() if there else "")))
    made.tried = tried
    return made


def with_keys(*some: IssuerKeys) -> Condition:
    return of_type(standing_of(a_state(keys=some)), "KeysReady")


def a_state(**changes: Any) -> State:
    usual: dict[str, Any] = {"accepted": True, "in_use": True, "in_force": True, "is_shadow": False, "problems": ()}
    return State(PolicyName("shop", "orders"), **{**usual, **changes})


def test_a_policy_that_reads_no_tokens_says_nothing_of_keys():
    assert [each.type for each in standing_of(a_state()).conditions] == ["Accepted", "ResolvedRefs"]


def test_keys_that_are_there_are_named_once():
    found = with_keys(keys("https://a", there=True), keys("https://b", there=True), keys("https://a", there=True))
    assert found == Condition("KeysReady", "True", "KeysReady", "keys of https://a, https://b are there")


def test_keys_that_are_being_fetched_are_not_known_yet():
    found = with_keys(keys("https://a", there=True), keys("https://b", there=False, tried=False))
    assert found == Condition("KeysReady", "Unknown", "Fetching", "the keys of https://b are being fetched")


def test_keys_that_could_not_be_fetched_are_told_with_where_to_look():
    found = with_keys(keys("https://a", there=True), keys("https://b", there=False))
    expected = "no keys of https://b: requests with its tokens are answered 503; see that its server can be reached and is trusted"
    assert found == Condition("KeysReady", "False", "KeysUnavailable", expected)


def test_a_message_is_never_longer_than_1024_characters_however_many_issuers_there_are():
    found = with_keys(*(keys(f"https://{number}.idp.example.com/with/a/path", there=True) for number in range(64)))
    assert len(found.message) == 1024


# Programmed, where loading is not the question.


def test_a_routes_policy_under_override_is_overridden_there_and_whole():
    standing = known(a_policy(ON_ROUTE + OPEN), a_policy(ON_GATEWAY + "precedence: Override\n" + OPEN, "base", "infra"))
    expected = Condition(
        "Programmed",
        "False",
        "Overridden",
        "the rules of infra/base decide instead, which is older or of a Gateway with precedence: Override; look there",
    )
    assert standing.programmed == expected
    ((_, conditions),) = standing.ancestors
    assert conditions[-1] == expected


def test_a_policy_that_is_overridden_at_one_of_its_gateways_says_so_there_alone():
    above = a_policy(REF.format("Gateway", "other") + "precedence: Override\n" + OPEN, "base", "infra")
    standing = known(a_policy(ON_ROUTE + OPEN), above, routes=[a_route("orders", to=[HERE, THERE])])
    assert standing.programmed is None
    assert [(name, [each.type for each in conditions]) for name, conditions in standing.ancestors] == [
        (GATEWAY, ["Accepted", "ResolvedRefs"]),
        (OTHER, ["Accepted", "ResolvedRefs", "Programmed"]),
    ]


def test_a_policy_that_lost_its_route_to_an_older_one_is_not_said_to_deny_there():
    standing = known(a_policy(ON_ROUTE + OPEN, "b"), a_policy(ON_ROUTE + OPEN, "a"))
    told = [each.message for _, conditions in standing.ancestors for each in conditions if each.type == "Programmed"]
    assert told
    assert not any("only deny counts" in each for each in told)


# All of them.

STANDINGS = [
    known(a_policy(HOSTS + BROKEN)),
    known(a_policy(HOSTS + BROKEN), earlier=[a_policy(HOSTS + OPEN)]),
    known(a_policy(HOSTS + SHADOW + BROKEN)),
    known(a_policy(ON_ROUTE + OPEN)),
    known(a_policy(ON_ROUTE + OPEN), routes=()),
    known(a_policy(ON_ROUTE + OPEN, "b"), a_policy(ON_ROUTE + OPEN, "a")),
    known(a_policy(ON_ROUTE + OPEN), a_policy(ON_GATEWAY + "precedence: Override\n" + OPEN, "base", "infra")),
    known(a_policy(HOSTS + OPEN, "b"), a_policy(HOSTS + OPEN, "a")),
    known(a_policy(HOSTS + OPEN, "by-host"), a_policy(ON_ROUTE + OPEN)),
    known(using(JWKS_FROM), texts={KEYS: Missing("there is no Secret shop/keys; create it, or correct the name")}),
    known(using(FAR)),
    known(using(DEFINED)),
    standing_of(a_state(keys=(keys("https://b", there=False),))),
]
CONDITIONS = sorted(
    {
        each
        for standing in STANDINGS
        for each in (
            *standing.conditions,
            *(standing.programmed,) * bool(standing.programmed),
            *(c for _, some in standing.ancestors for c in some),
        )
    },
    key=repr,
)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda each: f"{each.type}-{each.reason}")
def test_every_condition_has_the_form_that_kubernetes_asks_for_and_reads_as_a_sentence(condition):
    assert condition.type in ("Accepted", "ResolvedRefs", "KeysReady", "Programmed")
    assert condition.status in ("True", "False", "Unknown")
    assert re.fullmatch(r"[A-Z][A-Za-z]+", condition.reason)
    assert 0 < len(condition.message) <= 1024
    assert "\n" not in condition.message
    assert "  " not in condition.message
    assert not condition.message.endswith((".", ";", ":", " "))


# Words that tell somebody to do something, or where to look.
ADVICE = re.compile(r"\b(correct|create|write|narrow|delete|attach|see|look|define|take|mend|wait|did you mean)\b")


def test_a_question_is_not_followed_by_a_full_stop():
    assert "?." not in of_type(known(using(DEFINED), defining("idp")), "ResolvedRefs").message


NO_SUCH = using(DEFINED)
UNLIKE = using(DEFINED.replace("idps", "qqqqqqqqqqqqqqqqq"))
LOST = known(a_policy(ON_ROUTE + OPEN), a_policy(ON_GATEWAY + "precedence: Override\n" + OPEN, "base", "infra"))


@pytest.mark.parametrize(
    "condition",
    [
        of_type(known(a_policy(ON_ROUTE + OPEN), routes=()), "Accepted"),
        of_type(known(a_policy(HOSTS + OPEN, "b"), a_policy(HOSTS + OPEN, "a")), "Accepted"),
        of_type(known(a_policy(HOSTS + OPEN, "by-host"), a_policy(ON_ROUTE + OPEN)), "Accepted"),
        known(a_policy(HOSTS + OPEN, "b"), a_policy(HOSTS + OPEN, "a")).programmed,
        of_type(known(using(FAR)), "ResolvedRefs"),
        of_type(known(NO_SUCH, defining("idp")), "ResolvedRefs"),
        with_keys(keys("https://b", there=False)),
        pytest.param(of_type(known(UNLIKE), "ResolvedRefs"), id="no-such-definer"),
        pytest.param(of_type(known(NO_SUCH, a_policy(BROKEN, "idps")), "ResolvedRefs"), id="definer-with-mistakes"),
        pytest.param(of_type(known(using(JWKS_FROM)), "ResolvedRefs"), id="not-read-yet"),
        pytest.param(known(a_policy(HOSTS + BROKEN)).programmed, id="not-accepted"),
        pytest.param(known(a_policy(HOSTS + BROKEN), earlier=[a_policy(HOSTS + OPEN)]).programmed, id="stale"),
        pytest.param(known(a_policy(ON_ROUTE + OPEN), routes=()).programmed, id="no-target"),
        pytest.param(LOST.programmed, id="overridden"),
    ],
)
def test_every_condition_that_is_not_well_says_what_to_do(condition):
    # A name in the message is no advice.
    assert ADVICE.search(re.sub(r"[\w-]+/[\w.-]+", "", condition.message)), condition.message


# How well a source is followed.


def a_watch(**changes: Any) -> WatchState:
    usual: dict[str, Any] = {"is_up": True, "contact": 10.0, "objects": 2, "restarts": {"closed": 1}, "lists": {"stream": 1}}
    return WatchState("secrets", **{**usual, **changes})


def test_two_watches_are_together_as_well_as_the_worse_one():
    other = a_watch(is_up=False, contact=5.0, objects=1, restarts={"closed": 2, "error": 1}, lists={"paged": 1})
    expected = WatchState("secrets", False, 5.0, 3, {"closed": 3, "error": 1}, {"stream": 1, "paged": 1})
    assert a_watch().with_another(other) == expected
    assert other.with_another(a_watch()) == expected


def test_what_was_never_heard_of_stays_so():
    assert a_watch(contact=0.0).with_another(a_watch()).contact == 0.0


def test_a_replica_alone_knows_nothing_of_a_cluster():
    assert ClusterState() == ClusterState((), False, None, False, None)


def test_our_name_as_a_controller_is_a_domain_and_a_path():
    assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+/[a-z-]+", CONTROLLER)


def test_a_warning_alone_changes_no_condition():
    warning = Problem("AZ310", "a token in a cookie is sent unasked", ("spec",), severity=Severity.WARNING)
    assert standing_of(a_state(problems=(warning,))).conditions == standing_of(a_state()).conditions


# Key sets and authorities


KEY_SET = "apiKeys: [{name: keys, from: {SOURCE}, in: [{header: x-key}]}]\n"
SUBSCRIBERS = "rules: [{name: all, allow: [{name: any, apiKey: {from: keys, scopes: [orders]}}]}]\n"
SECRET = Reference("Secret", "shop", "keys", "keys.jsonl")
CHOSEN = Selection("shop", (("keys", "orders"),))
RECORD = '{"id": "k7", "digest": "sha256:' + "0" * 64 + '", "subscription": "acme"}\n'


def by_reference(text: str | Missing) -> Standing:
    spec = HOSTS + KEY_SET.replace("SOURCE", "secretRef: {name: keys}") + SUBSCRIBERS
    return known(a_policy(spec), texts={SECRET: text})


def by_labels(*texts: Text) -> Standing:
    spec = HOSTS + KEY_SET.replace("SOURCE", "secretSelector: {matchLabels: {keys: orders}}") + SUBSCRIBERS
    return known(a_policy(spec), selected={CHOSEN: texts})


def test_a_record_with_a_mistake_is_told_and_costs_nothing_but_its_own_key() -> None:
    standing = by_reference(RECORD + '{"id": "k8"}\n')
    assert facts(of_type(standing, "Accepted")) == ("True", "Accepted")
    condition = of_type(standing, "ResolvedRefs")
    assert facts(condition) == ("True", "ResolvedRefs")
    assert condition.message == (
        "spec.apiKeys[0].from: Secret shop/keys (key keys.jsonl), line 2: digest is missing; add it; subscription is missing; add it. "
        "That record is left out, and its key opens nothing"
    )
    assert by_reference(RECORD).conditions[1].message == "everything that it refers to is there"


def test_records_that_cannot_be_read_are_told() -> None:
    condition = of_type(by_labels(Text("Secret shop/acme (key keys.jsonl)", "[")), "ResolvedRefs")
    assert facts(condition) == ("True", "ResolvedRefs")
    assert condition.message.startswith("spec.apiKeys[0].from: Secret shop/acme (key keys.jsonl), line 2: the records are ")
    assert condition.message.endswith("None of its keys is known")


def test_labels_that_no_secret_has_are_told() -> None:
    condition = of_type(by_labels(), "ResolvedRefs")
    assert facts(condition) == ("True", "ResolvedRefs")
    assert condition.message == (
        "spec.apiKeys[0].from: there are no Secrets of shop with keys=orders, so no key is known; create one, or correct the labels"
    )


def test_a_key_set_that_is_not_there_is_no_policy() -> None:
    condition = of_type(by_reference(Missing("there is no Secret shop/keys; create it, or correct the name")), "ResolvedRefs")
    assert facts(condition) == ("False", "ReferenceNotFound")
    assert condition.message == (
        "spec.apiKeys[0].from: there is no Secret shop/keys; create it, or correct the name. Until then its requests are answered 503"
    )
