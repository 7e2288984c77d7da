"""Clients of the gateways: their certificates and API keys, and the policy that takes them."""

import json
import ssl
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from authz.authn.api_keys import digest_of
from authz.demo.bootstrap import Pem
from tests import canaries
from tests.certificates import Authority
from tests.gateways.plane import Object, Plane

KEY = canaries.note("k7.partnerpartnerpartnerpartner0123456789")
RULES: list[Object] = [
    {
        "name": "read",
        "allow": [
            {"name": "partners", "clientCertificate": {"authority": "partners", "identities": [{"dnsName": "*.partner.example"}]}},
            {"name": "subscribers", "apiKey": {"from": "keys", "scopes": ["orders"]}},
        ],
        "forward": {
            "headers": [
                {"name": "x-auth-partner", "from": {"clientCertificate": ["dnsNames"]}},
                {"name": "x-auth-subscription", "from": {"apiKey": ["subscription"]}},
            ]
        },
    }
]
DEFINITIONS: Object = {
    "certificateAuthorities": [{"name": "partners", "from": {"secretRef": {"name": "partner-ca"}}, "revocation": "None"}],
    "apiKeys": [
        {"name": "keys", "from": {"secretSelector": {"matchLabels": {"ingress-authz.dev/keys": "orders"}}}, "in": [{"header": "X-Key"}]}
    ],
}


def put_what_policies_refer_to(plane: Plane, authority: Authority) -> None:
    """Put the authority of clients, and a Secret with the record of the key."""
    digest = digest_of(KEY)
    record = {"id": "k7", "digest": f"{digest.kind}:{digest.value.hex()}", "subscription": "acme", "scopes": ["orders"]}
    for name, data, labels in (
        ("partner-ca", {"ca.crt": authority.file.read_text()}, {}),
        ("orders-keys", {"keys.jsonl": json.dumps(record)}, {"ingress-authz.dev/keys": "orders"}),
    ):
        metadata = {"name": name, "namespace": "shop", "labels": labels}
        answer = plane.apply_object({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
        assert answer.status in (200, 201), answer.message


def showing(pem: Pem | None, trusted: Path) -> ssl.SSLContext:
    """How a client with this certificate, or none, connects to a server of this authority."""
    context = ssl.create_default_context(cafile=str(trusted))
    if pem is not None:
        context.load_cert_chain(pem.certificate, pem.key)
    return context


def forged(pem: Pem) -> dict[str, str]:
    """A header as a proxy would write it about a client with this certificate."""
    text = pem.certificate.read_text()
    digest = x509.load_pem_x509_certificate(text.encode()).fingerprint(hashes.SHA256()).hex()
    return {"x-forwarded-client-cert": f'Hash={digest};Cert="{quote(text, safe="")}"'}
