"""Clients with certificates and API keys through Contour, whose Envoy tells of its own connection."""

from collections.abc import Iterator

import httpx2
import pytest

from authz.demo.bootstrap import Pem
from tests.certificates import Authority, an_authority
from tests.gateways.clients import DEFINITIONS, KEY, RULES, forged, put_what_policies_refer_to, showing
from tests.gateways.contour import AUTHORIZATION, EXTENSION, HTTPS, Contour
from tests.gateways.measure import code_of
from tests.gateways.plane import Plane
from tests.gateways.policies import put_auth_policy
from tests.gateways.sandbox import until
from tests.gateways.service import Service

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

PROXY = """
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {{name: {name}, namespace: shop}}
spec:
  virtualhost:
    fqdn: {name}.shop.example
    tls: {{secretName: tls, clientValidation: {validation}}}
    authorization: {authorization}
  routes: [{{services: [{{name: app, port: 80}}]}}]
"""
OPTIONAL = "{caSecret: partner-ca, optionalClientCertificate: true}"
# Envoy takes whatever is shown: who it is, we alone say.
UNVERIFIED = "{skipClientCertValidation: true}"


@pytest.fixture(scope="module")
def service(plane: Plane) -> Iterator[Service]:
    """Our service, told that Envoy itself says who the client is."""
    with Service(plane, "--client-certificate", "peer") as running:
        yield running


@pytest.fixture(scope="module")
def authority(plane: Plane) -> Authority:
    return an_authority(plane.sandbox.folder, "partners-of-contour")


@pytest.fixture(scope="module")
def contour(plane: Plane, service: Service, authority: Authority) -> Iterator[Contour]:
    with Contour(plane) as running:
        plane.put(EXTENSION)
        put_what_policies_refer_to(plane, authority)
        for name, validation in (("partners", OPTIONAL), ("unverified", UNVERIFIED)):
            plane.put(PROXY.format(name=name, validation=validation, authorization=AUTHORIZATION))
            put_auth_policy(plane, "shop", name, hosts=[f"{name}.shop.example"], **DEFINITIONS, rules=RULES)
        until(lambda: code(running, "partners.shop.example/") == "cert_missing")
        until(lambda: code(running, "unverified.shop.example/") == "cert_missing")
        yield running


def ask(contour: Contour, url: str, pem: Pem | None = None, **headers: str) -> httpx2.Response:
    """The answer to one request by TLS, with a certificate or none."""
    with contour.plane.sandbox.client(HTTPS, "127.0.0.1", verify=showing(pem, contour.authority.file)) as client:
        return client.get(f"https://{url}", headers=headers)


def code(contour: Contour, url: str, pem: Pem | None = None, **headers: str) -> str:
    """The problem in an answer; 000 where there is none."""
    try:
        return code_of(ask(contour, url, pem, **headers))
    except httpx2.HTTPError:
        return "000"


@pytest.mark.parametrize("host", ["partners.shop.example", "unverified.shop.example"])
def test_a_certificate_opens_what_its_name_opens(plane: Plane, contour: Contour, authority: Authority, host: str) -> None:
    folder = plane.sandbox.folder
    partner, other = authority.issue(folder, "a.partner.example"), authority.issue(folder, "other.example")
    allowed = ask(contour, f"{host}/7", partner)
    assert allowed.status_code == 200
    assert "a.partner.example" in allowed.json()["headers"]["x-auth-partner"].split(",")
    assert code(contour, f"{host}/", other) == "cert_not_allowed"
    assert code(contour, f"{host}/", **forged(partner)) == "cert_missing"
    assert code(contour, f"{host}/", other, **forged(partner)) == "cert_not_allowed"


def test_what_envoy_did_not_verify_we_do(plane: Plane, contour: Contour) -> None:
    stranger = an_authority(plane.sandbox.folder, "strangers").issue(plane.sandbox.folder, "b.partner.example")
    assert code(contour, "unverified.shop.example/", stranger) == "cert_untrusted"
    assert code(contour, "partners.shop.example/", stranger) == "000", "Envoy ends the handshake"


def test_an_api_key_of_a_chosen_secret_opens_too(contour: Contour) -> None:
    allowed = ask(contour, "partners.shop.example/", **{"x-key": KEY})
    assert allowed.json()["headers"]["x-auth-subscription"] == "acme"
    assert "x-key" not in allowed.json()["headers"]
    assert code(contour, "partners.shop.example/", **{"x-key": f"{KEY}x"}) == "key_invalid"
