"""Settings: one frozen value. Flags first, then environment, then defaults; every mistake is reported at once."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from authz.envoy.server import ServerLimits
from authz.envoy.tls import TlsFiles
from authz.fetch.client import FetchLimits, origin_of, problem_of_origins
from authz.model.operator import ClientAddress, HostGrant, Operator
from authz.policy import addresses, hosts
from authz.service.keyring import KeyTimes

_HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,64}")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
T = TypeVar("T")


class SettingsError(Exception):
    """Settings that cannot be used: one line for each mistake, with its remedy."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 takes any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        """`HOST:PORT`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `authz serve` is told.

    Attributes:
        policies: the directory of AuthPolicies; None: those of an API server.
        kubeconfig: how the API server is reached; None: as a pod of its cluster.
        drain_seconds: how long checks are still answered after a stop was asked for, so that proxies learn of it.
        grace_seconds: how long checks under way may then still take.
        allow_sample: which share of the allows is logged, from 0 to 1.
        ready_file: where the real addresses are written once everything is up.
    """

    policies: Path | None
    listen: Address
    admin_listen: Address
    operator: Operator
    fetch: FetchLimits = FetchLimits()
    key_times: KeyTimes = KeyTimes()
    tls: TlsFiles | None = None
    limits: ServerLimits = ServerLimits()
    drain_seconds: float = 5.0
    grace_seconds: float = 20.0
    allow_sample: float = 0.01
    ready_file: Path | None = None
    kubeconfig: Path | None = None


class Mistakes:
    """Collects what is wrong, so that it is said all at once."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def take(self, flag: str, read: Callable[[], T], default: T) -> T:
        """Return what `read` returns; where it raises ValueError, note the mistake and return `default`."""
        try:
            return read()
        except ValueError as fault:
            self.found.append(f"{flag}: {fault}")
            return default


def address(text: str) -> Address:
    """Return the address that `HOST:PORT` means. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is no HOST:PORT, as in 127.0.0.1:9001 or [::]:9001 (port 0 takes any free one)")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def client_address(how: str | None, trusted: Sequence[str], hops: int | None, *, appended: bool) -> ClientAddress | None:
    """Return how the client's address is found. Raises ValueError."""
    if how is None:
        if trusted or hops is not None:
            raise ValueError("--trusted-proxy and --trusted-hops say how a header counts; say which with --client-address")
        return None
    wrong = [why for cidr in trusted if (why := addresses.cidr_problem(cidr))]
    if wrong:
        raise ValueError("--trusted-proxy: " + "; ".join(wrong))
    if how == "peer":
        if trusted or hops is not None:
            raise ValueError("peer takes no --trusted-proxy and no --trusted-hops: the peer is the client")
        return ClientAddress()
    if how == "x-forwarded-for":
        return _forwarded_for(tuple(trusted), hops, appended=appended)
    return _single_header(how, tuple(trusted))


def _single_header(how: str, trusted: tuple[str, ...]) -> ClientAddress:
    kind, _, name = how.lower().partition(":")
    if kind != "header" or not _HEADER_NAME.fullmatch(name) or name == "x-forwarded-for":
        raise ValueError(f"{how!r} is none of peer, x-forwarded-for, header:NAME")
    if not trusted:
        raise ValueError(f"{how} needs --trusted-proxy CIDR: anybody can send a header")
    return ClientAddress(name, trusted=trusted)


def _forwarded_for(trusted: tuple[str, ...], hops: int | None, *, appended: bool) -> ClientAddress:
    if hops is None or not 0 <= hops <= 16:
        raise ValueError("x-forwarded-for needs --trusted-hops N: how many proxies of yours stand before Envoy (0 to 16)")
    if not trusted:
        raise ValueError("x-forwarded-for needs --trusted-proxy CIDR: the addresses from which those proxies connect")
    if hops == 0 and not appended:
        raise ValueError("with no proxy before Envoy and no entry of Envoy's own there is nothing to trust; use peer")
    return ClientAddress("x-forwarded-for", hops, appended, trusted)


def host_grants(written: Sequence[str], own: str) -> tuple[HostGrant, ...]:
    """Return which namespaces may decide for which hosts: `NAMESPACE` or `NAMESPACE=HOST,…`; without any, `own` for all.

    Raises ValueError.
    """
    grants, wrong = [], []
    for each in written:
        namespace, equals, listed = each.partition("=")
        patterns = tuple(listed.split(",")) if equals else ()
        if not _NAMESPACE.fullmatch(namespace) or not all(map(hosts.is_pattern, patterns)):
            wrong.append(f"{each} is not NAMESPACE or NAMESPACE=HOST,…")
        grants.append(HostGrant(namespace, patterns))
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(grants) if written or not own else (HostGrant(own),)


def source(policies: Path | None, kubeconfig: Path | None, *, kube: bool) -> None:
    """Raise ValueError unless exactly one source is named."""
    if (policies is not None) is kube:
        raise ValueError("give one of --policies DIR and --kube")
    if kubeconfig is not None and not kube:
        raise ValueError("--kubeconfig goes with --kube")
    if kubeconfig is not None and not kubeconfig.is_file():
        raise ValueError(f"--kubeconfig {kubeconfig}: no such file")


def operator(client: ClientAddress | None, unprotected: Sequence[str], identity_headers: Sequence[str]) -> Operator:
    """Return the operator's settings. Raises ValueError."""
    named = [host for host in unprotected if host != "all"]
    wrong = [f"{host} is no host; write api.example.com, *.example.com or all" for host in named if not hosts.is_pattern(host)]
    wrong += [f"{name} is no header name" for name in identity_headers if not _HEADER_NAME.fullmatch(name.lower())]
    if wrong:
        raise ValueError("; ".join(wrong))
    return Operator(client, frozenset(named), "all" in unprotected, frozenset(name.lower() for name in identity_headers))


def fetch_limits(ca_file: Path | None, insecure: Sequence[str]) -> FetchLimits:
    """Return how keys are fetched. Raises ValueError."""
    if why := problem_of_origins(insecure):
        raise ValueError(why)
    if ca_file is not None and not ca_file.is_file():
        raise ValueError(f"{ca_file}: no such file")
    return FetchLimits(insecure_origins=frozenset(map(origin_of, insecure)), ca_file=ca_file)


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """Return the TLS files of the gRPC port, or None for plain text. Raises ValueError."""
    if certificate is None and key is None:
        if client_ca is not None:
            raise ValueError("--tls-client-ca needs --tls-cert and --tls-key")
        return None
    if certificate is None or key is None:
        raise ValueError("--tls-cert and --tls-key go together")
    for path in (certificate, key, client_ca):
        if path is not None and not path.is_file():
            raise ValueError(f"{path}: no such file")
    return TlsFiles(certificate, key, client_ca)


def described(settings: Settings) -> Mapping[str, str]:
    """Return what is worth saying at the start, in words."""
    said = settings.operator.client_address
    found = "not said: policies with clientIP are refused" if said is None else said.header or "peer"
    return {"client_address": found, "unprotected": _unprotected(settings.operator)}


def _unprotected(said: Operator) -> str:
    if said.unprotected_all:
        return "every host (requests that no policy covers pass)"
    return ", ".join(sorted(said.unprotected)) or "none"
