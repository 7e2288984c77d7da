"""A town for tests of client certificates: who lives there, what policies ask of them, and the doors at which they knock."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from tests.authn.pki import Node, cn, dn, san
from tests.builders import a_manifest, issuer_yaml
from tests.e2e.gate import ANNOUNCED, Shape
from tests.e2e.holders import Holder, Nobody, a_list, an_issuer, days, holder
from tests.e2e.house import Door, House, Kept
from tests.e2e.stack import Plan
from tests.e2e.wire import Line, values_of

ALLOWED = (200, "")
MISSING, UNTRUSTED, EXPIRED = (403, "cert_missing"), (403, "cert_untrusted"), (403, "cert_expired")
REVOKED, UNKNOWN, ANOTHER = (403, "cert_revoked"), (503, "cert_revocation_unknown"), (403, "cert_not_allowed")
# The proxies of the operator, before Envoy, have these addresses; connections are announced as theirs, or as another's.
PROXIES = "192.0.2.0/24"
PROXY, STRANGER = b"PROXY TCP4 192.0.2.7 127.0.0.1 4000 443\r\n", b"PROXY TCP4 198.51.100.9 127.0.0.1 4000 443\r\n"
NAMED = "x-arr-clientcert"
ACME = dn((NameOID.COMMON_NAME, "orders"), (NameOID.ORGANIZATION_NAME, "Contoso, Inc."))
WORKLOAD = "spiffe://partner.example/ns/shop/sa/orders"
NAMES = san(x509.DNSName("a.partner.example"), x509.UniformResourceIdentifier(WORKLOAD), x509.RFC822Name("it@partner.example"))


@dataclass(frozen=True)
class People:
    """Everybody who has a certificate, by what it is."""

    root: Node
    middle: Node
    good: Holder
    behind: Holder
    rogue: Holder
    self_signed: Holder
    expired: Holder
    early: Holder
    for_servers: Holder
    revoked: Holder
    unlisted: Holder
    listing: Node
    nobody: Nobody


def people(server: Path) -> People:
    root, listing = an_issuer(), an_issuer("without a list")
    middle = an_issuer("middle", root)
    servers = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return People(
        root=root,
        middle=middle,
        good=holder(root, server, NAMES, subject=ACME),
        behind=holder(middle, server, subject=cn("behind"), intermediates=(middle,)),
        # Of an authority of the same name, for the same names.
        rogue=holder(an_issuer(), server, NAMES, subject=ACME),
        self_signed=holder(None, server, NAMES, subject=ACME),
        expired=holder(root, server, NAMES, subject=ACME, days=days(-1, -0.5)),
        early=holder(root, server, NAMES, subject=ACME, days=days(0.5, 1)),
        for_servers=holder(root, server, NAMES, subject=ACME, eku=servers),
        revoked=holder(root, server, subject=cn("revoked")),
        unlisted=holder(listing, server, subject=cn("unlisted")),
        listing=listing,
        nobody=Nobody(server),
    )


def policy(host: str, authority: str, rules: str = "") -> str:
    usual = "[{name: any, allow: [{name: partners, clientCertificate: {authority: partners}}]}]"
    name = host.partition(".")[0]
    return a_manifest(f"hosts: [{host}]\ncertificateAuthorities: [{{name: partners, {authority}}}]\nrules: {rules or usual}", name)


FORWARDING = """
- name: forwarding
  allow: [{name: partners, clientCertificate: {authority: partners}}]
  forward:
    headers:
    - {name: x-auth-name, from: {clientCertificate: [commonName]}}
    - {name: x-auth-uris, from: {clientCertificate: [uris]}}
    - {name: x-auth-sha256, from: {clientCertificate: [sha256]}}
"""
OPEN = """
- name: open
  deny: [{name: out, clientCertificate: {authority: partners, identities: [{commonName: orders}]}}]
  allow: [{name: anyone, anonymous: {}}]
"""
BOUND = f"""
hosts: [bound.example]
audiences: [orders]
issuers: [{issuer_yaml()}]
rules: [{{name: any, allow: [{{name: callers, jwt: {{issuers: [idp]}}}}]}}]
"""


def identities(known: People) -> list[tuple[str, bool]]:
    """What a policy asks of a certificate, and whether the good one is that."""
    leaf, root = known.good.node, known.root
    print256, print1 = sha256(leaf.der).hexdigest(), leaf.certificate.fingerprint(SHA1()).hex()
    colons = ":".join(print256[at : at + 2] for at in range(0, 64, 2)).upper()
    return [
        (f"{{sha256: '{print256}'}}", True),
        (f"{{sha256: '{colons}'}}", True),
        (f"{{sha1: '{print1.upper()}'}}", True),
        (f"{{serial: '{known.good.serial:X}'}}", True),
        (r"{subject: 'CN=orders,O=Contoso\, Inc.'}", True),
        ("{subject: 'CN=orders,O=Contoso'}", False),
        ("{commonName: orders}", True),
        ("{commonName: Orders}", False),
        ("{dnsName: '*.partner.example'}", True),
        ("{dnsName: b.partner.example}", False),
        (f"{{uri: '{WORKLOAD}'}}", True),
        ("{uri: 'spiffe://partner.example/ns/shop/*'}", True),
        ("{uri: 'spiffe://partner.example/ns/sho/*'}", False),
        ("{email: it@PARTNER.example}", True),
        ("{issuer: 'CN=root'}", True),
        (f"{{issuerSHA256: '{sha256(root.der).hexdigest()}'}}", True),
        (f"{{issuerSHA256: '{sha256(known.rogue.node.der).hexdigest()}'}}", False),
        # All of one identity, any of several.
        (f"{{commonName: orders, sha256: '{print256}'}}", True),
        (f"{{commonName: orders, sha256: '{'0' * 64}'}}", False),
        ("{commonName: other}, {commonName: orders}", True),
        ("{commonName: other, dnsName: a.partner.example}, {commonName: orders, dnsName: b.partner.example}", False),
    ]


def identity_policy(known: People) -> str:
    rules = "".join(
        f"\n- name: r{at}\n  matches: [{{path: {{type: Exact, value: /{at}}}}}]\n"
        f"  allow: [{{name: a, clientCertificate: {{authority: partners, identities: [{asked}]}}}}]"
        for at, (asked, _) in enumerate(identities(known))
    )
    return policy("identities.example", "from: {file: root.pem}, revocation: None", rules + "\n")


def files(known: People) -> dict[str, str]:
    """What stands in the directory of the policies."""
    both = known.root.pem + known.listing.pem
    lists = "from: {file: both.pem}, crls: [{file: root.crl}]"
    return {
        "root.pem": known.root.pem,
        "whole.pem": known.root.pem + known.middle.pem,
        "both.pem": both,
        "root.crl": a_list(known.root, known.revoked.serial),
        "plain.yaml": policy("plain.example", "from: {file: root.pem}, revocation: None", FORWARDING),
        "whole.yaml": policy("whole.example", "from: {file: whole.pem}, revocation: None"),
        "identities.yaml": identity_policy(known),
        "require.yaml": policy("require.example", f"{lists}, revocation: Require"),
        "prefer.yaml": policy("prefer.example", f"{lists}, revocation: Prefer"),
        "none.yaml": policy("none.example", "from: {file: both.pem}, revocation: None"),
        "deny.yaml": policy("deny.example", f"{lists}, revocation: Require", OPEN),
        "bound.yaml": a_manifest(BOUND, "bound"),
    }


@dataclass(frozen=True)
class Town:
    """The house, kept for all tests, and who may knock."""

    at: Kept[House]
    known: People

    def knock(
        self, who: Holder | Nobody, host: str = "plain.example", target: str = "/", *lines: Line, door: str = "peer"
    ) -> tuple[int, str]:  # fmt: skip
        """The outcome of a request over a connection of TLS of its own."""
        return self.at.run(self.at.value.ask(door, host, target, lines, tls=who.tls)).outcome

    def told(self, by: bytes, host: str, *lines: Line, door: str) -> tuple[int, str]:
        """The outcome of a request on a plain connection, which begins with these octets."""
        return self.at.run(self.at.value.ask(door, host, "/", lines, opening=by)).outcome

    def changed(self, who: Holder, host: str, expected: tuple[int, str]) -> None:
        """Return once the outcome is the expected one, as it is to be when a change has been read."""

        async def comes() -> None:
            async with asyncio.timeout(20):
                while (await self.at.value.ask("peer", host, tls=who.tls)).outcome != expected:
                    pass

        self.at.run(comes())

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file beside the policies."""
        self.at.value.write(name, content)

    def forwarded(self, name: bytes) -> list[bytes]:
        """The values of a header that reached the backend last."""
        return values_of(self.at.value.backend.heads[-1], name)


def operator(source: CertificateSource, header: str = "", *trusted: str) -> Plan:
    return Plan(operator=Operator(ClientAddress(), client_certificate=ClientCertificate(source, header, trusted)))


PLANS = {
    "peer": operator(CertificateSource.PEER),
    "xfcc": operator(CertificateSource.XFCC),
    "xfcc-told": operator(CertificateSource.XFCC, "", PROXIES),
    "rfc-9440": operator(CertificateSource.CLIENT_CERT, "", PROXIES),
    "named": operator(CertificateSource.HEADER, NAMED, PROXIES),
}
WHOLE: Shape = {"forwardClientCertDetails": "SANITIZE_SET", "setCurrentClientCertDetails": {"cert": True, "chain": True, "uri": True}}


def doors(tls: Shape) -> dict[str, Door]:
    untouched: Shape = {"forwardClientCertDetails": "ALWAYS_FORWARD_ONLY"}
    return {
        "peer": Door("peer", {**tls, "filter": {"includePeerCertificate": True}}),
        "set": Door("xfcc", {**tls, **WHOLE}),
        "append": Door("xfcc", {**tls, **WHOLE, "forwardClientCertDetails": "APPEND_FORWARD"}),
        "hash only": Door("xfcc", {**tls, "forwardClientCertDetails": "SANITIZE_SET"}),
        "forward only": Door("xfcc", {**tls, "forwardClientCertDetails": "FORWARD_ONLY"}),
        "always": Door("xfcc", untouched),
        "xfcc-told": Door("xfcc-told", {**ANNOUNCED, **untouched}),
        "rfc-9440": Door("rfc-9440", ANNOUNCED),
        "named": Door("named", ANNOUNCED),
    }
