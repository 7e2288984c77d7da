"""One control plane for the session; a namespace for each test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane, assets, gateway_api
from tests.conftest import unavailable

ROOT = Path(__file__).parents[2]
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server that knows AuthPolicy."""
    tools = assets()
    if tools is None:
        unavailable("a control plane (kube-apiserver, etcd, kubectl)", "build it once with `make control-plane` (minutes, 8 GB of caches)")
        raise AssertionError
    with ControlPlane(tools, tmp_path_factory.mktemp("control-plane")) as plane:
        plane.define(ROOT / "crds" / "authpolicies.yaml", *gateway_api("gateways", "httproutes", "referencegrants"))
        yield plane


@pytest.fixture
def namespace(cluster: ControlPlane) -> str:
    """A namespace of the test's own; the control plane has nobody who could delete it, so none is."""
    name = f"test-{next(_numbers)}"
    answer = cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert answer.status == 201, answer.message
    return name
