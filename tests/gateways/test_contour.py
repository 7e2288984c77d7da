"""Contour: an HTTPProxy with `authorization` and AuthPolicies decide through the Envoy that it configures."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateways.contour import AUTHORIZATION, CONFIG, EXTENSION, Contour
from tests.gateways.measure import Edits, becomes, code_of, waited
from tests.gateways.plane import Plane, example
from tests.gateways.policies import EVERYONE, NOBODY, READERS, bearer, put_auth_policy
from tests.gateways.sandbox import until
from tests.gateways.service import Service, TlsFiles

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]


@pytest.fixture(scope="module")
def contour(plane: Plane, service: Service) -> Iterator[Contour]:
    """Contour, which knows our service as an extension."""
    with Contour(plane) as running:
        plane.put(EXTENSION)
        running.proxy("first")
        until(lambda: running.answers("first.shop.example/"))
        yield running


@pytest.fixture
def tls_files(tmp_path: Path, contour: Contour) -> TlsFiles:
    return TlsFiles(tmp_path, contour.authority)


def test_an_allowed_request_reaches_the_backend_and_a_denied_one_learns_why(plane: Plane, contour: Contour) -> None:
    contour.proxy("orders")
    put_auth_policy(plane, "shop", "orders", hosts=["orders.shop.example"], **READERS)
    until(lambda: contour.answers("orders.shop.example/"))
    becomes(contour, "orders.shop.example/7", "credentials_missing")
    denied = contour.ask("orders.shop.example/7")
    assert denied.status_code == 401
    assert denied.headers["www-authenticate"] == 'Bearer realm="api"'
    assert denied.headers["content-type"] == "application/problem+json"
    allowed = contour.ask("orders.shop.example/7", **bearer(), **{"x-auth-subject": "forged"})
    assert allowed.status_code == 200
    assert allowed.json()["path"] == "/7"
    assert allowed.json()["headers"]["x-auth-subject"] == "alice"
    assert "authorization" not in allowed.json()["headers"]


def test_an_edit_of_the_policy_changes_the_next_answers(plane: Plane, contour: Contour, record_testsuite_property) -> None:
    contour.proxy("edits")
    put_auth_policy(plane, "shop", "edits", hosts=["edits.shop.example"], rules=NOBODY)
    until(lambda: contour.answers("edits.shop.example/"))
    becomes(contour, "edits.shop.example/", "rule_deny")
    edits = Edits(lambda: contour.ask("edits.shop.example/").status_code)
    for turn in range(20):
        rules, status = ((EVERYONE, 200), (NOBODY, 403))[turn % 2]
        edits.measure(lambda rules=rules: put_auth_policy(plane, "shop", "edits", hosts=["edits.shop.example"], rules=rules), status)
    edits.report("Contour", record_testsuite_property)
    assert edits.worst < 1


def test_without_our_service_every_request_is_refused_until_it_is_back(plane: Plane, contour: Contour, service: Service) -> None:
    contour.proxy("kill")
    put_auth_policy(plane, "shop", "kill", hosts=["kill.shop.example"], rules=EVERYONE)
    until(lambda: contour.answers("kill.shop.example/"))
    becomes(contour, "kill.shop.example/", "")
    service.kill()
    try:
        # Contour has no setting for this status; a denial of ours would have a body.
        refused = [contour.ask("kill.shop.example/") for _ in range(50)]
        assert {(answer.status_code, answer.text) for answer in refused} == {(403, "")}
    finally:
        service.start()
    until(lambda: contour.ask("kill.shop.example/").status_code == 200, within=10)


def test_a_policy_that_a_route_names_must_allow_too(plane: Plane, contour: Contour) -> None:
    routes = "\n  - conditions: [{prefix: /admin}]\n    authPolicy: {context: {policy: shop/admin}}\n    services: [{name: app, port: 80}]"
    contour.proxy("named", routes=routes)
    put_auth_policy(plane, "shop", "named", hosts=["named.shop.example"], rules=EVERYONE)
    until(lambda: contour.answers("named.shop.example/"))
    becomes(contour, "named.shop.example/", "")
    becomes(contour, "named.shop.example/admin", "policy_mismatch")
    put_auth_policy(plane, "shop", "admin", hosts=["named.shop.example"], pathPrefixes=["/admin"], **READERS)
    becomes(contour, "named.shop.example/admin", "credentials_missing")
    assert contour.ask("named.shop.example/admin", **bearer()).status_code == 200
    assert contour.ask("named.shop.example/").status_code == 200


def test_the_example_decides(plane: Plane, contour: Contour) -> None:
    plane.put(example("contour/gateway.yaml", "HTTPProxy"))
    plane.put(example("contour/policy.yaml", "AuthPolicy"))
    until(lambda: contour.answers("api.example.com/"))
    becomes(contour, "api.example.com/orders/7", "credentials_missing")
    assert contour.ask("api.example.com/orders/healthz").json()["path"] == "/orders/healthz"


def test_a_service_that_hangs_costs_the_timeout_and_the_request_is_refused(plane: Plane, contour: Contour, service: Service) -> None:
    contour.proxy("hang")
    put_auth_policy(plane, "shop", "hang", hosts=["hang.shop.example"], rules=EVERYONE)
    until(lambda: contour.answers("hang.shop.example/"))
    becomes(contour, "hang.shop.example/", "")
    with service.hanging():
        seconds, answer = waited(lambda: contour.ask("hang.shop.example/"))
    assert answer.status_code == 403
    assert 0.9 < seconds < 2
    becomes(contour, "hang.shop.example/", "")


def test_without_a_timeout_in_either_place_it_is_a_fifth_of_a_second(plane: Plane, contour: Contour, service: Service) -> None:
    contour.proxy("quick", authorization=AUTHORIZATION.replace("responseTimeout: 1s", ""))
    plane.put(EXTENSION.replace("timeoutPolicy: {response: 1s}", ""))
    try:
        until(lambda: contour.answers("quick.shop.example/"))
        with service.hanging():
            # The ExtensionService's edit is on its way to Envoy for the first of these.
            until(lambda: 0.15 < waited(lambda: contour.ask("quick.shop.example/"))[0] < 0.5)
    finally:
        plane.put(EXTENSION)
    becomes(contour, "quick.shop.example/", "policy_none")


def test_plain_http_is_checked_by_the_global_setting(plane: Plane, contour: Contour) -> None:
    plane.put("""
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {name: plain, namespace: shop}
spec:
  virtualhost: {fqdn: plain.example}
  routes: [{services: [{name: app, port: 80}]}]
""")
    until(lambda: contour.ask_plainly("plain.example/").status_code == 200)
    put_auth_policy(plane, "shop", "plain", hosts=["plain.example"], rules=NOBODY)
    setting = "globalExtAuth: {extensionService: ingress-authz/ingress-authz, failOpen: false, responseTimeout: 1s}\n"
    contour.start_control_plane(CONFIG + setting)
    try:
        until(lambda: contour.ask_plainly("plain.example/").status_code == 403)
        assert contour.ask_plainly("plain.example/").json()["code"] == "rule_deny"
    finally:
        contour.start_control_plane(CONFIG)
    until(lambda: contour.ask_plainly("plain.example/").status_code == 200)


def test_it_asks_by_tls_with_a_certificate_of_its_own(plane: Plane, contour: Contour, tls_files: TlsFiles) -> None:
    with Service(plane, *tls_files.flags, name="authz-tls", port=9443, protocol="grpc"):
        ca = {"ca.crt": contour.authority.file.read_text()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "authz-ca", "namespace": "ingress-authz"}, "stringData": ca}
        assert plane.apply_object(secret).status == 201
        plane.put(f"""
apiVersion: projectcontour.io/v1alpha1
kind: ExtensionService
metadata: {{name: authz-tls, namespace: ingress-authz}}
spec:
  services: [{{name: authz-tls, port: 9443}}]
  validation: {{caSecret: authz-ca, subjectName: {tls_files.name}}}
""")
        contour.proxy("tls", authorization=AUTHORIZATION.replace("name: ingress-authz,", "name: authz-tls,"))
        put_auth_policy(plane, "shop", "tls", hosts=["tls.shop.example"], rules=EVERYONE)
        until(lambda: contour.answers("tls.shop.example/"))
        becomes(contour, "tls.shop.example/", "403")
        tls_files.trust(contour.authority)
        becomes(contour, "tls.shop.example/", "")


# What docs/gateways.md warns of.


def test_whoever_writes_a_route_can_leave_us_out(plane: Plane, contour: Contour) -> None:
    out = "\n  - conditions: [{prefix: /out}]\n    authPolicy: {disabled: true}\n    services: [{name: app, port: 80}]"
    contour.proxy("out", routes=out)
    put_auth_policy(plane, "shop", "out", hosts=["out.shop.example"], rules=NOBODY)
    until(lambda: contour.answers("out.shop.example/"))
    becomes(contour, "out.shop.example/", "rule_deny")
    assert contour.ask("out.shop.example/out").json()["upstream"] == "reached"


def test_authorization_without_tls_is_refused_and_nothing_is_served(plane: Plane, contour: Contour) -> None:
    plane.put(f"""
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {{name: no-tls, namespace: shop}}
spec:
  virtualhost:
    fqdn: no-tls.example
    authorization: {AUTHORIZATION}
  routes: [{{services: [{{name: app, port: 80}}]}}]
""")
    until(lambda: contour.status("no-tls") == "invalid")
    assert contour.ask_plainly("no-tls.example/").status_code == 404


def test_envoy_itself_is_at_port_9001_of_loopback(contour: Contour) -> None:
    with contour.plane.sandbox.client(9001, "127.0.0.1") as client:
        assert client.get("http://envoy/server_info").json()["state"] == "LIVE"


def test_what_we_forward_chooses_the_route_anew_and_its_own_policy_is_not_asked(plane: Plane, contour: Contour) -> None:
    routes = """
  - conditions: [{header: {name: x-auth-subject, exact: alice}}]
    authPolicy: {context: {policy: shop/nobody}}
    pathRewritePolicy: {replacePrefix: [{replacement: /for-alice}]}
    services: [{name: app, port: 80}]"""
    contour.proxy("again", routes=routes)
    put_auth_policy(plane, "shop", "again", hosts=["again.shop.example"], **READERS)
    put_auth_policy(plane, "shop", "nobody", hosts=["again.shop.example"], pathPrefixes=["/nobody"], rules=NOBODY)
    until(lambda: contour.answers("again.shop.example/"))
    becomes(contour, "again.shop.example/x", "credentials_missing")
    assert contour.ask("again.shop.example/x", **bearer()).json()["path"].startswith("/for-alice")
    # Asked for that route from the beginning, its policy is.
    assert code_of(contour.ask("again.shop.example/x", **bearer(), **{"x-auth-subject": "alice"})) == "policy_mismatch"


def test_a_missing_extension_takes_the_virtual_host_away_even_where_failures_are_to_pass(plane: Plane, contour: Contour) -> None:
    contour.proxy("gone", authorization=AUTHORIZATION.replace("failOpen: false", "failOpen: true"))
    put_auth_policy(plane, "shop", "gone", hosts=["gone.shop.example"], rules=EVERYONE)
    until(lambda: contour.answers("gone.shop.example/"))
    plane.delete("projectcontour.io/v1alpha1", "ExtensionService", "ingress-authz", "ingress-authz")
    try:
        until(lambda: not contour.answers("gone.shop.example/"))
        until(lambda: contour.status("gone") == "invalid")
        assert not contour.answers("gone.shop.example/")
    finally:
        plane.put(EXTENSION)
    until(lambda: contour.answers("gone.shop.example/"))
