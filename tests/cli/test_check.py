"""`authz check`: one request, one verdict."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import ISSUER, a_manifest, a_token, rsa_key
from tests.cli.command import RULES, URL, USUAL, authz, policies


def check(folder: Path, *words: str, **more: Any) -> Any:
    return authz("check", policies(folder), "GET", URL, *USUAL, *words, **more)


def test_an_allow_says_by_what_and_what_the_upstream_sees(tmp_path: Path) -> None:
    result = check(tmp_path, "--token", a_token(scope="orders.read"))
    place = tmp_path / "policies" / "orders.yaml"
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines == [
        ["ALLOW", "rule.allow"],
        ["policy", "shop/orders", f"{place}:1"],
        ["rule", "read", f"{place}:13"],
        ["item", "staff", f"{place}:15"],
        ["upstream", "x-auth-subject:", "alice"],
    ]


def test_a_denial_says_what_was_wanted_and_what_was_got(tmp_path: Path) -> None:
    result = check(tmp_path, "--token", a_token(aud="billing"))
    assert result.exit_code == 1
    assert result.stdout.startswith("DENY 401  token.audience\n")
    assert "  wanted   orders" in result.stdout
    assert "  got      billing" in result.stdout
    assert "  hint     `aud` must be one of" in result.stdout


def test_as_json_an_allow_is_one_object(tmp_path: Path) -> None:
    result = check(tmp_path, "--token", a_token(scope="orders.read"), "-o", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {name: found[name] for name in ("kind", "decision", "status", "reason", "policy", "rule", "alternative")} == {
        "kind": "Decision",
        "decision": "allow",
        "status": 200,
        "reason": "rule.allow",
        "policy": "shop/orders",
        "rule": "read",
        "alternative": "staff",
    }
    assert found["upstream"]["set"] == {"x-auth-subject": "alice"}
    assert "authorization" in found["upstream"]["remove"]
    assert "steps" not in found


def test_as_json_a_denial_is_one_object(tmp_path: Path) -> None:
    result = check(tmp_path, "-o", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["decision"], found["status"], found["reason"]) == ("deny", 401, "credentials.missing")
    assert found["at"].endswith("orders.yaml:15")
    assert found["client"]["status"] == 401
    assert found["client"]["headers"]["www-authenticate"] == 'Bearer realm="api"'
    assert json.loads(found["client"]["body"])["code"] == "credentials_missing"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--from", "192.0.2.7"), "rule.deny"),
        (("--from", "2001:db8::1"), "credentials.missing"),
        ((), "credentials.missing"),
        (("-H", "Authorization: Bearer {token}"), "rule.allow"),
        (("-H", "authorization:Bearer {token}"), "rule.allow"),
        (("--header", "Authorization: Bearer {token}", "-H", "authorization: Bearer x"), "credentials.multiple"),
        (("--token", "{token}", "--at", "2027-01-15T09:01:00Z"), "token.expired"),
        (("--token", "{token}", "--at", "2027-01-15T10:01:00+01:00"), "token.expired"),
        (("--token", "{token}", "--at", "2027-01-15T10:00:00+02:00"), "rule.allow"),
        (("--token", "{token}", "--at", "1800000000"), "rule.allow"),
        (("--token", "{token}", "--at", "1800003631.5"), "token.expired"),
        (("--token", "{token}", "--at", "2027-01-15T07:00:00"), "token.not_yet_valid"),
        (("--token", ""), "token.malformed"),
        (("--token", "{token}", "--route-policy", "no/such"), "policy.mismatch"),
    ],
)
def test_the_request_is_the_one_that_was_described(tmp_path: Path, words: tuple[str, ...], reason: str) -> None:
    token = a_token(scope="orders.read")
    result = check(tmp_path, *(word.format(token=token) for word in words), "-o", "json")
    assert json.loads(result.stdout)["reason"] == reason
    assert result.exit_code == (0 if reason == "rule.allow" else 1)


@pytest.mark.parametrize(
    ("method", "url", "reason"),
    [
        ("get", "https://api.example.com/healthz", "rule.allow"),
        ("POST", "https://api.example.com/healthz?a=b", "rule.allow"),
        ("GET", "http://API.example.com:8080/healthz#top", "rule.allow"),
        ("DELETE", "https://api.example.com/orders", "rule.none"),
        ("GET", "https://api.example.com", "credentials.missing"),
        ("GET", "https://api.example.com?a=b", "credentials.missing"),
        ("GET", "https://other.example.com/", "policy.none"),
        ("GET", "https://api.example.com/a/../healthz", "path.ambiguous"),
        ("GET", "https://api,example/healthz", "request.malformed"),
    ],
)
def test_method_and_url_are_taken_as_they_are(tmp_path: Path, method: str, url: str, reason: str) -> None:
    result = authz("check", policies(tmp_path), method, url, *USUAL, "-o", "json")
    assert json.loads(result.stdout)["reason"] == reason


def test_without_an_address_what_depends_on_one_is_undecided(tmp_path: Path) -> None:
    result = authz("check", policies(tmp_path), "GET", URL, "-o", "json")
    assert json.loads(result.stdout)["reason"] == "ip.unknown"


def test_a_token_may_come_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    token = a_token(scope="orders.read")
    (tmp_path / "token.jwt").write_text(f"{token}\n")
    assert check(tmp_path, "--token", f"@{tmp_path}/token.jwt").exit_code == 0
    assert check(tmp_path, "--token", "-", stdin=f"  {token}\n\n").exit_code == 0
    assert check(tmp_path, "--token", "-", stdin="").exit_code == 1


def test_several_places_hold_the_policies(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(a_manifest("hosts: [b.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]", "b"))
    assert authz("check", policies(tmp_path), other, "GET", "https://b.example.com/").exit_code == 0


def test_an_unprotected_host_is_what_the_operator_says(tmp_path: Path) -> None:
    words = ("check", str(policies(tmp_path)), "GET", "https://other.example.com/")
    assert authz(*words).exit_code == 1
    result = authz(*words, "--unprotected", "other.example.com")
    assert (result.exit_code, result.stdout) == (0, "ALLOW  policy.unprotected\n")


def test_a_shadow_is_told(tmp_path: Path) -> None:
    place = policies(tmp_path)
    (place / "trial.yaml").write_text(a_manifest("mode: Shadow\n" + RULES.replace("/healthz", "/else").lstrip(), "trial"))
    words = ("check", str(place), "GET", "https://api.example.com/healthz", *USUAL)
    result = authz(*words)
    assert result.exit_code == 0
    assert "  shadow   shop/trial would have said DENY 401  credentials.missing" in result.stdout
    found = json.loads(authz(*words, "-o", "json").stdout)
    assert found["shadows"] == [{"policy": "shop/trial", "rule": "", "reason": "credentials.missing"}]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give at least one PATH"),
        (("policies",), "give at least one PATH"),
        (("policies", "GET"), "give at least one PATH"),
        (("policies", "GET", "/orders"), "is no URL; write it whole"),
        (("policies", "GET", "ftp://a/"), "is no URL"),
        (("policies", "GET", URL, "--from", "everywhere"), "--from everywhere is no IPv4 or IPv6 address"),
        (("policies", "GET", URL, "-H", "no header"), "is no header; write 'NAME: VALUE'"),
        (("policies", "GET", URL, "--token", "a.b\nc"), "--token: it has a line break or another control character; a token is one line"),
        (("policies", "GET", URL, "-H", "a: b\nc: d"), "is no header"),
        (("policies", "GET", URL, "--token", "@/no/such/file"), "--token @/no/such/file: No such file"),
        (("policies", "GET", URL, "--at", "noon"), "noon is no time; write 2026-11-24T08:00:00Z"),
        (("policies", "GET", URL, "--at", "noon", "--client-address", "guess"), "--client-address"),
    ],
)
def test_mistakes_of_use_are_told_with_the_remedy(words: tuple[str, ...], told: str) -> None:
    result = authz("check", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_several_mistakes_are_told_at_once() -> None:
    result = authz("check", "p", "GET", "nowhere", "--at", "noon", "--client-address", "guess")
    assert result.exit_code == 2
    assert all(words in result.stderr for words in ("nowhere is no URL", "noon is no time", "--client-address"))


def test_policies_with_mistakes_decide_nothing(tmp_path: Path) -> None:
    place = policies(tmp_path, "hosts: [api.example.com]\nrules: [{name: all, alow: []}]")
    result = authz("check", place, "GET", URL)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "AZ105 unknown field alow; did you mean allow?" in result.stderr
    assert "the policies have mistakes, so what they would decide means nothing" in result.stderr


def test_policies_that_are_not_there_cannot_be_read(tmp_path: Path) -> None:
    result = authz("check", tmp_path / "none", "GET", URL)
    assert (result.exit_code, result.stdout) == (3, "")


def test_no_token_is_ever_printed(tmp_path: Path) -> None:
    for token in (a_token(), a_token(rsa_key("two")), "opaque-secret-token", "a.b.c-secret"):
        for words in (("--token", token), ("-H", f"Authorization: {token}"), ("-H", token)):
            for output in ("text", "json"):
                result = check(tmp_path, *words, "-o", output)
                assert all(len(part) < 8 or part not in result.output for part in token.split("."))


UNREACHABLE = (
    "hosts: [api.example.com]\naudiences: [a]\nissuers: [{name: idp, issuer: 'https://127.0.0.1:1', jwksURL: 'https://127.0.0.1:1/'}]\n"
)
UNREACHABLE += "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"


def test_an_issuer_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    result = authz("check", policies(tmp_path, UNREACHABLE), "GET", URL, "--token", a_token(iss="https://127.0.0.1:1"))
    assert result.stdout.startswith("DENY 503  keys.unavailable\n")
    assert "--fetch-insecure https://127.0.0.1:1" in result.stdout
    assert ISSUER not in result.stdout


def test_an_issuer_that_cannot_be_reached_is_no_denial(tmp_path: Path) -> None:
    result = authz("check", policies(tmp_path, UNREACHABLE), "GET", URL, "--token", a_token(iss="https://127.0.0.1:1"))
    assert result.exit_code == 4


@pytest.mark.parametrize("claims", [{"iss": "\x1b[2J\x1b]0;x\x07"}, {"aud": "a\x1b[2Jb"}])
def test_a_token_cannot_write_to_the_terminal(tmp_path: Path, claims: dict[str, str]) -> None:
    result = check(tmp_path, "--token", a_token(**claims), color=True)
    assert "\x1b[2J" not in result.output
