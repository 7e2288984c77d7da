"""The reader of client certificates: where they are told, what is remembered, and what ends it."""

from base64 import b64encode
from urllib.parse import quote

import pytest

from authz.model.certificate import CertificateIdentity
from authz.model.definitions import CertificateAuthority, Revocation
from authz.model.operator import CertificateSource, ClientCertificate
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.model.reference import Reference, Text
from authz.model.trace import Trace
from authz.policy import addresses
from authz.policy.view import View
from authz.service import certificates
from authz.service.certificates import CertificateReader
from authz.service.told_certificates import leaf_of
from tests.authn.pki import DAY, NOW, a_ca, a_crl, a_leaf
from tests.builders import a_request

ROOT, OTHER = a_ca(days=(-30, 30)), a_ca("other")
CLIENT, STRANGER = a_leaf(ROOT), a_leaf(OTHER)
PEER = ClientCertificate(CertificateSource.PEER)


def url(*nodes):
    return quote("".join(each.pem for each in nodes), safe="")


def authority(revocation=Revocation.NONE, *lists, ca=ROOT.pem):
    texts = (f"-----BEGIN X509 CRL-----\n{b64encode(each).decode()}\n-----END X509 CRL-----\n" for each in lists)
    crls = tuple(Text("ca.crl", text) for text in texts)
    return CertificateAuthority("partners", Reference("File", "", "ca.pem", "."), revocation, ca=ca, crls=crls)


def a_view(certificate="", *, headers=None, how=PEER, now=NOW, trace=None, peer="203.0.113.7"):
    request = a_request(headers=headers, peer=peer)
    request.certificate = certificate
    return View(request, "/", now, lambda asked: addresses.parse(asked.peer), trace, how)


def found(view, given=None, *identities):
    return CertificateReader(given or authority(), identities).identify(view)


def reason(view, given=None, *identities):
    outcome = found(view, given, *identities)
    return outcome.reason if isinstance(outcome, Failure) else None


def test_a_certificate_is_its_subject_and_says_what_it_is():
    caller = found(a_view(url(CLIENT)))
    assert isinstance(caller, Caller)
    assert (caller.source, caller.subject, caller.claims["commonName"]) == ("partners", "CN=client", "client")


WAYS = {
    "peer": (PEER, url(CLIENT), {}),
    "xfcc": (ClientCertificate(CertificateSource.XFCC), "", {"x-forwarded-client-cert": f'Cert="{url(CLIENT)}"'}),
    "client-cert": (ClientCertificate(CertificateSource.CLIENT_CERT), "", {"client-cert": f":{b64encode(CLIENT.der).decode()}:"}),
    "header": (ClientCertificate(CertificateSource.HEADER, "x-cert"), "", {"x-cert": url(CLIENT)}),
}


@pytest.mark.parametrize("asked", WAYS)
@pytest.mark.parametrize("told", WAYS)
def test_only_what_the_operator_names_is_believed(asked, told):
    how, (_, certificate, headers) = WAYS[asked][0], WAYS[told]
    assert reason(a_view(certificate, headers=headers, how=how)) is (None if asked == told else Reason.CERT_MISSING)


@pytest.mark.parametrize(("peer", "is_heard"), [("192.0.2.1", True), ("203.0.113.7", False), ("", False), ("garbage", False)])
def test_only_who_the_operator_trusts_is_heard(peer, is_heard):
    how = ClientCertificate(CertificateSource.HEADER, "x-cert", ("192.0.2.0/24",))
    view = a_view(headers={"x-cert": url(CLIENT)}, how=how, peer=peer)
    assert reason(view) is (None if is_heard else Reason.CERT_MISSING)
    assert leaf_of(view) == (CLIENT.der if is_heard else None)


def test_where_nobody_said_how_there_is_no_certificate():
    assert reason(a_view(url(CLIENT), how=None)) is Reason.CERT_MISSING


def test_a_verified_certificate_is_remembered_until_it_ends():
    reader = CertificateReader(authority(), ())
    caller = reader.identify(a_view(url(CLIENT)))
    assert reader.identify(a_view(url(CLIENT), now=NOW + 60)) is caller
    late = reader.identify(a_view(url(CLIENT), now=NOW + 2 * DAY))
    assert isinstance(late, Failure)
    assert late.reason is Reason.CERT_EXPIRED


def test_what_fails_is_not_remembered_and_another_authority_remembers_nothing():
    assert reason(a_view(url(STRANGER))) is Reason.CERT_UNTRUSTED
    assert reason(a_view(url(STRANGER)), authority(ca=OTHER.pem)) is None


def test_so_many_are_remembered_and_no_more(monkeypatch):
    monkeypatch.setattr(certificates, "MOST_REMEMBERED", 2)
    reader = CertificateReader(authority(), ())
    for _ in range(5):
        assert isinstance(reader.identify(a_view(url(a_leaf(ROOT)))), Caller)
        assert len(reader._known) <= 2


@pytest.mark.parametrize(
    ("revocation", "lists", "wanted"),
    [
        (Revocation.NONE, (a_crl(ROOT, CLIENT.certificate.serial_number),), None),
        (Revocation.REQUIRE, (a_crl(ROOT),), None),
        (Revocation.REQUIRE, (a_crl(ROOT, CLIENT.certificate.serial_number),), Reason.CERT_REVOKED),
        (Revocation.REQUIRE, (a_crl(OTHER),), Reason.CERT_REVOCATION_UNKNOWN),
        (Revocation.PREFER, (a_crl(ROOT, CLIENT.certificate.serial_number),), Reason.CERT_REVOKED),
        (Revocation.PREFER, (a_crl(OTHER),), None),
    ],
)
def test_what_lists_say_counts_as_the_policy_writes(revocation, lists, wanted):
    assert reason(a_view(url(CLIENT)), authority(revocation, *lists)) is wanted


def test_a_list_that_ends_is_unknown_though_the_certificate_is_remembered():
    reader = CertificateReader(authority(Revocation.REQUIRE, a_crl(ROOT, days=(-0.5, 0.5))), ())
    assert isinstance(reader.identify(a_view(url(CLIENT))), Caller)
    assert reader.identify(a_view(url(CLIENT), now=NOW + 0.75 * DAY)).reason is Reason.CERT_REVOCATION_UNKNOWN


def test_one_of_the_identities_is_enough_and_none_is_not():
    right, wrong = CertificateIdentity(common_name="client"), CertificateIdentity(common_name="x")
    assert reason(a_view(url(CLIENT)), None, wrong, right) is None
    failure = found(a_view(url(CLIENT)), None, wrong, CertificateIdentity(common_name="y", serial="1"))
    assert (failure.reason, failure.rank) == (Reason.CERT_NOT_ALLOWED, Rank.NOT_PERMITTED)
    assert failure.want == "common name x or serial 1 and common name y"


def test_an_authority_without_a_text_is_our_fault():
    failure = found(a_view(url(CLIENT)), authority(ca=""))
    assert (failure.reason, failure.undecided) == (Reason.KEYS_UNAVAILABLE, True)


def test_every_step_is_written_down():
    trace = Trace()
    found(a_view(url(CLIENT), trace=trace), authority(Revocation.REQUIRE, a_crl(ROOT)), CertificateIdentity(common_name="x"))
    assert [(step.what, step.holds) for step in trace.steps] == [("certificate", True), ("revocation", True), ("identity", False)]
