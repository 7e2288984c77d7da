"""Documents become declared policies, with every mistake and its place."""

import textwrap

import pytest

from authz.api.decode import API_VERSION, read
from authz.model.declared import Declared, Stray
from authz.model.policy import Mode, PolicyName
from authz.model.problem import Severity

GOOD = """
apiVersion: ingress-authz.dev/v1alpha1
kind: AuthPolicy
metadata:
  name: orders
  namespace: shop
spec:
  hosts: [api.example.com]
  audiences: [orders]
  issuers:
  - name: idp
    issuer: https://idp.example.com
  rules:
  - name: read
    matches:
    - path: {type: PathPrefix, value: /orders}
      methods: [GET]
    allow:
    - name: staff
      jwt: {issuers: [idp], scopes: [orders.read]}
"""


def _text(old="", new="", text=GOOD):
    text = textwrap.dedent(text).strip("\n") + "\n"
    assert old in text
    return text.replace(old, new, 1) if old else text


def _only(text, file="a.yaml"):
    (found,) = read(text, file)
    return found


def _faults(text):
    return [(each.code, each.path, each.line, each.column) for each in _only(text).problems]


def test_a_sound_document_declares_a_policy():
    found = _only(_text())
    assert found.problems == ()
    assert found.is_sound
    assert (found.name, found.file) == (PolicyName("shop", "orders"), "a.yaml")
    assert found.policy.rules[0].name == "read"
    assert found.place(("spec", "rules", 0, "allow", 0, "jwt")) == (19, 7)


def test_json_declares_a_policy_too():
    text = '{"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy", "metadata": {"name": "x"}, "spec": {}}'
    assert _only(text).name == PolicyName("default", "x")


def test_the_namespace_is_default_and_the_generation_one_unless_said():
    found = _only(_text("  namespace: shop\n", ""))
    assert (found.name.namespace, found.policy.generation) == ("default", 1)
    assert _only(_text("  namespace: shop\n", "  generation: 7\n")).policy.generation == 7


def test_what_kubernetes_adds_is_no_mistake():
    more = "  uid: 1234\n  labels: {a: b}\n  managedFields: [{}]\n"
    assert _only(_text("  namespace: shop\n", "  namespace: shop\n" + more) + "status: {conditions: []}\n").is_sound


def test_tools_that_print_what_they_would_create_write_a_time_of_null():
    found = _only(_text("  namespace: shop\n", "  namespace: shop\n  creationTimestamp: null\n"))
    assert (found.is_sound, found.policy.created) == (True, "")


def test_a_policy_that_only_defines_may_have_an_empty_spec():
    text = "apiVersion: ingress-authz.dev/v1alpha1\nkind: AuthPolicy\nmetadata: {name: x}\nspec: {}\n"
    assert _only(text).policy.only_defines


# Each mistake once, with its code, path, line and column.

LINE = {line.strip(): number for number, line in enumerate(_text().splitlines(), 1)}
RULE = ("spec", "rules", 0)
ITEM = (*RULE, "allow", 0)
MISTAKES = {
    "AZ103 a tag": ("hosts: [api.example.com]", "hosts: !x y", "AZ103", ("spec", "hosts"), 7, 10),
    "AZ104 a key twice": ("  audiences: [orders]\n", "  audiences: [orders]\n  audiences: [x]\n", "AZ104", ("spec", "audiences"), 9, 3),
    "AZ105 at the top": ("spec:", "more: 1\nspec:", "AZ105", ("more",), 6, 1),
    "AZ105 in the spec": ("  audiences:", "  audience: [x]\n  audiences:", "AZ105", ("spec", "audience"), 8, 3),
    "AZ105 in an item": ("      jwt:", "      wenn: x\n      jwt:", "AZ105", (*ITEM, "wenn"), 19, 7),
    "AZ106 no spec": (_text()[_text().index("spec:") :], "", "AZ106", (), 1, 1),
    "AZ106 no allow": (_text()[_text().index("    allow:") :], "", "AZ106", RULE, 13, 5),
    "AZ106 no name of a rule": ("  - name: read\n    matches:", "  - matches:", "AZ106", RULE, 13, 5),
    "AZ107 text for a list": ("[api.example.com]", "api.example.com", "AZ107", ("spec", "hosts"), 7, 3),
    "AZ107 a number for text": ("[orders]", "[7]", "AZ107", ("spec", "audiences", 0), 8, 15),
    "AZ107 a list for an object": ("{issuers: [idp], scopes: [orders.read]}", "[idp]", "AZ107", (*ITEM, "jwt"), 19, 7),
    "AZ107 text for a number": (
        "issuer: https://idp.example.com",
        'issuer: https://idp.example.com\n    clockSkewSeconds: "30"',
        "AZ107",
        ("spec", "issuers", 0, "clockSkewSeconds"),
        12,
        5,
    ),
    "AZ107 a fraction for a number": (
        "issuer: https://idp.example.com",
        "issuer: https://idp.example.com\n    clockSkewSeconds: 1.5",
        "AZ107",
        ("spec", "issuers", 0, "clockSkewSeconds"),
        12,
        5,
    ),
    "AZ107 a word for a boolean": (
        "      jwt:",
        "      headers: [{name: x, ignoreCase: yes}]\n      jwt:",
        "AZ107",
        (*ITEM, "headers", 0, "ignoreCase"),
        19,
        27,
    ),
    "AZ107 no value": ("hosts: [api.example.com]", "hosts:", "AZ107", ("spec", "hosts"), 7, 3),
    "AZ108 an unknown word": ("type: PathPrefix", "type: Prefix", "AZ108", (*RULE, "matches", 0, "path", "type"), 15, 14),
    "AZ109 too long": ("name: read", f"name: {'r' * 64}", "AZ109", (*RULE, "name"), 13, 5),
    "AZ109 an empty list": ("[GET]", "[]", "AZ109", (*RULE, "matches", 0, "methods"), 16, 7),
    "AZ109 a character": ("[GET]", "[get]", "AZ109", (*RULE, "matches", 0, "methods", 0), 16, 17),
    "AZ109 too many": ("[GET]", f"[{', '.join('M' + chr(65 + at) for at in range(17))}]", "AZ109", (*RULE, "matches", 0, "methods"), 16, 7),
    "AZ110 no caller": ("jwt: {issuers: [idp], scopes: [orders.read]}", "headers: [{name: x}]", "AZ110", ITEM, 18, 7),
    "AZ110 two callers": ("      jwt:", "      anonymous: {}\n      jwt:", "AZ110", ITEM, 18, 7),
    "AZ111 twice in a list": ("[orders]", "[orders, other, orders]", "AZ111", ("spec", "audiences", 2), 8, 30),
    "AZ111 a name twice": ("    allow:\n", "    allow:\n    - {name: staff, anonymous: {}}\n", "AZ111", (*RULE, "allow", 1), 19, 7),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_once_with_its_place(name):
    old, new, code, path, line, column = MISTAKES[name]
    assert name.startswith(code)
    found = _only(_text(old, new))
    assert [(each.code, each.path, each.line, each.column) for each in found.problems] == [(code, path, line, column)]
    assert {(each.file, each.severity) for each in found.problems} == {("a.yaml", Severity.ERROR)}
    assert not found.is_sound


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  audiences:", "  audence:", "unknown field audence; did you mean audiences?"),
        ("  issuers:", "  Issuers:", "unknown field Issuers; did you mean issuers?"),
        ("      jwt:", "      client_ip: {}\n      jwt:", "unknown field client_ip; did you mean clientIP?"),
        ("type: PathPrefix", "type: pathprefix", "did you mean PathPrefix?"),
        ("spec:", "spec:\n  mode: Enforced", "mode is one of Enforce, Shadow; did you mean Enforce?"),
        ("type: PathPrefix", "type: glob", "type is one of Exact, PathPrefix, Template, RegularExpression"),
        ("      jwt:", "      zzz: 1\n      jwt:", "known here: name, jwt, apiKey, clientCertificate, anonymous, clientIP, headers, when"),
        ("{type: PathPrefix, value: /orders}", "{type: Exact}", "value is missing; add it"),
        ("[orders]", "[7]", 'put it in quotes: "7"'),
        ("[orders]", "[true]", 'put it in quotes: "true"'),
        ("[orders]", "[1.5]", 'put it in quotes: "1.5"'),
        ("      jwt:", "      headers: [{name: x, value: y}]\n      jwt:", "unknown field value; did you mean values?"),
    ],
)
def test_a_mistake_says_how_to_mend_it(old, new, says):
    found = _only(_text(old, new))
    assert any(says in each.what for each in found.problems), [each.what for each in found.problems]


def test_nothing_is_proposed_where_nothing_is_known():
    found = _only(_text("spec:", "status: {x: 1}\nspec:"))
    assert found.is_sound
    (problem,) = _only(_text("{type: PathPrefix, value: /orders}", "{type: Exact, value: /, extra: {deep: 1}}")).problems
    assert problem.what == "unknown field extra; known here: type, value"


def test_several_mistakes_are_reported_at_once():
    text = _text("type: PathPrefix", "type: Prefix").replace("audiences:", "audience:").replace("name: staff", "name: STAFF")
    assert sorted(fault[0] for fault in _faults(text)) == ["AZ105", "AZ108", "AZ109"]


def test_unknown_fields_and_repeated_items_are_reported_at_once_and_the_rest_is_read():
    text = _text("[orders]", "[orders, orders]").replace("      jwt:", "      wenn: x\n      jwt:")
    assert sorted(fault[0] for fault in _faults(text)) == ["AZ105", "AZ111"]
    assert _only(text).policy is not None
    assert not _only(text).is_sound


def test_an_unknown_field_does_not_hide_a_mistake_of_the_same_object():
    text = _text("      jwt:", "      whenn: x\n      anonymous: {}\n      jwt:")
    assert sorted(fault[0] for fault in _faults(text)) == ["AZ105", "AZ110"]


def test_a_claim_path_may_have_one_name_twice():
    more = "jwt: {issuers: [idp], claims: [{path: [data, data], match: Any, values: [x]}]}"
    assert _only(_text("jwt: {issuers: [idp], scopes: [orders.read]}", more)).is_sound


# As far as it can be read.


def test_a_policy_with_a_mistake_still_says_what_it_is_for():
    found = _only(_text("[GET]", "[get]").replace("  audiences:", "  pathPrefixes: [/orders]\n  mode: Shadow\n  audiences:"))
    assert found.is_partial
    assert (found.name, found.target.hosts, found.target.path_prefixes) == (
        PolicyName("shop", "orders"),
        ("api.example.com",),
        ("/orders",),
    )
    assert found.target.mode is Mode.SHADOW
    assert found.target.rules == ()


@pytest.mark.parametrize("spec", ["hosts: 7", "hosts: [7]", "pathPrefixes: [orders]", "mode: Sometimes", "hosts: [a.example]\n  mode: 7"])
def test_where_hosts_prefixes_or_mode_cannot_be_read_there_is_no_target(spec):
    found = _only(f"apiVersion: {API_VERSION}\nkind: AuthPolicy\nmetadata: {{name: x}}\nspec:\n  {spec}\n")
    assert isinstance(found, Declared)
    assert found.target is None
    assert found.policy is None or found.is_partial


@pytest.mark.parametrize("spec", ["spec: [1]", "spec: text", "spec:", "other: 1"])
def test_where_the_spec_cannot_be_read_there_is_no_target(spec):
    found = _only(f"apiVersion: {API_VERSION}\nkind: AuthPolicy\nmetadata: {{name: x}}\n{spec}\n")
    assert found.target is None
    assert found.policy is None or found.is_partial
    assert found.problems


@pytest.mark.parametrize(
    "metadata",
    ["metadata: {}", "metadata: {name: Orders}", "metadata: {name: 7}", "metadata: orders", "x: 1", "metadata: {name: a, namespace: B}"],
)
def test_a_policy_without_a_readable_name_is_a_fault(metadata):
    found = _only(f"apiVersion: {API_VERSION}\nkind: AuthPolicy\n{metadata}\nspec: {{}}\n")
    assert isinstance(found, Stray)
    assert found.is_fault
    assert all(each.line >= 1 and each.file == "a.yaml" for each in found.problems)


def test_the_place_of_a_name_that_cannot_be_read():
    found = _only(f"apiVersion: {API_VERSION}\nkind: AuthPolicy\nmetadata:\n  name: Orders\nspec: {{}}\n")
    assert [(each.code, each.path, each.line, each.column) for each in found.problems] == [("AZ109", ("metadata", "name"), 4, 3)]


# Several documents, none, and other things.


def test_a_file_may_hold_several_documents():
    first, second = read(_text() + "---\n" + _text("name: orders", "name: billing").replace("[GET]", "[get]"), "a.yaml")
    assert (first.name.name, second.name.name) == ("orders", "billing")
    assert first.is_sound
    assert [(each.code, each.line) for each in second.problems] == [("AZ109", 16 + 20)]


@pytest.mark.parametrize("text", ["", "\n\n", "# to do\n", "---\n"])
def test_a_file_without_a_document_is_a_fault(text):
    found = _only(text)
    assert isinstance(found, Stray)
    assert found.is_fault
    (problem,) = found.problems
    assert (problem.code, problem.file, problem.line, problem.column) == ("AZ112", "a.yaml", 1, 1)


def test_what_is_no_yaml_is_a_fault():
    found = _only("a: [\n")
    assert (type(found), found.is_fault) == (Stray, True)
    (problem,) = found.problems
    assert (problem.code, problem.file, problem.line) == ("AZ101", "a.yaml", 2)


@pytest.mark.parametrize("text", ["[1, 2]", "text", "7", "~"])
def test_a_document_that_is_no_mapping_is_a_fault(text):
    found = _only(text)
    assert (type(found), found.is_fault, found.problems[0].code) == (Stray, True, "AZ107")
    assert (found.problems[0].line, found.problems[0].column) == (1, 1)


@pytest.mark.parametrize("head", ["apiVersion: v1\nkind: ConfigMap", "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute"])
def test_another_kind_of_object_is_ignored_with_a_word(head):
    found = _only(f"{head}\nmetadata: {{name: x}}\n")
    assert (type(found), found.is_fault) == (Stray, False)
    (problem,) = found.problems
    assert (problem.code, problem.severity, problem.line, problem.column) == ("AZ114", Severity.WARNING, 2, 1)


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("apiVersion: ingress-authz.dev/v1\nkind: AuthPolicy", 1),
        ("apiVersion: ingress-authz.dev/v1alpha1\nkind: AuthPolicies", 1),
        ("apiVersion: kuadrant.io/v1\nkind: AuthPolicy", 1),
        ("apiVersion: ingress-auth.dev/v1alpha1\nkind: AuthPolicyy", 1),
        ("kind: AuthPolicy\napiVersion: v1", 2),
        ("kind: AuthPolicy", 1),
        ("kind: ConfigMap", 1),
        ("apiVersion: v1", 1),
        ("apiVersion: 7\nkind: AuthPolicy", 1),
        ("apiVersion: [x]\nkind: AuthPolicy", 1),
        ("hosts: [a.example]", 1),
    ],
)
def test_what_was_probably_meant_as_a_policy_is_a_fault(head, line):
    found = _only(f"{head}\nmetadata: {{name: x}}\nspec: {{}}\n")
    assert (type(found), found.is_fault) == (Stray, True)
    (problem,) = found.problems
    assert (problem.code, problem.severity, problem.line, problem.column) == ("AZ113", Severity.ERROR, line, 1)
    assert API_VERSION in problem.what


def test_without_a_file_problems_have_their_place_in_the_policy_only():
    (found,) = read(_text("[GET]", "[get]"))
    assert [(each.path, each.file) for each in found.problems] == [((*RULE, "matches", 0, "methods", 0), "")]
