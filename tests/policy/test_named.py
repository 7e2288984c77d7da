"""Definitions that items name."""

import pytest

from authz.model.definitions import ApiKeySet, CertificateAuthority, Definitions, IpSet, Revocation
from authz.model.policy import AddressCondition, ApiKeyCondition, CertificateCondition, Item, JwtCondition
from authz.model.reference import Reference
from authz.policy.named import dangling, did_you_mean, named
from tests.policy.given import a_policy, a_rule, an_issuer

AUTHORITY = CertificateAuthority("partners", Reference("File", "", "ca.pem", "."), Revocation.NONE)
KNOWN = Definitions(
    {"idp": an_issuer()}, {"subscriptions": ApiKeySet("subscriptions", (), ())}, {"partners": AUTHORITY}, {"office": IpSet("office")}
)
ITEM = Item(
    "it",
    jwt=JwtCondition(("idp",)),
    api_key=ApiKeyCondition("subscriptions", ()),
    certificate=CertificateCondition("partners"),
    addresses=AddressCondition(sets=("office",)),
)


def policy(item=ITEM):
    return a_policy(deny=(item,), rules=(a_rule(allow=(item,), deny=(item,)),))


def test_every_kind_of_name_is_found():
    assert named(policy()) == {
        "issuers": {"idp"},
        "apiKeys": {"subscriptions"},
        "certificateAuthorities": {"partners"},
        "ipSets": {"office"},
    }
    assert not any(named(policy(Item("it", anonymous=True))).values())


def test_what_is_defined_does_not_dangle():
    assert list(dangling(policy(), KNOWN)) == []


@pytest.mark.parametrize(
    ("item", "words", "place"),
    [
        (Item("it", jwt=JwtCondition(("idp", "ipd"))), "no issuer is called ipd here; did you mean idp?", "jwt.issuers[1]"),
        (Item("it", api_key=ApiKeyCondition("subscription", ())), "no key set is called subscription here; did you mean", "apiKey.from"),
        (
            Item("it", certificate=CertificateCondition("x")),
            "no certificate authority is called x here (spec.",
            "clientCertificate.authority",
        ),
        (Item("it", addresses=AddressCondition(sets=("offices",))), "no set of addresses is called offices here", "clientIP.sets[0]"),
    ],
)
def test_what_nobody_defines_is_told_with_its_place(item, words, place):
    found = list(dangling(policy(item), KNOWN))
    assert [each.where for each in found] == [f"spec.deny[0].{place}", f"spec.rules[0].deny[0].{place}", f"spec.rules[0].allow[0].{place}"]
    assert {each.code for each in found} == {"AZ201"}
    assert all(words in each.what for each in found)


def test_a_word_that_is_close_to_none_gets_no_guess():
    assert did_you_mean("x", ["partners"]) == ""
