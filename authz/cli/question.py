"""A request put together from a command line, and the policies that are asked about it: what `check` and `explain` share."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import click

from authz.cli import exits
from authz.cli.cluster import cluster_options, contents_of_cluster, take_cluster
from authz.cli.options import operator_options, raise_mistakes, take_digest_key, take_fetch, take_operator
from authz.cli.validate import text
from authz.cli.workbench import Workbench, load, with_contents
from authz.model.decision import Decision
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, ListedGateway
from authz.model.request import Request
from authz.model.trace import Trace
from authz.policy import addresses
from authz.settings import Mistakes

F = TypeVar("F", bound=Callable[..., Any])

_URL: Final = re.compile(r"https?://([^/?#\s]+)([^#\s]*)(?:#.*)?")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)")
_OPTIONS = (
    click.argument("words", nargs=-1, metavar="[PATH…] METHOD URL"),
    click.option(
        "-H",
        "--header",
        "headers",
        multiple=True,
        allow_from_autoenv=False,
        metavar="'NAME: VALUE'",
        help="A request header. Repeat for more.",
    ),
    click.option(
        "--token",
        allow_from_autoenv=False,
        metavar="TOKEN|@FILE|-",
        help="Sent as Authorization: Bearer; from a file with @, from standard input with -.",
    ),
    click.option(
        "--certificate",
        type=click.Path(path_type=Path, dir_okay=False),
        allow_from_autoenv=False,
        metavar="FILE",
        help="Decide as if the client had presented this certificate (PEM, the client's first, then those above it).",
    ),
    click.option("--from", "source", metavar="ADDRESS", help="Decide as if the client had this address."),
    click.option("--at", metavar="TIME", help="Decide as if it were this time (ISO 8601, or Unix seconds)."),
    click.option(
        "--route-policy", metavar="NAMESPACE/NAME", default="", help="The policy that the route names (context_extensions: policy)."
    ),
)


def question_options(command: F) -> F:
    """Add the options that describe a request."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return operator_options(cluster_options(command))


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still."""

    moment: float

    def time(self) -> float:
        """Return the moment, Unix time in seconds."""
        return self.moment

    async def sleep(self, seconds: float) -> None:
        """Return at once."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The policies, the request, and what they say to it."""

    bench: Workbench
    request: Request
    decision: Decision
    trace: Trace


def answered(given: dict[str, Any]) -> Answered:
    """Return what the policies named on a command line decide, and how they came to it."""
    mistakes = Mistakes()
    operator, fetch, digest_key = take_operator(mistakes, given), take_fetch(mistakes, given), take_digest_key(mistakes, given)
    gateways, grants = take_cluster(mistakes, given)
    nothing: tuple[Sequence[Path], Request] = ((), Request("", "", "", {}))
    paths, request = mistakes.take("PATH… METHOD URL", lambda: _request(given), nothing)
    moment = mistakes.take("--at", lambda: _moment(given["at"]), 0.0)
    raise_mistakes(mistakes)
    # Address and certificate are told, so how they would be found plays no part.
    told = ClientCertificate(CertificateSource.PEER)
    operator = replace(operator, client_address=ClientAddress(), client_certificate=told, gateways=gateways, host_grants=grants)
    if given["kube"]:
        contents, names = contents_of_cluster(given["kubeconfig"], [each.name for each in gateways])
        operator = replace(operator, gateways=tuple(ListedGateway(name) for name in names))
        bench = with_contents(contents, operator, fetch, FixedClock(moment), digest_key)
    else:
        bench = load(paths, operator, fetch, FixedClock(moment), digest_key)
    # In a cluster the mistakes of others must not hide what is decided: those policies answer 503.
    if bench.errors and not given["kube"]:
        for problem in bench.errors:
            click.echo("\n".join(text(problem)), err=True)
        exits.fail("the policies have mistakes, so what they would decide means nothing", exits.UNREADABLE)
    decision, trace = asyncio.run(_ask(bench, request))
    if bench.heard.faults:
        raise bench.heard.faults[0]
    return Answered(bench, request, decision, trace)


async def _ask(bench: Workbench, request: Request) -> tuple[Decision, Trace]:
    decision = bench.checker.check(request, 10.0)
    if isinstance(decision, Awaitable):
        # Keys are being fetched: wait as the service would, then write the steps down.
        await decision
    return bench.checker.explain(request)


def _request(given: dict[str, Any]) -> tuple[Sequence[Path], Request]:
    words: tuple[str, ...] = given["words"]
    if given["kube"] and len(words) != 2:
        raise ValueError("with --kube give the METHOD, then the URL, and no PATH: --kube GET https://api.example.com/orders")
    if len(words) < 3 and not given["kube"]:
        raise ValueError("give at least one PATH, then the METHOD, then the URL: policies/ GET https://api.example.com/orders")
    *paths, method, url = words
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(f"{url} is no URL; write it whole, as in https://api.example.com/orders/7")
    source = given["source"] or ""
    if source and addresses.parse(source) == addresses.UNKNOWN:
        raise ValueError(f"--from {source} is no IPv4 or IPv6 address")
    target = found.group(2) if found.group(2).startswith("/") else "/" + found.group(2)
    # A pseudo header shows that every header is told, as Envoy does.
    headers = {":method": method.upper()} | _headers(given["headers"], given["token"])
    request = Request(method.upper(), found.group(1), target, headers, source, given["route_policy"])
    request.certificate = _certificate(given["certificate"])
    return [Path(path) for path in paths], request


def _certificate(file: Path | None) -> str:
    """Return a client's certificate as Envoy tells it: URL-encoded PEM; "" without a file."""
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as fault:
        raise ValueError(f"--certificate {file}: {getattr(fault, 'strerror', None) or 'no PEM, which is plain ASCII'}") from fault
    if "PRIVATE KEY" in text:
        raise ValueError(f"--certificate {file}: a private key is in it; give the certificate alone")
    return quote(text)


def _headers(written: Sequence[str], token: str | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    lines = [*written, f"authorization: Bearer {_token(token)}"] if token is not None else list(written)
    for number, line in enumerate(lines, 1):
        found = _HEADER.fullmatch(line)
        if found is None:
            # Not what stands there: it may be a token.
            raise ValueError(f"-H number {number} is no header; write 'NAME: VALUE'")
        name, value = found.group(1).lower(), found.group(2).rstrip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _token(given: str) -> str:
    token = _read_token(given)
    if any(character < " " or character == "\x7f" for character in token):
        raise ValueError("--token: it has a line break or another control character; a token is one line")
    return token


def _read_token(given: str) -> str:
    if given == "-":
        return sys.stdin.read().strip()
    if given.startswith("@"):
        try:
            return Path(given[1:]).read_text(encoding="utf-8").strip()
        except OSError as fault:
            raise ValueError(f"--token {given}: {fault.strerror}") from fault
    return given


def _moment(given: str | None) -> float:
    if given is None:
        return datetime.now(UTC).timestamp()
    if re.fullmatch(r"\d{1,12}(\.\d+)?", given):
        return float(given)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as fault:
        raise ValueError(f"{given} is no time; write 2026-11-24T08:00:00Z") from fault
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
