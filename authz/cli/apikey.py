"""The command `authz apikey`: making keys, recording those that exist, and listing records."""

import json
import re
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from authz import settings
from authz.api.key_records import is_lines, read_records
from authz.app import SystemClock
from authz.authn.api_keys import digest_of, distinct
from authz.cli import exits
from authz.cli.key_text import columns, moment, secret_manifest
from authz.model.api_key import Digest, KeyRecord, KeySlot
from authz.model.problem import Problem
from authz.settings import SettingsError
from authz.telemetry.terminal import plain

F = TypeVar("F", bound=Callable[..., Any])

SHORT_KEY: Final = 32
_OBJECT: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DAY: Final = 86_400
_RECORD = (
    click.option("--subscription", required=True, metavar="NAME", help="Who the key is for."),
    click.option(
        "--slot",
        type=click.Choice([each.value for each in KeySlot]),
        default=KeySlot.PRIMARY.value,
        show_default=True,
        help="Which of its two keys.",
    ),
    click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="What the key opens; * is everything. Repeat for more."),
    click.option("--not-before", metavar="TIME", help="From when on it counts, as 2027-01-01T00:00:00Z."),
    click.option("--not-after", metavar="TIME", help="Until when it counts, as 2027-01-01T00:00:00Z."),
    click.option("--days", type=click.IntRange(1, 36_500), metavar="N", help="Instead of --not-after: for so many days from now."),
    click.option("--cidr", "cidrs", multiple=True, metavar="CIDR", help="From where the key may be used. Repeat for more."),
    click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="What else the record says. Repeat for more."),
)


def record_options(command: F) -> F:
    """Add the options that say what a record holds beside id and digest."""
    for option in reversed(_RECORD):
        command = option(command)
    return command


@click.group()
def apikey() -> None:
    """Make API keys, record those that exist, and list records. Records hold digests, never keys."""


@apikey.command()
@click.option("--id", "key_id", metavar="ID", help="What the key begins with. The default is random.")
@record_options
@click.option("--append", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Add the record to FILE.")
@click.option("--secret", metavar="NAME", help="Write a Kubernetes Secret of this name with the record, instead of the record alone.")
@click.option("-n", "--namespace", default="default", show_default=True, metavar="NAMESPACE", help="Where the Secret is.")
@click.option("--keys", metavar="VALUE", help="The Secret's label ingress-authz.dev/keys, by which a policy selects it.")
@exits.coded
def generate(key_id: str | None, append: Path | None, **given: Any) -> int:  # noqa: ANN401 - what click gives
    """Make a key: it is printed once, alone, on standard output.

    Its record goes to standard error, or is added to the file of --append.
    """
    secret, namespace, keys = given.pop("secret"), given.pop("namespace"), given.pop("keys")
    if (secret is None) != (keys is None):
        raise SettingsError(["--secret, --keys: give both; a policy selects the Secret by its label ingress-authz.dev/keys"])
    if secret is not None:
        _check_secret(secret, namespace, keys)
    # The letter keeps YAML from reading a number.
    key_id = key_id or f"k{secrets.token_hex(6)}"
    key = f"{key_id}.{secrets.token_urlsafe(32)}"
    line = record_line(key_id, digest_of(key), **given)
    written = secret_manifest(secret, namespace, keys, line) if secret else line + "\n"
    if append is None:
        click.echo(written, nl=False, err=True)
    else:
        _append(append, written, key_id, lines=secret is None)
    click.echo(key)
    return exits.OK


@apikey.command("hash")
@click.option("--digest-key", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The operator's digest key.")
@click.option("--id", "key_id", required=True, metavar="ID", help="How the record is called.")
@record_options
@exits.coded
def hash_(key_id: str, digest_key: Path | None, **given: Any) -> int:  # noqa: ANN401 - what click gives
    """Print the record of a key that exists. The key is read from standard input, where no list of processes shows it."""
    try:
        secret = settings.digest_key(digest_key)
    except ValueError as fault:
        exits.fail(str(fault), exits.UNREADABLE)
    key = _key_given()
    if len(key) < SHORT_KEY and not secret:
        why = f"the key has fewer than {SHORT_KEY} characters, so that whoever reads its digest could find it by trying"
        raise SettingsError([f"{why}: give --digest-key, or replace the key with one of `authz apikey generate`"])
    try:
        digest = digest_of(key, secret)
    except ValueError as fault:
        raise SettingsError([f"standard input: {fault}"]) from None
    click.echo(record_line(key_id, digest, **given))
    return exits.OK


@apikey.command("list")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE…")
@exits.coded
def list_(files: tuple[Path, ...]) -> int:
    """Print the records of files, and what is wrong with those that cannot be used.

    Exits with 0 where nothing is wrong, 1 where something is, 3 where a file cannot be read.
    """
    records: list[KeyRecord] = []
    problems: list[Problem] = []
    for file in files:
        found, wrong = read_records(_read(file), str(file))
        records += found
        problems += wrong
    _, doubts = distinct(records)
    for line in columns(records):
        click.echo(plain(line))
    for problem in problems:
        # Without the line itself: it may hold a key.
        click.echo(plain(f"{problem.file}:{problem.line}:{problem.column}: {problem.severity} {problem.code} {problem.what}"), err=True)
    for doubt in doubts:
        click.echo(plain(doubt), err=True)
    return exits.NEGATIVE if problems or doubts else exits.OK


def _check_secret(name: str, namespace: str, keys: str) -> None:
    """Raise SettingsError where Kubernetes would not take the Secret's metadata."""
    mistakes = [
        f"{option}: {given} is no name of an object"
        for option, given in (("--secret", name), ("--namespace", namespace))
        if not _OBJECT.fullmatch(given)
    ]
    if not _LABEL.fullmatch(keys):
        mistakes.append(f"--keys: {keys} is no value of a label: 1 to 63 letters and digits, with - _ . between them")
    if mistakes:
        raise SettingsError(mistakes)


def record_line(key_id: str, digest: Digest, **given: Any) -> str:  # noqa: ANN401 - what click gives
    """Return a record as one line of JSON. Raises SettingsError where the record would not be used."""
    days, not_after = given["days"], given["not_after"]
    if days is not None and not_after is not None:
        raise SettingsError(["--days, --not-after: give one of them"])
    if days is not None:
        not_after = moment(SystemClock().time() + days * _DAY)
    record: dict[str, Any] = {"id": key_id, "digest": f"{digest.kind}:{digest.value.hex()}", "slot": given["slot"]}
    record |= {"subscription": given["subscription"], "state": "Active", "scopes": [*given["scopes"]]}
    more = {"notBefore": given["not_before"], "notAfter": not_after, "cidrs": [*given["cidrs"]], "labels": _labels(given["labels"])}
    line = json.dumps(record | {name: value for name, value in more.items() if value})
    # What the service reads is what counts: one reading only.
    _, problems = read_records(line, "")
    if problems:
        raise SettingsError([problem.what for problem in problems])
    return line


def _labels(given: Sequence[str]) -> dict[str, str]:
    labels = dict(each.partition("=")[::2] for each in given)
    if len(labels) < len(given) or not all("=" in each for each in given):
        raise SettingsError(["--label: write NAME=VALUE, each name once"])
    return labels


def _key_given() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("key", hide_input=True, err=True))
    key = sys.stdin.read(64 * 1024).removesuffix("\n").removesuffix("\r")
    if any(character <= " " or character == "\x7f" for character in key):
        raise SettingsError(["standard input: the key has a space, a line break or another control character; give the key alone"])
    return key


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as fault:
        exits.fail(f"{file}: {fault.strerror}", exits.UNREADABLE)
    except UnicodeDecodeError:
        exits.fail(f"{file}: not UTF-8", exits.UNREADABLE)


def _append(file: Path, written: str, key_id: str, *, lines: bool) -> None:
    """Add a record to a file, or exit and say why it cannot stand there."""
    there = _read(file) if file.exists() else ""
    if lines and there.strip() and not is_lines(there):
        exits.fail(f"{file}: not JSON Lines, to which a line could be added; append to another file", exits.UNREADABLE)
    if lines and any(record.id == key_id for record in read_records(there, str(file))[0]):
        exits.fail(f"{file}: {key_id} is there already; two records of one id would both count for nothing", exits.USAGE)
    try:
        with file.open("a", encoding="utf-8") as end:
            # At once, so that a service that follows the file reads a whole line.
            end.write(written if not there or there.endswith("\n") else "\n" + written)
    except OSError as fault:
        exits.fail(f"{file}: {fault.strerror}", exits.UNREADABLE)
