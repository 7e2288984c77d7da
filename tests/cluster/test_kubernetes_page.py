"""docs/kubernetes.md, run as it stands: helm and kubectl against the real API server, with a pod of the release as a local process."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.rendering import chart
from tests.cluster.control_plane import ControlPlane, _wait, assets, gateway_api
from tests.cluster.objects import ROUTES, applied, gateway
from tests.cluster.release import Release
from tests.conftest import unavailable
from tests.test_documents import ROOT, blocks

pytestmark = pytest.mark.cluster

PAGE = ROOT / "docs" / "kubernetes.md"
AGE = re.compile(r" +(AGE|\d+[smh]\S*)$", re.MULTILINE)


@pytest.fixture
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane that has never seen this product."""
    tools = assets()
    if tools is None:
        unavailable("a control plane (kube-apiserver, etcd, kubectl)", "build it once with `make control-plane` (minutes, 8 GB of caches)")
        raise AssertionError
    with ControlPlane(tools, tmp_path_factory.mktemp("control-plane")) as cluster:
        cluster.define(*gateway_api("gateways", "httproutes", "referencegrants"))
        for name in ("gateways", "platform"):
            assert cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).status == 201
        gateway(cluster, "gateways", "public")
        yield cluster


def accept_routes(plane: ControlPlane) -> None:
    """Say of the routes in `shop` what the Gateway's controller says of routes that it takes."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for each in plane.ask("GET", ROUTES.format("shop")).body["items"]:
        conditions = [
            {"type": name, "status": "True", "reason": name, "message": "", "observedGeneration": 1, "lastTransitionTime": now}
            for name in ("Accepted", "ResolvedRefs")
        ]
        parents = [
            {"parentRef": parent, "controllerName": "tests.example/gateway", "conditions": conditions}
            for parent in each["spec"]["parentRefs"]
        ]
        applied(plane, ROUTES, "shop", each["metadata"]["name"], {"kind": "HTTPRoute", "status": {"parents": parents}}, "/status")


def sessions() -> Iterator[tuple[str, str]]:
    """The commands that can run without nodes, each with what the page shows of its output."""
    for tag, text in blocks(PAGE, "console"):
        if tag != "cluster-only":
            for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, shown = session.partition("\n")
                yield command, shown


def selftest() -> list[str]:
    """The words of the page's `authz selftest` after the address, which only a cluster has."""
    (line,) = (line for _, text in blocks(PAGE, "console") for line in text.splitlines() if line.startswith("$ authz selftest "))
    return shlex.split(line)[4:]


def said(plane: ControlPlane, folder: Path, command: str) -> str:
    """The output of a command, which must succeed."""
    tools = assets()
    environment = {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "KUBECONFIG": str(plane.kubeconfig),
    }
    result = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False, timeout=60, env=environment, cwd=folder)
    # A denial that is explained ends with 1.
    assert result.returncode == 0 or command.startswith("authz explain "), f"{command}\n{result.stderr}"
    return result.stdout


def shows(plane: ControlPlane, folder: Path, command: str, shown: str) -> None:
    """Run a command until it says what the page shows, but for ages."""
    until = time.monotonic() + 20
    wanted = AGE.sub(" ", shown)
    while shown and AGE.sub(" ", got := said(plane, folder, command)) != wanted:
        assert time.monotonic() < until, f"{command}\n{got}"
        _wait(0.2)


def test_the_page_leads_to_an_allowed_and_a_denied_request(plane: ControlPlane, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    (folder / "charts").mkdir(parents=True)
    (folder / "charts" / "ingress-authz").symlink_to(chart())
    for tag, text in blocks(PAGE, "yaml"):
        (folder / tag.removeprefix("file=")).write_text(text, encoding="utf-8")
    release = Release(plane, "ingress-authz", "ingress-authz", tmp_path)
    install, *further, uninstall = list(sessions())
    said(plane, folder, install[0])
    with release.pod(tmp_path / "pod") as pod:
        for command, shown in further:
            if "apply" in command or "create" in command:
                assert said(plane, folder, command) == shown
                accept_routes(plane)
            else:
                shows(plane, folder, command, shown)
        expected = selftest()
        assert expected.count("--expect") == 2
        asked = subprocess.run(
            [sys.executable, "-m", "authz", "selftest", pod.checks, *expected], capture_output=True, text=True, check=False
        )
        assert asked.returncode == 0, asked.stdout + asked.stderr
        for file in ("grant.yaml", "machines.yaml", "partners.yaml"):
            assert said(plane, folder, f"kubectl apply -f {file}")
        chosen = "--namespace ingress-authz --values values.yaml --values rights.yaml"
        assert said(plane, folder, f"helm upgrade ingress-authz charts/ingress-authz {chosen}")
    said(plane, folder, uninstall[0])
    assert plane.kubectl("get", "authpol", "orders", "-n", "shop").returncode == 0, "policies outlive the release"
