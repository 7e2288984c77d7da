"""The command `authz check`."""

import json
from typing import Any

import click

from authz.cli import exits, verdict
from authz.cli.question import answered, question_options


@click.command()
@question_options
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print.")
@exits.coded
def check(output: str, **given: Any) -> int:  # noqa: ANN401 - what click gives
    """Decide one request by the AuthPolicies of files and directories, and say why.

    Exits with 0 for an allow, 1 for a deny, 3 where the policies have mistakes.
    """
    found = answered(given)
    if output == "json":
        click.echo(json.dumps(verdict.as_json(found, with_steps=False), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(verdict.summary(found)))
    return verdict.exit_code(found)
