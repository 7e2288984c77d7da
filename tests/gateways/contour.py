"""Contour's control plane and an Envoy with the bootstrap that it writes."""

import ssl
from pathlib import Path
from typing import Self

import httpx2

from tests.certificates import an_authority
from tests.e2e.stack import envoy
from tests.gateways.plane import Plane, example
from tests.gateways.sandbox import Program, answers, until

XDS, HEALTH, HTTP, HTTPS = 8001, 8003, 8080, 8443
FLAGS = {
    "xds-address": "127.0.0.1", "xds-port": XDS, "http-address": "127.0.0.1", "http-port": 8002, "health-address": "127.0.0.1",
    "health-port": HEALTH, "stats-address": "127.0.0.1", "stats-port": 8004, "envoy-service-http-address": "127.0.0.1",
    "envoy-service-http-port": HTTP, "envoy-service-https-address": "127.0.0.1", "envoy-service-https-port": HTTPS,
}  # fmt: skip
CONFIG = "tls: {envoy-client-certificate: {name: client, namespace: projectcontour}}\n"
AUTHORIZATION = """
      extensionRef: {apiVersion: projectcontour.io/v1alpha1, name: ingress-authz, namespace: ingress-authz}
      responseTimeout: 1s
      failOpen: false
"""
EXTENSION = example("contour/gateway.yaml", "ExtensionService")


class Contour:
    """Contour; use as a context manager."""

    def __init__(self, plane: Plane, config: str = CONFIG) -> None:
        self.plane = plane
        self._sandbox = plane.sandbox
        self._config = config
        self._programs: dict[str, Program] = {}
        authority = an_authority(self._sandbox.folder, "contour-ca")
        self._pems = {"tls": authority.issue(self._sandbox.folder, "*.shop.example")}
        self._pems["api-example-com"] = authority.issue(self._sandbox.folder, "api.example.com")
        self._pems["client"] = authority.issue(self._sandbox.folder, "contour-client")
        self.authority = authority
        trust = ssl.create_default_context(cafile=str(authority.file))
        self.client = self._sandbox.client(HTTPS, "127.0.0.1", verify=trust)
        self.plain = self._sandbox.client(HTTP, "127.0.0.1")

    def __enter__(self) -> Self:
        """Start both; Envoy listens once there is a virtual host."""
        self.plane.crds_of("contour")
        self.plane.namespace("projectcontour")
        for name, pem in self._pems.items():
            self.plane.put_certificate("shop" if name != "client" else "projectcontour", name, pem)
        self.start_control_plane(self._config)
        bootstrap, admin = self._sandbox.folder / "bootstrap.json", self._sandbox.folder / "envoy-admin"
        at = ("--xds-address", "127.0.0.1", "--xds-port", XDS, "--admin-address", admin)
        self._sandbox.run("contour-bootstrap", self._binary, "bootstrap", *at, bootstrap)
        flags = ("-c", bootstrap, "--service-cluster", "contour", "--service-node", "envoy-0", "--concurrency", 1)
        self._programs["envoy"] = self._sandbox.start("contour-envoy", envoy(), *flags)
        return self

    def __exit__(self, *exception: object) -> None:
        """End both."""
        for program in reversed(self._programs.values()):
            program.end()
        self.client.close()
        self.plain.close()

    @property
    def _binary(self) -> Path:
        return self.plane.gateways / "contour"

    def start_control_plane(self, config: str) -> None:
        """Start Contour, or start it anew with another configuration."""
        if "contour" in self._programs:
            self._programs.pop("contour").end()
        file = self._sandbox.folder / "contour.yaml"
        file.write_text(config)
        flags = [f"--{name}={value}" for name, value in FLAGS.items()]
        usual = ("--kubeconfig", self.plane.kubeconfig, "--insecure", "--disable-leader-election", "--config-path", file)
        self._programs["contour"] = self._sandbox.start("contour", self._binary, "serve", *usual, *flags)
        with self._sandbox.client(HEALTH, "127.0.0.1") as health:
            until(lambda: self._runs("contour") and answers(health, "http://health/healthz"))

    def _runs(self, name: str) -> bool:
        assert self._programs[name].poll() is None, self._programs[name].said()
        return True

    def ask(self, url: str, **headers: str) -> httpx2.Response:
        """The answer to one request through Envoy, by TLS."""
        return self.client.get(f"https://{url}", headers=headers)

    def ask_plainly(self, url: str) -> httpx2.Response:
        """The answer to one request without TLS."""
        return self.plain.get(f"http://{url}")

    def answers(self, url: str) -> bool:
        """Whether there is an answer of any kind."""
        return answers(self.client, f"https://{url}") > 0

    def status(self, name: str) -> str:
        """What Contour says of an HTTPProxy: valid, invalid, or "" for nothing yet."""
        proxy = self.plane.get("projectcontour.io/v1", "HTTPProxy", name, "shop")
        return str(proxy.get("status", {}).get("currentStatus", ""))

    def proxy(self, name: str, authorization: str = AUTHORIZATION, routes: str = "") -> None:
        """Put an HTTPProxy with TLS at name.shop.example whose requests our service is asked about."""
        self.plane.put(f"""
apiVersion: projectcontour.io/v1
kind: HTTPProxy
metadata: {{name: {name}, namespace: shop}}
spec:
  virtualhost:
    fqdn: {name}.shop.example
    tls: {{secretName: tls}}
    authorization: {authorization}
  routes: {routes}
  - services: [{{name: app, port: 80}}]
""")
