"""Objects that the tests put on the API server, and the part of a gateway's controller that they play."""

import itertools
import time
from typing import Any

from tests.cluster.control_plane import ControlPlane

POLICIES = "/apis/ingress-authz.dev/v1alpha1/namespaces/{}/authpolicies"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
GRANTS = "/apis/gateway.networking.k8s.io/v1beta1/namespaces/{}/referencegrants"
EVERYONE = [{"name": "all", "allow": [{"name": "anyone", "anonymous": {}}]}]
NOBODY = [{"name": "none", "allow": []}]
_numbers = itertools.count(1)


def applied(cluster: ControlPlane, collection: str, namespace: str, name: str, body: dict[str, Any], sub: str = "") -> dict[str, Any]:
    """Apply an object (server-side) and return it."""
    path = f"{collection.format(namespace)}/{name}{sub}"
    version = "v1" if "/api/v1/" in path else "/".join(path.split("/")[2:4])
    whole = {"apiVersion": version, "metadata": {"name": name, "namespace": namespace}, **body}
    answer = cluster.ask(
        "PATCH", path, whole, params={"fieldManager": "test", "force": "true"}, headers={"content-type": "application/apply-patch+yaml"}
    )
    assert answer.status in (200, 201), answer.message
    return answer.body


def policy(cluster: ControlPlane, namespace: str, name: str, rules: Any, **spec: Any) -> dict[str, Any]:
    """An AuthPolicy; without a target it is for the host localhost."""
    target = {} if "targetRefs" in spec else {"hosts": ["localhost"]}
    return applied(cluster, POLICIES, namespace, name, {"kind": "AuthPolicy", "spec": {**target, "rules": rules, **spec}})


def deleted(cluster: ControlPlane, collection: str, namespace: str, name: str) -> None:
    answer = cluster.ask("DELETE", f"{collection.format(namespace)}/{name}")
    assert answer.status == 200, answer.message


def another_namespace(cluster: ControlPlane, like: str) -> str:
    name = f"{like}-{next(_numbers)}"
    assert cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
    return name


def gateway(cluster: ControlPlane, namespace: str, name: str = "gw") -> None:
    """A Gateway with one listener that takes routes of every namespace."""
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    applied(cluster, GATEWAYS, namespace, name, {"kind": "Gateway", "spec": {"gatewayClassName": "tests", "listeners": [listener]}})


def route(
    cluster: ControlPlane, namespace: str, name: str, path: str, *, of: str, gateway: str = "gw", host: str = "localhost",
    accepted: bool = True, **match: Any,
) -> None:  # fmt: skip
    """An HTTPRoute of a Gateway in the namespace `of`, accepted as its controller would."""
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": of, "name": gateway}
    rule = {"matches": [{"path": {"type": "PathPrefix", "value": path}, **match}], "backendRefs": [{"name": "app", "port": 80}]}
    body = {"kind": "HTTPRoute", "spec": {"parentRefs": [parent], "hostnames": [host], "rules": [rule]}}
    made = applied(cluster, ROUTES, namespace, name, body)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    condition = {
        "type": "Accepted", "status": str(accepted), "reason": "Accepted" if accepted else "NotAllowedByListeners", "message": "",
        "observedGeneration": made["metadata"]["generation"], "lastTransitionTime": now,
    }  # fmt: skip
    status = {"parents": [{"parentRef": parent, "controllerName": "tests.example/gateway", "conditions": [condition]}]}
    applied(cluster, ROUTES, namespace, name, {"kind": "HTTPRoute", "status": status}, "/status")


def to(kind: str, name: str) -> list[dict[str, str]]:
    """`targetRefs` with one target."""
    return [{"group": "gateway.networking.k8s.io", "kind": kind, "name": name}]
