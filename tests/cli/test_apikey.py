"""`authz apikey`: keys are printed once and alone, records never hold one."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from authz.api.key_records import read_records
from authz.authn.api_keys import ApiKeys
from tests import canaries
from tests.cli.command import authz

KEY = re.compile(r"k[0-9a-f]{12}\.[A-Za-z0-9_-]{43}")
SUB = ("--subscription", "acme")


def made(*words: str | Path) -> tuple[str, str]:
    """A key made with these words, and what stands on standard error."""
    result = authz("apikey", "generate", *SUB, *words)
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1), result.stderr
    return canaries.note(result.stdout.strip()), result.stderr


def hashed(key: str, *words: str | Path) -> Any:
    return authz("apikey", "hash", "--id", "old", *SUB, *words, stdin=key)


# generate


def test_the_key_is_alone_on_standard_output_and_its_record_finds_it() -> None:
    key, told = made("--scope", "orders", "--scope", "billing", "--label", "team=blue", "--slot", "Secondary", "--cidr", "192.0.2.0/24")
    assert KEY.fullmatch(key)
    assert list(canaries.found_in(told)) == []
    record = json.loads(told)
    assert record == {
        "id": key.partition(".")[0],
        "digest": f"sha256:{sha256(key.encode()).hexdigest()}",
        "slot": "Secondary",
        "subscription": "acme",
        "state": "Active",
        "scopes": ["orders", "billing"],
        "cidrs": ["192.0.2.0/24"],
        "labels": {"team": "blue"},
    }
    found = ApiKeys(read_records(told, "")[0]).find(key)
    assert found is not None
    assert found.subscription == "acme"


def test_no_two_keys_are_alike() -> None:
    keys = {made()[0] for _ in range(20)}
    assert len({part for key in keys for part in key.split(".")}) == 40


def test_an_id_may_be_chosen() -> None:
    assert made("--id", "acme-1")[0].startswith("acme-1.")


def test_until_when_it_counts_is_a_time_or_a_number_of_days() -> None:
    assert json.loads(made("--not-after", "2027-01-01T00:00:00Z")[1])["notAfter"] == "2027-01-01T00:00:00Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", json.loads(made("--days", "90")[1])["notAfter"])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--days", "1", "--not-after", "2027-01-01T00:00:00Z"), "give one of them"),
        (("--not-after", "tomorrow"), "RFC 3339"),
        (("--not-before", "2027-02-01T00:00:00Z", "--not-after", "2027-01-01T00:00:00Z"), "notBefore is after notAfter"),
        (("--id", "a.b"), "id: "),
        (("--scope", "two words"), "scopes[0]"),
        (("--cidr", "192.0.2.1/24"), "CIDR"),
        (("--label", "team"), "NAME=VALUE"),
        (("--label", "a=1", "--label", "a=2"), "each name once"),
        (("--secret", "orders-acme"), "give both"),
        (("--keys", "orders"), "give both"),
        (("--secret", "Orders", "--keys", "a b"), "--keys: a b is no value of a label"),
        (("--slot", "Third"), "--slot"),
    ],
)
def test_a_record_that_would_not_be_used_is_not_made(words: tuple[str, ...], why: str) -> None:
    result = authz("apikey", "generate", *SUB, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr


def test_a_subscription_is_needed() -> None:
    assert authz("apikey", "generate").exit_code == 2
    assert "subscription: " in authz("apikey", "generate", "--subscription", " ").stderr


def test_records_are_added_to_a_file_a_line_each(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    first, told = made("--append", file)
    # As editors leave it.
    file.write_text(file.read_text().rstrip())
    second, _ = made("--append", file, "--slot", "Secondary")
    records, problems = read_records(file.read_text(), str(file))
    assert (told, problems, len(records)) == ("", (), 2)
    keys = ApiKeys(records)
    assert [found.slot for key in (first, second) if (found := keys.find(key))] == ["Primary", "Secondary"]


@pytest.mark.parametrize("there", ["- {id: a}\n", '[{"id": "a"}]', "{\n}"])
def test_nothing_is_added_to_a_file_of_another_form(there: str, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(there)
    result = authz("apikey", "generate", *SUB, "--append", file)
    assert (result.exit_code, result.stdout, file.read_text()) == (3, "", there)
    assert "JSON Lines" in result.stderr


def test_an_id_that_is_there_already_is_not_added_again(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    made("--id", "a", "--append", file)
    before = file.read_text()
    result = authz("apikey", "generate", *SUB, "--id", "a", "--append", file)
    assert (result.exit_code, result.stdout, file.read_text()) == (2, "", before)


def test_without_the_file_there_is_no_key(tmp_path: Path) -> None:
    result = authz("apikey", "generate", *SUB, "--append", tmp_path / "none" / "keys.jsonl")
    assert (result.exit_code, result.stdout) == (3, "")


def test_a_secret_holds_the_record_under_the_label_that_policies_select(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    keys = [made("--secret", f"orders-{at}", "-n", "shop", "--keys", "orders", "--append", file)[0] for at in (1, 2)]
    found = list(yaml.safe_load_all(file.read_text()))
    assert found[0]["kind"] == "Secret"
    assert found[0]["metadata"] == {"name": "orders-1", "namespace": "shop", "labels": {"ingress-authz.dev/keys": "orders"}}
    records = [record for each in found for record in read_records(each["stringData"]["keys.jsonl"], "")[0]]
    assert all(ApiKeys(records).find(key) for key in keys)
    assert list(canaries.found_in(file.read_text())) == []


def test_the_guide_shows_what_the_commands_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "api-keys.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("keys.jsonl").write_text(re.findall(r"^```json file=keys.jsonl\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)[0])
    Path("digest.key").write_text("d" * 64)
    Path("acme-primary.key").write_text("a" * 32)
    Path("short.key").write_text("short")
    (command, shown) = re.findall(r"^```console\n\$ authz (.*?)\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)[0]
    assert authz(*command.split()).output == shown
    commands = re.findall(r"^```sh\nauthz (.*?)\n```$", guide, re.MULTILINE)
    for each in commands:
        words = re.sub(r" >> \S+", "", each)
        words, _, file = words.partition(" < ")
        result = authz(*words.split(), stdin=Path(file).read_text() if file else None)
        assert result.exit_code == 0, result.stderr
        if file:
            with Path("keys.jsonl").open("a") as end:
                end.write(result.stdout)
        else:
            canaries.note(result.stdout.strip())
    assert len(commands) == 5
    assert len(read_records(Path("keys.jsonl").read_text(), "")[0]) == 6


# hash


def test_the_record_of_a_key_that_exists_finds_it_and_does_not_show_it() -> None:
    key = canaries.note("0123456789abcdef0123456789ABCDEF")
    for given in (key, key + "\n", key + "\r\n"):
        result = hashed(given, "--scope", "*")
        assert result.exit_code == 0
        (record,), _ = read_records(result.stdout, "")
        assert ApiKeys([record]).find(key) is record


def test_a_short_key_takes_the_digest_key(tmp_path: Path) -> None:
    refused = hashed("short-key")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "fewer than 32 characters" in refused.stderr
    assert "short-key" not in refused.stderr
    secret = canaries.note("f" * 31 + "0" * 33)
    file = tmp_path / "digest.key"
    file.write_text(secret + "\n")
    result = hashed("short-key", "--digest-key", file)
    (record,), _ = read_records(result.stdout, "")
    assert record.digest.kind == "hmac-sha256"
    assert ApiKeys([record], secret.encode()).find("short-key") is record
    assert ApiKeys([record], b"e" * 64).find("short-key") is None


@pytest.mark.parametrize("given", ["", "\n", "a" * 513, "a" * 32 + "\n" + "b" * 32, "two words" * 8, "a" * 32 + "\x00"])
def test_what_is_no_key_is_refused_and_not_shown(given: str) -> None:
    result = hashed(given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr) < 300
    assert "aaaa" not in result.stderr


def test_a_digest_key_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    file = tmp_path / "digest.key"
    file.write_text("too short\n")
    for each in (file, tmp_path / "none"):
        result = hashed("a" * 32, "--digest-key", each)
        assert (result.exit_code, result.stdout) == (3, "")
        assert str(each) in result.stderr


# list


def test_records_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    made("--id", "a", "--append", file, "--scope", "orders", "--not-after", "2027-01-01T00:00:00Z")
    made("--id", "bb", "--append", file, "--slot", "Secondary")
    result = authz("apikey", "list", file)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "ID  SLOT       SUBSCRIPTION  STATE   SCOPES  UNTIL",
        "a   Primary    acme          Active  orders  2027-01-01T00:00:00Z",
        "bb  Secondary  acme          Active  -       -",
    ]


def test_what_is_wrong_is_told_with_its_line_and_without_what_stands_there(tmp_path: Path) -> None:
    key, told = made("--id", "a")
    file = tmp_path / "keys.jsonl"
    file.write_text(told + json.dumps({"id": "b", "subscription": "acme", "key": key}) + "\n")
    result = authz("apikey", "list", file)
    assert result.exit_code == 1
    assert f"{file}:2:1: error AZ214 never write a key" in result.stderr
    assert list(canaries.found_in(result.output)) == []


def test_two_records_of_one_id_are_told_across_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        made("--id", "a", "--append", tmp_path / name)
    result = authz("apikey", "list", tmp_path / "one", tmp_path / "two")
    assert result.exit_code == 1
    assert "a: 2 different records have this id" in result.stderr


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xff")
    for each in (file, tmp_path / "none"):
        result = authz("apikey", "list", each)
        assert (result.exit_code, result.stdout) == (3, "")
