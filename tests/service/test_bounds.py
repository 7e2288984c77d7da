"""One object must not stop, slow or outlive the others."""

from dataclasses import replace

import pytest
from cryptography import x509

from authz.model.cluster import Cluster
from authz.model.reference import Reference
from authz.service import completion, update
from authz.service.choice import MAX_FORWARDED
from tests.builders import Installation, a_manifest, a_request, a_token, declared, issuer_yaml

OPEN = "hosts: [{host}]\nrules: [{{name: all, allow: [{{name: anyone, anonymous: {{}}}}]}}]\n"


def on(host: str) -> str:
    return OPEN.format(host=host)


@pytest.mark.parametrize("step", ["own_problems", "compile_policy"])
def test_a_fault_on_one_policy_refuses_it_alone(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(update, step)

    def odd(policy, *others):  # type: ignore[no-untyped-def]
        if policy.name.name == "odd":
            raise RuntimeError("never seen before")
        return real(policy, *others)

    monkeypatch.setattr(update, step, odd)
    faults: list[BaseException] = []
    installation = Installation()
    installation.updater._failed = faults.append
    installation.apply(a_manifest(on("odd.example"), "odd"), a_manifest(on("api.example.com"), "good"))
    assert installation.decide(a_request()).reason.value == "rule.allow"
    assert installation.decide(a_request(host="odd.example")).status == 503
    assert [str(fault) for fault in faults] == ["never seen before"]


def test_a_certificate_that_cannot_be_parsed_in_any_way_is_a_problem_of_its_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(text: bytes) -> list[x509.Certificate]:
        raise x509.InvalidVersion("6 is not a valid X509 version", 6)

    monkeypatch.setattr(completion.x509, "load_pem_x509_certificates", parse)
    issuer = "{name: idp, issuer: 'https://idp.example.com', caRef: {kind: ConfigMap, name: ca}}"
    spec = (
        "hosts: [api.example.com]\naudiences: [orders]\nissuers: [" + issuer + "]\n"
        "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]\n"
    )
    cluster = Cluster(grants=frozenset(), texts={Reference("ConfigMap", "shop", "ca", "ca.crt"): "odd"})
    installation = Installation()
    report = installation.updater.apply(declared(a_manifest(spec), a_manifest(on("other.example"), "good")), cluster)
    assert [problem.code for problem in report.states[0].problems] == ["AZ212"]
    assert installation.decide(a_request(host="other.example")).reason.value == "rule.allow"


def test_an_empty_text_is_not_there() -> None:
    issuer = "{name: idp, issuer: 'https://idp.example.com', jwksFrom: {kind: ConfigMap, name: keys}}"
    spec = (
        "hosts: [api.example.com]\naudiences: [orders]\nissuers: [" + issuer + "]\n"
        "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]\n"
    )
    cluster = Cluster(grants=frozenset(), texts={Reference("ConfigMap", "shop", "keys", "jwks.json"): " \n"})
    report = Installation().updater.apply(declared(a_manifest(spec)), cluster)
    assert "it is empty" in report.states[0].problems[0].what


def test_an_object_that_was_deleted_and_made_anew_has_no_earlier_version() -> None:
    installation = Installation()
    (first,) = declared(a_manifest(on("api.example.com")))
    (broken,) = declared(a_manifest(on("api.example.com") + "unknown: 1\n"))
    installation.updater.apply([replace(first, uid="one")])
    installation.updater.apply([replace(broken, uid="one")])
    assert installation.decide(a_request()).reason.value == "rule.allow"
    installation.updater.apply([replace(broken, uid="two")])
    assert installation.decide(a_request()).reason.value == "policy.invalid"


def forwarding(name: str, headers: range) -> str:
    listed = ", ".join(f"{{name: x-auth-{number}, value: v}}" for number in headers)
    rule = f"{{name: all, allow: [{{name: anyone, anonymous: {{}}}}], forward: {{headers: [{listed}]}}}}"
    return a_manifest(f"hosts: [{name}.example]\nrules: [{rule}]\n", name)


def test_an_installation_has_room_for_so_many_forwarded_headers_and_the_oldest_have_theirs() -> None:
    installation = Installation()
    many = [forwarding(f"p{at:02}", range(at * 32, at * 32 + 32)) for at in range(MAX_FORWARDED // 32)]
    report = installation.apply(*many, forwarding("z-last", range(1000, 1001)), forwarding("z-shares", range(3)))
    last, shares = report.states[-2:]
    assert [problem.code for problem in last.problems] == ["AZ325"]
    assert installation.decide(a_request(host="z-last.example")).status == 503
    assert shares.accepted
    assert len(report.snapshot.owned) <= MAX_FORWARDED * 4


def test_a_policy_with_too_many_matches_is_refused_before_they_cost_anything() -> None:
    rules = ", ".join(
        f"{{name: r{n}, matches: [{', '.join(f'{{path: {{type: Exact, value: /{n}/{m}}}}}' for m in range(64))}], allow: []}}"
        for n in range(9)
    )
    report = Installation(a_manifest(f"hosts: [api.example.com]\nrules: [{rules}]\n")).report
    assert [problem.code for problem in report.states[0].problems] == ["AZ324"]


def test_a_sound_edit_in_shadow_lifts_the_503_of_what_was_enforced() -> None:
    using = "audiences: [orders]\ndefinitionsFrom: [{namespace: shop, name: idps}]\n"
    rules = "hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]\n"
    idps = a_manifest(f"issuers: [{issuer_yaml()}]", "idps")
    installation = Installation(idps, a_manifest(using + rules))
    assert installation.decide(a_request(token=a_token())).reason.value == "rule.allow"
    installation.apply(a_manifest(using + rules))
    assert installation.decide(a_request()).status == 503
    installation.apply(a_manifest("mode: Shadow\n" + using + rules))
    assert installation.decide(a_request()).reason.value == "policy.none"
