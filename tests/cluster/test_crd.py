"""The resource on a real API server: what it takes, what it refuses and in which words, and how it reads."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.test_schema import MISTAKES, said
from tests.cluster.control_plane import Answer, ControlPlane
from tests.test_documents import DOCUMENTS, blocks

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
POLICIES = "/apis/ingress-authz.dev/v1alpha1/namespaces/{}/authpolicies"
GOOD: dict[str, Any] = {
    "hosts": ["api.example.com"],
    "audiences": ["api://orders"],
    "issuers": [{"name": "partner", "issuer": "https://idp.example.com"}],
    "rules": [{"name": "everything", "allow": [{"name": "anyone", "anonymous": {}}]}],
}


def created(cluster: ControlPlane, namespace: str, spec: Any, name: str = "orders") -> Answer:
    body = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": name}, "spec": spec}
    return cluster.ask("POST", POLICIES.format(namespace), body, params={"dryRun": "All"})


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The good spec with one thing another; `to` None takes it out."""
    spec = copy.deepcopy(GOOD)
    here: Any = spec
    for step in path[:-1]:
        here = here[step]
    if to is None:
        del here[path[-1]]
    else:
        here[path[-1]] = to
    return spec


def with_claim(**claim: Any) -> dict[str, Any]:
    return changed("rules", 0, "allow", to=[{"name": "a", "jwt": {"issuers": ["partner"], "claims": [claim]}}])


def documented() -> list[Any]:
    found = []
    for document in DOCUMENTS:
        for _, text in blocks(document, "yaml"):
            for each in yaml.safe_load_all(text) if "\nkind: AuthPolicy\n" in text else ():
                found.append(pytest.param(each, id=f"{document.name}-{len(found)}"))
    return found


@pytest.mark.parametrize("policy", documented())
def test_the_server_takes_every_policy_of_the_documents(cluster: ControlPlane, namespace: str, policy: dict[str, Any]) -> None:
    answer = created(cluster, namespace, policy["spec"])
    assert answer.status == 201, answer.message


def test_the_server_takes_every_policy_of_the_corpus_that_is_sound_in_form(cluster: ControlPlane, namespace: str) -> None:
    from tests import corpus_runner

    tried = 0
    for setting in corpus_runner.settings():
        for policy in setting.given.policies:
            if f"{policy['metadata'].get('namespace', 'default')}/{policy['metadata']['name']}" in setting.given.refused:
                continue
            spec = corpus_runner._replaced(policy, setting.given)["spec"]
            answer = created(cluster, namespace, spec)
            assert answer.status == 201, (setting.name, policy["metadata"], answer.message)
            tried += 1
    assert tried >= 40


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake[0]}-{json.dumps(mistake[2])[:60]}")
def test_the_server_refuses_with_the_words_of_validate(
    cluster: ControlPlane, namespace: str, mistake: tuple[str, str, dict[str, Any]]
) -> None:
    _, named, changes = mistake
    base = copy.deepcopy(GOOD) | {"rules": [{"name": "everything", "allow": [{"name": "anyone", "anonymous": {}}]}]}
    answer = created(cluster, namespace, {name: value for name, value in (base | changes).items() if value is not None})
    assert answer.status == 422, answer.body
    (told,) = said(changes)
    general, _, particular = named.partition(" = ")
    # Where the validators name the value, the server's words are general.
    assert (told.replace(particular, general, 1) if named else told) in answer.message


REFUSED: list[tuple[Any, str]] = [
    (changed("ruels", to=[]), 'unknown field "spec.ruels"'),
    (changed("issuers", 0, "isuer", to="x"), 'unknown field "spec.issuers[0].isuer"'),
    (changed("rules", 0, "allow", 0, "jtw", to={}), 'unknown field "spec.rules[0].allow[0].jtw"'),
    (changed("rules", 0, "name", to=None), "spec.rules[0].name: Required value"),
    (changed("rules", 0, "allow", to=None), "spec.rules[0].allow: Required value"),
    (changed("issuers", 0, "issuer", to=None), "spec.issuers[0].issuer: Required value"),
    (changed("mode", to="Enforced"), 'supported values: "Enforce", "Shadow"'),
    (changed("preflight", to="Yes"), 'supported values: "Deny", "Allow"'),
    (changed("mode", to=1), "spec.mode"),
    (changed("hosts", to="api.example.com"), "spec.hosts"),
    (changed("hosts", to=[]), "spec.hosts"),
    (changed("hosts", to=["a.example"] * 2), "Duplicate value"),
    (changed("hosts", to=["API.example.com"]), "one of hosts is no host"),
    (changed("hosts", to=["api.example.com:443"]), "one of hosts is no host"),
    (changed("hosts", to=["*"]), "one of hosts is no host"),
    (changed("hosts", to=["a.*.example"]), "one of hosts is no host"),
    (changed("hosts", to=["x" * 254]), "spec.hosts[0]"),
    (changed("hosts", to=[f"h{n}.example" for n in range(65)]), "spec.hosts: Too many"),
    (changed("pathPrefixes", to=["orders"]), "spec.pathPrefixes[0]"),
    (changed("pathPrefixes", to=["/a"] * 2), "Duplicate value"),
    (changed("audiences", to=[]), "spec.audiences"),
    (changed("audiences", to=[""]), "spec.audiences[0]"),
    (changed("issuers", 0, "name", to="Partner"), "spec.issuers[0].name"),
    (changed("issuers", 0, "algorithms", to=["HS256"]), "Unsupported value"),
    (changed("issuers", 0, "algorithms", to=["none"]), "Unsupported value"),
    (changed("issuers", 0, "algorithms", to=[]), "spec.issuers[0].algorithms"),
    (changed("issuers", 0, "clockSkewSeconds", to=301), "spec.issuers[0].clockSkewSeconds"),
    (changed("issuers", 0, "clockSkewSeconds", to=-1), "spec.issuers[0].clockSkewSeconds"),
    (changed("issuers", 0, "maxAgeSeconds", to=0), "spec.issuers[0].maxAgeSeconds"),
    (changed("issuers", 0, "tokenTypes", to=["text/plain"]), "spec.issuers[0].tokenTypes[0]"),
    (changed("issuers", 0, "clockSkewSeconds", to="30"), "spec.issuers[0].clockSkewSeconds"),
    (changed("issuers", 0, "clockSkewSeconds", to=1.5), "spec.issuers[0].clockSkewSeconds"),
    (changed("issuers", 0, "discoveryURL", to="ftp://idp.example.com/"), "spec.issuers[0].discoveryURL"),
    (changed("issuers", 0, "jwksURL", to="idp.example.com/keys"), "spec.issuers[0].jwksURL"),
    (changed("issuers", to=GOOD["issuers"] * 2), "Duplicate value"),
    (changed("issuers", 0, "tokenFrom", to=[]), "spec.issuers[0].tokenFrom"),
    (changed("issuers", 0, "tokenFrom", to=[{}]), "exactly one of header, query, cookie must be given"),
    (changed("issuers", 0, "tokenFrom", to=[{"header": "bad name"}]), "spec.issuers[0].tokenFrom[0].header"),
    (changed("issuers", 0, "tokenFrom", to=[{"query": "a b"}]), "spec.issuers[0].tokenFrom[0].query"),
    (changed("rules", to=GOOD["rules"] * 2), "Duplicate value"),
    (changed("rules", to=[]), "spec.rules"),
    (changed("rules", to=[{"name": f"r{n}", "allow": []} for n in range(65)]), "spec.rules: Too many"),
    (changed("rules", 0, "allow", 0, "anonymous", to=None), "the alternative does not say who the caller is"),
    (changed("rules", 0, "allow", to=[{"name": "a", "anonymous": {}}] * 2), "Duplicate value"),
    (changed("rules", 0, "allow", 0, "anonymous", to={"always": True}), "unknown field"),
    (changed("rules", 0, "allow", 0, "clientIP", to={}), "give cidrs, ranges or sets"),
    (changed("rules", 0, "allow", 0, "clientIP", to={"cidrs": []}), "clientIP.cidrs"),
    (changed("rules", 0, "allow", 0, "clientIP", to={"ranges": [{"from": "192.0.2.1"}]}), "to: Required value"),
    (changed("rules", 0, "allow", 0, "headers", to=[]), "headers"),
    (changed("rules", 0, "allow", 0, "headers", to=[{"name": "x-a", "values": []}]), "headers[0].values"),
    (changed("rules", 0, "matches", to=[]), "spec.rules[0].matches"),
    (changed("rules", 0, "matches", to=[{}]), "give path, methods or both"),
    (changed("rules", 0, "matches", to=[{"methods": ["get"]}]), "spec.rules[0].matches[0].methods[0]"),
    (changed("rules", 0, "matches", to=[{"methods": ["GET", "GET"]}]), "Duplicate value"),
    (changed("rules", 0, "matches", to=[{"path": {"type": "Prefix", "value": "/"}}]), "Unsupported value"),
    (changed("rules", 0, "matches", to=[{"path": {"type": "Exact"}}]), "value: Required value"),
    (changed("rules", 0, "matches", to=[{"path": {"type": "Exact", "value": "/" + "x" * 1024}}]), "Too long"),
    (changed("rules", 0, "mode", to="Audit"), "Unsupported value"),
    (changed("rules", 0, "deny", to=[]), "spec.rules[0].deny"),
    (changed("rules", 0, "deny", to=[{"name": "some"}]), "give jwt, apiKey, clientCertificate, clientIP, headers or when"),
    (changed("rules", 0, "deny", to=[{"name": "some", "anonymous": {}}]), "unknown field"),
    (changed("rules", 0, "forward", to={"credentials": "Drop"}), "Unsupported value"),
    (changed("rules", 0, "forward", to={"headers": [{"name": "x-auth-a"}]}), "exactly one of value, from must be given"),
    (changed("rules", 0, "denied", to={"unauthenticated": {"statusCode": 200}}), "statusCode"),
    (changed("denied", to={"forbidden": {"statusCode": 600}}), "statusCode"),
    (changed("denied", to={"forbidden": {"message": ""}}), "message"),
    (changed("definitionsFrom", to=[{"name": "idps"}]), "spec.definitionsFrom[0].namespace: Required value"),
    (changed("definitionsFrom", to=[{"namespace": "UP", "name": "idps"}]), "spec.definitionsFrom[0].namespace"),
    (changed("rules", 0, "allow", to=[{"name": "a", "jwt": {"issuers": []}}]), "jwt.issuers"),
    (changed("rules", 0, "allow", to=[{"name": "a", "jwt": {"issuers": ["partner"], "scopes": ['"']}}]), "jwt.scopes[0]"),
    (with_claim(path=["a"], match="Some", values=["x"]), "Unsupported value"),
    (with_claim(path=[], match="Any", values=["x"]), "claims[0].path"),
    (with_claim(path=["a"], match="Any", values=[]), "claims[0].values"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "told"), REFUSED, ids=[str(at) for at in range(len(REFUSED))])
def test_the_server_refuses_a_wrong_policy_and_names_the_place(cluster: ControlPlane, namespace: str, spec: Any, told: str) -> None:
    answer = created(cluster, namespace, spec)
    assert answer.status in (400, 422), answer.body
    assert told in answer.message


def test_the_good_spec_that_the_wrong_ones_are_made_of_is_taken(cluster: ControlPlane, namespace: str) -> None:
    assert len(REFUSED) >= 60
    answer = created(cluster, namespace, GOOD)
    assert answer.status == 201, answer.message


def test_the_largest_policy_stays_within_the_cost_of_its_rules(cluster: ControlPlane, namespace: str) -> None:
    claims = [{"path": ["a"], "match": "Any", "values": ["x"]}] * 32
    jwt = {"issuers": ["partner"], "audiences": ["api://orders"], "scopes": [f"s{n}" for n in range(32)], "claims": claims}
    allow = [{"name": f"a{n}", "jwt": jwt, "clientIP": {"cidrs": [f"192.0.2.{each}" for each in range(32)]}} for n in range(32)]
    headers = [{"name": f"x-auth-{n}", "value": "v" * 200} for n in range(32)]
    rules = [
        {"name": f"r{n}", "allow": allow if n < 4 else allow[:2], "forward": {"headers": headers if n < 8 else headers[:1]}}
        for n in range(64)
    ]
    spec = GOOD | {"hosts": [f"host-{n}.{'x' * 60}.example.com" for n in range(64)], "rules": rules}
    answer = created(cluster, namespace, spec)
    assert answer.status == 201, answer.message[:500]


def test_kubectl_lists_and_explains_it(cluster: ControlPlane, namespace: str) -> None:
    body = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": "orders"}, "spec": GOOD}
    assert cluster.ask("POST", POLICIES.format(namespace), body).status == 201
    listed = cluster.kubectl("get", "authpol", "-n", namespace)
    assert listed.stdout.split("\n")[0].split() == ["NAME", "TARGET", "MODE", "ACCEPTED", "PROGRAMMED", "AGE"]
    assert re.search(r"^orders\s+\S*api\.example\.com\S*\s+Enforce", listed.stdout, re.MULTILINE)
    wide = cluster.kubectl("get", "authpol", "-n", namespace, "-o", "wide")
    assert "REASON" in wide.stdout.split("\n")[0]
    category = cluster.kubectl("get", "gateway-api", "-n", namespace)
    assert re.search(r"^\S*orders\s", category.stdout, re.MULTILINE)
    explained = cluster.kubectl("explain", "authpolicies.spec", "--recursive", "--api-version=ingress-authz.dev/v1alpha1")
    assert explained.returncode == 0
    for field in ("hosts", "issuers", "rules", "clockSkewSeconds", "ignoreCase"):
        assert field in explained.stdout


def test_every_field_answers_kubectl_explain(cluster: ControlPlane) -> None:
    schema = yaml.safe_load((ROOT / "crds" / "authpolicies.yaml").read_text(encoding="utf-8"))
    spec = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    served = cluster.ask("GET", "/openapi/v3/apis/ingress-authz.dev/v1alpha1").body
    text = json.dumps(served)

    def described(node: dict[str, Any]) -> int:
        count = 0
        for name, field in node.get("properties", {}).items():
            assert json.dumps(field["description"])[1:-1] in text, name
            count += 1 + described(field.get("items", field))
        return count

    assert described(spec) >= 60
