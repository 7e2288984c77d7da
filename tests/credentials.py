"""API keys and client certificates that are valid at tests.fakes.NOON, and the files beside policies that know them."""

import json
from base64 import urlsafe_b64encode
from functools import cache
from hashlib import sha256
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from authz.model.cluster import Cluster
from authz.model.reference import FILE, Reference
from tests import canaries
from tests.authn import pki

DAYS = (-1.0, 400.0)


@cache
def authority() -> pki.Node:
    """The authority of `ca.crt`."""
    return pki.a_ca(days=DAYS)


@cache
def client(name: str = "client", *, by_another: bool = False) -> pki.Node:
    """The certificate of a client; `by_another`: by an authority that nobody knows. The key of `edward` is of Ed25519."""
    issuer = pki.a_ca("stranger", days=DAYS) if by_another else authority()
    names = pki.san(x509.DNSName(f"{name}.example.com"), x509.UniformResourceIdentifier(f"spiffe://example.com/{name}"))
    key = ed25519.Ed25519PrivateKey.generate() if name == "edward" else None
    return pki.a_leaf(issuer, names, subject=pki.cn(name), days=DAYS, key=key)


def pem_of(node: pki.Node) -> str:
    """A certificate as Envoy tells it: URL-encoded PEM."""
    return quote(node.pem, safe="")


def private_pem(node: pki.Node) -> str:
    """The private key of a certificate, PEM; from now on looked for wherever something is told."""
    text = node.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return canaries.note_pem(text)


def thumbprint(node: pki.Node) -> str:
    """What `cnf` of a token that is bound to a certificate says (RFC 8705 §3.1)."""
    return urlsafe_b64encode(node.certificate.fingerprint(SHA256())).rstrip(b"=").decode()


def a_key(name: str = "k1") -> str:
    """The API key of this name; `keys.jsonl` knows k1, k2 (of another scope) and k3 (suspended)."""
    return canaries.note(f"{name}.{urlsafe_b64encode(sha256(name.encode()).digest()).rstrip(b'=').decode()}")


@cache
def texts() -> dict[str, str]:
    """`keys.jsonl`, `ca.crt` and `ca.crl`, in which the client `gone` is revoked."""
    records = [
        {"id": "k1", "scopes": ["orders"], "cidrs": ["203.0.113.0/24"], "labels": {"plan": "gold"}},
        {"id": "k2", "scopes": ["billing"]},
        {"id": "k3", "scopes": ["*"], "state": "Suspended"},
    ]
    usual = {"subscription": "acme", "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2028-01-01T00:00:00Z"}
    for each in records:
        each |= {**usual, "digest": f"sha256:{sha256(a_key(str(each['id'])).encode()).hexdigest()}"}
    crl = x509.load_der_x509_crl(pki.a_crl(authority(), client("gone").certificate.serial_number, days=DAYS))
    return {
        "keys.jsonl": "\n".join(json.dumps(each) for each in records),
        "ca.crt": authority().pem,
        "ca.crl": crl.public_bytes(Encoding.PEM).decode(),
    }


def beside(directory: str = ".") -> Cluster:
    """The same, as what policies in files of this directory refer to."""
    return Cluster(texts={Reference(FILE, "", name, directory): text for name, text in texts().items()})
