"""The command `authz explain`."""

import json
from typing import Any

import click

from authz.cli import exits, verdict
from authz.cli.question import answered, question_options


@click.command()
@question_options
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print.")
@click.option("-v", "--verbose", is_flag=True, help="Show what the client gets, too.")
@exits.coded
def explain(output: str, *, verbose: bool, **given: Any) -> int:  # noqa: ANN401 - what click gives
    """Show every step that leads to the decision about one request.

    The steps are written down by the very evaluation that decides. Exits as `authz check` does.
    """
    found = answered(given)
    if output == "json":
        click.echo(json.dumps(verdict.as_json(found, with_steps=True), indent=2, ensure_ascii=False))
    else:
        lines = [*verdict.summary(found), "steps", *verdict.steps(found), *(verdict.client(found.decision) if verbose else ())]
        click.echo("\n".join(lines))
    return verdict.exit_code(found)
