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
from authz.kube.api import Api, ApiError, ConnectError, connect
from authz.kube.objects import name_of
from authz.kube.resources import GATEWAYS
from authz.kube.source import KubeSource
from authz.model.declared import Contents
from authz.model.operator import HostGrant, ListedGateway
from authz.model.policy import PolicyName
from authz.settings import Mistakes

F = TypeVar("F", bound=Callable[..., Any])

# Seconds that an API server may take to tell everything.
PATIENCE: Final = 30.0
LOOK: Final = 0.1
_OPTIONS = (
    click.option("--kube", is_flag=True, help="Ask about the policies of a cluster, with its routes, instead of those of files."),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        metavar="FILE",
        help="With --kube: how the API server is reached. The default is what kubectl takes, else the pod's own account.",
    ),
    click.option(
        "--gateway", multiple=True, metavar="NAMESPACE/NAME", help="With --kube: a Gateway that asks the service. The default is every one."
    ),
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


def contents_of_cluster(kubeconfig: Path | None, gateways: Sequence[PolicyName]) -> tuple[Contents, tuple[PolicyName, ...]]:
    """Return everything that an API server holds, and the Gateways that count: those given, or all that there are.

    Ends the command where it cannot be read.
    """
    return asyncio.run(_read(kubeconfig, tuple(gateways)))


async def _gateways(api: Api) -> tuple[PolicyName, ...]:
    """Return the Gateways that there are; none where the API server does not know the kind, or may not tell."""
    try:
        found = await api.get(GATEWAYS, {})
    except ApiError:
        return ()
    return tuple(name_of(each) for each in found["items"])


async def _first(source: KubeSource) -> Contents:
    reading = asyncio.ensure_future(source.first())
    for _ in range(int(PATIENCE / LOOK)):
        await asyncio.wait((reading,), timeout=LOOK)
        why = "; ".join(f"{what}: {trouble}" for what, trouble in source.troubles() if trouble)
        if reading.done() or "forbidden" in why:
            break
    if reading.done():
        return reading.result()
    reading.cancel()
    return exits.fail(f"the API server has not told everything: {why or f'it is silent for {PATIENCE:g} s'}", exits.UNREADABLE)


def _usual_kubeconfig() -> Path | None:
    """Return the file that kubectl would take, or None where there is none, as in a pod."""
    usual = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    return usual if usual.is_file() else None


async def _read(kubeconfig: Path | None, gateways: tuple[PolicyName, ...]) -> tuple[Contents, tuple[PolicyName, ...]]:
    try:
        api = await connect(kubeconfig or _usual_kubeconfig())
    except ConnectError as fault:
        exits.fail(str(fault), exits.UNREADABLE)
    there = await _gateways(api)
    missing = [str(name) for name in gateways if there and name not in there]
    if missing:
        exits.fail(f"there is no Gateway {', '.join(missing)}; there are {', '.join(map(str, there))}", exits.UNREADABLE)
    chosen = gateways or there
    source = KubeSource(api, SystemClock(), chosen)
    following = asyncio.create_task(source.run())
    try:
        return await _first(source), chosen
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await source.close()
