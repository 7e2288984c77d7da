"""The API server of the sandbox, what is applied there, and the CRDs that the gateways bring."""

import ssl
import subprocess
from pathlib import Path
from typing import Any

import yaml

from authz.demo.bootstrap import Pem
from tests.cluster.control_plane import TOKEN, Answer, ControlPlane
from tests.gateways.sandbox import LAN, Sandbox, until

PARTS = Path(__file__).parent / "parts"
ROOT = Path(__file__).parents[2]
TOOLS = ("envoy-gateway", "contour")
Object = dict[str, Any]


def assets() -> Path | None:
    """The folder with the built gateways; None where there is none."""
    where = subprocess.run([PARTS / "build.sh", "--where"], capture_output=True, text=True, check=False).stdout.strip()
    return Path(where) if where and (Path(where) / "complete").exists() else None


def example(file: str, *kinds: str) -> str:
    """The objects of these kinds in a file of examples/."""
    texts = (ROOT / "examples" / file).read_text().split("\n---\n")
    return "\n---\n".join(text for text in texts if yaml.safe_load(text)["kind"] in kinds)


class Plane(ControlPlane):
    """etcd and kube-apiserver inside a sandbox."""

    def __init__(self, tools: Path, gateways: Path, sandbox: Sandbox) -> None:
        super().__init__(tools, sandbox.folder)
        self._client.close()
        trust = ssl.create_default_context(cafile=str(self.authority.file))
        headers = {"authorization": f"Bearer {TOKEN}"}
        self._client = sandbox.client(self.port, "127.0.0.1", verify=trust, base_url=self.url, headers=headers)
        self.sandbox = sandbox
        self.tools = tools
        self.gateways = gateways
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}
        self._known: set[str] = set()

    def _start(self, name: str, *arguments: object) -> None:
        # Without a route out of the namespace the API server finds no address to advertise.
        more = [f"--advertise-address={LAN}"] if name == "kube-apiserver" else []
        self._processes[name] = self.sandbox.start(name, self._tools / name, *arguments, *more)  # type: ignore[assignment]

    def crds_of(self, name: str) -> None:
        """Let the server know the kinds of a gateway, or ours."""
        if name in self._known:
            return
        folder = ROOT / "crds" if name == "ingress-authz" else self.gateways / "crds" / name
        texts = [text for file in sorted(folder.glob("*.yaml")) for text in file.read_text().split("\n---\n")]
        for text in texts:
            if "kind: CustomResourceDefinition" in text:
                self._create_crd(text)
        until(self._established, within=30, pause=0.1)
        self._kinds.clear()
        self._known.add(name)

    def _create_crd(self, text: str) -> None:
        if "conversionReviewVersions" in text:
            text = _without_conversion(text)
        answer = self._client.post(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", content=text, headers={"content-type": "application/yaml"}
        )
        assert answer.status_code in (201, 409), answer.text

    def _established(self) -> bool:
        crds = self.ask("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions").body["items"]
        return all(_holds(crd, "Established") for crd in crds)

    def apply(self, text: str, **params: str) -> list[Answer]:
        """Apply every object of a YAML text by server-side apply, unknown fields being errors."""
        return [self.apply_object(item, **params) for item in yaml.safe_load_all(text) if item]

    def apply_object(self, item: Object, **params: str) -> Answer:
        """Apply one; what the server said."""
        return self.ask(
            "PATCH", self.path(item), item, params={"fieldManager": "test", "force": "true", **params},
            headers={"content-type": "application/apply-patch+yaml"},
        )  # fmt: skip

    def put(self, text: str) -> None:
        """Apply, and nothing may be refused."""
        for answer in self.apply(text):
            assert answer.status in (200, 201), answer.message

    def put_certificate(self, namespace: str, name: str, pem: Pem) -> None:
        """Put a Secret with a certificate and its key."""
        secret = {
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name, "namespace": namespace},
            "stringData": {"tls.crt": pem.certificate.read_text(), "tls.key": pem.key.read_text()},
        }  # fmt: skip
        assert self.apply_object(secret).status in (200, 201)

    def get(self, api: str, kind: str, name: str, namespace: str = "") -> Object:
        """One object as it is now; {} where there is none."""
        answer = self.ask("GET", self.path({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}}))
        return answer.body if answer.status == 200 else {}

    def delete(self, api: str, kind: str, name: str, namespace: str = "") -> None:
        """Delete one object that is there."""
        answer = self.ask("DELETE", self.path({"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}}))
        assert answer.status == 200, answer.message

    def path(self, item: Object) -> str:
        """Where the server has an object."""
        api, kind = item["apiVersion"], item["kind"]
        root = f"/api/{api}" if "/" not in api else f"/apis/{api}"
        if (api, kind) not in self._kinds:
            found = self.ask("GET", root).body.get("resources", [])
            known = {(api, r["kind"]): (r["name"], r["namespaced"]) for r in found if "/" not in r["name"]}
            assert (api, kind) in known, f"the server does not know {kind} of {api}"
            self._kinds |= known
        plural, namespaced = self._kinds[api, kind]
        name, namespace = item["metadata"]["name"], item["metadata"].get("namespace", "default")
        return f"{root}/namespaces/{namespace}/{plural}/{name}" if namespaced else f"{root}/{plural}/{name}"

    def namespace(self, name: str) -> None:
        """Make a namespace, unless it is there."""
        self.put(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")


def _without_conversion(text: str) -> str:
    """A CRD with its newest version alone: nobody is here to convert others."""
    crd = yaml.load(text, yaml.CSafeLoader)
    newest = crd["spec"]["versions"][-1] | {"storage": True}
    crd["spec"] |= {"versions": [newest], "conversion": {"strategy": "None"}}
    return yaml.dump(crd, Dumper=yaml.CSafeDumper)


def _holds(item: Object, condition: str) -> bool:
    conditions = item.get("status", {}).get("conditions") or []
    return any(entry["type"] == condition and entry["status"] == "True" for entry in conditions)
