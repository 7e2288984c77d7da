"""The CustomResourceDefinition: structural, bounded, described, and of one mind with the validators."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
import yaml

from authz.api import v1alpha1
from authz.api.decode import read
from authz.api.schema import HEADER, MAX_TEXT, crd, crd_text, spec_schema
from authz.model.declared import Declared
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from authz.policy import problems
from authz.policy.forwarding import name_problem

VERSION = crd()["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
FORBIDDEN = {"$ref", "$defs", "anyOf", "oneOf", "allOf", "not", "title", "const", "examples", "nullable"}
# Kubernetes' own: it checks and describes them itself.
OWN = {"apiVersion", "kind", "metadata"}


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], path + "[]")


NODES = [each for name, field in ROOT["properties"].items() if name not in OWN for each in nodes(field, name)]
PATHS = [path for path, _ in NODES]


def of_type(kind: str) -> list[Any]:
    return [pytest.param(node, id=path) for path, node in NODES if node["type"] == kind]


def test_the_definition_is_named_as_kubernetes_asks() -> None:
    spec = crd()["spec"]
    assert crd()["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert (VERSION["name"], VERSION["served"], VERSION["storage"]) == ("v1alpha1", True, True)
    assert VERSION["subresources"] == {"status": {}}


def test_the_columns_answer_whether_it_is_on_and_the_rest_needs_wide_output() -> None:
    columns = {column["name"]: column.get("priority", 0) for column in VERSION["additionalPrinterColumns"]}
    assert columns == {"Target": 0, "Mode": 0, "Accepted": 0, "Programmed": 0, "Reason": 1, "Rules": 1, "Age": 0}


@pytest.mark.parametrize(("path", "node"), NODES, ids=PATHS)
def test_nothing_stands_there_that_a_structural_schema_may_not_have(path: str, node: dict[str, Any]) -> None:
    assert FORBIDDEN.isdisjoint(node)
    assert node["type"] in ("object", "array", "string", "integer", "boolean")


@pytest.mark.parametrize(("path", "node"), NODES, ids=PATHS)
def test_everything_that_has_a_name_is_described(path: str, node: dict[str, Any]) -> None:
    is_plain_item = path.endswith("[]") and node["type"] == "string"
    assert is_plain_item or node["description"].endswith(".") or path.endswith("conditions")


@pytest.mark.parametrize("node", of_type("string"))
def test_every_string_has_a_longest_length_or_a_list_of_words(node: dict[str, Any]) -> None:
    assert "maxLength" in node or "enum" in node
    if "pattern" in node:
        re.compile(node["pattern"])


@pytest.mark.parametrize("node", of_type("integer"))
def test_every_integer_has_a_least_and_a_largest_value(node: dict[str, Any]) -> None:
    assert node["minimum"] <= node["maximum"] <= 2**53 - 1


@pytest.mark.parametrize("node", of_type("array"))
def test_every_list_has_a_most_and_says_how_it_is_merged(node: dict[str, Any]) -> None:
    assert node["maxItems"] >= node.get("minItems", 0)
    kind = node["x-kubernetes-list-type"]
    keys = node.get("x-kubernetes-list-map-keys", [])
    assert (kind == "map") == bool(keys)
    fields = node["items"].get("properties", {})
    assert all(key in node["items"].get("required", ()) or "default" in fields[key] for key in keys)
    assert kind != "set" or node["items"]["type"] == "string"


@pytest.mark.parametrize("node", of_type("object"))
def test_what_is_required_exists_and_has_no_default(node: dict[str, Any]) -> None:
    fields = node.get("properties", {})
    assert all("default" not in fields[name] for name in node.get("required", ()))


def test_defaults_are_written_out() -> None:
    fields = spec_schema()["properties"]
    issuer = fields["issuers"]["items"]["properties"]
    assert fields["mode"]["default"] == "Enforce"
    # What the default is depends on where the keys come from.
    assert "default" not in issuer["algorithms"]
    assert "default" not in issuer["clockSkewSeconds"]
    assert issuer["tokenTypes"]["default"] == ["at+jwt", "JWT"]
    assert fields["rules"]["items"]["properties"]["forward"]["properties"]["credentials"]["default"] == "Remove"


def test_the_text_is_small_enough_for_kubectl_apply_and_says_where_it_comes_from() -> None:
    text = crd_text()
    assert text.startswith(HEADER)
    assert len(text.encode()) < MAX_TEXT
    assert yaml.safe_load(text) == crd()
    assert not re.search(r"(?m)^[^'\"#]*[:-] [&*]\w", text)


def test_the_command_prints_it() -> None:
    done = subprocess.run([sys.executable, "-m", "authz", "crd"], capture_output=True, text=True, check=True)
    assert done.stdout == crd_text()


# --- CEL

RULES = [(type_.__name__, rule, message) for type_ in v1alpha1.Object.__subclasses__() for rule, message in type_.cel]
PLACES = [(path, each["rule"]) for path, node in NODES for each in node.get("x-kubernetes-validations", ())]
_QUOTED = re.compile(r"'[^']*'")
_CLOSES = {")": "(", "]": "[", "}": "{"}


@pytest.mark.parametrize(("name", "rule", "message"), RULES)
def test_a_rule_is_balanced_and_its_message_is_one_line(name: str, rule: str, message: str) -> None:
    assert rule.count("'") % 2 == 0
    assert "\\" not in rule  # nothing that CEL's quotes would read as an escape
    opened: list[str] = []
    for character in _QUOTED.sub("''", rule):
        if character in _CLOSES.values():
            opened.append(character)
        elif character in _CLOSES:
            assert opened.pop() == _CLOSES[character]
    assert not opened
    assert 0 < len(message) <= 2048
    assert "\n" not in message


@pytest.mark.parametrize(("path", "rule"), PLACES)
def test_a_rule_names_fields_of_its_object_and_asks_whether_the_optional_ones_are_there(path: str, rule: str) -> None:
    node = dict(NODES)[path]
    plain = _QUOTED.sub("''", rule)
    for name in re.findall(r"\bself\.(\w+)", plain):
        assert name in node["properties"]
        assert name in node.get("required", ()) or f"has(self.{name})" in plain


@pytest.mark.parametrize(("path", "rule"), PLACES)
def test_a_regular_expression_in_a_rule_compiles(path: str, rule: str) -> None:
    assert all(re.compile(found) for found in re.findall(r"matches\('([^']*)'\)", rule))


ALLOW_ALL = {"name": "anyone", "anonymous": {}}
BASE: dict[str, Any] = {
    "hosts": ["api.example.com"],
    "audiences": ["api://orders"],
    "issuers": [{"name": "partner", "issuer": "https://idp.example.com"}],
    "rules": [{"name": "everything", "allow": [ALLOW_ALL]}],
}
TOKEN = {"issuers": ["partner"]}


def issuer(**fields: Any) -> dict[str, Any]:
    return {"issuers": [{"name": "partner", "issuer": "https://idp.example.com"} | fields]}


def rule(**fields: Any) -> dict[str, Any]:
    return {"rules": [{"name": "everything", "allow": [ALLOW_ALL]} | fields]}


def path(kind: str, value: str) -> dict[str, Any]:
    return rule(matches=[{"path": {"type": kind, "value": value}}])


def forward(**fields: Any) -> dict[str, Any]:
    return rule(forward={"headers": [{"name": "x-auth-plan"} | fields]})


def authority(source: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"certificateAuthorities": [{"name": "partners", "from": source, "revocation": "None"} | fields]}


def answer(**fields: Any) -> dict[str, Any]:
    return {"denied": {"forbidden": fields}}


# One for each rule, those of a type in their order: the rule's type; the words of its message in whose place the validators, which can,
# name the value; and a spec with that one mistake.
MISTAKES: list[tuple[str, str, dict[str, Any]]] = [
    ("TokenPlace", "", issuer(tokenFrom=[{"header": "x-token", "query": "token"}])),
    ("TokenPlace", "", issuer(tokenFrom=[{"query": "token", "scheme": "Bearer"}])),
    (
        "SecretSelector",
        "",
        {"apiKeys": [{"name": "k", "from": {"secretSelector": {"matchLabels": {"a b": "x"}}}, "in": [{"header": "x-key"}]}]},
    ),
    ("KeySource", "", {"apiKeys": [{"name": "k", "from": {}, "in": [{"header": "x-key"}]}]}),
    ("TextSource", "", authority({})),
    ("CertificateAuthority", "", authority({"file": "ca.pem"}, revocation="None", crls=[{"file": "crl.pem"}])),
    ("CertificateAuthority", "", authority({"file": "ca.pem"}, revocation="Require")),
    ("Identity", "", rule(allow=[{"name": "some", "clientCertificate": {"authority": "partners", "identities": [{}]}}])),
    ("IpSet", "", {"ipSets": [{"name": "offices"}]}),
    ("ClaimSource", "", forward(**{"from": {}})),
    ("Issuer", "", issuer(jwks="{}", jwksURL="https://idp.example.com/keys")),
    ("Issuer", "", issuer(issuer="idp")),
    ("Issuer", "", issuer(algorithms=["RS256", "HS256"])),
    ("Issuer", "", issuer(hmacFrom={"file": "idp.hmac"}, algorithms=["RS256", "HS256"])),
    ("Issuer", "", issuer(hmacFrom={"file": "idp.hmac"}, caRef={"file": "ca.pem"})),
    ("HmacSource", "", issuer(hmacFrom={})),
    ("JwksRef", "", issuer(jwksFrom={"kind": "Secret", "name": "idp", "file": "idp.json"})),
    ("CaRef", "", issuer(caRef={"kind": "Secret"})),
    ("ClientIP", "", {"deny": [{"name": "some", "clientIP": {}}]}),
    ("Allow", "", rule(allow=[{"name": "anyone"}])),
    ("Allow", "", rule(allow=[{"name": "anyone", "anonymous": {}, "jwt": TOKEN}])),
    ("Deny", "", {"deny": [{"name": "some"}]}),
    ("PathMatch", "", path("Exact", "orders")),
    ("PathMatch", "", path("Exact", "/orders?all")),
    ("PathMatch", "", path("PathPrefix", "/orders//all")),
    ("RequestMatch", "", rule(matches=[{}])),
    ("ForwardedHeader", "", forward()),
    ("ForwardedHeader", "this header = Host", forward(name="Host", value="x")),
    ("ForwardedHeader", "this header = x-auth-a-b-c-d-e", forward(name="x-auth-a-b-c-d-e", value="x")),
    ("ForwardedHeader", "", forward(value=" gold")),
    ("AnswerHeader", "this header = content-type", answer(headers=[{"name": "Content-Type", "value": "x"}])),
    ("AnswerHeader", "", answer(headers=[{"name": "x-help", "value": " me"}])),
    ("Answer", "", answer(statusCode=304, headers=[{"name": "location", "value": "/"}])),
    ("Answer", "a 3xx status = status 302", answer(statusCode=302)),
    ("AuthPolicySpec", "", {"targetRefs": [{"kind": "HTTPRoute", "name": "orders"}]}),
    ("AuthPolicySpec", "", {"hosts": None}),
    ("AuthPolicySpec", "", {"hosts": None, "rules": None, "pathPrefixes": ["/a"]}),
    ("AuthPolicySpec", "", {"hosts": None, "rules": None, "deny": [{"name": "some", "clientIP": {"cidrs": ["192.0.2.0/24"]}}]}),
    ("AuthPolicySpec", "", {"rules": None}),
    ("AuthPolicySpec", "", {"precedence": "Override"}),
    ("AuthPolicySpec", "one of hosts = API.example.com", {"hosts": ["API.example.com"]}),
    ("AuthPolicySpec", "one of pathPrefixes = /a//b", {"pathPrefixes": ["/a//b"]}),
    ("AuthPolicySpec", "", {"audiences": None, "deny": [{"name": "some", "jwt": TOKEN}]}),
    ("AuthPolicySpec", "an audience of jwt = other", rule(allow=[{"name": "some", "jwt": TOKEN | {"audiences": ["other"]}}])),
]


def type_of(entry: tuple[str, Any, Any]) -> str:
    return entry[0]


OPERATOR = Operator(ClientAddress(), client_certificate=ClientCertificate(CertificateSource.PEER))


def said(changes: dict[str, Any]) -> list[str]:
    """Return what the validators say of the spec BASE with `changes`; None takes a field out."""
    spec = {name: value for name, value in (BASE | changes).items() if value is not None}
    document = {
        "apiVersion": f"{v1alpha1.GROUP}/{v1alpha1.VERSION}",
        "kind": v1alpha1.KIND,
        "metadata": {"name": "orders"},
        "spec": spec,
    }
    (declared,) = read(json.dumps(document))
    assert isinstance(declared, Declared)
    found = problems.problems(declared.policy, OPERATOR) if declared.policy else []
    return [problem.what for problem in chain(declared.problems, found)]


def test_the_spec_that_the_mistakes_are_made_in_has_none_itself() -> None:
    assert said({}) == []


@pytest.mark.parametrize(
    ("mistake", "declared"),
    list(zip(sorted(MISTAKES, key=type_of), sorted(RULES, key=type_of), strict=True)),
    ids=[message for _, _, message in sorted(RULES, key=type_of)],
)
def test_the_validators_say_what_the_rule_says(mistake: tuple[str, str, dict[str, Any]], declared: tuple[str, str, str]) -> None:
    (type_name, named, changes), (rule_type, _, message) = mistake, declared
    general, _, particular = named.partition(" = ")
    assert type_name == rule_type
    assert said(changes) == [message.replace(general, particular, 1) if named else message]


def test_the_names_that_a_rule_lists_are_those_that_the_service_keeps_for_itself() -> None:
    listed = {name: set(re.findall(r"'([a-z-]+)'", rule)) for name, rule, _ in RULES if "lowerAscii() in" in rule}
    assert listed["AnswerHeader"] == problems._RESERVED
    assert all("hop-by-hop" in name_problem(name, frozenset()) for name in listed["ForwardedHeader"])
