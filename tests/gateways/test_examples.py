"""examples/: what each says about failing and waiting, and that our own command takes its policies. Needs no API server."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from authz.cli.main import cli
from tests.gateways.examples import EXAMPLES, FOLDERS, objects, settings

# Where a gateway cannot be told what to do when nobody answers, or how long to wait.
NO_SETTING = {
    "gateway-api": "the filter ExternalAuth has neither: implementations must refuse, and wait as long as they choose",
    "contour status": "Contour answers 403, whatever",
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_example_is_complete(folder: str) -> None:
    assert {"README.md", "gateway.yaml", "policy.yaml", "values.yaml"} <= {file.name for file in (EXAMPLES / folder).iterdir()}
    assert f"({folder}/)" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder not in NO_SETTING])
def test_each_example_refuses_when_nobody_answers_and_waits_a_second(folder: str) -> None:
    asked = settings(folder)
    assert asked
    for setting in asked:
        assert setting.fails_open is False
        assert setting.seconds == 1
        assert setting.status == (None if folder == "contour" else 503)


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_example_asks_our_service(folder: str) -> None:
    texts = " ".join(file.read_text() for file in (EXAMPLES / folder).glob("*.yaml"))
    assert "ingress-authz" in texts
    assert "9001" in texts


def test_where_http2_must_be_said_it_is() -> None:
    extension = next(item for item in objects("contour") if item["kind"] == "ExtensionService")
    assert extension["spec"]["protocol"] == "h2c"
    service = (EXAMPLES.parent / "charts" / "ingress-authz" / "templates" / "service.yaml").read_text()
    assert "kubernetes.io/h2c" in service, "examples/istio and examples/kgateway rely on the Service's appProtocol"


@pytest.mark.parametrize("folder", FOLDERS)
def test_authz_validate_takes_each_policy(folder: str) -> None:
    result = CliRunner().invoke(cli, ["validate", "--client-address", "peer", str(EXAMPLES / folder / "policy.yaml")])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("folder", "how"), [("contour", "peer"), ("envoy-gateway", "xfcc")])
def test_authz_validate_takes_each_policy_about_certificates(folder: str, how: str, tmp_path: Path) -> None:
    (policy,) = (each for each in yaml.safe_load_all((EXAMPLES / folder / "certificates.yaml").read_text()) if each["kind"] == "AuthPolicy")
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    result = CliRunner().invoke(cli, ["validate", "--client-certificate", how, str(file)])
    assert result.exit_code == 0, result.output
    assert CliRunner().invoke(cli, ["validate", str(file)]).exit_code == 1


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_objects_of_an_example_name_each_other(folder: str) -> None:
    """A policy's targets are in the folder, and each reference across namespaces into ours has its grant."""
    found = objects(folder)
    known = {(item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]) for item in found}
    for policy in (item for item in found if item["kind"] == "AuthPolicy"):
        for target in policy["spec"].get("targetRefs", []):
            assert (target["kind"], policy["metadata"]["namespace"], target["name"]) in known
    for item in found:
        if item["apiVersion"].split("/")[0] in ("gateway.envoyproxy.io", "gateway.kgateway.dev") and _refers(item):
            assert _granted(found, item), item["metadata"]


def _refers(item: dict[str, Any]) -> bool:
    return "'namespace': 'ingress-authz'" in str(item["spec"])


def _granted(found: list[dict[str, Any]], item: dict[str, Any]) -> bool:
    wanted = {"group": item["apiVersion"].split("/")[0], "kind": item["kind"], "namespace": item["metadata"]["namespace"]}
    return any(wanted in grant["spec"]["from"] for grant in found if grant["kind"] == "ReferenceGrant")


def test_no_yaml_of_an_example_is_left_unread() -> None:
    for file in EXAMPLES.rglob("*.yaml"):
        assert list(yaml.safe_load_all(file.read_text())), file
    assert {file.parent.name for file in EXAMPLES.rglob("*.yaml")} == set(FOLDERS)
