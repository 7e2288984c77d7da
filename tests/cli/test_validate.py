"""`authz validate`: every mistake with its place."""

import json
import re
from pathlib import Path

import pytest

from authz.cli.validate import text
from authz.model.problem import Problem
from tests.builders import a_manifest
from tests.cli.command import RULES, authz, policies

WRONG = """
host: [api.example.com]
hosts: [API.example.com]
rules:
- name: all
  matches: [{path: {type: RegularExpression, value: "("}}]
  allow: []
"""
COOKIE = RULES.replace("}]\ndeny", ", tokenFrom: [{cookie: session}]}]\ndeny")


def test_sound_policies_are_counted(tmp_path: Path) -> None:
    result = authz("validate", policies(tmp_path), "--client-address", "peer")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 file, 1 policy: no problems\n", "")


def test_each_mistake_has_its_line_and_a_mark_below_its_column(tmp_path: Path) -> None:
    place = policies(tmp_path, WRONG)
    result = authz("validate", place)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    first = lines.index("    5 |   host: [api.example.com]")
    assert lines[first - 1].startswith(f"{place}/orders.yaml:5:3: error AZ105 unknown field host; did you mean hosts?")
    assert lines[first + 1] == "        | ^".replace("|", " ").rstrip("^").ljust(10) + "^"
    assert lines[first + 1].index("^") == lines[first].index("host:")
    assert any(":6:" in line and "AZ301" in line for line in lines)
    assert any(":9:" in line and "AZ309" in line for line in lines)
    assert lines[-1] == "1 file, 1 policy: 3 errors"


def test_mistakes_are_in_the_order_of_their_places(tmp_path: Path) -> None:
    place = policies(tmp_path, WRONG)
    policies(tmp_path, WRONG, name="another")
    result = authz("validate", place, "-o", "json")
    found = [(each["file"], each["line"], each["column"]) for each in json.loads(result.stdout)["problems"]]
    assert found == sorted(found)


def test_as_json_everything_is_there(tmp_path: Path) -> None:
    place = policies(tmp_path, WRONG)
    result = authz("validate", place, "-o", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["files"], found["policies"]) == (1, 1)
    assert found["problems"][0] == {
        "code": "AZ105",
        "what": "unknown field host; did you mean hosts?",
        "path": "spec.host",
        "file": str(place / "orders.yaml"),
        "line": 5,
        "column": 3,
        "severity": "error",
    }


def test_for_github_each_mistake_is_an_annotation_and_nothing_else(tmp_path: Path) -> None:
    place = policies(tmp_path, WRONG)
    result = authz("validate", place, "-o", "github")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0] == f"::error file={place}/orders.yaml,line=5,col=3,title=AZ105::unknown field host; did you mean hosts?"
    assert "3 errors" in result.stderr


def test_warnings_count_where_told(tmp_path: Path) -> None:
    place = policies(tmp_path, COOKIE)
    words = ("validate", str(place), "--client-address", "peer")
    result = authz(*words)
    assert result.exit_code == 0
    assert "warning AZ310" in result.stdout
    assert result.stdout.endswith("1 file, 1 policy: 1 warning\n")
    assert authz(*words, "--fail-level", "warning").exit_code == 1
    assert "::warning file=" in authz(*words, "-o", "github").stdout


def test_what_the_operator_has_not_said_is_a_mistake_with_the_remedy(tmp_path: Path) -> None:
    result = authz("validate", policies(tmp_path))
    assert result.exit_code == 1
    assert "AZ307" in result.stdout
    assert "start with --client-address peer" in result.stdout


def test_settings_may_come_from_the_environment(tmp_path: Path) -> None:
    assert authz("validate", policies(tmp_path), env={"AUTHZ_VALIDATE_CLIENT_ADDRESS": "peer"}).exit_code == 0


def test_a_place_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    result = authz("validate", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "none: no such file or directory" in result.stderr


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"- 1"])
def test_a_file_that_holds_no_policy_is_a_mistake_with_its_place(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.yaml").write_bytes(content)
    result = authz("validate", tmp_path)
    assert result.exit_code == 1
    assert re.search(rf"{tmp_path}/x\.yaml:[12]:1: error AZ1", result.stdout)


def test_mistakes_of_flags_are_all_told_at_once(tmp_path: Path) -> None:
    result = authz(
        "validate",
        policies(tmp_path),
        "--client-address",
        "guess",
        "--unprotected",
        "A B",
        "--fetch-insecure",
        "nowhere",
        "--fetch-ca",
        "x",
    )
    assert (result.exit_code, result.stdout) == (2, "")
    for words in ("--client-address", "--unprotected", "--fetch-insecure"):
        assert words in result.stderr


def test_every_wrong_value_is_told_at_once(tmp_path: Path) -> None:
    result = authz("validate", policies(tmp_path), "--unprotected", "A.example", "--unprotected", "B.example", "--identity-header", "a b")
    assert all(words in result.stderr for words in ("A.example", "B.example", "a b"))


@pytest.mark.parametrize("output", ["text", "json", "github"])
def test_a_file_cannot_write_to_the_terminal(tmp_path: Path, output: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("# \x1b[2J\n" + a_manifest('hosts: [api.example.com]\t# \\e\nrules: [{name: "a b", allow: []}]'))
    result = authz("validate", tmp_path, "-o", output, color=False)
    assert "\x1b" not in result.output
    assert "\t" not in result.output.replace("\\t", "")


NASTY = 'hosts: [api.example.com]\n"\\e[2Jx\\r::error::y": 1\nrules: [{name: all, allow: []}]'


def test_a_name_in_a_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    result = authz("validate", policies(tmp_path, NASTY), color=True)
    assert "\x1b[2J" not in result.output
    assert "\r" not in result.output


def test_a_name_in_a_file_cannot_give_github_a_command(tmp_path: Path) -> None:
    assert "\r" not in authz("validate", policies(tmp_path, NASTY), "-o", "github").stdout


def test_a_very_long_line_is_cut(tmp_path: Path) -> None:
    place = policies(tmp_path, "hosts: [" + ", ".join(["api.example.com"] * 60) + "]\nrules: [{name: all, allow: []}]")
    result = authz("validate", place)
    assert result.exit_code == 1
    assert all(len(line) < 400 for line in result.stdout.splitlines())


@pytest.mark.parametrize(
    ("keys", "warned"),
    [
        ("", 1),
        (", jwksURL: 'http://keys.example/'", 1),
        (", jwksURL: 'https://keys.example/'", 0),
        (", jwksFrom: {kind: ConfigMap, name: keys}", 0),
    ],
)
def test_only_keys_that_are_fetched_must_come_over_https(tmp_path: Path, keys: str, warned: int) -> None:
    spec = f"hosts: [api.example.com]\naudiences: [a]\nissuers: [{{name: idp, issuer: 'http://idp.example'{keys}}}]\n"
    spec += "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]\n"
    result = authz("validate", policies(tmp_path, spec), "-o", "json")
    assert [each["code"] for each in json.loads(result.stdout)["problems"]].count("AZ321") == warned


@pytest.mark.parametrize("code", ["AZ214", "AZ215"])
def test_of_key_records_no_line_is_shown(code: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text('{"key": "written by mistake"}\n')
    (told,) = text(Problem(code, "never write a key", file=str(file), line=1, column=1))
    assert told.endswith(f"{code} never write a key")
