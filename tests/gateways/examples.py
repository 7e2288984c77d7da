"""What the files of examples/ say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir())
# Not objects of an API server.
CONFIGURATION = ("contour.yaml", "mesh.yaml", "values.yaml")
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """How one place of an example makes a gateway ask."""

    fails_open: bool
    seconds: float
    status: int | None = None


def objects(folder: str) -> list[Object]:
    """Every object of an example."""
    files = [file for file in sorted((EXAMPLES / folder).glob("*.yaml")) if file.name not in CONFIGURATION]
    return [item for file in files for item in yaml.safe_load_all(file.read_text())]


def configuration(folder: str, name: str) -> Object:
    """A file that is a gateway's own configuration."""
    found: Object = yaml.safe_load((EXAMPLES / folder / name).read_text())
    return found


def settings(folder: str) -> list[Setting]:
    """Every place that makes the gateway ask; a setting left out raises KeyError."""
    return list(_READERS[folder]())


def _only(folder: str, kind: str) -> Object:
    (item,) = (item for item in objects(folder) if item["kind"] == kind)
    spec: Object = item["spec"]
    return spec


def _seconds(text: str) -> float:
    assert text.endswith("s")
    return float(text[:-1])


def _envoy_gateway() -> Iterator[Setting]:
    auth = _only("envoy-gateway", "SecurityPolicy")["extAuth"]
    yield Setting(auth["failOpen"], _seconds(auth["timeout"]), auth["statusOnError"])


def _contour() -> Iterator[Setting]:
    response = _only("contour", "ExtensionService")["timeoutPolicy"]["response"]
    vhosts = [item["spec"]["virtualhost"]["authorization"] for item in objects("contour") if item["kind"] == "HTTPProxy"]
    for place in (*vhosts, configuration("contour", "contour.yaml")["globalExtAuth"]):
        assert place["responseTimeout"] == response
        yield Setting(place["failOpen"], _seconds(place["responseTimeout"]))


def _istio() -> Iterator[Setting]:
    (provider,) = configuration("istio", "mesh.yaml")["meshConfig"]["extensionProviders"]
    assert provider["name"] == _only("istio", "AuthorizationPolicy")["provider"]["name"]
    grpc = provider["envoyExtAuthzGrpc"]
    yield Setting(grpc["failOpen"], _seconds(grpc["timeout"]), int(grpc["statusOnError"]))


def _emissary() -> Iterator[Setting]:
    auth = _only("emissary", "AuthService")
    assert (auth["proto"], auth["protocol_version"]) == ("grpc", "v3")
    yield Setting(auth["failure_mode_allow"], auth["timeout_ms"] / 1000, auth["status_on_error"]["code"])


def _kgateway() -> Iterator[Setting]:
    auth = _only("kgateway", "GatewayExtension")["extAuth"]
    yield Setting(auth["failOpen"], _seconds(auth["grpcService"]["requestTimeout"]), auth["statusOnError"])


_READERS: dict[str, Callable[[], Iterator[Setting]]] = {
    "contour": _contour,
    "emissary": _emissary,
    "envoy-gateway": _envoy_gateway,
    "istio": _istio,
    "kgateway": _kgateway,
}
