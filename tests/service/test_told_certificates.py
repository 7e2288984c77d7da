"""Who may tell of the client's certificate, and what is remembered of what is told."""

from base64 import b64encode

import pytest

from authz.model.certificate import Chain
from authz.model.operator import CertificateSource, ClientCertificate
from authz.model.principal import Failure
from authz.model.reason import Reason
from authz.policy.addresses import UNKNOWN
from authz.policy.view import View
from authz.service import told_certificates
from authz.service.told_certificates import chain_of
from tests.builders import a_request
from tests.credentials import client, pem_of
from tests.fakes import NOON

PROXY = ("203.0.113.0/24",)
HEADERS = {
    "x-forwarded-client-cert": f'Cert="{pem_of(client())}"',
    "client-cert": f":{b64encode(client().der).decode()}:",
    "x-cert": pem_of(client()),
}


def _told(setting: ClientCertificate | None, *, peer: str = "203.0.113.7", certificate: str = "") -> Chain | Failure:
    request = a_request(headers=HEADERS, peer=peer)
    request.certificate = certificate
    return chain_of(View(request, "/", NOON, lambda asked: UNKNOWN, None, setting))


def _setting(source: CertificateSource, trusted: tuple[str, ...] = ()) -> ClientCertificate:
    return ClientCertificate(source, "x-cert" if source is CertificateSource.HEADER else "", trusted)


@pytest.mark.parametrize("source", [CertificateSource.XFCC, CertificateSource.CLIENT_CERT, CertificateSource.HEADER])
@pytest.mark.parametrize("peer", ["192.0.2.7", "", "unix", "203.0.113.7, 192.0.2.7"])
def test_a_header_of_another_peer_is_not_heard(source, peer):
    assert _told(_setting(source, PROXY)) == Chain(client().der)
    found = _told(_setting(source, PROXY), peer=peer)
    assert isinstance(found, Failure)
    assert found.reason is Reason.CERT_MISSING


def test_where_envoy_itself_tells_no_header_is_heard():
    found = _told(_setting(CertificateSource.PEER))
    assert isinstance(found, Failure)
    assert found.reason is Reason.CERT_MISSING
    assert _told(_setting(CertificateSource.PEER), certificate=pem_of(client())) == Chain(client().der)


def test_where_nobody_said_who_tells_nothing_is_heard():
    found = _told(None, certificate=pem_of(client()))
    assert isinstance(found, Failure)
    assert found.reason is Reason.CERT_MISSING


def test_what_is_told_by_those_whom_nobody_verified_does_not_grow():
    chains = told_certificates.Chains()
    for at in range(3_000):
        chains.put(at.to_bytes(4, "big"), Chain(bytes(16 * 1024), (at.to_bytes(8, "big"),)))
        assert len(chains) * 16 * 1024 <= told_certificates.MOST_OCTETS
    for at in range(2 * told_certificates.MOST_REMEMBERED):
        chains.put(at.to_bytes(5, "big"), Chain(b"x"))
        assert len(chains) <= told_certificates.MOST_REMEMBERED
