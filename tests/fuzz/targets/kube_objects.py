"""Objects as an API server could hold them under a schema with holes: one that is odd hides no other and stops nothing.

The data are JSON: lists of AuthPolicies, HTTPRoutes, Gateways and ReferenceGrants by their resources' names.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from authz.kube.api import key_of
from authz.kube.contents import permitted
from authz.kube.decoding import Decoded
from authz.model.cluster import Cluster
from authz.model.declared import Declared
from authz.model.operator import ClientAddress, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.service.slices import at_once
from tests.fuzz.force import put_in_force
from tests.kube.scripted import policy
from tests.kube.test_decoding import US
from tests.kube.test_objects import GATEWAY, a_gateway, a_route

ODD = {
    "a listener whose name is a list": {"gateways": [a_gateway({"name": []})], "httproutes": [a_route()]},
    "a path that is a number": {"httproutes": [a_route({"matches": [{"path": {"value": 7}}]})]},
    "a header without a name": {"httproutes": [a_route({"matches": [{"headers": [{"name": None}]}]})]},
    "a grant to a list": {
        "referencegrants": [{"metadata": {"name": "g", "namespace": "x"}, "spec": {"from": [US | {"namespace": []}], "to": [US]}}]
    },
}
FOUND: Mapping[str, bytes] = {what: json.dumps(each).encode() for what, each in ODD.items()}
OPERATOR = Operator(ClientAddress(), gateways=(ListedGateway(GATEWAY),))
SOUND = policy("sound", 1, "sound", host="sound.example")


def fuzz(data: bytes) -> None:
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(held, dict):
        read({resource: _stored(held.get(resource)) for resource in ("authpolicies", "httproutes", "gateways", "referencegrants")})


def _stored(objects: object) -> dict[str, Any]:
    """The objects by namespace and name, which the API server gives to every one that it holds."""
    return {key_of(each): each for each in objects if _is_held(each)} if isinstance(objects, list) else {}


def _is_held(each: object) -> bool:
    metadata = each.get("metadata") if isinstance(each, dict) else None
    return isinstance(metadata, dict) and all(isinstance(metadata.get(part), str) for part in ("namespace", "name"))


def read(held: Mapping[str, Mapping[str, Any]]) -> None:
    """Read objects, put them in force, and see that a sound policy among them still is."""
    decoded, listed = Decoded(), {GATEWAY: held["gateways"].get(str(GATEWAY))}
    found = at_once(decoded.policies({**held["authpolicies"], "sound/sound": SOUND}))
    declared = [each for each in found if isinstance(each, Declared)]
    assert declared[-1].name == PolicyName("sound", "sound")
    assert len({each.name for each in declared}) == len(declared)
    routes = at_once(decoded.routes(held["httproutes"], listed))
    assert [str(each.name) for each in routes] == list(held["httproutes"])
    assert at_once(decoded.routes(held["httproutes"], listed)) == routes
    grants = decoded.grants(held["referencegrants"])
    cluster = Cluster(routes, frozenset({GATEWAY}), grants)
    assert all(cluster.permits(out_of, ref.kind, ref.namespace, ref.name) for out_of, ref in _references(declared, cluster))
    put_in_force(declared, cluster, OPERATOR)


def _references(declared: list[Declared], cluster: Cluster) -> Iterable[tuple[str, Any]]:
    for each in declared:
        for ref in at_once(permitted([each], cluster)):
            yield each.name.namespace, ref


def seeds() -> Iterable[bytes]:
    attached = policy("attached", 2)
    attached["spec"] = {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "orders"}]} | attached["spec"]
    attached["spec"].pop("hosts")
    keys = policy("keys", 3)
    keys["spec"] |= {"audiences": ["a"], "issuers": [{"name": "i", "issuer": "https://idp.example.com", "jwksFrom": {"kind": "Secret"}}]}
    keys["spec"]["issuers"][0]["jwksFrom"] |= {"namespace": "keys", "name": "jwks", "key": "jwks.json"}
    match = {"path": {"type": "Exact", "value": "/a"}, "method": "GET", "headers": [{"name": "X-A", "value": "1"}]}
    match["queryParams"] = [{"name": "q", "value": ".*", "type": "RegularExpression"}]
    plain = a_route({"matches": [match], "filters": [{"type": "RequestRedirect"}]}, {"matches": [{}]}, hostnames=["api.example.com"])
    bare = a_route(name="bare")
    gateway = a_gateway({"name": "http", "port": 80, "protocol": "HTTP", "hostname": "*.example.com"}, {"name": "other", "port": 81})
    grant = {
        "metadata": {"name": "g", "namespace": "keys"},
        "spec": {"from": [US], "to": [{"group": "", "kind": "Secret", "name": "jwks"}]},
    }
    whole = {"authpolicies": [attached, keys], "httproutes": [plain, bare], "gateways": [gateway], "referencegrants": [grant]}
    yield json.dumps(whole, separators=(",", ":")).encode()
    for resource, objects in whole.items():
        yield json.dumps(whole | {resource: objects[:1]}, separators=(",", ":")).encode()
        yield json.dumps({resource: objects, "gateways": [gateway]}, separators=(",", ":")).encode()
