"""`authz explain`: every step that leads to a decision."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_token, rsa_key
from tests.cli.command import URL, USUAL, authz, policies


def explain(folder: Path, *words: str, **more: Any) -> Any:
    return authz("explain", policies(folder), "GET", URL, *USUAL, *words, **more)


def test_an_allow_shows_every_step_with_its_place(tmp_path: Path) -> None:
    result = explain(tmp_path, "--token", a_token(scope="orders.read"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "ALLOW  rule.allow"
    steps = lines[lines.index("steps") + 1 :]
    words = [" ".join(line.split()[:2]) for line in steps]
    assert words[0] == "· policy"
    for step in ("✗ clientIP", "✗ rule", "✓ rule", "✓ token", "✓ issuer", "✓ key", "✓ signature", "✓ times", "✓ audience", "✓ scopes"):
        assert step in words, step
    assert any(line.rstrip().endswith("orders.yaml:13") for line in steps)


def test_a_denial_shows_where_it_failed_and_what_was_not_reached(tmp_path: Path) -> None:
    result = explain(tmp_path, "--token", a_token(rsa_key("two"), scope="orders.read"))
    assert result.exit_code == 1
    assert "✗ signature" in result.stdout
    assert "audience" not in result.stdout.partition("steps")[2]


def test_verbose_shows_what_the_client_gets(tmp_path: Path) -> None:
    plain, verbose = explain(tmp_path), explain(tmp_path, "-v")
    assert "www-authenticate" not in plain.stdout
    assert "the client gets 401" in verbose.stdout
    assert '  www-authenticate: Bearer realm="api"' in verbose.stdout
    assert '"code": "credentials_missing"' in verbose.stdout
    assert explain(tmp_path, "-v", "--token", a_token(scope="orders.read")).exit_code == 0


def test_as_json_the_steps_are_objects(tmp_path: Path) -> None:
    result = explain(tmp_path, "--token", a_token(aud="billing"), "-o", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    (audience,) = [step for step in found["steps"] if step["what"] == "audience"]
    assert audience == {
        "depth": 3,
        "what": "audience",
        "name": "",
        "holds": False,
        "got": "billing",
        "want": "orders",
        "path": "spec.audiences",
    }
    rules = [(step["name"], step["holds"], step["path"]) for step in found["steps"] if step["what"] == "rule"]
    assert rules == [("health", False, "spec.rules[0]"), ("read", True, "spec.rules[1]")]


@pytest.mark.parametrize("words", [(), ("--token", "x"), ("--token", a_token()), ("--token", a_token(scope="orders.read"))])
def test_it_comes_to_the_verdict_of_check(tmp_path: Path, words: tuple[str, ...]) -> None:
    said, told = explain(tmp_path, *words, "-o", "json"), authz("check", policies(tmp_path), "GET", URL, *USUAL, *words, "-o", "json")
    explained = json.loads(said.stdout)
    del explained["steps"]
    assert explained == json.loads(told.stdout)
    assert said.exit_code == told.exit_code


def test_mistakes_exit_as_those_of_check(tmp_path: Path) -> None:
    assert authz("explain").exit_code == 2
    assert authz("explain", tmp_path / "none", "GET", URL).exit_code == 3


def test_no_token_is_in_any_step(tmp_path: Path) -> None:
    for token in (a_token(), a_token(rsa_key("two")), "opaque-secret-token"):
        for output in ("text", "json"):
            result = explain(tmp_path, "--token", token, "-o", output, "-v")
            assert all(len(part) < 8 or part not in result.output for part in token.split("."))
