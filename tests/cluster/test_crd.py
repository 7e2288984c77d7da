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


def with_keys(**fields: Any) -> dict[str, Any]:
    """The good spec with a set of API keys; a field that is None is left out."""
    keys = {"name": "keys", "from": {"secretRef": {"name": "keys"}}, "in": [{"header": "X-Key"}]} | fields
    return changed("apiKeys", to=[{name: value for name, value in keys.items() if value is not None}])


def with_labels(labels: Any) -> dict[str, Any]:
    return with_keys(**{"from": {"secretSelector": {"matchLabels": labels}}})


def with_authority(**fields: Any) -> dict[str, Any]:
    """The good spec with a certificate authority; a field that is None is left out."""
    authority = {"name": "partners", "from": {"secretRef": {"name": "ca"}}, "revocation": "Prefer"} | fields
    return changed("certificateAuthorities", to=[{name: value for name, value in authority.items() if value is not None}])


def with_item(kind: str = "allow", **members: Any) -> dict[str, Any]:
    return changed("rules", 0, kind, to=[{"name": "a", **members}])


def with_identity(**members: Any) -> dict[str, Any]:
    return with_item(clientCertificate={"authority": "partners", "identities": [members]})


def with_source(**source: Any) -> dict[str, Any]:
    return changed("rules", 0, "forward", to={"headers": [{"name": "x-auth-a", "from": source}]})


def with_set(**fields: Any) -> dict[str, Any]:
    return changed("ipSets", to=[{"name": "offices", **fields}])


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
    (changed("issuers", 0, "algorithms", to=["HS256"]), "add hmacFrom"),
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
    # API keys
    (with_keys(name="Keys"), "spec.apiKeys[0].name"),
    (with_keys(**{"from": None}), "spec.apiKeys[0].from: Required value"),
    (with_keys(**{"from": {}}), "exactly one of secretSelector, secretRef, file must be given"),
    (with_keys(**{"from": {"secretRef": {"name": "a"}, "file": "a"}}), "exactly one of secretSelector, secretRef, file must be given"),
    (with_keys(**{"from": {"configMapRef": {"name": "a"}}}), 'unknown field "spec.apiKeys[0].from.configMapRef"'),
    (with_keys(**{"from": {"secretRef": {}}}), "spec.apiKeys[0].from.secretRef.name: Required value"),
    (with_keys(**{"from": {"secretRef": {"name": "a", "key": "a/b"}}}), "spec.apiKeys[0].from.secretRef.key"),
    (with_keys(**{"from": {"file": "../keys"}}), "spec.apiKeys[0].from.file"),
    (with_keys(**{"from": {"file": "/keys"}}), "spec.apiKeys[0].from.file"),
    (with_keys(**{"in": None}), "spec.apiKeys[0].in: Required value"),
    (with_keys(**{"in": []}), "spec.apiKeys[0].in"),
    (with_keys(**{"in": [{"header": f"x-{n}"} for n in range(9)]}), "spec.apiKeys[0].in: Too many"),
    (with_keys(**{"in": [{"header": "X-Key", "query": "key"}]}), "exactly one of header, query, cookie must be given"),
    (with_keys(keys=["k7.secret"]), 'unknown field "spec.apiKeys[0].keys"'),
    (changed("apiKeys", to=[]), "spec.apiKeys"),
    (changed("apiKeys", to=with_keys()["apiKeys"] * 2), "Duplicate value"),
    (changed("apiKeys", to=[with_keys(name=f"k{n}")["apiKeys"][0] for n in range(17)]), "spec.apiKeys: Too many"),
    (with_labels(None), "matchLabels"),
    (with_labels({}), "spec.apiKeys[0].from.secretSelector.matchLabels"),
    (with_labels({"a b": "x"}), "one of matchLabels is no label"),
    (with_labels({"a/b/c": "x"}), "one of matchLabels is no label"),
    (with_labels({"": "x"}), "one of matchLabels is no label"),
    (with_labels({"keys": "a,b"}), "matchLabels"),
    (with_labels({"keys": "x" * 64}), "matchLabels"),
    (with_labels({"keys": 1}), "matchLabels"),
    (with_labels({f"k{n}": "x" for n in range(9)}), "matchLabels: Too many"),
    (with_item(apiKey={}), "apiKey.from: Required value"),
    (with_item(apiKey={"from": "Keys"}), "apiKey.from"),
    (with_item(apiKey={"from": "keys", "scopes": []}), "apiKey.scopes"),
    (with_item(apiKey={"from": "keys", "scopes": ["a b"]}), "apiKey.scopes[0]"),
    (with_item(apiKey={"from": "keys", "scopes": [f"s{n}" for n in range(33)]}), "apiKey.scopes: Too many"),
    (with_item(apiKey={"from": "keys"}, anonymous={}), "excludes jwt, apiKey and clientCertificate"),
    # Client certificates
    (with_authority(**{"from": None}), "spec.certificateAuthorities[0].from: Required value"),
    (with_authority(**{"from": {}}), "exactly one of secretRef, configMapRef, file must be given"),
    (with_authority(**{"from": {"secretSelector": {}}}), 'unknown field "spec.certificateAuthorities[0].from.secretSelector"'),
    (with_authority(revocation=None), "spec.certificateAuthorities[0].revocation: Required value"),
    (with_authority(revocation="Maybe"), 'supported values: "Require", "Prefer", "None"'),
    (with_authority(revocation="Require"), "revocation is Require, and there is no list"),
    (with_authority(revocation="None", crls=[{"secretRef": {"name": "crl"}}]), "revocation is None, so no list is looked at"),
    (with_authority(revocation="None", crlHosts=["crl.example.com"]), "revocation is None, so no list is looked at"),
    (with_authority(crls=[]), "spec.certificateAuthorities[0].crls"),
    (with_authority(crls=[{}]), "exactly one of secretRef, configMapRef, file must be given"),
    (with_authority(crls=[{"file": f"{n}.crl"} for n in range(17)]), "crls: Too many"),
    (with_authority(crlHosts=[]), "spec.certificateAuthorities[0].crlHosts"),
    (with_authority(crlHosts=["http://crl.example.com"]), "spec.certificateAuthorities[0].crlHosts[0]"),
    (with_authority(crlHosts=["crl.example.com:80"]), "spec.certificateAuthorities[0].crlHosts[0]"),
    (changed("certificateAuthorities", to=with_authority()["certificateAuthorities"] * 2), "Duplicate value"),
    (with_item(clientCertificate={}), "clientCertificate.authority: Required value"),
    (with_item(clientCertificate={"authority": "partners", "identities": []}), "clientCertificate.identities"),
    (with_item(clientCertificate={"authority": "p", "identities": [{"dnsName": "a.example"}] * 33}), "identities: Too many"),
    (with_identity(), "say at least one thing of the certificate"),
    (with_identity(sha256="xyz"), "identities[0].sha256"),
    (with_identity(sha256="a" * 129), "identities[0].sha256"),
    (with_identity(serial=7), "identities[0].serial"),
    (with_identity(dns="a.example"), "unknown field"),
    (with_identity(dnsName=""), "identities[0].dnsName"),
    # Sets of addresses, expressions, what is forwarded
    (with_set(), "give cidrs, ranges or both"),
    (with_set(cidrs=[]), "spec.ipSets[0].cidrs"),
    (with_set(cidrs=["1"]), "spec.ipSets[0].cidrs[0]"),
    (with_set(ranges=[{"from": "192.0.2.1"}]), "spec.ipSets[0].ranges[0].to: Required value"),
    (with_set(sets=["others"]), 'unknown field "spec.ipSets[0].sets"'),
    (changed("ipSets", to=with_set(cidrs=["192.0.2.0/24"])["ipSets"] * 2), "Duplicate value"),
    (with_item(anonymous={}, clientIP={"sets": []}), "clientIP.sets"),
    (with_item(anonymous={}, clientIP={"sets": ["Offices"]}), "clientIP.sets[0]"),
    (with_item(anonymous={}, clientIP={"sets": [f"s{n}" for n in range(17)]}), "clientIP.sets: Too many"),
    (with_item(anonymous={}, when=""), "allow[0].when"),
    (with_item(anonymous={}, when="x" * 4097), "when: Too long"),
    (with_item(anonymous={}, when=True), "allow[0].when"),
    (with_item(when="true"), "the alternative does not say who the caller is"),
    (with_item("deny"), "give jwt, apiKey, clientCertificate, clientIP, headers or when"),
    (with_item("deny", when=""), "deny[0].when"),
    (with_source(), "exactly one of claim, apiKey, clientCertificate must be given"),
    (with_source(claim=["sub"], apiKey=["id"]), "exactly one of claim, apiKey, clientCertificate must be given"),
    (with_source(apiKey=[]), "from.apiKey"),
    (with_source(clientCertificate=["x"] * 9), "from.clientCertificate: Too many"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "told"), REFUSED, ids=[str(at) for at in range(len(REFUSED))])
def test_the_server_refuses_a_wrong_policy_and_names_the_place(cluster: ControlPlane, namespace: str, spec: Any, told: str) -> None:
    answer = created(cluster, namespace, spec)
    assert answer.status in (400, 422), answer.body
    assert told in answer.message


def test_the_good_spec_that_the_wrong_ones_are_made_of_is_taken(cluster: ControlPlane, namespace: str) -> None:
    assert len(REFUSED) >= 140
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


def test_the_most_credentials_and_addresses_stay_within_the_cost_of_their_rules(cluster: ControlPlane, namespace: str) -> None:
    """The largest of everything that has a rule of its own; the cost of a rule is counted each time that it runs."""
    labels = {f"{'l' * 40}.example.com/{'k' * 60}{n}": "v" * 63 for n in range(8)}
    reference = {"secretRef": {"namespace": "platform", "name": "n" * 253}}
    identity = {"dnsName": "*.partner.example", "issuerSHA256": "0f" * 32}
    allow = [
        {
            "name": f"a{n}",
            "apiKey": {"from": "k0", "scopes": [f"s{each}" for each in range(32)]},
            "clientCertificate": {"authority": "c0", "identities": [identity] * 32},
            "clientIP": {"sets": ["s0"]},
            "when": "request.method == 'GET'",
        }
        for n in range(32)
    ]
    spec = GOOD | {
        "apiKeys": [
            {"name": f"k{n}", "from": {"secretSelector": {"matchLabels": labels}}, "in": [{"header": f"x-{each}"} for each in range(8)]}
            for n in range(16)
        ],
        "certificateAuthorities": [
            {"name": f"c{n}", "from": reference, "revocation": "Require", "crls": [reference] * 16, "crlHosts": ["crl.example.com"]}
            for n in range(16)
        ],
        "ipSets": [{"name": "s0", "cidrs": [f"10.{n // 256}.{n % 256}.0/24" for n in range(16384)]}],
        "deny": [{"name": f"d{n}", "when": "false"} for n in range(64)],
        "rules": [{"name": f"r{n}", "allow": allow if n < 4 else allow[:1]} for n in range(64)],
    }
    answer = created(cluster, namespace, spec)
    assert answer.status == 201, answer.message[:500]


def test_every_form_of_the_new_definitions_is_taken(cluster: ControlPlane, namespace: str) -> None:
    sources = (
        {"secretSelector": {"matchLabels": {"ingress-authz.dev/keys": "orders"}}},
        {"secretRef": {"name": "keys"}},
        {"file": "k/a.jsonl"},
    )
    lists = [
        {"secretRef": {"name": "crl", "key": "ca.crl"}},
        {"configMapRef": {"namespace": "platform", "name": "crl"}},
        {"file": "ca.crl"},
    ]
    for spec in (
        *(with_keys(**{"from": source}) for source in sources),
        *(with_authority(crls=[each]) for each in lists),
        with_authority(revocation="Require", crlHosts=["crl.example.com", "*.pki.example.com"]),
        with_authority(revocation="None"),
        with_set(ranges=[{"from": "192.0.2.1", "to": "192.0.2.9"}]),
        with_item(apiKey={"from": "keys"}, clientCertificate={"authority": "partners"}, jwt={"issuers": ["partner"]}, when="true"),
        with_source(apiKey=["labels", "plan"]),
        with_source(clientCertificate=["sha256"]),
    ):
        answer = created(cluster, namespace, spec)
        assert answer.status == 201, answer.message


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
