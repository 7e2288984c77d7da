"""Definitions as written become the model's."""

import pytest

from authz.api import definitions, v1alpha1
from authz.model.definitions import AddressRange, ApiKeySet, CertificateAuthority, IpSet, Revocation
from authz.model.issuer import Place, PlaceKind
from authz.model.reference import FILE, Reference, Selection


def a_key_set(source):
    written = v1alpha1.ApiKeySet.model_validate({"name": "subscriptions", "from": source, "in": [{"header": "X-Key"}]})
    return definitions.key_set(written, "shop", "policies")


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ({"file": "keys/acme.jsonl"}, Reference(FILE, "", "keys/acme.jsonl", "policies")),
        ({"secretRef": {"name": "keys"}}, Reference("Secret", "shop", "keys", "keys.jsonl")),
        ({"secretRef": {"namespace": "platform", "name": "keys", "key": "acme"}}, Reference("Secret", "platform", "keys", "acme")),
        ({"secretSelector": {"matchLabels": {"z": "1", "a": "2"}}}, Selection("shop", (("a", "2"), ("z", "1")))),
    ],
)
def test_where_records_stand(written, source):
    assert a_key_set(written) == ApiKeySet("subscriptions", (source,), (Place(PlaceKind.HEADER, "x-key"),))


@pytest.mark.parametrize(
    ("written", "reference"),
    [
        ({"file": "ca.pem"}, Reference(FILE, "", "ca.pem", "policies")),
        ({"secretRef": {"name": "ca"}}, Reference("Secret", "shop", "ca", "ca.crt")),
        ({"configMapRef": {"namespace": "platform", "name": "ca", "key": "x"}}, Reference("ConfigMap", "platform", "ca", "x")),
    ],
)
def test_where_certificates_of_an_authority_stand(written, reference):
    given = v1alpha1.CertificateAuthority.model_validate({"name": "partners", "from": written, "revocation": "None"})
    assert definitions.authority(given, "shop", "policies") == CertificateAuthority("partners", reference, Revocation.NONE)


def test_an_authority_with_lists():
    given = v1alpha1.CertificateAuthority.model_validate(
        {"name": "partners", "from": {"file": "ca.pem"}, "revocation": "Require"}
        | {"crls": [{"file": "ca.crl"}, {"secretRef": {"name": "ca"}}], "crlHosts": ["crl.example.com"]}
    )
    made = definitions.authority(given, "shop", ".")
    assert made.crls_from == (Reference(FILE, "", "ca.crl", "."), Reference("Secret", "shop", "ca", "ca.crl"))
    assert (made.revocation, made.crl_hosts) == (Revocation.REQUIRE, ("crl.example.com",))


def test_a_set_of_addresses():
    ranges = [{"from": "192.0.2.1", "to": "192.0.2.9"}]
    given = v1alpha1.IpSet.model_validate({"name": "office", "cidrs": ["203.0.113.0/24"], "ranges": ranges})
    assert definitions.ip_set(given) == IpSet("office", ("203.0.113.0/24",), (AddressRange("192.0.2.1", "192.0.2.9"),))
    assert definitions.ranges(None) == ()


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"header": "Authorization", "scheme": "Bearer"}, Place(PlaceKind.HEADER, "authorization", "Bearer")),
        ({"query": "Access_Token"}, Place(PlaceKind.QUERY, "Access_Token")),
        ({"cookie": "Session"}, Place(PlaceKind.COOKIE, "Session")),
    ],
)
def test_only_headers_have_no_case(written, place):
    assert definitions.place(v1alpha1.TokenPlace.model_validate(written)) == place
