"""The policies of a cluster, read once: for commands that ask about them instead of about files."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from authz import settings
from authz.app import SystemClock
from authz.cli import exits
from authz.kube.api import ConnectError, connect
from authz.kube.source import KubeSource
from authz.model.declared import Contents
from authz.model.operator import HostGrant, ListedGateway
from authz.model.policy import PolicyName
from authz.settings import Mistakes

F = TypeVar("F", bound=Callable[..., Any])

# Seconds that an API server may take to tell everything.
PATIENCE: Final = 30.0
_OPTIONS = (
    click.option("--kube", is_flag=True, help="Ask about the policies of a cluster, with its routes, instead of those of files."),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        metavar="FILE",
        help="With --kube: how the API server is reached. The default is what kubectl takes, else the pod's own account.",
    ),
    click.option("--gateway", multiple=True, metavar="NAMESPACE/NAME", help="With --kube: as authz serve is told. Repeat for more."),
    click.option("--hosts-from", multiple=True, metavar="NAMESPACE[=HOST,…]", help="With --kube: as authz serve is told. Repeat for more."),
)


def cluster_options(command: F) -> F:
    """Add the options that name a cluster."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_cluster(mistakes: Mistakes, given: dict[str, Any]) -> tuple[tuple[ListedGateway, ...], tuple[HostGrant, ...] | None]:
    """Return the Gateways that ask the service, and whose policies may decide for hosts, out of the options given."""
    nowhere: tuple[ListedGateway, ...] = ()
    nobody: tuple[HostGrant, ...] = ()
    listed = mistakes.take("--gateway", lambda: settings.listed_gateways(given["gateway"], ()), nowhere)
    written = given["hosts_from"]
    grants = mistakes.take("--hosts-from", lambda: settings.host_grants(written, ""), nobody) if written else None
    return listed, grants


def contents_of_cluster(kubeconfig: Path | None, gateways: Sequence[PolicyName]) -> Contents:
    """Return everything that an API server holds; end the command where it cannot be read."""
    return asyncio.run(_read(kubeconfig, gateways))


def _usual_kubeconfig() -> Path | None:
    """Return the file that kubectl would take, or None where there is none, as in a pod."""
    usual = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    return usual if usual.is_file() else None


async def _read(kubeconfig: Path | None, gateways: Sequence[PolicyName]) -> Contents:
    try:
        api = await connect(kubeconfig or _usual_kubeconfig())
    except ConnectError as fault:
        exits.fail(str(fault), exits.UNREADABLE)
    source = KubeSource(api, SystemClock(), gateways)
    following = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(PATIENCE):
            return await source.first()
    except TimeoutError:
        why = "; ".join(f"{what}: {trouble}" for what, trouble in source.troubles() if trouble)
        exits.fail(f"the API server has not told everything within {PATIENCE:g} s: {why or 'it is silent'}", exits.UNREADABLE)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await source.close()
