"""Renders the chart with the helm that `make control-plane` builds."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import unavailable

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "ingress-authz"
FEATURES = sorted((CHART / "ci").glob("*-values.yaml"))
IMAGE = {"repository": "registry.example.com/authz"}
Object = dict[str, Any]
# What the files of another part hold at the least.
PLACEHOLDERS = {"dashboards/ingress-authz.json": '{"title": "{{ none }}"}\n', "alerts.yaml": "groups: [{name: none, rules: []}]\n"}


@cache
def helm_binary() -> Path:
    """helm: of `make control-plane`, or of the PATH."""
    where = subprocess.run([ROOT / "tests/cluster/parts/build.sh", "--where"], capture_output=True, text=True, check=False).stdout.strip()
    folders = [folder for folder in (os.environ.get("KUBEBUILDER_ASSETS"), where) if folder]
    found = [Path(folder) / "helm" for folder in folders if (Path(folder) / "helm").exists()] or [shutil.which("helm")]
    if found[0] is None:
        unavailable("helm", "build it once with `make control-plane`, or put helm 4 on the PATH")
    return Path(str(found[0]))


@cache
def chart() -> Path:
    """The chart, copied, with placeholders for files that are not written yet."""
    folder = tempfile.mkdtemp(prefix="chart-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = Path(folder) / "ingress-authz"
    shutil.copytree(CHART, copy)
    for name, text in PLACEHOLDERS.items():
        if not (copy / name).exists():
            (copy / name).parent.mkdir(exist_ok=True)
            (copy / name).write_text(text)
    return copy


def helm(*words: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """What came of helm, which sees no cluster and no settings of this machine."""
    home = chart().parent
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(home / "none")}
    return subprocess.run(
        [helm_binary(), *map(str, words)], input=text, capture_output=True, text=True, check=False, timeout=60, env=environment
    )


def rendered(
    values: Object | None = None, *words: str, name: str = "authz", namespace: str = "auth-system"
) -> subprocess.CompletedProcess[str]:
    """What came of `helm template` with these values and an image."""
    return _rendered(json.dumps({"image": IMAGE, **(values or {})}), words, name, namespace)


@cache
def _rendered(given: str, words: tuple[str, ...], name: str, namespace: str) -> subprocess.CompletedProcess[str]:
    return helm("template", name, chart(), "--namespace", namespace, "--values", "-", *words, text=given)


def objects(values: Object | None = None, *words: str, **more: str) -> list[Object]:
    """The objects of the chart with these values."""
    result = rendered(values, *words, **more)
    assert result.returncode == 0, result.stderr
    return [each for each in yaml.load_all(result.stdout, yaml.CSafeLoader) if each]


def only(found: list[Object], kind: str, name: str | None = None) -> Object:
    """The one object of a kind, and of a name where one is given."""
    (one,) = (each for each in found if each["kind"] == kind and name in (None, each["metadata"]["name"]))
    return one


def pod(found: list[Object]) -> Object:
    """The pod template's spec."""
    spec: Object = only(found, "Deployment")["spec"]["template"]["spec"]
    return spec


def container(found: list[Object]) -> Object:
    """The container of the service."""
    (one,) = pod(found)["containers"]
    return dict(one)


def refusal(values: Object, **more: str) -> str:
    """Why helm refuses these values."""
    result = rendered(values, **more)
    assert result.returncode != 0, "helm accepted them"
    return result.stderr
