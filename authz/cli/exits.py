"""Exit codes, the same for every command, and how a fault becomes one."""

from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import click

from authz.settings import SettingsError

OK = 0
NEGATIVE = 1
USAGE = 2
UNREADABLE = 3
UNREACHABLE = 4
FAULT = 5

P = ParamSpec("P")


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong on standard error, and exit."""
    click.echo(f"authz: {message}", err=True)
    raise SystemExit(code)


def coded(run: Callable[P, int]) -> Callable[P, NoReturn]:
    """Return a command that exits with what `run` returns; usage mistakes become 2, faults of ours 5."""

    @wraps(run)
    def command(*args: P.args, **kwargs: P.kwargs) -> NoReturn:
        try:
            raise SystemExit(run(*args, **kwargs))
        except SettingsError as mistakes:
            fail("\n       ".join(mistakes.mistakes), USAGE)
        except (click.ClickException, click.exceptions.Exit, KeyboardInterrupt):
            raise
        except Exception as fault:  # noqa: BLE001 - the last frame: a fault of ours has a code of its own
            fail(f"a fault of ours ({type(fault).__name__}: {fault}); please report it", FAULT)

    return command
