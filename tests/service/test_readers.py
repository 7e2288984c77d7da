"""Readers of one policy: each made once, and taken over where the policy is compiled anew."""

from dataclasses import replace

from authz.model.certificate import CertificateIdentity
from authz.model.definitions import ApiKeySet, CertificateAuthority, Revocation
from authz.model.issuer import Place, PlaceKind
from authz.model.reference import Reference, Text
from authz.service.api_keys import KeyRecords
from authz.service.keyring import KeyRing
from authz.service.readers import PolicyReaders, Sources
from authz.service.tokens import TokenMemory
from tests.fakes import FakeClock, FakeFetcher, Journal
from tests.policy.given import an_issuer

KEYS = ApiKeySet("subscriptions", (), (Place(PlaceKind.HEADER, "x-key"),))
AUTHORITY = CertificateAuthority("partners", Reference("File", "", "ca.pem", "."), Revocation.NONE)
CLIENT = (CertificateIdentity(common_name="client"),)


def readers(earlier=None):
    return PolicyReaders(KeyRing(FakeFetcher(), FakeClock(), Journal()), TokenMemory(), Sources(KeyRecords()), earlier)


def all_of(made):
    return [
        made.tokens((an_issuer(),), ("orders",)),
        made.tokens((an_issuer(),), ("billing",)),
        made.api_keys(KEYS),
        made.api_keys(replace(KEYS, texts=(Text("keys.jsonl", "{}"),))),
        made.certificates(AUTHORITY, ()),
        made.certificates(AUTHORITY, CLIENT),
        made.certificates(replace(AUTHORITY, crls=(Text("ca.crl", ""),)), ()),
    ]


def test_a_reader_is_made_once_for_all_that_tells_it_apart():
    made = readers()
    first = all_of(made)
    assert len(set(first)) == len(first)
    assert all_of(made) == first


def test_readers_of_an_earlier_form_are_taken_over_with_what_they_remember():
    earlier = readers()
    assert set(all_of(readers())).isdisjoint(all_of(earlier))
    assert all_of(readers(earlier)) == all_of(earlier)


def test_the_states_are_those_of_the_issuers_whose_tokens_are_read():
    made = readers()
    made.api_keys(KEYS)
    assert list(made.states) == []
    made.tokens((an_issuer(), an_issuer("other", issuer="https://other.example")), ("orders",))
    assert len(list(made.states)) == 2
