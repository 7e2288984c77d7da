"""The guides to credentials and addresses: what they show is given to a real Envoy and to the service, and does what they say."""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509
from cryptography.x509.oid import NameOID

from authz.cli.main import cli
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from tests import canaries
from tests.authn.pki import cn, dn, san
from tests.certificates import an_authority
from tests.e2e.gate import Shape
from tests.e2e.holders import Holder, Nobody, a_list, an_issuer, holder
from tests.e2e.house import Door, House, Kept, house, kept
from tests.e2e.stack import Plan
from tests.e2e.wire import Line, values_of
from tests.test_documents import ROOT, blocks

pytestmark = pytest.mark.envoy

CERTIFICATES, ADDRESSES, KEYS = (ROOT / "docs" / name for name in ("client-certificates.md", "addresses.md", "api-keys.md"))
ALLOWED = (200, "")


def written(folder: Path, *guides: Path) -> None:
    """Write the files that guides show."""
    for guide in guides:
        for language in ("yaml", "json"):
            for said, text in blocks(guide, language):
                if said.startswith("file="):
                    (folder / said.removeprefix("file=")).write_text(text, encoding="utf-8")


def envoys(guide: Path, files: Mapping[str, Path]) -> dict[str, Any]:
    """What a guide shows of Envoy's configuration, with these files in place of those of /etc/envoy."""

    def filled(text: str) -> str:
        return re.sub(r"/etc/envoy/([a-z.-]+)", lambda found: str(files[found[1]]), text)

    return {said.removeprefix("envoy="): yaml.safe_load(filled(text)) for said, text in blocks(guide, "yaml") if said.startswith("envoy=")}


def generated(folder: Path) -> str:
    """The key that the guide's first command makes."""
    command = next(text for _, text in blocks(KEYS, "sh") if text.startswith("authz apikey generate"))
    with chdir(folder):
        result = CliRunner().invoke(cli, shlex.split(command)[1:])
    assert result.exit_code == 0, result.stderr
    return canaries.note(result.stdout.strip())


@dataclass(frozen=True)
class Shown:
    """The house that the guides show, and who comes to it."""

    at: Kept[House]
    key: str
    known: dict[str, Holder | Nobody]

    def ask(self, door: str, host: str, target: str = "/", *lines: Line, who: str = "", opening: bytes = b"") -> tuple[int, str]:
        tls = self.known[who].tls if who else None
        return self.at.run(self.at.value.ask(door, host, target, lines, tls=tls, opening=opening)).outcome

    def arrived(self, name: bytes) -> list[bytes]:
        return values_of(self.at.value.backend.heads[-1], name)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("shown")
    authority = an_authority(folder)
    server = authority.issue(folder, "gateway")
    ca = an_issuer("Partners Issuing CA")
    contoso = dn((NameOID.COMMON_NAME, "orders"), (NameOID.ORGANIZATION_NAME, "Contoso, Inc."))
    workload = san(x509.UniformResourceIdentifier("spiffe://partner.example/ns/shop/sa/orders"))
    known: dict[str, Holder | Nobody] = {
        "dns": holder(ca, authority.file, san(x509.DNSName("a.partner.example")), subject=cn("a")),
        "subject": holder(ca, authority.file, subject=contoso),
        "uri": holder(ca, authority.file, workload, subject=cn("workload")),
        "other": holder(ca, authority.file, subject=cn("other")),
        "rogue": holder(an_issuer("Partners Issuing CA"), authority.file, subject=contoso),
        "nobody": Nobody(authority.file),
    }
    revoked = known["revoked"] = holder(ca, authority.file, subject=contoso)
    policies = folder / "policies"
    policies.mkdir()
    written(policies, CERTIFICATES, ADDRESSES, KEYS)
    (policies / "partners-ca.pem").write_text(ca.pem)
    (policies / "partners.crl").write_text(a_list(ca, revoked.serial))
    key = generated(policies)
    plans = {
        name: Plan(operator=Operator(ClientAddress(), client_certificate=ClientCertificate(source)))
        for name, source in (("peer", CertificateSource.PEER), ("xfcc", CertificateSource.XFCC))
    }
    with kept(house(policies, plans, doors(server.certificate, server.key, authority.file))) as at:
        yield Shown(at, key, known)


def doors(certificate: Path, key: Path, ca: Path) -> dict[str, Door]:
    parts = envoys(CERTIFICATES, {"tls.crt": certificate, "tls.key": key, "client-ca.crt": ca})
    tls: Shape = {"tls": parts["transport_socket"]["typed_config"]}
    return {
        "peer": Door("peer", {**tls, "filter": parts["filter"]}),
        "xfcc": Door("xfcc", {**tls, **parts["manager"]}),
        "announced": Door("peer", {"before": envoys(ADDRESSES, {})["listener_filters"]}),
    }


@pytest.mark.parametrize("door", ["peer", "xfcc"])
def test_client_certificates_md(shown: Shown, door: str) -> None:
    host = "partners.example.com"
    outcomes = {
        "dns": ALLOWED,
        "subject": ALLOWED,
        "uri": ALLOWED,
        "other": (403, "cert_not_allowed"),
        "rogue": (403, "cert_untrusted"),
        "revoked": (403, "cert_revoked"),
        "nobody": (403, "cert_missing"),
    }
    assert {who: shown.ask(door, host, "/orders", who=who) for who in outcomes} == outcomes
    assert shown.ask(door, host, "/elsewhere", who="other") == ALLOWED
    assert shown.ask(door, host, "/orders", who="subject") == ALLOWED
    assert shown.arrived(b"x-auth-partner") == [b"orders"]


def test_api_keys_md(shown: Shown) -> None:
    host, header = "keys.example.com", (b"ocp-apim-subscription-key", shown.key.encode())
    assert shown.ask("announced", host, "/", header, opening=announced("203.0.113.1")) == ALLOWED
    assert shown.arrived(b"x-auth-subscription") == [b"acme"]
    several = (header, (b"ocp-apim-subscription-key", b"another"))
    assert shown.ask("announced", host, "/", *several, opening=announced("203.0.113.1")) == (400, "credentials_multiple")
    assert shown.ask("announced", host, "/", several[1], opening=announced("203.0.113.1")) == (401, "key_invalid")
    assert shown.ask("announced", host, opening=announced("203.0.113.1")) == (401, "credentials_missing")


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("203.0.113.7", ALLOWED),
        ("::ffff:203.0.113.7", ALLOWED),
        ("2001:db8:1:2::3", ALLOWED),
        ("192.0.2.129", ALLOWED),
        ("203.0.113.16", (403, "ip_denied")),
        ("198.51.100.20", (403, "rule_deny")),
    ],
)
def test_addresses_md(shown: Shown, source: str, outcome: tuple[int, str]) -> None:
    assert shown.ask("announced", "offices.example.com", opening=announced(source)) == outcome


def announced(source: str) -> bytes:
    family, to = ("TCP6", "2001:db8::1") if ":" in source else ("TCP4", "192.0.2.1")
    return f"PROXY {family} {source} {to} 4000 443\r\n".encode()


@pytest.mark.parametrize(
    ("guide", "flag", "count"),
    [(CERTIFICATES, "--client-certificate", 1), (ADDRESSES, "--client-address", 3), (KEYS, "", 0)],
    ids=lambda each: each.name if isinstance(each, Path) else None,
)
def test_policies_load_with_the_flags_that_a_guide_shows(tmp_path: Path, guide: Path, flag: str, count: int) -> None:
    written(tmp_path, guide)
    ca = an_issuer("Partners Issuing CA")
    (tmp_path / "partners-ca.pem").write_text(ca.pem)
    (tmp_path / "partners.crl").write_text(a_list(ca))
    commands = [text for _, text in blocks(guide, "sh") if re.match(rf"authz serve --policies policies/ {flag}", text)]
    assert len(commands) == count
    for flags in [shlex.split(each)[4:] for each in commands] or [[]]:
        result = CliRunner().invoke(cli, ["validate", str(tmp_path), *flags])
        assert result.exit_code == 0, result.output
    if flag:
        # Until the operator has said it, such policies are refused.
        assert CliRunner().invoke(cli, ["validate", str(tmp_path)]).exit_code == 1
