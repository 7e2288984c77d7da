"""What a policy refers to: definitions of others, its own key sets, texts in Secrets and ConfigMaps."""

from dataclasses import replace
from typing import Any

import pytest

from authz.model.cluster import Cluster, Grant
from authz.model.declared import Declared
from authz.model.issuer import Issuer, KeySource
from authz.model.operator import ClientAddress, Operator
from authz.model.policy import Policy, PolicyName
from authz.model.problem import Problem, Severity
from authz.model.reference import Missing, Reference
from authz.service.references import References, own_problems
from tests.builders import a_jwk, a_jwks, rsa_key
from tests.certificates import an_authority
from tests.policy.given import STAFF, a_policy, a_rule, an_issuer

KEYS = Reference("ConfigMap", "shop", "keys", "jwks.json")
CA = Reference("Secret", "shop", "ca", "ca.crt")
STAFF_ONLY = (a_rule(allow=(STAFF,)),)
IN_CLUSTER: frozenset[Grant] = frozenset()


def issuer(name: str = "idp", keys: Reference | None = None, ca: Reference | None = None, **changes: Any) -> Issuer:
    return an_issuer(name, **{"keys": KeySource(jwks_from=keys), "ca_from": ca, **changes})


def policy(*issuers: Issuer, name: str = "orders", namespace: str = "shop", definers: Any = (), **changes: Any) -> Policy:
    usual = {"issuers": issuers, "definitions_from": tuple(definers), "rules": STAFF_ONLY}
    return a_policy(name, namespace, **{**usual, **changes})


def resolved(
    asked: Policy, *definers: Policy, texts: Any = None, grants: frozenset[Grant] | None = IN_CLUSTER, listed: Any = ()
) -> tuple[dict[str, Issuer], list[Problem]]:
    known = {each.name: each for each in definers}
    references = References(known, {name: Declared(name, None) for name in listed}, Cluster(grants=grants, texts=texts or {}))
    definitions, found = references.resolve(asked)
    return dict(definitions.issuers), found


def codes(found: list[Problem]) -> list[tuple[str, str]]:
    return [(each.code, each.where) for each in found]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> str:
    return an_authority(tmp_path_factory.mktemp("ca")).file.read_text()


# Texts.


def test_a_key_set_in_another_object_is_put_in_its_place():
    issuers, found = resolved(policy(issuer(keys=KEYS)), texts={KEYS: a_jwks()})
    assert issuers["idp"].keys == KeySource(jwks=a_jwks())
    assert issuers["idp"].references == ()
    assert found == []


def test_a_ca_in_another_object_is_put_in_its_place(pem):
    issuers, found = resolved(policy(issuer(ca=CA)), texts={CA: pem})
    assert (issuers["idp"].ca, issuers["idp"].ca_from) == (pem, None)
    assert found == []


@pytest.mark.parametrize(("which", "place"), [({"keys": KEYS}, "jwksFrom"), ({"ca": CA}, "caRef")])
def test_what_is_missing_is_told_with_the_reason_and_stays_a_reference(which, place):
    (reference,) = which.values()
    issuers, found = resolved(policy(issuer(**which)), texts={reference: Missing("it is not there; create it")})
    assert codes(found) == [("AZ212", f"spec.issuers[0].{place}")]
    assert found[0].what == "it is not there; create it"
    assert issuers["idp"].references == (reference,)


def test_what_has_not_been_read_yet_is_missing():
    _, found = resolved(policy(issuer(keys=KEYS)))
    assert codes(found) == [("AZ212", "spec.issuers[0].jwksFrom")]
    assert str(KEYS) in found[0].what


@pytest.mark.parametrize("text", ["no JSON", "{}", a_jwks(a_jwk(kid=None) | {"kty": "oct", "k": "AA"})])
def test_a_text_that_is_no_key_set_is_told_with_the_object(text):
    _, found = resolved(policy(issuer(keys=KEYS)), texts={KEYS: text})
    assert codes(found) == [("AZ212", "spec.issuers[0].jwksFrom")]
    assert found[0].what.startswith(f"{KEYS}: ")
    assert found[0].severity is Severity.ERROR


@pytest.mark.parametrize("text", ["no PEM", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"])
def test_a_text_without_certificates_is_told_with_the_object(text):
    _, found = resolved(policy(issuer(ca=CA)), texts={CA: text})
    assert codes(found) == [("AZ212", "spec.issuers[0].caRef")]
    assert found[0].what == f"{CA}: no PEM certificates are in it; put a CA there"


def test_no_problem_tells_what_a_secret_holds():
    secret = "-----BEGIN PRIVATE KEY-----hidden"
    _, found = resolved(policy(issuer(ca=CA, keys=KEYS)), texts={CA: secret, KEYS: secret})
    assert len(found) == 2
    assert "hidden" not in " ".join(each.what for each in found)


def test_what_an_issuer_lacks_that_no_rule_names_hurts_nobody():
    asked = policy(issuer(), issuer("spare", keys=KEYS))
    assert resolved(asked)[1] == []
    only_defines = replace(asked, rules=(), hosts=())
    assert codes(resolved(only_defines)[1]) == [("AZ212", "spec.issuers[1].jwksFrom")]


def test_without_a_cluster_a_reference_is_a_warning():
    issuers, found = resolved(policy(issuer(keys=KEYS)), grants=None)
    assert [(each.code, each.severity) for each in found] == [("AZ212", Severity.WARNING)]
    assert issuers["idp"].references == (KEYS,)


# Grants.

FAR = Reference("Secret", "platform", "ca", "ca.crt")


def test_an_object_of_another_namespace_takes_a_grant(pem):
    asked = policy(issuer(ca=FAR))
    _, found = resolved(asked, texts={FAR: pem})
    assert codes(found) == [("AZ211", "spec.issuers[0].caRef")]
    assert found[0].what == (
        "the Secret platform/ca is of another namespace, and no ReferenceGrant there permits it; "
        "its owner can write one: from AuthPolicy of shop to Secret ca"
    )
    assert resolved(asked, texts={FAR: pem}, grants=frozenset({Grant("shop", "platform", "Secret", "ca")}))[1] == []
    assert resolved(asked, texts={FAR: pem}, grants=frozenset({Grant("shop", "platform", "Secret")}))[1] == []


@pytest.mark.parametrize(
    "grant",
    [
        Grant("team", "platform", "Secret"),
        Grant("shop", "platform", "ConfigMap"),
        Grant("shop", "other", "Secret"),
        Grant("shop", "platform", "Secret", "other"),
    ],
)
def test_a_grant_for_something_else_permits_nothing(grant):
    _, found = resolved(policy(issuer(ca=FAR)), texts={FAR: "x"}, grants=frozenset({grant}))
    assert codes(found) == [("AZ211", "spec.issuers[0].caRef")]


def test_what_is_not_permitted_is_not_used_though_it_is_known(pem):
    issuers, _ = resolved(policy(issuer(ca=FAR)), texts={FAR: pem})
    assert (issuers["idp"].ca, issuers["idp"].ca_from) == ("", FAR)


# Definitions.

IDPS = PolicyName("shop", "idps")
FAR_IDPS = PolicyName("platform", "idps")


def defining(*issuers: Issuer, name: PolicyName = IDPS, **changes: Any) -> Policy:
    return policy(*issuers, name=name.name, namespace=name.namespace, hosts=(), rules=(), **changes)


def test_the_issuers_of_a_definer_can_be_named():
    issuers, found = resolved(policy(definers=[IDPS]), defining(issuer(), issuer("other")))
    assert set(issuers) == {"idp", "other"}
    assert found == []


def test_a_local_name_wins_even_against_two_that_differ():
    mine = issuer(issuer="https://mine.example")
    differing = defining(issuer(issuer="https://b.example"), name=FAR_IDPS)
    issuers, found = resolved(policy(mine, definers=[IDPS, FAR_IDPS]), defining(issuer()), differing, grants=None)
    assert issuers == {"idp": mine}
    assert found == []


def test_definitions_are_never_chained():
    deep = defining(issuer(), name=PolicyName("shop", "deep"))
    issuers, _ = resolved(policy(definers=[IDPS]), defining(definers=[deep.name]), deep)
    assert issuers == {}


def test_two_definers_that_differ_are_told_and_two_that_agree_are_not():
    other = PolicyName("shop", "more")
    asked = policy(definers=[IDPS, other])
    _, found = resolved(asked, defining(issuer()), defining(issuer(issuer="https://b.example"), name=other))
    assert codes(found) == [("AZ204", "spec.definitionsFrom[1]")]
    assert found[0].what == "the issuer idp is defined by shop/idps and by shop/more; define it here, or take one"
    assert resolved(asked, defining(issuer()), defining(issuer(), name=other))[1] == []


def test_a_definer_that_is_not_there_is_told_with_the_closest_name():
    _, found = resolved(policy(definers=[PolicyName("shop", "idp")]), defining(issuer()))
    assert codes(found) == [("AZ203", "spec.definitionsFrom[0]")]
    assert found[0].what == "there is no AuthPolicy shop/idp; did you mean shop/idps?"


@pytest.mark.parametrize("known", [PolicyName("shop", "orders"), PolicyName("shop-two", "order-idps")])
def test_only_what_may_be_referred_to_is_suggested(known):
    asked = policy(definers=[PolicyName("shop", "order-idps")])
    _, found = resolved(asked, defining(issuer(), name=known))
    assert str(known) not in found[0].what


def test_a_definer_with_mistakes_is_told_as_one():
    _, found = resolved(policy(definers=[IDPS]), listed=[IDPS])
    assert codes(found) == [("AZ203", "spec.definitionsFrom[0]")]
    assert found[0].what == "the AuthPolicy shop/idps has mistakes itself; see its status"


def test_a_definer_of_another_namespace_takes_a_grant():
    asked, definer = policy(definers=[FAR_IDPS]), defining(issuer(), name=FAR_IDPS)
    issuers, found = resolved(asked, definer)
    assert (issuers, codes(found)) == ({}, [("AZ211", "spec.definitionsFrom[0]")])
    grant = Grant("shop", "platform", "AuthPolicy", "idps")
    assert resolved(asked, definer, grants=frozenset({grant})) == ({"idp": issuer()}, [])


def test_whether_a_definer_is_there_is_not_told_to_those_whom_no_grant_permits():
    asked = policy(definers=[FAR_IDPS])
    there, absent = resolved(asked, defining(issuer(), name=FAR_IDPS))[1], resolved(asked)[1]
    assert there == absent


def test_references_of_a_definer_resolve_in_its_own_namespace(pem):
    """The one that uses it needs no grant for the definer's Secret; the definer does for another's."""
    granted = frozenset({Grant("shop", "platform", "AuthPolicy")})
    asked, definer = policy(definers=[FAR_IDPS]), defining(issuer(ca=FAR), name=FAR_IDPS)
    issuers, found = resolved(asked, definer, texts={FAR: pem}, grants=granted)
    assert (issuers["idp"].ca, found) == (pem, [])
    elsewhere = defining(issuer(ca=CA), name=FAR_IDPS)
    _, found = resolved(asked, elsewhere, texts={CA: pem}, grants=granted)
    assert codes(found) == [("AZ211", "spec.definitionsFrom[0].caRef")]


def test_what_a_definer_lacks_is_told_only_where_its_issuer_is_named():
    definer = defining(issuer(), issuer("spare", keys=KEYS))
    assert resolved(policy(definers=[IDPS]), definer)[1] == []
    lacking = defining(issuer(keys=KEYS))
    assert codes(resolved(policy(definers=[IDPS]), lacking)[1]) == [("AZ212", "spec.definitionsFrom[0].jwksFrom")]


# A policy's own key sets.


def test_an_inline_key_set_that_cannot_be_used_is_told():
    operator = Operator(ClientAddress())
    bad = policy(an_issuer(keys=KeySource(jwks="no JSON")), audiences=("orders",))
    assert codes(own_problems(bad, operator)) == [("AZ202", "spec.issuers[0].jwks")]
    good = policy(an_issuer(keys=KeySource(jwks=a_jwks(a_jwk(rsa_key())))), audiences=("orders",))
    assert own_problems(good, operator) == []
