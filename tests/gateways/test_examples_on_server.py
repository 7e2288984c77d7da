"""examples/ against the CRDs of the gateways, on a real API server (dry run)."""

import copy
import re
import subprocess

import pytest
import yaml

from tests.gateways.examples import EXAMPLES, FOLDERS, Object, objects
from tests.gateways.plane import ROOT, Plane

pytestmark = pytest.mark.cluster

# Gateways whose CRDs nobody here has. Their objects are not checked by a server; tests/gateways/test_examples.py reads them.
NO_CRDS = {"gateway.kgateway.dev": "kgateway's Go module is not to be had from the public module proxy"}
# Whose CRDs know an example's kinds. Envoy Gateway's are Gateway API's experimental channel, too.
CRDS = ("envoy-gateway", "contour", "istio", "emissary")
CHECKED = [
    pytest.param(item, id=f"{folder}-{item['kind']}")
    for folder in FOLDERS
    for item in objects(folder)
    if item["apiVersion"].split("/")[0] not in NO_CRDS
]


@pytest.fixture(scope="module")
def server(plane: Plane) -> Plane:
    """The API server, which knows the kinds of every gateway."""
    for name in CRDS:
        plane.crds_of(name)
    for namespace in ("gateways", "shop", "ingress-authz"):
        plane.namespace(namespace)
    return plane


@pytest.mark.parametrize("item", CHECKED)
def test_the_server_takes_every_object(server: Plane, item: Object) -> None:
    answer = server.apply_object(item, dryRun="All")
    assert answer.status in (200, 201), answer.message


@pytest.mark.parametrize("item", CHECKED)
def test_the_server_refuses_what_no_kind_knows(server: Plane, item: Object) -> None:
    """Else the test before this one would hold for anything."""
    wrong = copy.deepcopy(item)
    wrong["spec"]["failsOpen"] = True
    answer = server.apply_object(wrong, dryRun="All")
    assert answer.status >= 400
    assert "failsOpen" in answer.message


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_charts_values_of_an_example_become_what_its_readme_says(plane: Plane, folder: str) -> None:
    rendered = subprocess.run(
        [plane.tools / "helm", "template", "ingress-authz", ROOT / "charts" / "ingress-authz", "--namespace", "ingress-authz",
         "--set", "image.repository=registry.example/ingress-authz", "--values", EXAMPLES / folder / "values.yaml"],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "HOME": str(plane.sandbox.folder)},
    )  # fmt: skip
    assert rendered.returncode == 0, rendered.stderr
    found = [item for item in yaml.safe_load_all(rendered.stdout) if item]
    (deployment,) = (item for item in found if item["kind"] == "Deployment")
    (said,) = re.findall(r"`(--\S+)`", (EXAMPLES / folder / "README.md").read_text())[:1]
    assert said in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    assert ("Service", "ingress-authz") in {(item["kind"], item["metadata"]["name"]) for item in found}


def test_only_kgateways_objects_are_left_out() -> None:
    left = {item["kind"] for folder in FOLDERS for item in objects(folder) if item["apiVersion"].split("/")[0] in NO_CRDS}
    assert left == {"GatewayExtension", "TrafficPolicy"}
