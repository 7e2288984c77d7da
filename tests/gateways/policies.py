"""AuthPolicies for the tests, and a token that one of them accepts."""

import json
from typing import Any

from authz.demo.issuer import DemoIssuer
from tests.gateways.plane import Object, Plane

AUTH_POLICY = "ingress-authz.dev/v1alpha1"
ISSUER = DemoIssuer("https://demo.example")
EVERYONE: list[Object] = [{"name": "all", "allow": [{"name": "anyone", "anonymous": {}}]}]
NOBODY: list[Object] = [{"name": "none", "allow": []}]
READERS: Object = {
    "audiences": ["orders"],
    "issuers": [{"name": "demo", "issuer": "https://demo.example", "jwks": json.dumps(ISSUER.jwks())}],
    "rules": [
        {
            "name": "read",
            "allow": [{"name": "readers", "jwt": {"issuers": ["demo"], "scopes": ["orders.read"]}}],
            "forward": {"headers": [{"name": "x-auth-subject", "from": {"claim": ["sub"]}}]},
        }
    ],
}


def put_auth_policy(plane: Plane, namespace: str, name: str, **spec: Any) -> None:
    """Apply an AuthPolicy."""
    metadata = {"name": name, "namespace": namespace}
    answer = plane.apply_object({"apiVersion": AUTH_POLICY, "kind": "AuthPolicy", "metadata": metadata, "spec": spec})
    assert answer.status in (200, 201), answer.message


def for_(kind: str, name: str) -> Object:
    """The part of a spec that attaches the policy to an HTTPRoute or Gateway of its namespace."""
    return {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": kind, "name": name}]}


def bearer(scope: str = "orders.read") -> dict[str, str]:
    """The header with a token of the issuer."""
    return {"authorization": f"Bearer {ISSUER.token(scope=scope)}"}
