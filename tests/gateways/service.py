"""Our service and a backend in the sandbox, with the Service and EndpointSlice by which gateways find them."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.certificates import Authority, an_authority
from tests.gateways.plane import Plane
from tests.gateways.sandbox import LAN, Program, answers, until

ROOT = Path(__file__).parents[2]
CHECKS, UPSTREAM = 9001, 8088
NAMESPACE = "ingress-authz"


def endpoints(namespace: str, name: str, port: int, target: int, protocol: str = "http") -> str:
    """A Service without selector, and the EndpointSlice that a controller would make. The ports meet by name."""
    names = f"name: p, appProtocol: {protocol}"
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{ports: [{{{names}, port: {port}, targetPort: {target}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{{names}, port: {target}, protocol: TCP}}]
endpoints: [{{addresses: ["{LAN}"], conditions: {{ready: true}}}}]
"""


@contextmanager
def backend(plane: Plane) -> Iterator[None]:
    """The backend of every route: Service `app` in two namespaces, and the one of examples/."""
    for namespace, name in (("shop", "app"), ("billing", "app"), ("shop", "orders")):
        plane.put(endpoints(namespace, name, 80, UPSTREAM))
    program = plane.sandbox.start("upstream", sys.executable, "-m", "tests.gateways.upstream", LAN, UPSTREAM, PYTHONPATH=str(ROOT))
    with plane.sandbox.client(UPSTREAM) as client:
        until(lambda: answers(client, "http://upstream/") == 200)
    yield
    program.end()


class TlsFiles:
    """A certificate for our service, and the authority whose clients may ask: at first one that signs for no gateway."""

    name = "authz-tls.ingress-authz.svc"

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._certificate = authority.issue(folder, self.name)
        self._clients = folder / "clients.crt"
        self.trust(an_authority(folder, "others-ca"))

    def trust(self, authority: Authority) -> None:
        """Let clients with a certificate of this authority ask from now on."""
        beside = self._clients.with_suffix(".new")
        beside.write_bytes(authority.file.read_bytes())
        beside.replace(self._clients)

    @property
    def flags(self) -> tuple[object, ...]:
        """How the service is told."""
        return "--tls-cert", self._certificate.certificate, "--tls-key", self._certificate.key, "--tls-client-ca", self._clients


class Service:
    """`authz serve --kube` as a process; use as a context manager."""

    def __init__(
        self, plane: Plane, *more: object, name: str = "ingress-authz", port: int = CHECKS, protocol: str = "kubernetes.io/h2c"
    ) -> None:
        self.plane = plane
        self._more = (*more, "--listen", f"{LAN}:{port}", "--admin-listen", f"127.0.0.1:{port + 1000}")
        self._name = name
        self._endpoints = endpoints(NAMESPACE, name, port, port, protocol)
        self._admin = plane.sandbox.client(port + 1000, "127.0.0.1", base_url="http://admin")
        self._program: Program | None = None

    def __enter__(self) -> Self:
        """Start it; the API server tells where it is."""
        self.plane.put(self._endpoints)
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End it."""
        if self._program is not None:
            self._program.end()
        self._admin.close()

    def start(self) -> float:
        """Start it; seconds until it is ready."""
        self._program = self.plane.sandbox.start(
            self._name, sys.executable, "-m", "authz", "serve", "--kube", "--kubeconfig", self.plane.kubeconfig,
            "--hosts-from", "shop", "--hosts-from", "billing", "--client-address", "peer", "--drain", "0", *self._more,
            PYTHONPATH=str(ROOT),
        )  # fmt: skip
        return until(self._ready)

    def _ready(self) -> bool:
        assert self._program is not None
        assert self._program.poll() is None, self._program.said()
        return answers(self._admin, "/readyz") == 200

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._program is not None
        self._program.send_signal(signal.SIGKILL)
        self._program.wait()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it accept connections and answer nothing."""
        assert self._program is not None
        self._program.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._program.send_signal(signal.SIGCONT)
