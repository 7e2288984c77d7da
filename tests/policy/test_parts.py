"""What the rules of one policy share: readers, challenges, what is taken away."""

from authz.model.definitions import ApiKeySet, CertificateAuthority, Definitions, IpSet, Revocation
from authz.model.issuer import Place, PlaceKind
from authz.model.policy import AddressCondition, ApiKeyCondition, CertificateCondition, Item, JwtCondition
from authz.model.reason import Reason
from authz.model.reference import Reference
from authz.policy.credential import Challenge
from authz.policy.parts import Parts
from tests.policy.given import FakeReader, a_policy, a_view, an_issuer

HEADER, QUERY = Place(PlaceKind.HEADER, "x-key"), Place(PlaceKind.QUERY, "key")
SCHEME, COOKIE = Place(PlaceKind.HEADER, "authorization", "ApiKey"), Place(PlaceKind.COOKIE, "session")
PATH = ("spec", "rules", 0, "allow", 0)
AUTHORITY = CertificateAuthority("partners", Reference("File", "", "ca.pem", "."), Revocation.NONE)


class Counting:
    """Makes a reader for each call."""

    def __init__(self):
        self.made = []

    def _one(self, *what):
        self.made.append(what)
        return FakeReader()

    tokens = api_keys = certificates = _one


def parts(*places, issuers=("idp",), readers=None, owned=frozenset()):
    keys = ApiKeySet("subscriptions", (), places or (HEADER,))
    known = {name: an_issuer(name) for name in issuers}
    sets = {"office": IpSet("office", ("203.0.113.0/24",))}
    return Parts(a_policy(), Definitions(known, {"subscriptions": keys}, {"partners": AUTHORITY}, sets), owned, readers or Counting())


def a_key(*places):
    return parts(*places).item(Item("it", api_key=ApiKeyCondition("subscriptions", ("orders",))), PATH)


def test_a_challenge_names_the_first_place_of_a_key():
    assert a_key(HEADER, QUERY).challenges == (Challenge("ApiKey", (("name", "x-key"), ("in", "header")), is_token=False),)
    assert a_key(QUERY, HEADER).challenges == (Challenge("ApiKey", (("name", "key"), ("in", "query")), is_token=False),)
    assert a_key(SCHEME).challenges == (Challenge("ApiKey", is_token=False),)


def test_a_certificate_has_no_challenge_and_credentials_have_one_order():
    every = Item(
        "it", jwt=JwtCondition(("idp",)), api_key=ApiKeyCondition("subscriptions", ()), certificate=CertificateCondition("partners")
    )
    item = parts().item(every, PATH)
    assert [each.kind for each in item.credentials] == ["jwt", "apiKey", "clientCertificate"]
    assert [each.path for each in item.credentials] == [(*PATH, "jwt"), (*PATH, "apiKey"), (*PATH, "clientCertificate")]
    assert [each.scheme for each in item.challenges] == ["Bearer", "ApiKey"]
    assert item.has_certificate


def test_a_reader_is_made_once_for_each_set_and_issuers():
    readers = Counting()
    shared = parts(issuers=("idp", "other"), readers=readers)
    for _ in range(2):
        shared.item(Item("key", api_key=ApiKeyCondition("subscriptions", ())), PATH)
        shared.item(Item("token", jwt=JwtCondition(("idp",))), PATH)
        shared.item(Item("token", jwt=JwtCondition(("other",))), PATH)
    assert len(readers.made) == 3


def test_places_of_keys_are_taken_away_with_those_of_tokens():
    allow = parts(HEADER, QUERY, COOKIE, owned=frozenset({"x-auth-key"})).allow(Reason.RULE_ALLOW)
    assert allow.remove_headers == ("authorization", "x-auth-key", "x-key")
    assert (list(allow.strip_queries), list(allow.strip_cookies)) == (["key"], ["session"])


def test_kept_credentials_are_not_taken_away_and_our_headers_are():
    assert parts(owned=frozenset({"x-auth-key"})).allow(Reason.RULE_ALLOW, keep=True).remove_headers == ("x-auth-key",)


def test_a_set_of_addresses_is_put_in_and_told_by_name():
    item = parts().item(Item("office", anonymous=True, addresses=AddressCondition(("192.0.2.0/24",), sets=("office",))), PATH)
    assert item.member_failure(a_view(address="203.0.113.7")) is None
    failure = item.member_failure(a_view(address="198.51.100.1"))
    assert failure is not None
    assert failure.want == "192.0.2.0/24, the set office"


def test_nothing_guards_a_rule_that_reads_no_credential():
    assert parts().guard((Item("it", anonymous=True), Item("it", certificate=CertificateCondition("partners")))) is None
    assert parts().guard((Item("it", api_key=ApiKeyCondition("subscriptions", ())),)) is not None
