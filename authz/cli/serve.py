"""The command `authz serve`."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from socket import gethostname
from typing import Any

import click

from authz import settings
from authz.app import Running, Service, StartError
from authz.cli import exits
from authz.cli.options import operator_options, raise_mistakes, take_digest_key, take_fetch, take_operator
from authz.envoy.endpoint import WaitingRoom
from authz.envoy.server import ServerLimits
from authz.envoy.tls import TlsError
from authz.kube.api import own_namespace
from authz.model.operator import HostGrant, ListedGateway, Operator
from authz.settings import Address, ClusterSettings, Mistakes, Settings

_FILE = click.Path(path_type=Path, dir_okay=False)
_OF_KUBE = (
    "kubeconfig",
    "hosts_from",
    "gateway",
    "gateway_client_address",
    "gateway_client_certificate",
    "namespace",
    "replica",
    "replica_uid",
    "snapshot",
    "kube_lenient_ca",
    "watch_namespace",
)


@click.command()
@click.option(
    "--policies",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory of AuthPolicies; followed while it changes.",
)
@click.option("--kube", is_flag=True, help="The AuthPolicies of the API server, followed while they change, instead of a directory.")
@click.option("--kubeconfig", type=_FILE, metavar="FILE", help="How to reach it; without, as a pod of the cluster.")
@click.option(
    "--hosts-from",
    multiple=True,
    metavar="NAMESPACE[=HOST,…]",
    help="With --kube: whose policies may decide for (these) hosts. Repeat for more. The default is the pod's own namespace.",
)
@click.option(
    "--watch-namespace",
    multiple=True,
    metavar="NAME",
    help="With --kube: read policies, routes and grants of this namespace. Repeat for more. The default is all.",
)
@click.option(
    "--gateway",
    multiple=True,
    metavar="NAMESPACE/NAME",
    help="With --kube: a Gateway that asks this service; its routes can have policies. Repeat for more.",
)
@click.option(
    "--gateway-client-address",
    multiple=True,
    metavar="NAMESPACE/NAME=HOW",
    help="--client-address for one Gateway: peer, or x-forwarded-for or header:NAME with ;trusted=CIDR,… ;hops=N ;appends=no.",
)
@click.option(
    "--gateway-client-certificate",
    multiple=True,
    metavar="NAMESPACE/NAME=HOW",
    help="--client-certificate for one Gateway.",
)
@click.option(
    "--namespace",
    metavar="NAME",
    help="With --kube: where this service keeps its Leases. The default is the pod's own namespace; without one no status is written.",
)
@click.option("--replica", metavar="NAME", help="With --kube: the name of this replica. The default is the host's name.")
@click.option("--replica-uid", default="", metavar="UID", help="With --kube: the uid of its pod, with which its Lease goes.")
@click.option("--snapshot", type=_FILE, metavar="FILE", help="With --kube: keeps what was last known, for a start without an API server.")
@click.option(
    "--kube-lenient-ca",
    is_flag=True,
    help="With --kube: take the API server's certificates although they lack what RFC 5280 asks for, as those of some clouds do.",
)
@click.option(
    "--listen", default="127.0.0.1:9001", show_default=True, metavar="HOST:PORT", help="Where Envoy asks (gRPC). Port 0 takes any free one."
)
@click.option(
    "--admin-listen",
    default="127.0.0.1:9002",
    show_default=True,
    metavar="HOST:PORT",
    help="Where /livez, /readyz, /metrics and /routes are.",
)
@operator_options
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate chain of the gRPC port (PEM); read anew when it changes.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Its private key.")
@click.option("--tls-client-ca", type=_FILE, metavar="FILE", help="Only clients with a certificate of this CA may ask (mTLS).")
@click.option(
    "--max-message-bytes", type=click.IntRange(min=65536), default=16 * 1024 * 1024, show_default=True, help="The largest CheckRequest."
)
@click.option(
    "--max-deadline", type=click.FloatRange(min=0.05), default=5.0, show_default=True, help="Longest time for one check, in seconds."
)
@click.option(
    "--max-waiting",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="How many checks may wait at once for issuers' keys (500 for one issuer); those beyond are denied as overloaded.",
)
@click.option(
    "--connection-age",
    type=click.FloatRange(min=1),
    default=120.0,
    show_default=True,
    help="Seconds after which a connection is closed gracefully.",
)
@click.option("--drain", type=click.FloatRange(min=0), default=5.0, show_default=True, help="Seconds to go on answering after SIGTERM.")
@click.option(
    "--grace", type=click.FloatRange(min=0), default=20.0, show_default=True, help="Seconds that checks under way may then still take."
)
@click.option(
    "--allow-sample", type=click.FloatRange(0, 1), default=0.01, show_default=True, help="Share of allowed requests that is logged."
)
@click.option(
    "--log-rate",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Decisions logged in each second for one policy and reason, and ten times as many in all; of the others, how many they were.",
)
@click.option("--ready-file", type=_FILE, metavar="FILE", help="Written with the real addresses once everything is up.")
@exits.coded
def serve(**given: Any) -> int:  # noqa: ANN401 - what click gives
    """Answer Envoy's checks by the AuthPolicies of a directory or of an API server."""
    mistakes = Mistakes()
    nowhere = Address("127.0.0.1", 0)
    operator, fetch, digest_key = take_operator(mistakes, given), take_fetch(mistakes, given), take_digest_key(mistakes, given)
    cluster = None
    if given["kube"]:
        operator = _with_cluster(mistakes, operator, given)
        everywhere: tuple[str, ...] = ()
        watched = mistakes.take("--watch-namespace", lambda: settings.namespaces(given["watch_namespace"]), everywhere)
        own = own_namespace()
        namespace = given["namespace"] if given["namespace"] is not None else own
        cluster = ClusterSettings(
            given["kubeconfig"],
            namespace,
            given["replica"] or gethostname(),
            given["snapshot"],
            given["kube_lenient_ca"],
            watched,
            # Kubernetes deletes what says that its owner is of another namespace.
            given["replica_uid"] if own in ("", namespace) else "",
        )
    of_kube = {f"--{name.replace('_', '-')}": given[name] for name in _OF_KUBE}
    mistakes.take("--policies, --kube", lambda: settings.source(given["policies"], of_kube, kube=given["kube"]), None)
    chosen = Settings(
        policies=given["policies"],
        cluster=cluster,
        listen=mistakes.take("--listen", lambda: settings.address(given["listen"]), nowhere),
        admin_listen=mistakes.take("--admin-listen", lambda: settings.address(given["admin_listen"]), nowhere),
        operator=operator,
        fetch=fetch,
        tls=mistakes.take(
            "--tls-cert, --tls-key, --tls-client-ca",
            lambda: settings.tls_files(given["tls_cert"], given["tls_key"], given["tls_client_ca"]),
            None,
        ),
        limits=ServerLimits(given["max_message_bytes"], given["max_deadline"], given["connection_age"]),
        drain_seconds=given["drain"],
        grace_seconds=given["grace"],
        room=WaitingRoom(given["max_waiting"]),
        allow_sample=given["allow_sample"],
        log_rate=given["log_rate"],
        ready_file=given["ready_file"],
        digest_key=digest_key,
    )
    raise_mistakes(mistakes)
    return asyncio.run(_serve(chosen))


def _with_cluster(mistakes: Mistakes, operator: Operator, given: dict[str, Any]) -> Operator:
    none: tuple[HostGrant, ...] = ()
    nowhere: tuple[ListedGateway, ...] = ()
    grants = mistakes.take("--hosts-from", lambda: settings.host_grants(given["hosts_from"], own_namespace()), none)
    listed = mistakes.take(
        "--gateway, --gateway-client-address, --gateway-client-certificate",
        lambda: settings.listed_gateways(given["gateway"], given["gateway_client_address"], given["gateway_client_certificate"]),
        nowhere,
    )
    for name in sorted(operator.unprotected_gateways - {each.name for each in listed}):
        mistakes.found.append(f"--unprotected: {name} is not listed; add --gateway {name}")
    return replace(operator, host_grants=grants, gateways=listed)


async def _serve(chosen: Settings) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)

    def ready(running: Running) -> None:
        click.echo(f"checks on {running.checks} (gRPC), health and metrics on http://{running.admin}", err=True)

    try:
        await Service(chosen).run(stopped, ready)
    except (StartError, TlsError) as fault:
        exits.fail(str(fault), exits.UNREADABLE)
    return exits.OK
