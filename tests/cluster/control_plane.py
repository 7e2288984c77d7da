"""A real Kubernetes control plane on loopback: etcd and kube-apiserver, started, asked and ended by the tests."""

import base64
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import Authority, an_authority

PARTS = Path(__file__).parent / "parts"
TOOLS = ("etcd", "kube-apiserver", "kubectl")
START_SECONDS = 60.0
TOKEN = "admin-of-the-tests"


def assets() -> Path | None:
    """The folder with the built tools: $KUBEBUILDER_ASSETS, or the cache of `make control-plane`; None where there is none."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    where = subprocess.run([PARTS / "build.sh", "--where"], capture_output=True, text=True, check=False).stdout.strip()
    for folder in (given, where):
        if folder and all((Path(folder) / tool).exists() for tool in TOOLS):
            return Path(folder)
    return None


def gateway_api(*plurals: str) -> list[Path]:
    """The files of these CRDs of Gateway API, out of its Go module."""
    found = subprocess.run([PARTS / "gateway-api.sh"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return [Path(found.stdout.strip()) / f"gateway.networking.k8s.io_{plural}.yaml" for plural in plurals]


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server says to one request."""

    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """The message of a refusal."""
        return str(self.body.get("message", ""))


class ControlPlane:
    """etcd and kube-apiserver in `folder`; use as a context manager."""

    def __init__(self, tools: Path, folder: Path) -> None:
        self._tools = tools
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd_port, self._etcd_peer, self.port = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.authority: Authority = an_authority(folder, "cluster-ca")
        self._prepare()
        self.trust = ssl.create_default_context(cafile=str(self.authority.file))
        self._client = httpx2.Client(verify=self.trust, base_url=self.url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)

    def _prepare(self) -> None:
        self._serving = self.authority.issue(self._folder, "kubernetes")
        key = rsa.generate_private_key(65537, 2048)
        pem = serialization.Encoding.PEM
        self.service_account_key = self._folder / "sa.key"
        self.service_account_key.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
        )
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (self._folder / "sa.pub").write_bytes(public)
        (self._folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        self.kubeconfig = self._folder / "kubeconfig"
        self.kubeconfig.write_text(
            f"apiVersion: v1\nkind: Config\ncurrent-context: test\ncontexts: [{{name: test, context: {{cluster: test, user: admin}}}}]\n"
            f"clusters: [{{name: test, cluster: {{server: '{self.url}', certificate-authority: {self.authority.file}}}}}]\n"
            f"users: [{{name: admin, user: {{token: {TOKEN}}}}}]\n"
        )

    def __enter__(self) -> Self:
        """Start both and return once the API server is ready."""
        self.start_etcd()
        self.start_api_server()
        return self

    def __exit__(self, *exception: object) -> None:
        """End both."""
        self._client.close()
        for name in ("kube-apiserver", "etcd"):
            self.stop(name)
        shutil.rmtree(self._folder / "etcd-data", ignore_errors=True)

    def start_etcd(self) -> None:
        """Start etcd on its data folder."""
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer}"
        self._start(
            "etcd", "--data-dir", self._folder / "etcd-data", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--unsafe-no-fsync=true",
        )  # fmt: skip

    def start_api_server(self) -> None:
        """Start kube-apiserver, unless it runs, and return once it is ready."""
        folder = self._folder
        if "kube-apiserver" in self._processes:
            return
        self._start(
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self._etcd_port}", "--bind-address=127.0.0.1",
            f"--secure-port={self.port}", f"--cert-dir={folder}", f"--tls-cert-file={self._serving.certificate}",
            f"--tls-private-key-file={self._serving.key}", f"--client-ca-file={self.authority.file}",
            f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true", "--disable-admission-plugins=ServiceAccount", f"--service-account-issuer={self.url}/",
            f"--service-account-key-file={folder}/sa.pub", f"--service-account-signing-key-file={folder}/sa.key",
            "--profiling=false",
        )  # fmt: skip
        self.is_ready()

    def is_ready(self) -> None:
        """Return once the API server answers."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._processes["kube-apiserver"].poll() is not None:
                raise RuntimeError(f"kube-apiserver ended:\n{self.last_words('kube-apiserver')}")
            try:
                if self._client.get("/readyz").status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            _wait(0.1)
        raise RuntimeError(f"kube-apiserver is not ready:\n{self.last_words('kube-apiserver')}")

    def forget_history(self) -> None:
        """Make etcd go on by some revisions and forget all before: watches from an earlier place get a real 410."""
        etcd = f"http://127.0.0.1:{self._etcd_port}/v3/kv"
        for _ in range(20):
            put = httpx2.post(f"{etcd}/put", json={"key": _base64("/tests/noise"), "value": ""}, trust_env=False).json()
        answer = httpx2.post(
            f"{etcd}/compaction", json={"revision": put["header"]["revision"], "physical": True}, trust_env=False, timeout=30
        )
        assert answer.status_code == 200, answer.text

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End one of the two by a signal, and wait for its end."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def last_words(self, name: str) -> str:
        """The end of a log."""
        return "\n".join((self._folder / f"{name}.log").read_text(errors="replace").splitlines()[-15:])

    def _start(self, name: str, *arguments: object) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen([str(self._tools / name), *map(str, arguments)], stdout=log, stderr=log)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **options: Any) -> Answer:
        """The API server's answer. Unknown fields are errors, as kubectl asks for; where it asks for patience (429), it gets some."""
        params = {"fieldValidation": "Strict"} if method in ("POST", "PUT", "PATCH") else {}
        params |= options.pop("params", {})
        until = time.monotonic() + 15
        while (answer := self._client.request(method, path, json=body, params=params, **options)).status_code == 429:
            if time.monotonic() > until:
                break
            _wait(0.2)  # The storage of a kind that was just defined is being made, most often.
        return Answer(answer.status_code, answer.json() if answer.content.startswith(b"{") else {"message": answer.text})

    def define(self, *files: Path) -> None:
        """Apply these CustomResourceDefinitions, and return once they are served."""
        for words in (
            ("apply", "--server-side", *(f"-f={file}" for file in files)),
            ("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"),
        ):
            done = self.kubectl(*words)
            assert done.returncode == 0, done.stderr

    def kubectl(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator."""
        return subprocess.run(
            [str(self._tools / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments],
            input=text, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "HOME": str(self._folder)},
        )  # fmt: skip


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _wait(seconds: float) -> None:
    """Let a process that has no event to wait for get on."""
    with socket.socket() as nobody:
        nobody.settimeout(seconds)
        nobody.bind(("127.0.0.1", 0))
        nobody.listen()
        try:
            nobody.accept()
        except TimeoutError:
            return
