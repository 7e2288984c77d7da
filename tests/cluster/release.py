"""A release of the chart on the real API server, and its pods, which no kubelet starts: the tests do, as local processes.

The container's arguments, environment and ServiceAccount token are those that the API server holds after `helm install`. Three things
differ from a pod, and no more: `--listen` and `--admin-listen` name free ports of loopback, `--kubeconfig` holds the token (a pod
finds it at a fixed place), and folders that a kubelet would mount are folders of the test.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.chart.rendering import chart, helm_binary
from tests.cluster.control_plane import TOKEN, ControlPlane

IMAGE = {"repository": "registry.example.com/authz"}


@dataclass
class Release:
    """A release, by name and namespace."""

    cluster: ControlPlane
    name: str
    namespace: str
    home: Path
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def object_name(self) -> str:
        """The name of most of its objects."""
        return self.name if "ingress-authz" in self.name else f"{self.name}-ingress-authz"

    def helm(self, *words: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """What came of helm against the API server."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.cluster.kubeconfig)}
        return subprocess.run(
            [helm_binary(), *map(str, words), "--namespace", self.namespace],
            input=text, capture_output=True, text=True, check=False, timeout=120, env=environment,
        )  # fmt: skip

    def apply(self, verb: str, folder: Path | None = None, *words: str) -> subprocess.CompletedProcess[str]:
        """`helm install` or `helm upgrade` with the values. Nobody could be waited for: there is no kubelet."""
        given = json.dumps({"image": IMAGE, **self.values})
        return self.helm(verb, self.name, folder or chart(), "--values", "-", *words, text=given)

    def install(self) -> None:
        """Install, or fail."""
        result = self.apply("install")
        assert result.returncode == 0, result.stderr

    def get(self, path: str) -> dict[str, Any]:
        """An object of the API server."""
        answer = self.cluster.ask("GET", path)
        assert answer.status == 200, answer.message
        return answer.body

    @property
    def deployment(self) -> dict[str, Any]:
        """Its Deployment."""
        return self.get(f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{self.object_name}")

    @property
    def hook(self) -> dict[str, Any]:
        """The Pod of `helm test`, out of the release's hooks: helm itself makes it only when the test runs."""
        result = self.helm("get", "hooks", self.name)
        assert result.returncode == 0, result.stderr
        read = self.cluster.kubectl("create", "--dry-run=client", "--output=json", "-f", "-", text=result.stdout)
        assert read.returncode == 0, read.stderr
        found: dict[str, Any] = json.loads(read.stdout)
        return found

    def token(self) -> str:
        """A token of its ServiceAccount, as a kubelet gets one."""
        account = self.deployment["spec"]["template"]["spec"]["serviceAccountName"]
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
        answer = self.cluster.ask("POST", f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token", asked)
        assert answer.status == 201, answer.message
        return str(answer.body["status"]["token"])

    @contextmanager
    def pod(self, folder: Path, name: str = "pod-1") -> Iterator["RunningPod"]:
        """One pod of the Deployment, running until the block ends, and stopped as a kubelet stops it."""
        folder.mkdir()
        spec = self.deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        mounts = self.mounted(spec, container, folder)
        (folder / "kubeconfig").write_text(self.cluster.kubeconfig.read_text().replace(TOKEN, self.token()))
        words = [_placed(word, mounts) for word in container["args"] if not word.startswith(("--listen=", "--admin-listen="))]
        words += ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", f"--kubeconfig={folder / 'kubeconfig'}"]
        fields = {"metadata.name": name, "metadata.namespace": self.namespace, "metadata.uid": str(uuid4())}
        named = {each["name"]: each.get("value") or fields[each["valueFrom"]["fieldRef"]["fieldPath"]] for each in container["env"]}
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                [sys.executable, "-m", "authz", *words],
                stdout=log,
                stderr=subprocess.PIPE,
                text=True,
                env={"PATH": os.environ["PATH"], **named},
            ) as process,
        ):
            late = threading.Timer(120, process.kill)
            late.start()
            try:
                assert process.stderr is not None
                told = process.stderr.readline()
                assert told.startswith("checks on "), told + process.stderr.read() + (folder / "log").read_text()
                yield RunningPod(told.split()[2], told.split()[-1], folder, mounts)
            finally:
                process.terminate()
                process.wait(60)
                late.cancel()
        assert process.returncode == 0

    def mounted(self, spec: dict[str, Any], container: dict[str, Any], folder: Path) -> dict[str, Path]:
        """The folder of the test that stands for each path where the container mounts something, filled as a kubelet fills it."""
        places = {each["mountPath"]: folder / each["name"] for each in container.get("volumeMounts", ())}
        volumes = {each["name"]: each for each in spec.get("volumes", ())}
        for place in places.values():
            place.mkdir(exist_ok=True)
            self.fill(volumes[place.name], place)
        return places

    def fill(self, volume: dict[str, Any], place: Path) -> None:
        """Write what a volume holds now."""
        core = f"/api/v1/namespaces/{self.namespace}"
        if "secret" in volume:
            found = self.get(f"{core}/secrets/{volume['secret']['secretName']}")["data"]
            data = {key: base64.b64decode(value) for key, value in found.items()}
        elif "configMap" in volume:
            data = {key: value.encode() for key, value in self.get(f"{core}/configmaps/{volume['configMap']['name']}")["data"].items()}
        else:
            assert "emptyDir" in volume
            return
        chosen = (volume.get("secret") or volume["configMap"]).get("items")
        for key, path in [(item["key"], item["path"]) for item in chosen] if chosen else [(key, key) for key in data]:
            (place / path).write_bytes(data[key])

    def selftest(self, pod: "RunningPod") -> subprocess.CompletedProcess[str]:
        """What came of the command of `helm test`, against a pod instead of the Service, which nobody routes here."""
        spec = self.hook["spec"]
        (container,) = spec["containers"]
        place = pod.folder / f"hook-{len(list(pod.folder.iterdir()))}"
        place.mkdir()
        mounts = self.mounted(spec, container, place)
        name, target, *words = container["args"]
        assert target == f"{self.object_name}.{self.namespace}.svc:9001"
        words = [_placed(word, mounts) for word in words]
        # The certificate is for the Service's name.
        words += [f"--tls-name={target.partition(':')[0]}"] if any(word.startswith("--tls-ca=") for word in words) else []
        command = [sys.executable, "-m", "authz", name, pod.checks, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": os.environ["PATH"]})


@dataclass(frozen=True, slots=True)
class RunningPod:
    """Where a pod listens, its folder, and the folders that stand for its mounts."""

    checks: str
    admin: str
    folder: Path
    mounts: dict[str, Path]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]


def _placed(word: str, mounts: dict[str, Path]) -> str:
    for path, place in mounts.items():
        word = word.replace(f"={path}/", f"={place}/")
    return word
