"""Settings: one frozen value, and what collects the mistakes made in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from authz.envoy.endpoint import WaitingRoom
from authz.envoy.server import ServerLimits
from authz.envoy.tls import TlsFiles
from authz.fetch.client import FetchLimits
from authz.model.operator import Operator
from authz.service.keyring import KeyTimes

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
class ClusterSettings:
    """How an API server is used.

    Attributes:
        kubeconfig: how it is reached; None: as a pod of its cluster.
        namespace: where this service's own Leases are; "": no status is written.
        replica: the name of this replica.
        snapshot: the file that keeps what was last known; None: none.
        lenient_ca: whether the API server's certificates may lack what RFC 5280 asks for.
        watch_namespaces: where AuthPolicies, routes and grants are read; (): in all.
        replica_uid: the uid of this replica's pod; "": it is none.
    """

    kubeconfig: Path | None = None
    namespace: str = ""
    replica: str = ""
    snapshot: Path | None = None
    lenient_ca: bool = False
    watch_namespaces: tuple[str, ...] = ()
    replica_uid: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `authz serve` is told.

    Attributes:
        policies: the directory of AuthPolicies; None: those of an API server.
        drain_seconds: how long checks are still answered after a stop was asked for, so that proxies learn of it.
        grace_seconds: how long checks under way may then still take.
        allow_sample: which share of the allows is logged, from 0 to 1.
        log_rate: how many decisions are logged in each second for one policy and reason.
        ready_file: where the real addresses are written once everything is up.
        cluster: how policies are read from an API server; None: they are those of the directory.
        digest_key: the secret of API keys with a keyed digest; b"": there are none.
    """

    policies: Path | None
    listen: Address
    admin_listen: Address
    operator: Operator
    fetch: FetchLimits = FetchLimits()
    key_times: KeyTimes = KeyTimes()
    tls: TlsFiles | None = None
    limits: ServerLimits = ServerLimits()
    room: WaitingRoom = WaitingRoom()
    drain_seconds: float = 5.0
    grace_seconds: float = 20.0
    allow_sample: float = 0.01
    log_rate: int = 20
    ready_file: Path | None = None
    cluster: ClusterSettings | None = None
    digest_key: bytes = field(default=b"", repr=False)


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
