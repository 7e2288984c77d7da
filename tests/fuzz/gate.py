"""One installation that checks are sent to, and an evaluator of its own, short and slow, that says whom it can let in.

Its keys and tokens are the same in each process, so that an input that breaks something breaks it again.
"""

import ipaddress
from collections.abc import Awaitable
from functools import cache
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authz.envoy.codec import request_of
from authz.envoy.endpoint import Endpoint
from authz.envoy.pb import ext_authz_pb2 as pb
from authz.model.decision import Allow
from authz.model.operator import ClientAddress, Operator
from tests.builders import HOST, Installation, a_jwk, a_jwks, a_manifest, a_token, issuer_yaml
from tests.envoy.messages import check_request

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PROXY, OFFICE = "10.0.0.1", ipaddress.ip_network("192.0.2.0/24")
OPERATOR = Operator(ClientAddress("x-forwarded-for", 1, appended=False, trusted=("10.0.0.0/8",)), frozenset({"open.example"}))
PLACES = ", algorithms: [EdDSA], tokenFrom: [{header: Authorization, scheme: Bearer}, {query: token}, {cookie: s}]"
POLICIES = (
    a_manifest(
        f"""
        hosts: [{HOST}]
        audiences: [orders]
        issuers: [{issuer_yaml(a_jwks(a_jwk(KEY)), more=PLACES)}]
        deny: [{{name: blocked, headers: [{{name: x-blocked}}]}}]
        rules:
        - name: open
          matches: [{{path: {{type: Exact, value: /open}}, methods: [GET]}}]
          allow: [{{name: anyone, anonymous: {{}}}}]
        - name: staff
          matches: [{{path: {{type: PathPrefix, value: /orders}}}}]
          allow: [{{name: readers, jwt: {{issuers: [idp], scopes: [read]}}}}]
          forward: {{headers: [{{name: x-auth-sub, from: {{claim: [sub]}}}}]}}
        - name: office
          matches: [{{path: {{type: Template, value: "/office/{{id}}"}}}}, {{path: {{type: RegularExpression, value: "/o[0-9]+"}}}}]
          allow: [{{name: inside, anonymous: {{}}, clientIP: {{cidrs: ["{OFFICE}"]}}}}]
        - {{name: nobody, allow: []}}
        """
    ),
    a_manifest("hosts: ['*.example.com']\npreflight: Allow\nrules: [{name: nobody, allow: []}]", name="rest"),
)


@cache
def tokens() -> tuple[str, ...]:
    """A token that staff has, and others that open nothing."""
    bad: tuple[dict[str, Any], ...] = ({"scope": "write"}, {"aud": "other", "scope": "read"}, {"exp": 1, "scope": "read"})
    good = a_token(KEY, alg="EdDSA", scope="read")
    others = (a_token(STRANGER, alg="EdDSA", scope="read"), a_token(KEY, alg="EdDSA", scope="read", header={"typ": "logout+jwt"}))
    return good, *(a_token(KEY, alg="EdDSA", **each) for each in bad), *others


@cache
def _installation() -> Installation:
    found = Installation(*POLICIES, operator=OPERATOR)
    assert all(state.accepted for state in found.report.states), found.report.states
    return found


def send(data: bytes) -> Any:
    """The CheckResponse to these bytes, which is checked against everything that must hold of any."""
    installation = _installation()
    answer = Endpoint(installation.checker, installation.journal)(data, 1.0)
    assert not isinstance(answer, Awaitable)
    assert not installation.journal.faults, installation.journal.faults
    installation.journal.decisions.clear()
    response = pb.CheckResponse.FromString(answer)
    if response.status.code == 0:
        assert response.WhichOneof("http_response") == "ok_response"
        assert _may_pass(pb.CheckRequest.FromString(data).attributes), response
    else:
        assert response.WhichOneof("http_response") == "denied_response"
        assert response.denied_response.status.code in (400, 401, 403)
    written = (*response.ok_response.headers, *response.denied_response.headers)
    assert not any(control in option.header.key + option.header.value for option in written for control in "\r\n\x00\x7f")
    _explain(data, allows=response.status.code == 0)
    return response


def _explain(data: bytes, *, allows: bool) -> None:
    request = request_of(data)
    if request is not None:
        decision, _ = _installation().checker.explain(request)
        assert isinstance(decision, Allow) == allows


def _may_pass(attributes: Any) -> bool:
    """Whether there is any reason to let a request in, told without the service's own parsers."""
    http = attributes.request.http
    host = http.host.lower().partition(":")[0].removesuffix(".")
    raw, _, query = http.path.partition("?")
    path = unquote(raw)
    headers = _headers(http)
    if host == "open.example":
        return True
    if host != HOST:
        # A preflight is all that passes elsewhere.
        is_preflight = http.method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers
        return is_preflight and host.endswith(".example.com")
    if headers.get("x-blocked"):
        return False
    if path.rstrip("/") == "/open":
        return bool(http.method == "GET")
    if path == "/orders" or path.startswith("/orders/"):
        return any(tokens()[0] in place for place in (headers.get("authorization", ""), unquote(query), headers.get("cookie", "")))
    return path.startswith("/o") and _is_inside(attributes.source.address.socket_address.address, headers.get("x-forwarded-for", ""))


def _headers(http: Any) -> dict[str, str]:
    headers = dict(http.headers)
    if not headers:
        for each in http.header_map.headers:
            value = each.raw_value.decode(errors="replace") or each.value
            headers[each.key.lower()] = f"{headers.get(each.key.lower(), '')},{value}".removeprefix(",")
    return headers


def _is_inside(peer: str, forwarded: str) -> bool:
    try:
        client = forwarded.rpartition(",")[2].strip() if ipaddress.ip_address(peer) in ipaddress.ip_network("10.0.0.0/8") else peer
        found = ipaddress.ip_address(client)
        return (getattr(found, "ipv4_mapped", None) or found) in OFFICE
    except ValueError:
        return False


def checks() -> list[bytes]:
    """CheckRequests that are let in, and such as are nearly."""
    bearers = [{"authorization": f"Bearer {token}"} for token in tokens()]
    inside = {"x-forwarded-for": "203.0.113.7, 192.0.2.7"}
    preflight = {"origin": "https://app.example", "access-control-request-method": "PUT"}
    raw = [("Authorization", f"Bearer {tokens()[0]}".encode()), ("Cookie", b"a=b"), ("cookie", b"\xff"), ("X-Request-Id", b"7")]
    return [
        check_request("GET", "/open"),
        check_request("GET", "/open", headers={"x-blocked": "1", "x-request-id": "7", "content-type": "application/grpc"}),
        *(check_request("GET", "/orders/7", headers=each) for each in bearers),
        check_request("GET", f"/orders/7?token={tokens()[0]}&page=2"),
        check_request("GET", "/orders/", headers={"cookie": f"theme=dark; s={tokens()[0]}"}),
        check_request("PUT", "/orders/%37", raw_headers=raw),
        check_request("GET", "/office/7", headers=inside, peer=PROXY),
        check_request("GET", "/o7", headers={"x-forwarded-for": "192.0.2.7"}, peer="198.51.100.7"),
        check_request("OPTIONS", "/any", host="shop.example.com", headers=preflight),
        check_request("GET", "/any", host="OPEN.example.:443", policy="shop/orders"),
        check_request("GET", "/office/..%2fopen//", host="other.example"),
    ]
