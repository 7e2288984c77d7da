"""Definitions with the texts that they refer to."""

import json
from base64 import b64encode

import pytest

from authz.model.cluster import Cluster
from authz.model.definitions import ApiKeySet, CertificateAuthority, IpSet, Revocation
from authz.model.issuer import Place, PlaceKind
from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity
from authz.model.reference import FILE, Missing, Reference, Selection, Text
from authz.service.api_keys import KeyRecords
from authz.service.completion import Completion
from tests.authn.pki import a_ca, a_crl

OWNER = PolicyName("shop", "orders")
KEYS, CA, CRL = (Reference(FILE, "", name, ".") for name in ("keys.jsonl", "ca.pem", "ca.crl"))
CHOSEN = Selection("shop", (("keys", "orders"),))
ROOT = a_ca()
GOOD = json.dumps({"id": "k7", "digest": f"sha256:{'0' * 64}", "subscription": "acme"})
LIST = f"-----BEGIN X509 CRL-----\n{b64encode(a_crl(ROOT)).decode()}\n-----END X509 CRL-----\n"


def completed(definition, cluster):
    found: list[Problem] = []
    completion = Completion(cluster, KeyRecords())
    kind = {ApiKeySet: completion.api_keys, CertificateAuthority: completion.certificate_authority, IpSet: completion.ip_set}
    return kind[type(definition)](definition, OWNER, ("spec", "here", 0), found), [(each.code, each.severity) for each in found]


def key_set(*sources):
    return ApiKeySet("subscriptions", sources or (KEYS,), (Place(PlaceKind.HEADER, "x-key"),))


def authority(**changes):
    return CertificateAuthority("partners", **{"ca_from": CA, "revocation": Revocation.REQUIRE, "crls_from": (CRL,), **changes})


def test_records_are_put_into_their_set():
    made, found = completed(key_set(), Cluster(texts={KEYS: GOOD}))
    assert (made.texts, found) == ((Text("keys.jsonl", GOOD),), [])


def test_a_record_with_a_mistake_is_told_and_keeps_nobody_else_out():
    made, found = completed(key_set(), Cluster(texts={KEYS: f'{{"id": "k8"}}\n{GOOD}'}))
    assert [each.id for each in KeyRecords().of(made.texts[0]).records] == ["k7"]
    assert found == [("AZ214", Severity.WARNING)]


def test_of_many_mistakes_the_first_are_told():
    assert len(completed(key_set(), Cluster(texts={KEYS: '{"id": "k8"}\n' * 50}))[1]) == 8


def test_records_that_are_no_text_of_any_form_are_an_error():
    assert completed(key_set(), Cluster(texts={KEYS: "{\n  :"}))[1] == [("AZ215", Severity.ERROR)]


@pytest.mark.parametrize("texts", [{}, {KEYS: Missing("it is not there; create it")}, {KEYS: " \n"}])
def test_a_text_that_cannot_be_had_is_an_error(texts):
    assert completed(key_set(), Cluster(texts=texts)) == (key_set(), [("AZ212", Severity.ERROR)])


def test_a_file_is_for_files_and_a_selection_for_clusters():
    assert completed(key_set(), Cluster(grants=frozenset(), texts={KEYS: GOOD}))[1] == [("AZ212", Severity.ERROR)]
    assert completed(key_set(CHOSEN), Cluster())[1] == [("AZ212", Severity.WARNING)]


def test_chosen_secrets_are_put_in_and_none_is_told():
    text = Text("Secret shop/acme (key keys.jsonl)", GOOD)
    assert completed(key_set(CHOSEN), Cluster(grants=frozenset(), selected={CHOSEN: (text,)}))[0].texts == (text,)
    assert completed(key_set(CHOSEN), Cluster(grants=frozenset(), selected={CHOSEN: ()}))[1] == [("AZ216", Severity.WARNING)]
    assert completed(key_set(CHOSEN), Cluster(grants=frozenset()))[1] == [("AZ212", Severity.ERROR)]


def test_an_authority_gets_its_certificates_and_lists():
    made, found = completed(authority(), Cluster(texts={CA: ROOT.pem, CRL: LIST}))
    assert (made.ca, made.crls, found) == (ROOT.pem, (Text("the file ca.crl", LIST),), [])


@pytest.mark.parametrize("texts", [{CA: "no PEM", CRL: LIST}, {CA: ROOT.pem, CRL: "no list"}, {CA: ROOT.pem}])
def test_texts_of_an_authority_that_cannot_be_used_are_an_error(texts):
    assert completed(authority(), Cluster(texts=texts))[1] == [("AZ212", Severity.ERROR)]


def test_a_secret_where_there_is_no_cluster_verifies_nobody():
    made, found = completed(authority(ca_from=Reference("Secret", "shop", "ca", "ca.crt"), crls_from=()), Cluster())
    assert (made.ca, found) == ("", [("AZ212", Severity.WARNING)])


def test_a_set_of_addresses_is_as_it_is():
    assert completed(IpSet("office", ("192.0.2.0/24",)), Cluster()) == (IpSet("office", ("192.0.2.0/24",)), [])
