"""A certificate that is certainly none of those that are asked for is refused as that, though no list tells whether it was revoked."""

import pytest

from authz.model.certificate import CertificateIdentity
from authz.model.definitions import CertificateAuthority, Revocation
from authz.model.operator import CertificateSource, ClientCertificate
from authz.model.principal import Caller
from authz.model.reason import Reason
from authz.model.reference import FILE, Reference, Text
from authz.policy.addresses import UNKNOWN
from authz.policy.view import View
from authz.service.certificates import CertificateReader
from tests.authn import pki
from tests.builders import a_request

PEER = ClientCertificate(CertificateSource.PEER)


def _found(*, known: bool, name: str, revoked: bool = False):
    root = pki.a_ca()
    leaf = pki.a_leaf(root)
    list_of = Text("crl", pki.x509.load_der_x509_crl(pki.a_crl(root, *([leaf.certificate.serial_number] if revoked else []))).public_bytes(
        pki.Encoding.PEM).decode())  # fmt: skip
    lists = (list_of,) if known else ()
    reference = Reference(FILE, "", "ca.crt", ".")
    authority = CertificateAuthority("partners", reference, Revocation.REQUIRE, ca=root.pem, crls=lists)
    reader = CertificateReader(authority, (CertificateIdentity(common_name=name),))
    request = a_request()
    request.certificate = leaf.pem.replace("\n", "%0A").replace("+", "%2B").replace(" ", "%20")
    return reader.identify(View(request, "/", pki.NOW, lambda request: UNKNOWN, None, PEER))


@pytest.mark.parametrize(
    ("known", "name", "revoked", "reason"),
    [
        (True, "client", False, None),
        (True, "other", False, Reason.CERT_NOT_ALLOWED),
        (False, "client", False, Reason.CERT_REVOCATION_UNKNOWN),
        (False, "other", False, Reason.CERT_NOT_ALLOWED),
        (True, "client", True, Reason.CERT_REVOKED),
        (True, "other", True, Reason.CERT_REVOKED),
    ],
)
def test_what_is_certain_comes_before_what_no_list_tells(known, name, revoked, reason):
    found = _found(known=known, name=name, revoked=revoked)
    assert (None if isinstance(found, Caller) else found.reason) is reason
