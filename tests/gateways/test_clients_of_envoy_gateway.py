"""Clients with certificates and API keys through Envoy Gateway, which writes x-forwarded-client-cert."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from authz.demo.bootstrap import Pem
from tests.certificates import Authority, an_authority
from tests.gateways.clients import DEFINITIONS, KEY, RULES, forged, put_what_policies_refer_to, showing
from tests.gateways.envoy_gateway import GATEWAY_OBJECTS, EnvoyGateway
from tests.gateways.measure import becomes, code_of
from tests.gateways.plane import Plane, example
from tests.gateways.policies import for_, put_auth_policy
from tests.gateways.sandbox import until
from tests.gateways.service import Service

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

HTTPS = 10443
LISTENERS = (
    GATEWAY_OBJECTS.split("---")[2]
    + """
  - name: https
    protocol: HTTPS
    port: 443
    allowedRoutes: {namespaces: {from: All}}
    tls: {certificateRefs: [{name: gateway-tls}]}
"""
)


@pytest.fixture(scope="module")
def service(plane: Plane) -> Iterator[Service]:
    """Our service, told that the Gateway writes the header itself."""
    plane.crds_of("envoy-gateway")
    with Service(plane, "--gateway", "gateways/public", "--gateway-client-certificate", "gateways/public=xfcc") as running:
        yield running


@dataclass
class Clients:
    """What asks through the Gateway."""

    gateway: EnvoyGateway
    authority: Authority
    partner: Pem
    other: Pem

    def ask(self, url: str, pem: Pem | None = None, **headers: str) -> httpx2.Response:
        """The answer to one request by TLS, with a certificate or none."""
        sandbox = self.gateway.plane.sandbox
        with sandbox.client(HTTPS, verify=showing(pem, self.authority.file)) as client:
            return client.get(f"https://{url}", headers=headers)

    def code(self, url: str, pem: Pem | None = None, **headers: str) -> str:
        """The problem in an answer; 000 where there is none."""
        try:
            return code_of(self.ask(url, pem, **headers))
        except httpx2.HTTPError:
            return "000"


@pytest.fixture(scope="module")
def clients(plane: Plane, service: Service) -> Iterator[Clients]:
    """A Gateway whose listener `https` asks clients for certificates, as examples/ says."""
    with EnvoyGateway(plane) as running:
        folder = plane.sandbox.folder
        authority = an_authority(folder, "partner-ca")
        partner, other = authority.issue(folder, "a.partner.example"), authority.issue(folder, "other.example")
        put_what_policies_refer_to(plane, authority)
        plane.put_certificate("gateways", "gateway-tls", authority.issue(folder, "partners.example"))
        for namespace in ("gateways", "shop"):
            metadata = {"name": "partner-ca", "namespace": namespace}
            data = {"ca.crt": authority.file.read_text()}
            assert plane.apply_object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}).status in (200, 201)
        plane.put(example("envoy-gateway/gateway.yaml", "SecurityPolicy", "ReferenceGrant"))
        plane.put(LISTENERS)
        plane.put(example("envoy-gateway/certificates.yaml", "ClientTrafficPolicy"))
        running.route("shop", "partners", "partners.example")
        put_auth_policy(plane, "shop", "partners", **for_("HTTPRoute", "partners"), **DEFINITIONS, rules=RULES)
        found = Clients(running, authority, partner, other)
        until(lambda: found.code("partners.example/", partner) == "")
        yield found


def test_a_certificate_opens_what_its_name_opens(clients: Clients) -> None:
    allowed = clients.ask("partners.example/7", clients.partner, **{"x-auth-partner": "forged"})
    assert allowed.status_code == 200
    assert "a.partner.example" in allowed.json()["headers"]["x-auth-partner"].split(",")
    assert clients.code("partners.example/", clients.other) == "cert_not_allowed"


def test_without_a_certificate_the_answer_says_what_would_help(clients: Clients) -> None:
    denied = clients.ask("partners.example/")
    assert (denied.status_code, code_of(denied)) == (401, "cert_missing")


def test_an_api_key_of_a_chosen_secret_opens_too(clients: Clients) -> None:
    allowed = clients.ask("partners.example/", **{"x-key": KEY})
    assert allowed.json()["headers"]["x-auth-subscription"] == "acme"
    assert "x-key" not in allowed.json()["headers"]
    assert clients.code("partners.example/", **{"x-key": f"{KEY}x"}) == "key_invalid"


def test_the_header_of_a_client_says_nothing(clients: Clients) -> None:
    lie = forged(clients.partner)
    assert clients.code("partners.example/", **lie) == "cert_missing"
    assert clients.code("partners.example/", clients.other, **lie) == "cert_not_allowed"
    assert clients.ask("partners.example/", clients.partner, **forged(clients.other)).status_code == 200
    # Nor where no certificate is asked for: Envoy Gateway takes the header away unless told otherwise.
    becomes(clients.gateway, "partners.example/", "cert_missing")
    assert code_of(clients.gateway.ask("partners.example/", **lie)) == "cert_missing"


def test_a_mode_that_passes_the_header_on_lets_clients_be_anybody(plane: Plane, clients: Clients) -> None:
    """What docs/gateways.md warns of."""
    set_anew = example("envoy-gateway/certificates.yaml", "ClientTrafficPolicy")
    lines = [line for line in set_anew.replace("mode: SanitizeSet", "mode: AlwaysForwardOnly").splitlines() if "certDetails" not in line]
    plane.put("\n".join(lines))
    try:
        until(lambda: clients.code("partners.example/", **forged(clients.partner)) == "")
    finally:
        plane.put(set_anew)
    until(lambda: clients.code("partners.example/", **forged(clients.partner)) == "cert_missing")
    until(lambda: clients.code("partners.example/", clients.partner) == "")
