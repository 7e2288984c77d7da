"""The command `authz validate`."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from authz.app import SystemClock
from authz.cli import exits
from authz.cli.options import operator_options, raise_mistakes, take_digest_key, take_fetch, take_operator
from authz.cli.workbench import Workbench, load
from authz.model.problem import Problem, Severity
from authz.settings import Mistakes
from authz.telemetry.terminal import plain

_SHOWN_WIDTH = 160
# Whether a target or a referenced text is there, only its cluster knows.
_OF_CLUSTERS = frozenset({("AZ208", Severity.WARNING), ("AZ212", Severity.WARNING)})
# Problems of key records: their lines hold digests, or keys that somebody wrote there.
_NOT_SHOWN = frozenset({"AZ214", "AZ215"})


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@operator_options
@click.option(
    "--fail-level",
    type=click.Choice(["error", "warning"]),
    default="error",
    show_default=True,
    help="From which severity on to exit with 1.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json", "github"]), default="text", show_default=True, help="How to print.")
@exits.coded
def validate(paths: tuple[Path, ...], fail_level: str, output: str, **given: Any) -> int:  # noqa: ANN401 - what click gives
    """Find every mistake in the AuthPolicies of files and directories, as `authz serve` would.

    Exits with 0 where there is none, 1 where there is, 3 where there is no such file.
    """
    mistakes = Mistakes()
    operator, fetch, digest_key = take_operator(mistakes, given), take_fetch(mistakes, given), take_digest_key(mistakes, given)
    raise_mistakes(mistakes)
    bench = load(paths, operator, fetch, SystemClock(), digest_key)
    bench = replace(bench, problems=tuple(problem for problem in bench.problems if (problem.code, problem.severity) not in _OF_CLUSTERS))
    _print(bench, output)
    if not bench.contents.files:
        exits.fail(f"{', '.join(map(str, paths))}: no policy file (*.yaml, *.yml, *.json) is there", exits.UNREADABLE)
    counted = bench.problems if fail_level == "warning" else bench.errors
    return exits.NEGATIVE if counted else exits.OK


def _print(bench: Workbench, output: str) -> None:
    if output == "json":
        problems = [{**asdict(problem), "path": problem.where} for problem in bench.problems]
        click.echo(json.dumps({"files": bench.contents.files, "policies": len(bench.contents.declared), "problems": problems}, indent=2))
        return
    for problem in bench.problems:
        click.echo(_github(problem) if output == "github" else "\n".join(text(problem)))
    errors = len(bench.errors)
    click.echo(_summary(bench.contents.files, len(bench.contents.declared), errors, len(bench.problems) - errors), err=output == "github")


def text(problem: Problem) -> Sequence[str]:
    """Return a problem in lines: place, severity, code and what; then the line itself with a mark under the place."""
    colour = "red" if problem.severity is Severity.ERROR else "yellow"
    severity = click.style(problem.severity.value, fg=colour, bold=True)
    lines = [f"{plain(problem.file)}:{problem.line}:{problem.column}: {severity} {problem.code} {plain(problem.what)}"]
    source = _line(problem)
    if source:
        number = f"{problem.line:>5} | "
        lines += [number + source, " " * (len(number) + problem.column - 1) + click.style("^", fg=colour, bold=True)]
    return lines


def _line(problem: Problem) -> str:
    if problem.code in _NOT_SHOWN:
        return ""
    try:
        lines = Path(problem.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    if not 0 < problem.line <= len(lines) or problem.column > _SHOWN_WIDTH:
        return ""
    # Control characters in a file must not reach the terminal; a tab is as wide as the mark below it expects.
    return "".join(character if character.isprintable() else " " for character in lines[problem.line - 1])[:_SHOWN_WIDTH]


def _github(problem: Problem) -> str:
    what, file = _github_text(problem.what), _github_text(problem.file).replace(":", "%3A").replace(",", "%2C")
    return f"::{problem.severity.value} file={file},line={problem.line},col={problem.column},title={problem.code}::{what}"


def _github_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _summary(files: int, policies: int, errors: int, warnings: int) -> str:
    counted = ", ".join(_plural(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number)
    return f"{_plural(files, 'file')}, {_plural(policies, 'policy', 'policies')}: {counted or 'no problems'}"


def _plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
