"""Every mistake at once: what is left of an object without its wrong parts is looked at, too."""

from authz.api.decode import read
from authz.api.salvage import without
from authz.model.declared import Declared
from authz.model.operator import ClientAddress, Operator
from tests.builders import Installation, a_manifest

EVERYTHING = a_manifest("""
    hosts: ["https://a/x", ok.example.com, 5]
    pathPrefixes: [orders, "/a//b"]
    modus: Enforce
    audiences: [orders]
    rules:
    - name: one
      allow:
      - {name: a}
      - {name: b, anonymous: {}, clientIP: {cidrs: [10.0.0.1/8]}}
    - name: TWO
      allow: []
    - name: three
      matches: [{path: {type: RegularExpression, value: "("}, methods: [get]}]
      allow: [{name: c, jwt: {issuers: [nobody]}}]
""")


def test_parts_that_stay_know_where_they_stood() -> None:
    rest = without({"a": [1, 2, {"b": 3, "c": 4}]}, {("a", 0), ("a", 2, "b")})
    assert rest.value == {"a": [2, {"c": 4}]}
    assert rest.origin["a", 1, "c"] == ("a", 2, "c")


def test_mistakes_in_form_do_not_hide_those_in_meaning_and_each_has_its_place() -> None:
    (declared,) = read(EVERYTHING, "orders.yaml")
    assert isinstance(declared, Declared)
    installation = Installation(operator=Operator(ClientAddress()))
    (state,) = installation.updater.apply([declared]).states
    assert sorted((problem.line, problem.code) for problem in state.problems) == [
        (5, "AZ107"), (5, "AZ301"), (6, "AZ109"), (6, "AZ302"), (7, "AZ105"),
        (12, "AZ110"), (13, "AZ308"), (14, "AZ109"), (17, "AZ109"), (17, "AZ309"), (18, "AZ201"),
    ]  # fmt: skip
    assert not state.in_force


def test_a_hole_is_not_told_as_a_mistake() -> None:
    (declared,) = read(a_manifest("hosts: [5]\nrules: [{name: all, allow: [{name: a, jwt: {issuers: [x]}}]}]\naudiences: 7\nissuers: 3"))
    assert isinstance(declared, Declared)
    (state,) = Installation().updater.apply([declared]).states
    assert {problem.code for problem in state.problems} == {"AZ107"}


def test_nothing_of_an_object_that_is_partial_comes_into_force() -> None:
    installation = Installation(a_manifest("hosts: [api.example.com]\nmodus: x\nrules: [{name: all, allow: [{name: a, anonymous: {}}]}]"))
    assert not installation.report.states[0].in_force
    assert "shop/orders" in installation.report.snapshot.policies
    assert installation.report.snapshot.policies["shop/orders"].broken is not None


def test_an_object_of_which_nothing_is_left_comes_to_an_end() -> None:
    for text in ("spec: {}", "spec: 7", "metadata: 7\nspec: {rules: 1}", "metadata: {name: a}\nspec:"):
        assert read(f"apiVersion: ingress-authz.dev/v1alpha1\nkind: AuthPolicy\n{text}\n")
