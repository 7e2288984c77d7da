"""What operators write of authorities and their revocation lists: refused in words, or read. The first octet says which it is."""

from base64 import encodebytes
from collections.abc import Iterable, Mapping
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_crl

from authz.authn.authorities import AuthorityError
from authz.authn.certificates import Authority
from authz.authn.crl import Revocations, Standing, distribution_points
from authz.model.certificate import Certificate
from tests.authn.pki import NOW, Node, a_ca, a_crl, a_leaf
from tests.fuzz.lines import text_of

FOUND: Mapping[str, bytes] = {}


@cache
def _made() -> tuple[Node, Node, bytes]:
    """An authority, a certificate that it issued and revoked, and the list that says so."""
    root = a_ca("root", key=ec.derive_private_key(7, ec.SECP256R1()), serial=1)
    return root, a_leaf(root, key=ec.derive_private_key(9, ec.SECP256R1()), serial=3), a_crl(root, 3, 4)


@cache
def _certificate() -> Certificate:
    root, leaf, _ = _made()
    found = Authority(root.pem).verify(leaf.chain(), NOW)
    assert isinstance(found, Certificate)
    return found


def fuzz(data: bytes) -> None:
    kind, text = data[:1], data[1:]
    if kind == b"a":
        _assert_authority(text_of(text))
    else:
        _assert_list(text if kind == b"d" else text_of(text))


def _assert_authority(text: str) -> None:
    try:
        authority = Authority(text)
    except AuthorityError:
        return
    found = authority.verify(_made()[1].chain(), NOW)
    if isinstance(found, Certificate):
        # Who vouches is the one that is written there, with that key.
        assert found.chain[-1].public_key() == _made()[0].certificate.public_key()
        assert distribution_points(found) == ()


def _assert_list(text: str | bytes) -> None:
    found = Revocations([text])
    status = found.status(_certificate(), NOW)
    # Only the list that the authority signed says anything, and that is what it says.
    assert status.standing in (Standing.REVOKED, Standing.UNKNOWN), status
    if status.standing is Standing.REVOKED and isinstance(text, bytes) and text[:1] == b"\x30":
        assert load_der_x509_crl(text).tbs_certlist_bytes == load_der_x509_crl(_made()[2]).tbs_certlist_bytes
    assert status.failure is not None
    assert all(len(each) < 500 for each in found.problems)


def seeds() -> Iterable[bytes]:
    root, leaf, crl = _made()
    yield b"a" + root.pem.encode()
    yield b"a# ours\n" + (root.pem + a_ca("middle", root, key=root.key, serial=2).pem).encode()
    yield b"a" + leaf.pem.encode()
    yield b"a" + root.pem.replace("CERTIFICATE", "EC PRIVATE KEY").encode()
    yield b"d" + crl
    yield b"d" + a_crl(root, 9, days=(-3, -2))
    yield b"p" + _pem(crl)
    yield b"d" + _pem(crl) + _pem(crl)


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN X509 CRL-----\n" + encodebytes(der) + b"-----END X509 CRL-----\n"
