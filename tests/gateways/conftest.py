"""One sandbox with an API server for the session; a gateway is started on it by the module that tests it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.cluster.control_plane import assets as control_plane_assets
from tests.conftest import unavailable
from tests.gateways.plane import Plane, assets
from tests.gateways.sandbox import NoSandboxError, Sandbox
from tests.gateways.service import Service, backend


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    """A real API server in a sandbox, which knows AuthPolicy, and a backend for routes."""
    tools, gateways = control_plane_assets(), assets()
    if tools is None:
        unavailable("a control plane (kube-apiserver, etcd)", "build it once with `make control-plane` (minutes, 8 GB of caches)")
        raise AssertionError
    if gateways is None:
        unavailable("the build of the gateways (Envoy Gateway, Contour)", "make it once with `make gateways` (minutes, 5 GB of caches)")
        raise AssertionError
    with ExitStack() as stack:
        try:
            sandbox = stack.enter_context(Sandbox())
        except NoSandboxError as error:
            remedy = "run as root, or as a user who may make user namespaces (sysctl user.max_user_namespaces)"
            unavailable(f"a network namespace of the tests' own ({error})", remedy)
            raise
        running = stack.enter_context(Plane(tools, gateways, sandbox))
        running.crds_of("ingress-authz")
        for namespace in ("gateways", "ingress-authz", "shop", "billing"):
            running.namespace(namespace)
        stack.enter_context(backend(running))
        yield running


@pytest.fixture(scope="module")
def service(plane: Plane) -> Iterator[Service]:
    """The real `authz serve --kube` at 198.18.0.1:9001, asked by nobody yet."""
    with Service(plane) as running:
        yield running
