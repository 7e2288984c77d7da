"""Every kind of credential: a decision by it, remembered and for the first time, against reading the request; and sets of addresses."""

import itertools
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from envoy.service.auth.v3 import external_auth_pb2

from authz.api.decode import read
from authz.model.cluster import Cluster
from authz.model.decision import Allow
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from authz.model.reference import FILE, Reference
from authz.policy.addresses import AddressSet, bounds, parse
from authz.service import certificates
from authz.service.tokens import TokenMemory
from benchmarks import scene
from benchmarks.decisions import parse_and_read
from benchmarks.measure import interleaved, ratio

FEW, MANY = 10, 100_000
OPERATOR = Operator(ClientAddress(), client_certificate=ClientCertificate(CertificateSource.PEER))
KEY = f"k1.{'s' * 43}"
WHEN = "request.method == 'GET' && 'reader' in jwt.roles && request.path.startsWith('/orders/')"
ITEMS = {
    "a token": "jwt: {issuers: [idp]}",
    "an API key": "apiKey: {from: keys, scopes: [orders]}",
    "a client certificate": "clientCertificate: {authority: ca, identities: [{dnsName: client.example.com}]}",
    "a token bound to a certificate": "jwt: {issuers: [idp]}",
    "a token, with an expression": f'jwt: {{issuers: [idp]}}, when: "{WHEN}"',
    "a token and a client certificate": "jwt: {issuers: [idp]}, clientCertificate: {authority: ca}",
}


class People:
    """A certificate authority and the certificate of a client."""

    def __init__(self):
        self._now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        basic = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        self.authority = self._signed("authority", "authority", key, key, ((basic, True), (usage, True), (identifier, False)))
        names = x509.SubjectAlternativeName([x509.DNSName("client.example.com")])
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        own = ec.generate_private_key(ec.SECP256R1())
        self.client = self._signed("client", "authority", own, key, ((names, False), (purpose, False)))
        self.told = quote(self.client.public_bytes(Encoding.PEM), safe="")

    def _signed(self, subject, issuer, key, by, extensions):
        name, other = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (subject, issuer))
        built = x509.CertificateBuilder().subject_name(name).issuer_name(other).public_key(key.public_key())
        built = built.serial_number(x509.random_serial_number())
        built = built.not_valid_before(self._now - timedelta(days=1)).not_valid_after(self._now + timedelta(days=1))
        for value, critical in extensions:
            built = built.add_extension(value, critical)
        return built.sign(by, SHA256())

    @property
    def texts(self):
        record = {"id": "k1", "digest": f"sha256:{sha256(KEY.encode()).hexdigest()}", "subscription": "acme", "scopes": ["orders"]}
        found = {"ca.crt": self.authority.public_bytes(Encoding.PEM).decode(), "keys.jsonl": json.dumps(record)}
        return {Reference(FILE, "", name, "."): text for name, text in found.items()}


def lines():
    """Yield the lines about each kind of credential, and about sets of addresses."""
    people, minter = People(), scene.Minter()
    for kind in ITEMS:
        yield from _of_kind(kind, people, minter)
    yield _of_addresses()


def _of_kind(kind, people, minter):
    site = scene.Site(_declared(kind, minter.jwks()), operator=OPERATOR, cluster=Cluster(texts=people.texts))
    fresh = scene.Site(_declared(kind, minter.jwks()), TokenMemory(max_count=2), operator=OPERATOR, cluster=Cluster(texts=people.texts))
    data = [_check_request(kind, people, minter, f"user-{at}") for at in range(8)]
    requests = [scene.request(each) for each in data]
    _must_allow(site, requests[0], kind)
    turns = itertools.cycle(requests)
    took = interleaved(
        {
            "yardstick": lambda: parse_and_read(data[0]),
            "decision": lambda: site.checker.check(requests[0], scene.BUDGET),
        },
        calls=2_000,
    )
    yield ratio(
        took["decision"] / took["yardstick"], f"a decision by {kind} / parsing and reading its CheckRequest ({len(data[0]):,} bytes)"
    )
    if kind == "an API key":
        return  # Of keys nothing is remembered: the first time is as any other.
    first = interleaved({"decision": lambda: site.checker.check(requests[0], scene.BUDGET), "first": _first(fresh, turns)}, calls=100)
    yield ratio(first["first"] / first["decision"], "the same for the first time / once it is remembered")


def _first(site, turns):
    """Return a check of a credential of which nothing is remembered."""
    readers = [reader for built in site.updater._built.values() for reader in built.readers._made.values()]
    known = [reader for reader in readers if isinstance(reader, certificates.CertificateReader)]

    # Private parts are emptied here on purpose: more certificates than are remembered would take minutes to make.
    def check():
        certificates._chains.clear()
        for reader in known:
            reader._known.clear()
        site.checker.check(next(turns), scene.BUDGET)

    return check


def _declared(kind, jwks):
    issuer = f"{{name: idp, issuer: '{scene.ISSUER}', algorithms: [RS256], jwks: '{jwks}'}}"
    return read(
        f"""
apiVersion: ingress-authz.dev/v1alpha1
kind: AuthPolicy
metadata: {{name: orders, namespace: shop}}
spec:
  hosts: [{scene.HOST}]
  audiences: ["{scene.AUDIENCE}"]
  issuers: [{issuer}]
  apiKeys: [{{name: keys, from: {{file: keys.jsonl}}, in: [{{header: x-api-key}}]}}]
  certificateAuthorities: [{{name: ca, from: {{file: ca.crt}}, revocation: None}}]
  rules: [{{name: read, allow: [{{name: callers, {ITEMS[kind]}}}]}}]
""",
        "policy.yaml",
    )


def _check_request(kind, people, minter, subject):
    """Return a CheckRequest as in the scene, with the credentials of this kind and no others."""
    claims = scene.claims_for(subject)
    if "bound" in kind:
        thumbprint = urlsafe_b64encode(people.client.fingerprint(SHA256())).rstrip(b"=").decode()
        claims["cnf"] = {"x5t#S256": thumbprint}
    message = external_auth_pb2.CheckRequest.FromString(scene.check_request(minter.encode(claims)))
    headers = message.attributes.request.http.headers
    if "token" not in kind:
        del headers["authorization"]
    if "key" in kind:
        headers["x-api-key"] = KEY
    if "certificate" in kind:
        message.attributes.source.certificate = people.told
    return message.SerializeToString()


def _of_addresses():
    few, many = (AddressSet(bounds(f"{10 + at // 65_536}.{at // 256 % 256}.{at % 256}.0/25") for at in range(size)) for size in (FEW, MANY))
    turns = {"few": few, "many": many}
    asked = [parse(f"10.0.{at}.{host}") for at in range(FEW) for host in (7, 200)]
    took = interleaved({name: lambda each=each: [one in each for one in asked] for name, each in turns.items()}, calls=3_000)
    return ratio(took["many"] / took["few"], f"an address in a set of {MANY:,} prefixes / in one of {FEW}", 2.5)


def _must_allow(site, request, kind):
    decision = site.checker.check(request, scene.BUDGET)
    if not isinstance(decision, Allow):
        raise SystemExit(f"the benchmark's request with {kind} is denied: {decision}")
