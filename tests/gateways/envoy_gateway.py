"""Envoy Gateway's control plane, and its Envoy started as a kubelet would start the Deployment that it makes."""

import base64
import re
from pathlib import Path
from typing import Self

import httpx2

from tests.certificates import an_authority
from tests.e2e.stack import envoy
from tests.gateways.plane import Object, Plane
from tests.gateways.sandbox import LAN, Program, answers, until

SYSTEM = "envoy-gateway-system"
# Envoy Gateway moves ports below 1024 up by this much in the container.
PORT = 10080
GATEWAY = "gateway.networking.k8s.io/v1"

CONFIG = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Kubernetes
  kubernetes:
    leaderElection: {disable: true}           # one instance: no need to wait for a lease
    proxyTopologyInjector: {disabled: true}   # it would need a webhook for pods
admin: {address: {host: 127.0.0.1, port: 19100}}        # its own default is the admin port of its Envoy
telemetry: {metrics: {prometheus: {disable: true}}}     # likewise
"""

GATEWAY_OBJECTS = f"""
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: eg}}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {{group: gateway.envoyproxy.io, kind: EnvoyProxy, name: test, namespace: {SYSTEM}}}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {{name: test, namespace: {SYSTEM}}}
spec:
  concurrency: 1
  backendTLS: {{clientCertificateRef: {{name: gateway-client}}}}
  provider: {{type: Kubernetes, kubernetes: {{envoyService: {{type: ClusterIP}}}}}}    # the API server gives it an address
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: public, namespace: gateways}}
spec:
  gatewayClassName: eg
  listeners:
  - {{name: http, protocol: HTTP, port: 80, allowedRoutes: {{namespaces: {{from: All}}}}}}
"""


class EnvoyGateway:
    """Envoy Gateway with one Gateway `gateways/public`; use as a context manager."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self._sandbox = plane.sandbox
        self._programs: list[Program] = []
        self.client = self._sandbox.client(PORT)

    def __enter__(self) -> Self:
        """Start both and return once Envoy listens."""
        self.plane.crds_of("envoy-gateway")
        self.plane.namespace(SYSTEM)
        self._start_control_plane()
        self.authority = an_authority(self._sandbox.folder, "gateways-ca")
        self.plane.put_certificate(SYSTEM, "gateway-client", self.authority.issue(self._sandbox.folder, "gateway-client"))
        self.plane.put(GATEWAY_OBJECTS)
        self._start_envoy()
        until(self._listens)
        return self

    def __exit__(self, *exception: object) -> None:
        """End both."""
        for program in reversed(self._programs):
            program.end()
        self.client.close()

    def _start_control_plane(self) -> None:
        kubeconfig = {"KUBECONFIG": str(self.plane.kubeconfig)}
        binary = self.plane.gateways / "envoy-gateway"
        self._sandbox.run("certgen", binary, "certgen", "--disable-topology-injector", **kubeconfig)
        _write(self._secret("envoy-gateway"), self._sandbox.folder / "certs")
        config = self._sandbox.folder / "envoy-gateway.yaml"
        config.write_text(CONFIG)
        self._programs.append(self._sandbox.start("envoy-gateway", binary, "server", "--config-path", config, **kubeconfig))
        health = self._sandbox.client(8081, "127.0.0.1", base_url="http://health")
        until(lambda: answers(health, "/readyz"))
        health.close()

    def _start_envoy(self) -> None:
        label = "gateway.envoyproxy.io/owning-gateway-name=public"
        path = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments"
        found: list[Object] = []
        until(lambda: found.extend(self.plane.ask("GET", path, params={"labelSelector": label}).body["items"]) or found)
        pod = found[0]["spec"]["template"]["spec"]
        container = next(entry for entry in pod["containers"] if entry["name"] == "envoy")
        known = {entry["name"]: entry.get("value", _of_the_pod(entry)) for entry in container["env"]}
        arguments = [re.sub(r"\$\((\w+)\)", lambda m: known.get(m[1], m[0]), word) for word in container["args"]]
        binds = self._volumes(pod, container)
        # In a mount namespace of its own: the control plane has other certificates at the same path.
        script = "".join(f"mount --bind {source} {target} && " for source, target in binds) + 'exec "$@"'
        shell = ("unshare", "--mount", "/bin/sh", "-c", script, "sh")
        self._programs.append(self._sandbox.start("envoy", *shell, envoy(), *arguments, **known))
        self._report_available(found[0])

    def _volumes(self, pod: Object, container: Object) -> list[tuple[Path, str]]:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        binds = []
        for mount in container["volumeMounts"]:
            volume, folder = volumes[mount["name"]], self._sandbox.folder / "volumes" / mount["name"]
            folder.mkdir(parents=True, exist_ok=True)
            if "secret" in volume:
                _write(self._secret(volume["secret"]["secretName"]), folder)
                binds.append((folder, mount["mountPath"]))
            elif "configMap" in volume:
                data = self.plane.get("v1", "ConfigMap", volume["configMap"]["name"], SYSTEM)["data"]
                items = volume["configMap"].get("items") or [{"key": key, "path": key} for key in data]
                _write({item["path"]: data[item["key"]].encode() for item in items}, folder)
                binds.append((folder, mount["mountPath"]))
        return binds

    def _report_available(self, deployment: Object) -> None:
        name, count = deployment["metadata"]["name"], deployment["spec"].get("replicas", 1)
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
        status = {"observedGeneration": deployment["metadata"]["generation"], **counts}
        answer = self.plane.ask(
            "PATCH", f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/{name}/status", {"status": status},
            headers={"content-type": "application/merge-patch+json"},
        )  # fmt: skip
        assert answer.status == 200, answer.message

    def _secret(self, name: str) -> dict[str, bytes]:
        data = self.plane.get("v1", "Secret", name, SYSTEM)["data"]
        return {key: base64.b64decode(value) for key, value in data.items()}

    def _listens(self) -> bool:
        for program in self._programs:
            assert program.poll() is None, program.said()
        return answers(self.client, "http://nobody.example/")

    def ask(self, url: str, *, method: str = "GET", target: str = "", **headers: str) -> httpx2.Response:
        """The answer to one request through Envoy; `target` is sent as it is in the place of the URL's path."""
        return self.client.request(method, f"http://{url}", headers=headers, extensions={"target": target.encode()} if target else None)

    def route(self, namespace: str, name: str, host: str, path: str = "/", called: str = "only", match: Object | None = None) -> None:
        """Attach a route to the Gateway; the backend sees which one Envoy chose, in the header x-route."""
        matched = {"path": {"type": "PathPrefix", "value": path}, **(match or {})}
        told = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-route", "value": f"{namespace}/{name}"}]}}
        rule = {"name": called, "matches": [matched], "filters": [told], "backendRefs": [{"name": "app", "port": 80}]}
        spec = {"parentRefs": [{"name": "public", "namespace": "gateways"}], "hostnames": [host], "rules": [rule]}
        metadata = {"name": name, "namespace": namespace}
        answer = self.plane.apply_object({"apiVersion": GATEWAY, "kind": "HTTPRoute", "metadata": metadata, "spec": spec})
        assert answer.status in (200, 201), answer.message

    def warming(self) -> int:
        """How many new clusters Envoy has that wait for their endpoints."""
        with self._sandbox.client(19000, "127.0.0.1") as admin:
            text = admin.get("http://admin/stats?filter=cluster_manager.warming_clusters").text
        return int(text.split(":")[1])


def _of_the_pod(entry: Object) -> str:
    field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
    return {"metadata.name": "envoy-0", "metadata.namespace": SYSTEM, "status.podIP": LAN, "status.hostIP": LAN}.get(field, "")


def _write(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
