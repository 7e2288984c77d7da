"""What proxies tell of a client's certificate: refused, or a chain that the authority vouches for only where it issued it.

The data are lines: Client-Cert, Client-Cert-Chain, then what is read as each of the other forms.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ec

from authz.authn.certificates import Authority
from authz.authn.forwarded_certificate import MAX_CERTIFICATES, from_client_cert, from_peer, from_pem_header, from_xfcc
from authz.authn.identities import identity_test
from authz.model.certificate import Certificate, CertificateIdentity, Chain
from authz.model.principal import Failure
from tests.authn.pki import NOW, Node, a_ca, a_leaf
from tests.fuzz.lines import text_of


@cache
def _issued() -> tuple[Authority, Node, Node]:
    """An authority, a certificate and the one between."""
    root = a_ca("root", key=ec.derive_private_key(7, ec.SECP256R1()), serial=1)
    middle = a_ca("middle", root, key=ec.derive_private_key(8, ec.SECP256R1()), serial=2)
    return Authority(root.pem), a_leaf(middle, key=ec.derive_private_key(9, ec.SECP256R1()), serial=3), middle


def fuzz(data: bytes) -> None:
    cert, _, rest = text_of(data).partition("\n")
    chain, _, rest = rest.partition("\n")
    for found in (from_client_cert(cert, chain), *(read(rest) for read in (from_peer, from_pem_header, from_xfcc))):
        if isinstance(found, Chain):
            assert found.leaf
            assert len(found.intermediates) < MAX_CERTIFICATES
            _assert_judged(found)
        else:
            assert found is None or (isinstance(found, Failure) and len(found.want) + len(found.got) < 300)


def _assert_judged(chain: Chain) -> None:
    authority, leaf, _ = _issued()
    judged = authority.verify(chain, NOW)
    if isinstance(judged, Certificate):
        assert judged.chain[0].tbs_certificate_bytes == leaf.certificate.tbs_certificate_bytes
        assert identity_test(CertificateIdentity(sha256=sha256(chain.leaf).hexdigest(), subject=judged.subject))(judged)
    else:
        assert not judged.reason.allows
        assert len(judged.got) < 700


def seeds() -> Iterable[bytes]:
    _, leaf, middle = _issued()
    one, whole, digest = quote(leaf.pem, safe=""), quote(leaf.pem + middle.pem, safe=""), sha256(leaf.der).hexdigest()
    own, above = (f":{b64encode(each.der).decode()}:" for each in (leaf, middle))
    yield f"{own}\n{above}\n{whole}".encode()
    yield f"{own}\n{above}, {above}\n{one}".encode()
    yield f'\n\nBy=spiffe://td/us;Hash={digest};Cert="{one}";Chain="{whole}";Subject="CN=a\\\\,\\"b\\"";URI=;DNS=x'.encode()
    yield f'\n{above}\nHash={"0" * 64};Cert="forged",Hash={digest};Chain={whole}'.encode()
    yield f"::\n:YQ==:\nHash={digest}".encode()
    yield f":YQ==:;a\n:YQ==:,\n{leaf.pem}{middle.pem}".replace("-----\n", "----- ").encode()


def _strange() -> bytes:
    """A certificate between whose subject is not UTF-8."""
    _, leaf, middle = _issued()
    above = b64encode(middle.der.replace(b"middle", b"m\xf7ddle"))
    return b":" + b64encode(leaf.der) + b":\n:" + above + b":\n"


FOUND: Mapping[str, bytes] = {"a name that is not read until it is asked for": _strange()}
