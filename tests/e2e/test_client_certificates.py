"""Through a real Envoy, over real TLS: client certificates count where the operator says, for what this service makes of them."""

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from tests.authn.pki import Node, cn, dn, san
from tests.builders import a_manifest, a_token, issuer_yaml
from tests.certificates import an_authority
from tests.e2e.gate import ANNOUNCED, Shape
from tests.e2e.holders import Holder, Nobody, a_list, an_issuer, asking_for_certificates, days, holder
from tests.e2e.house import Door, House, Kept, house, kept
from tests.e2e.stack import Plan
from tests.e2e.wire import Asked, Http1, Line, values_of

pytestmark = pytest.mark.envoy

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
    servers = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    return People(
        root=root,
        middle=middle,
        good=holder(root, server, NAMES, subject=ACME),
        behind=holder(middle, server, subject=cn("behind"), intermediates=(middle,)),
        # Of an authority of the same name, for the same names.
        rogue=holder(an_issuer(), server, NAMES, subject=ACME),
        self_signed=holder(None, server, NAMES, subject=ACME),
        expired=holder(root, server, NAMES, subject=ACME, days=days(-1, -0.01)),
        early=holder(root, server, NAMES, subject=ACME, days=days(0.01, 1)),
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
    print256, print1 = sha256(leaf.der).hexdigest(), leaf.certificate.fingerprint(x509.base.hashes.SHA1()).hex()
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
            async with asyncio.timeout(5):
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


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    authority = an_authority(folder)
    server = authority.issue(folder, "gateway")
    known = people(authority.file)
    policies = folder / "policies"
    policies.mkdir()
    for name, text in files(known).items():
        (policies / name).write_text(text)
    tls = asking_for_certificates(server.certificate, server.key, authority.file)
    with kept(house(policies, PLANS, doors(tls))) as at:
        yield Town(at, known)


TOLD_BY_ENVOY = ("peer", "set", "append")


def test_envoy_hands_over_whatever_certificate_was_shown_and_the_service_judges_it(town: Town) -> None:
    known = town.known
    outcomes = {
        known.good: ALLOWED,
        known.nobody: MISSING,
        known.rogue: UNTRUSTED,
        known.self_signed: UNTRUSTED,
        known.expired: EXPIRED,
        known.early: EXPIRED,
        known.for_servers: UNTRUSTED,
        known.unlisted: UNTRUSTED,
    }
    for door in TOLD_BY_ENVOY:
        assert {who: town.knock(who, door=door) for who in outcomes} == outcomes, door


def test_intermediates_are_told_by_the_header_or_stand_with_the_authority(town: Town) -> None:
    behind = town.known.behind
    assert town.knock(behind, "plain.example", door="peer") == UNTRUSTED
    for door in TOLD_BY_ENVOY:
        assert town.knock(behind, "whole.example", door=door) == ALLOWED
    for door in ("set", "append"):
        assert town.knock(behind, "plain.example", door=door) == ALLOWED
        alone = Holder(behind.node, behind.server, behind.folder)
        assert town.knock(alone, "plain.example", door=door) == UNTRUSTED


def test_an_element_that_a_client_wrote_is_nobodys_certificate(town: Town) -> None:
    known = town.known
    for door in (*TOLD_BY_ENVOY, "forward only"):
        assert town.knock(known.nobody, "plain.example", "/", known.good.element, door=door) == MISSING, door
    for door in TOLD_BY_ENVOY:
        assert town.knock(known.rogue, "plain.example", "/", known.good.element, door=door) == UNTRUSTED, door
        # The own certificate counts, and not what else is written; a broken header is no way around it.
        for forged in (known.rogue.element, known.behind.element):
            assert town.knock(known.good, "plain.example", "/", forged, door=door) == ALLOWED, door
            assert town.forwarded(b"x-auth-name") == [b"orders"]


def test_what_cannot_be_read_before_the_last_element_is_refused(town: Town) -> None:
    broken = (b"x-forwarded-client-cert", b'Cert="')
    assert town.knock(town.known.good, "plain.example", "/", broken, door="append") == UNTRUSTED
    assert town.knock(town.known.good, "plain.example", "/", broken, door="set") == ALLOWED


def test_a_hash_alone_proves_nothing(town: Town) -> None:
    assert town.knock(town.known.good, door="hash only") == MISSING


def test_an_envoy_that_forwards_what_clients_write_is_believed_by_nobody_who_names_the_proxies(town: Town) -> None:
    forged = town.known.good.element
    # The guide says why never to ask so: the certificate is public, and this Envoy lets anybody tell it.
    assert town.told(b"", "plain.example", forged, door="always") == ALLOWED
    assert town.told(STRANGER, "plain.example", forged, door="xfcc-told") == MISSING
    assert town.told(PROXY, "plain.example", forged, door="xfcc-told") == ALLOWED
    assert town.told(PROXY, "plain.example", door="xfcc-told") == MISSING
    assert town.told(PROXY, "plain.example", town.known.rogue.element, door="xfcc-told") == UNTRUSTED


def test_the_headers_of_rfc_9440_count_from_the_proxies_alone(town: Town) -> None:
    known = town.known
    assert town.told(PROXY, "plain.example", *known.good.rfc_9440, door="rfc-9440") == ALLOWED
    assert town.forwarded(b"x-auth-name") == [b"orders"]
    assert town.told(PROXY, "plain.example", *known.behind.rfc_9440, door="rfc-9440") == ALLOWED
    assert town.told(PROXY, "plain.example", known.behind.rfc_9440[0], door="rfc-9440") == UNTRUSTED
    assert town.told(PROXY, "plain.example", known.behind.rfc_9440[1], door="rfc-9440") == MISSING
    assert town.told(PROXY, "plain.example", *known.expired.rfc_9440, door="rfc-9440") == EXPIRED
    assert town.told(PROXY, "plain.example", *known.good.rfc_9440, *known.rogue.rfc_9440, door="rfc-9440") == UNTRUSTED
    assert town.told(PROXY, "plain.example", (b"client-cert", known.good.url_encoded.encode()), door="rfc-9440") == UNTRUSTED
    assert town.told(STRANGER, "plain.example", *known.good.rfc_9440, door="rfc-9440") == MISSING
    assert (
        town.told(PROXY, "plain.example", (NAMED.encode(), known.good.url_encoded.encode()), known.good.element, door="rfc-9440") == MISSING
    )


def test_a_named_header_counts_from_the_proxies_alone(town: Town) -> None:
    known = town.known

    def named(who: Holder) -> Line:
        return NAMED.encode(), who.url_encoded.encode()

    assert town.told(PROXY, "plain.example", named(known.good), door="named") == ALLOWED
    assert town.told(PROXY, "plain.example", named(known.rogue), door="named") == UNTRUSTED
    assert town.told(PROXY, "plain.example", named(known.expired), door="named") == EXPIRED
    assert town.told(PROXY, "plain.example", named(known.rogue), named(known.good), door="named") == UNTRUSTED
    assert town.told(PROXY, "plain.example", (NAMED.replace("-", "_").encode(), named(known.good)[1]), door="named") == MISSING
    assert town.told(STRANGER, "plain.example", named(known.good), door="named") == MISSING
    assert town.told(PROXY, "plain.example", *known.good.rfc_9440, known.good.element, door="named") == MISSING


def test_identities_hold_as_a_whole_and_any_of_them_is_enough(town: Town) -> None:
    asked = identities(town.known)
    found = [town.knock(town.known.good, "identities.example", f"/{at}") for at in range(len(asked))]
    assert found == [ALLOWED if holds else ANOTHER for _, holds in asked]
    # What says the same in another authority's name is not the same.
    assert {town.knock(town.known.rogue, "identities.example", f"/{at}") for at in range(len(asked))} == {UNTRUSTED}


def test_revocation_counts_as_the_policy_says(town: Town) -> None:
    known = town.known
    outcomes = {
        "require.example": (ALLOWED, REVOKED, UNKNOWN),
        "prefer.example": (ALLOWED, REVOKED, ALLOWED),
        "none.example": (ALLOWED, ALLOWED, ALLOWED),
    }
    everybody = (known.good, known.revoked, known.unlisted)
    assert {host: tuple(town.knock(who, host) for who in everybody) for host in outcomes} == outcomes


def test_a_denial_by_certificate_takes_one_that_was_verified_or_that_cannot_be_judged(town: Town) -> None:
    known, host = town.known, "deny.example"
    assert town.knock(known.good, host) == (403, "rule_deny")
    assert town.knock(known.unlisted, host) == UNKNOWN
    # These are certainly not the one that is meant.
    for who in (known.nobody, known.rogue, known.expired, known.revoked):
        assert town.knock(who, host) == ALLOWED


def test_a_list_that_changes_counts_at_the_next_request_of_the_same_connection(town: Town) -> None:
    known, who, host = town.known, holder(town.known.root, town.known.good.server, subject=cn("to be revoked")), "changing.example"
    town.write("changing.crl", a_list(known.root))
    town.write("changing.yaml", policy(host, "from: {file: root.pem}, crls: [{file: changing.crl}], revocation: Require"))
    town.changed(who, host, ALLOWED)
    client = Http1(town.at.value.ports["peer"], who.tls)

    async def again() -> tuple[int, str]:
        return (await client(Asked(host=host.encode()))).outcome

    assert town.at.run(again()) == ALLOWED
    town.write("changing.crl", a_list(known.root, who.serial))
    town.changed(who, host, REVOKED)
    assert town.at.run(again()) == REVOKED
    assert town.knock(known.good, host) == ALLOWED
    town.write("changing.crl", a_list(known.root, days=days(-1, -0.5)))
    town.changed(who, host, UNKNOWN)
    assert town.at.run(again()) == UNKNOWN
    assert client.opened == 1
    client.close()


def test_http_2_is_judged_alike(town: Town) -> None:
    async def status(who: Holder | Nobody, door: str) -> tuple[str, int]:
        async with httpx2.AsyncClient(trust_env=False, verify=who.tls, http1=False, http2=True) as client:
            answered = await client.get(f"https://localhost:{town.at.value.ports[door]}/", headers={"host": "plain.example"})
        return answered.http_version, answered.status_code

    outcomes = {town.known.good: 200, town.known.rogue: 403, town.known.expired: 403, town.known.nobody: 403}
    for door, (who, expected) in product(TOLD_BY_ENVOY, outcomes.items()):
        assert town.at.run(status(who, door)) == ("HTTP/2", expected)


def test_an_authority_that_changes_counts_at_the_next_request(town: Town) -> None:
    known = town.known
    town.write("moving.pem", known.root.pem)
    town.write("moving.yaml", policy("moving.example", "from: {file: moving.pem}, revocation: None"))
    town.changed(known.good, "moving.example", ALLOWED)
    town.write("moving.pem", known.listing.pem)
    town.changed(known.good, "moving.example", UNTRUSTED)
    assert town.knock(known.unlisted, "moving.example") == ALLOWED


UNREADABLE = [None, b"", b"no PEM at all\n", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]


@pytest.mark.parametrize("name", ["breaking.pem", "breaking.crl"])
def test_what_an_authority_needs_and_cannot_be_read_denies_its_own_policy_alone(town: Town, name: str) -> None:
    known, host = town.known, "breaking.example"
    whole = {"breaking.pem": known.root.pem, "breaking.crl": a_list(known.root)}
    for each, text in whole.items():
        town.write(each, text)
    town.write("breaking.yaml", policy(host, "from: {file: breaking.pem}, crls: [{file: breaking.crl}], revocation: Require"))
    town.changed(known.good, host, ALLOWED)
    for content in UNREADABLE:
        if content is None:
            (town.at.value.policies / name).unlink()
        else:
            town.write(name, content)
        town.changed(known.good, host, (503, "policy_invalid"))
        assert town.knock(known.good, "plain.example") == ALLOWED
        town.write(name, whole[name])
        town.changed(known.good, host, ALLOWED)


def bound(der: bytes, **claims: object) -> Line:
    now = int(time.time())
    thumbprint = urlsafe_b64encode(sha256(der).digest()).rstrip(b"=").decode()
    token = a_token(iat=now, exp=now + 600, **{"cnf": {"x5t#S256": thumbprint}, **claims})
    return b"authorization", f"Bearer {token}".encode()


def test_a_token_that_is_bound_to_a_certificate_is_its_holders_alone(town: Town) -> None:
    known, unbound = town.known, (401, "token_binding")
    for door in TOLD_BY_ENVOY:
        for who in (known.good, known.rogue):
            # RFC 8705 §3: the thumbprint binds, whoever issued the certificate.
            assert town.knock(who, "bound.example", "/", bound(who.node.der), door=door) == ALLOWED
        assert town.knock(known.good, "bound.example", "/", bound(known.rogue.node.der), door=door) == unbound
        assert town.knock(known.nobody, "bound.example", "/", bound(known.good.node.der), door=door) == unbound
        assert town.knock(known.nobody, "bound.example", "/", bound(known.good.node.der), known.good.element, door=door) == unbound
        assert town.knock(known.nobody, "bound.example", "/", bound(b"", cnf=None), door=door) == ALLOWED
        assert town.knock(known.good, "bound.example", "/", bound(known.good.node.der, cnf={"jkt": "x" * 43}), door=door) == unbound


def test_the_backend_is_told_of_the_certificate_and_of_no_other(town: Town) -> None:
    known = town.known
    forged = [(name, b"root") for name in (b"x-auth-name", b"x_auth_name", b"X-Auth-URIs", b"x-auth_sha256")]
    for door in TOLD_BY_ENVOY:
        assert town.knock(known.good, "plain.example", "/", *forged, door=door) == ALLOWED
        assert town.forwarded(b"x-auth-name") == [b"orders"]
        assert town.forwarded(b"x-auth-uris") == [WORKLOAD.encode()]
        assert town.forwarded(b"x-auth-sha256") == [sha256(known.good.node.der).hexdigest().encode()]
        assert not town.forwarded(b"x_auth_name")
        assert not town.forwarded(b"x-auth_sha256")
        # A name that the certificate does not have is not the client's to say.
        assert town.knock(known.revoked, "plain.example", "/", *forged, door=door) == ALLOWED
        assert town.forwarded(b"x-auth-uris") == []
