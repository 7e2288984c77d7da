"""The `authz` command: its subcommands, and what it says without one."""

import sys
from importlib import import_module

import click

from authz import __version__

WELCOME = """\
authz decides the requests that Envoy asks about, by AuthPolicy resources, and says why.

  authz demo             watch a real Envoy allow and refuse, on this machine
  authz validate PATH…   find every mistake in your policies
  authz explain PATH… METHOD URL    see why a request would be denied

authz --help lists everything."""


# Loaded when used: `authz validate` in an editor should not wait for the demo's Envoy types.
COMMANDS = ("apikey", "check", "crd", "demo", "explain", "selftest", "serve", "validate")


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        try:
            command: click.Command = getattr(import_module(f"authz.cli.{cmd_name}"), cmd_name)
        except ModuleNotFoundError as fault:
            if cmd_name != "demo":
                raise
            raise click.ClickException(f"{fault.name} is missing: install ingress-authz[demo]") from fault
        return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"auto_envvar_prefix": "AUTHZ", "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="authz")
@click.pass_context
def cli(context: click.Context) -> None:
    """Decide the requests that Envoy asks about, by AuthPolicy resources, and say why."""
    if context.invoked_subcommand is None:
        click.echo(WELCOME)


def main() -> None:
    """Run the command."""
    sys.exit(cli())
