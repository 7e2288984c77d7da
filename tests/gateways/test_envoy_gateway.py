"""Envoy Gateway: HTTPRoutes, a SecurityPolicy that names our service, and AuthPolicies decide through the Envoy that it configures."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateways.envoy_gateway import EnvoyGateway
from tests.gateways.measure import Edits, becomes, code_of, waited
from tests.gateways.plane import Object, Plane, example
from tests.gateways.policies import AUTH_POLICY, EVERYONE, NOBODY, READERS, bearer, for_, put_auth_policy
from tests.gateways.routes import FOR_EACH, QUESTIONS, ROUTES, Question
from tests.gateways.sandbox import LAN, until
from tests.gateways.service import Service, TlsFiles

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

POLICY = "gateway.envoyproxy.io/v1alpha1"
GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: shop, namespace: ingress-authz}
spec: {from: [{group: gateway.envoyproxy.io, kind: SecurityPolicy, namespace: shop}], to: [{group: "", kind: Service}]}
"""


def put_security_policy(plane: Plane, name: str, route: str, **ext_auth: object) -> None:
    """A SecurityPolicy of a route in `shop`, which replaces the Gateway's."""
    ask_us = {"grpc": _backend("ingress-authz", 9001), "timeout": "1s", "failOpen": False, "statusOnError": 503}
    put_policy_of_route(plane, name, route, extAuth=ask_us | ext_auth)


def _backend(service: str, port: int) -> Object:
    return {"backendRefs": [{"name": service, "namespace": "ingress-authz", "port": port}]}


def put_policy_of_route(plane: Plane, name: str, route: str, **spec: object) -> None:
    spec["targetRefs"] = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route}]
    answer = plane.apply_object(
        {"apiVersion": POLICY, "kind": "SecurityPolicy", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}
    )
    assert answer.status == 201, answer.message


def accepted(plane: Plane, name: str) -> str:
    """What Envoy Gateway says of a SecurityPolicy: True, False, or "" for nothing yet."""
    ancestors: list[Object] = plane.get(POLICY, "SecurityPolicy", name, "shop").get("status", {}).get("ancestors", [])
    said = [entry["status"] for ancestor in ancestors for entry in ancestor["conditions"] if entry["type"] == "Accepted"]
    return str(said[0]) if said else ""


@pytest.fixture(scope="module")
def service(plane: Plane) -> Iterator[Service]:
    """Our service, which follows the routes of the Gateway."""
    plane.crds_of("envoy-gateway")
    with Service(plane, "--gateway", "gateways/public") as running:
        yield running


@pytest.fixture(scope="module")
def gateway(plane: Plane, service: Service) -> Iterator[EnvoyGateway]:
    """Envoy Gateway whose Gateway asks our service about every route, as examples/ says."""
    with EnvoyGateway(plane) as running:
        plane.put(example("envoy-gateway/gateway.yaml", "SecurityPolicy", "ReferenceGrant"))
        plane.put(GRANT)
        running.route("shop", "first", "first.example")
        becomes(running, "first.example/", "policy_none")
        yield running


def test_an_allowed_request_reaches_the_backend_and_a_denied_one_learns_why(plane: Plane, gateway: EnvoyGateway) -> None:
    gateway.route("shop", "readers", "readers.example")
    put_auth_policy(plane, "shop", "readers", **for_("HTTPRoute", "readers"), **READERS)
    becomes(gateway, "readers.example/7", "credentials_missing")
    denied = gateway.ask("readers.example/7")
    assert denied.status_code == 401
    assert denied.headers["www-authenticate"] == 'Bearer realm="api"'
    assert denied.headers["content-type"] == "application/problem+json"
    allowed = gateway.ask("readers.example/7", **bearer(), **{"x-auth-subject": "forged"})
    assert allowed.status_code == 200
    assert allowed.json()["path"] == "/7"
    assert allowed.json()["headers"]["x-auth-subject"] == "alice"
    assert "authorization" not in allowed.json()["headers"]
    weak = gateway.ask("readers.example/7", **bearer("other"))
    assert weak.status_code == 403
    assert 'error="insufficient_scope"' in weak.headers["www-authenticate"]


def test_an_edit_of_the_policy_changes_the_next_answers(plane: Plane, gateway: EnvoyGateway, record_testsuite_property) -> None:
    gateway.route("shop", "edits", "edits.example")
    put_auth_policy(plane, "shop", "edits", **for_("HTTPRoute", "edits"), rules=NOBODY)
    becomes(gateway, "edits.example/", "rule_deny")
    edits = Edits(lambda: gateway.ask("edits.example/").status_code)
    for turn in range(20):
        rules, status = ((EVERYONE, 200), (NOBODY, 403))[turn % 2]
        edits.measure(lambda rules=rules: put_auth_policy(plane, "shop", "edits", **for_("HTTPRoute", "edits"), rules=rules), status)
    edits.report("Envoy Gateway", record_testsuite_property)
    assert edits.worst < 1


def test_without_our_service_every_request_is_refused_until_it_is_back(plane: Plane, gateway: EnvoyGateway, service: Service) -> None:
    gateway.route("shop", "kill", "kill.example")
    put_auth_policy(plane, "shop", "kill", **for_("HTTPRoute", "kill"), rules=EVERYONE)
    becomes(gateway, "kill.example/", "")
    service.kill()
    try:
        assert {gateway.ask("kill.example/").status_code for _ in range(50)} == {503}
    finally:
        service.start()
    until(lambda: gateway.ask("kill.example/").status_code == 200, within=10)


def test_a_route_meets_its_own_policy_the_gateways_where_it_has_none_and_without_either_it_is_denied(
    plane: Plane, gateway: EnvoyGateway
) -> None:
    for name in ("own", "none"):
        gateway.route("shop", name, f"{name}.example")
        becomes(gateway, f"{name}.example/", "policy_none")
    put_auth_policy(plane, "shop", "own", **for_("HTTPRoute", "own"), rules=EVERYONE)
    becomes(gateway, "own.example/", "")
    put_auth_policy(plane, "gateways", "all", **for_("Gateway", "public"), **READERS)
    try:
        becomes(gateway, "none.example/", "credentials_missing")
        assert gateway.ask("none.example/", **bearer()).status_code == 200
        assert gateway.ask("own.example/").status_code == 200
    finally:
        plane.delete(AUTH_POLICY, "AuthPolicy", "all", "gateways")
    becomes(gateway, "none.example/", "policy_none")


def test_two_routes_of_two_namespaces_on_one_host_meet_their_own_policies(plane: Plane, gateway: EnvoyGateway) -> None:
    gateway.route("shop", "shared", "shared.example", "/")
    gateway.route("billing", "shared", "shared.example", "/invoices")
    put_auth_policy(plane, "shop", "shared", **for_("HTTPRoute", "shared"), rules=EVERYONE)
    put_auth_policy(plane, "billing", "shared", **for_("HTTPRoute", "shared"), **READERS)
    becomes(gateway, "shared.example/orders", "")
    becomes(gateway, "shared.example/invoices/7", "credentials_missing")
    assert gateway.ask("shared.example/invoices/7", **bearer()).json()["headers"]["x-route"] == "billing/shared"
    assert gateway.ask("shared.example/invoicesome").json()["headers"]["x-route"] == "shop/shared"


def test_the_policy_that_decides_is_that_of_the_route_that_envoy_takes(plane: Plane, gateway: EnvoyGateway) -> None:
    """Each policy forwards its own name, and each route its: the backend sees both choices."""
    for key, (host, more) in ROUTES.items():
        namespace, _, name = key.partition("/")
        gateway.route(namespace, name, host, **copy.deepcopy(more))
        everyone = [{**EVERYONE[0], "forward": {"headers": [{"name": "x-auth-policy", "value": key}]}}]
        put_auth_policy(plane, namespace, name, **for_("HTTPRoute", name), rules=everyone)

    def chosen(one: Question) -> tuple[str, str]:
        tenant = {"x-tenant": one.tenant} if one.tenant else {}
        answer = gateway.ask(f"{one.host}/", method=one.method, target=one.target, **tenant)
        headers = answer.json()["headers"] if answer.status_code == 200 else {}
        return headers.get("x-route", ""), headers.get("x-auth-policy", code_of(answer))

    for key, one in FOR_EACH.items():
        until(lambda one=one, key=key: chosen(one) == (key, key))
    got = {one: chosen(one) for one in QUESTIONS}
    assert {one: both for one, both in got.items() if both[0] and both[0] != both[1]} == {}
    # What a check cannot tell apart is denied rather than guessed, and so is a path with two readings.
    refused = {one: ours for one, (envoy, ours) in got.items() if not envoy}
    assert {one: ours for one, ours in refused.items() if not one.is_odd and ours != "404"} == {}
    assert {ours for one, ours in refused.items() if one.is_odd} <= {"policy_conflicted", "path_ambiguous", "307", "400", "404"}
    assert {"policy_conflicted", "path_ambiguous"} <= set(refused.values())


def test_the_example_decides(plane: Plane, gateway: EnvoyGateway) -> None:
    plane.put(example("envoy-gateway/gateway.yaml", "HTTPRoute"))
    plane.put(example("envoy-gateway/policy.yaml", "AuthPolicy"))
    becomes(gateway, "api.example.com/orders/7", "credentials_missing")
    assert gateway.ask("api.example.com/orders/healthz").json()["path"] == "/orders/healthz"


def test_a_service_that_hangs_costs_the_timeout_and_the_request_is_refused(plane: Plane, gateway: EnvoyGateway, service: Service) -> None:
    gateway.route("shop", "hang", "hang.example")
    put_auth_policy(plane, "shop", "hang", **for_("HTTPRoute", "hang"), rules=EVERYONE)
    becomes(gateway, "hang.example/", "")
    with service.hanging():
        seconds, answer = waited(lambda: gateway.ask("hang.example/"))
    assert answer.status_code == 503
    assert 0.9 < seconds < 2
    becomes(gateway, "hang.example/", "")


def test_a_policy_that_the_route_names_must_allow_too(plane: Plane, gateway: EnvoyGateway) -> None:
    gateway.route("shop", "named", "named.example")
    put_auth_policy(plane, "shop", "named", **for_("HTTPRoute", "named"), rules=EVERYONE)
    becomes(gateway, "named.example/", "")
    put_security_policy(plane, "named", "named", contextExtensions=[{"name": "policy", "type": "Value", "value": "shop/also"}])
    becomes(gateway, "named.example/", "policy_mismatch")
    put_auth_policy(plane, "shop", "also", hosts=["named.example"], pathPrefixes=["/also"], **READERS)
    becomes(gateway, "named.example/also", "credentials_missing")
    assert gateway.ask("named.example/also", **bearer()).status_code == 200


def test_it_asks_by_tls_with_a_certificate_of_its_own(plane: Plane, gateway: EnvoyGateway, tmp_path: Path) -> None:
    files = TlsFiles(tmp_path, gateway.authority)
    ca = {"ca.crt": gateway.authority.file.read_text()}
    with Service(plane, *files.flags, "--gateway", "gateways/public", name="authz-tls", port=9443, protocol="grpc"):
        metadata = {"name": "authz-ca", "namespace": "ingress-authz"}
        assert plane.apply_object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": ca}).status == 201
        plane.put(f"""
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: authz-tls, namespace: ingress-authz}}
spec:
  targetRefs: [{{group: "", kind: Service, name: authz-tls}}]
  validation: {{caCertificateRefs: [{{group: "", kind: ConfigMap, name: authz-ca}}], hostname: {files.name}}}
""")
        gateway.route("shop", "tls", "tls.example")
        put_auth_policy(plane, "shop", "tls", **for_("HTTPRoute", "tls"), rules=EVERYONE)
        becomes(gateway, "tls.example/", "")
        put_security_policy(plane, "tls", "tls", grpc=_backend("authz-tls", 9443))
        becomes(gateway, "tls.example/", "503")
        files.trust(gateway.authority)
        becomes(gateway, "tls.example/", "")


OFFICE = "203.0.113.9"


def test_the_clients_address_is_the_peers_whatever_it_says_of_itself(plane: Plane, gateway: EnvoyGateway) -> None:
    gateway.route("shop", "peer", "peer.example")
    put_auth_policy(plane, "shop", "peer", **for_("HTTPRoute", "peer"), rules=_from(LAN))
    becomes(gateway, "peer.example/", "")
    put_auth_policy(plane, "shop", "peer", **for_("HTTPRoute", "peer"), rules=_from(OFFICE))
    becomes(gateway, "peer.example/", "ip_denied")
    assert code_of(gateway.ask("peer.example/", **{"x-forwarded-for": OFFICE})) == "ip_denied"


def test_behind_a_trusted_proxy_the_clients_address_is_the_one_that_the_proxy_saw(plane: Plane, gateway: EnvoyGateway) -> None:
    """The test stands where the proxy would: it is Envoy's peer, and writes x-forwarded-for."""
    how = f"gateways/public=x-forwarded-for;hops=1;trusted={LAN}/32"
    gateway.route("shop", "proxied", "proxied.example")
    put_auth_policy(plane, "shop", "proxied", **for_("HTTPRoute", "proxied"), rules=_from(OFFICE))
    with Service(plane, "--gateway", "gateways/public", "--gateway-client-address", how, name="authz-proxied", port=9004):
        put_security_policy(plane, "proxied", "proxied", grpc=_backend("authz-proxied", 9004))
        until(lambda: gateway.ask("proxied.example/", **{"x-forwarded-for": OFFICE}).status_code == 200)
        # What the client wrote itself stands before what the proxy saw.
        assert gateway.ask("proxied.example/", **{"x-forwarded-for": f"192.0.2.1, {OFFICE}"}).status_code == 200
        assert code_of(gateway.ask("proxied.example/", **{"x-forwarded-for": f"{OFFICE}, 192.0.2.1"})) == "ip_denied"
        # Shorter than the proxy would have made it: nobody's address is known.
        assert code_of(gateway.ask("proxied.example/")) == "ip_unknown"


def _from(address: str) -> list[Object]:
    return [{"name": "from", "allow": [{"name": "there", "anonymous": {}, "clientIP": {"cidrs": [f"{address}/32"]}}]}]


# What docs/gateways.md warns of.


def test_where_the_route_is_chosen_again_after_us_its_policy_must_allow_too(plane: Plane, gateway: EnvoyGateway) -> None:
    for_alice = {"headers": [{"type": "Exact", "name": "x-auth-subject", "value": "alice"}]}
    gateway.route("shop", "again", "again.example")
    gateway.route("shop", "alice", "again.example", match=for_alice)
    put_auth_policy(plane, "shop", "again", **for_("HTTPRoute", "again"), **READERS)
    put_auth_policy(plane, "shop", "alice", **for_("HTTPRoute", "alice"), rules=EVERYONE)
    put_security_policy(plane, "again", "again", recomputeRoute=True)
    until(lambda: _route_taken(gateway, "again.example/", **bearer()) == "shop/alice")
    put_auth_policy(plane, "shop", "alice", **for_("HTTPRoute", "alice"), rules=NOBODY)
    until(lambda: code_of(gateway.ask("again.example/", **bearer())) == "rule_deny")


def _route_taken(gateway: EnvoyGateway, url: str, **headers: str) -> str:
    answer = gateway.ask(url, **headers)
    return str(answer.json()["headers"]["x-route"]) if answer.status_code == 200 else ""


def test_a_security_policy_of_a_route_turns_ours_off(plane: Plane, gateway: EnvoyGateway) -> None:
    put_auth_policy(plane, "shop", "cors", hosts=["cors.example", "merged.example"], rules=NOBODY)
    cors = {"allowOrigins": ["https://app.example"]}
    for name in ("cors", "merged"):
        gateway.route("shop", name, f"{name}.example")
        becomes(gateway, f"{name}.example/", "rule_deny")
    put_policy_of_route(plane, "cors", "cors", cors=cors)
    becomes(gateway, "cors.example/", "")
    put_policy_of_route(plane, "merged", "merged", cors=cors, mergeType="StrategicMerge")
    until(lambda: "access-control-allow-origin" in gateway.ask("merged.example/", origin="https://app.example").headers)
    assert code_of(gateway.ask("merged.example/")) == "rule_deny"


def test_where_our_policy_is_on_the_route_another_there_changes_nothing(plane: Plane, gateway: EnvoyGateway) -> None:
    gateway.route("shop", "twice", "twice.example")
    put_auth_policy(plane, "shop", "twice", **for_("HTTPRoute", "twice"), rules=NOBODY)
    put_security_policy(plane, "twice-ours", "twice")
    until(lambda: accepted(plane, "twice-ours") == "True")
    put_policy_of_route(plane, "twice-theirs", "twice", cors={"allowOrigins": ["https://app.example"]})
    until(lambda: accepted(plane, "twice-theirs") == "False")
    assert code_of(gateway.ask("twice.example/")) == "rule_deny"


@pytest.mark.parametrize("why", ["it is not there", "it has no endpoints", "nobody granted it"])
def test_a_service_that_cannot_be_used_opens_a_route_that_fails_open(plane: Plane, gateway: EnvoyGateway, why: str) -> None:
    services = {
        "it is not there": {"name": "not-there", "port": 9001},
        "it has no endpoints": {"name": "empty", "port": 9001},
        "nobody granted it": {"name": "app", "namespace": "billing", "port": 80},
    }
    plane.put("{apiVersion: v1, kind: Service, metadata: {name: empty, namespace: shop}, spec: {ports: [{name: p, port: 9001}]}}")
    for opening, status in (("open", 200), ("closed", 500)):
        name = f"{opening}-{list(services).index(why)}"
        gateway.route("shop", name, f"{name}.example")
        put_auth_policy(plane, "shop", name, **for_("HTTPRoute", name), rules=NOBODY)
        becomes(gateway, f"{name}.example/", "rule_deny")
        put_security_policy(plane, name, name, grpc={"backendRefs": [services[why]]}, failOpen=opening == "open")
        until(lambda name=name: accepted(plane, name) == "False")
        until(lambda name=name, status=status: gateway.ask(f"{name}.example/").status_code == status)


def test_while_envoy_waits_for_endpoints_a_new_policy_that_fails_open_checks_nothing(
    plane: Plane, gateway: EnvoyGateway, record_testsuite_property
) -> None:
    put_auth_policy(plane, "shop", "hole", hosts=["hole-open.example", "hole-closed.example"], rules=NOBODY)
    put_auth_policy(plane, "shop", "stall", **for_("HTTPRoute", "stall"), rules=EVERYONE)
    for name in ("stall", "hole-open", "hole-closed"):
        gateway.route("shop", name, f"{name}.example", called="before")
    becomes(gateway, "stall.example/", "")
    for name in ("hole-open", "hole-closed"):
        becomes(gateway, f"{name}.example/", "rule_deny")
    # The name of a rule is in its cluster's metadata: Envoy asks for the endpoints of the changed cluster, which have not changed,
    # and is not told them again.
    gateway.route("shop", "stall", "stall.example", called="after")
    until(gateway.warming)
    put_security_policy(plane, "hole-open", "hole-open", failOpen=True)
    put_security_policy(plane, "hole-closed", "hole-closed")
    until(lambda: gateway.ask("hole-open.example/").status_code == 200, within=5)
    until(lambda: accepted(plane, "hole-open") == "True", within=2)
    assert gateway.ask("hole-open.example/").status_code == 200
    seen = set()

    def over() -> bool:
        seen.add(gateway.ask("hole-closed.example/").status_code)
        return gateway.ask("hole-open.example/").status_code == 403

    seconds = until(over, within=30, pause=0.2)
    record_testsuite_property("Envoy Gateway: hole with failOpen true", f"{seconds:.1f} s")
    assert seconds > 5
    becomes(gateway, "hole-closed.example/", "rule_deny")
    assert seen <= {403, 503}
    assert 503 in seen
