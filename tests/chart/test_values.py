"""values.yaml, values.schema.json, README.md and the templates say the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, FEATURES, IMAGE, PLACEHOLDERS, ROOT, chart, container, helm, objects, refusal, rendered

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = "\n".join(path.read_text() for path in sorted((CHART / "templates").rglob("*")) if path.is_file())
# Handed to Kubernetes as they are, so that neither the schema nor the templates know what is inside.
WHOLE = {"podSecurityContext", "resources", "securityContext"}


def leaves(node: Any, path: str = "") -> Iterator[str]:
    """The path of each value that a user would set."""
    if isinstance(node, dict) and node and path not in WHOLE:
        for name, below in node.items():
            yield from leaves(below, f"{path}.{name}".lstrip("."))
    else:
        yield path


LEAVES = sorted(leaves(VALUES))
GATEWAY = {"namespace": "infra", "name": "public"}
# What a feature's file does not set, set otherwise.
OTHER: dict[str, Any] = {
    "image.repository": "registry.example.com/other",
    "podSecurityContext": {"runAsUser": 1000},
    "securityContext": {"runAsUser": 1000},
    "service.type": "NodePort",
    "snapshot.sizeLimit": "1Gi",
    "dashboard.label": "dashboards",
    "dashboard.labelValue": "yes",
    "fetch.ca.key": "ca.pem",
    "networkPolicy.egressPorts": [8443],
    "tls.certManager.issuerRef.group": "issuers.example.com",
}
# What must be set for a value to matter, by the beginning of its path.
NEEDED: dict[str, dict[str, Any]] = {
    "clientAddress.header": {"clientAddress": {"how": "Header", "header": "x-other", "trustedProxies": ["10.0.0.0/8"]}},
    "clientAddress.": {"clientAddress": {"how": "XForwardedFor", "trustedHops": 2, "trustedProxies": ["192.0.2.0/24"]}},
    "clientCertificate.header": {"clientCertificate": {"how": "Header", "header": "x-other", "trustedProxies": ["10.0.0.0/8"]}},
    "clientCertificate.": {"clientCertificate": {"how": "XForwardedClientCert", "header": "x-other", "trustedProxies": ["192.0.2.0/24"]}},
    "apiKeys.digestKey.key": {"apiKeys": {"digestKey": {"secretName": "digests"}}},
    "image.": {"image": IMAGE},
    "fetch.ca.key": {"fetch": {"ca": {"configMapName": "ca"}}},
    "networkPolicy": {"networkPolicy": {"gateways": [{"podSelector": {}}]}},
    "test.clientSecretName": {"tls": {"mode": "CertManager", "clientCA": {"secretName": "ca"}}, "test": {"clientSecretName": "other"}},
    "tls.certManager.issuerRef.": {"tls": {"mode": "CertManager", "certManager": {"issuerRef": {"name": "other"}}}},
    "tls.clientCA.key": {"tls": {"mode": "CertManager", "clientCA": {"secretName": "ca"}}},
    "tls.mode": {"tls": {"secretName": "own"}},
    "tls.secretName": {"tls": {"mode": "Secret", "secretName": "other"}},
    "tls.": {"tls": {"mode": "CertManager"}},
    "unprotected.gateways": {"gateways": [{"namespace": "infra", "name": "internal"}]},
}


def comments() -> dict[str, str]:
    """The sentence over each value in values.yaml."""
    found: dict[str, str] = {}
    stack: list[str] = []
    pending = ""
    for line in (CHART / "values.yaml").read_text().splitlines():
        if match := re.fullmatch(r" *# -- (.*)", line):
            pending = match[1]
        elif match := re.match(r"( *)(\w+):", line):
            stack[len(match[1]) // 2 :] = [match[2]]
            if pending:
                found[".".join(stack)] = pending
            pending = ""
    return found


def nested(path: str, value: Any) -> dict[str, Any]:
    """Values in which one is set."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def merged(one: Any, other: Any) -> Any:
    """Values over values, as Helm merges them."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return one | {name: merged(one.get(name), below) for name, below in other.items()}


def another(path: str) -> Any:
    """A value that is not the default: what a feature's file says, or the next one."""
    default: Any = VALUES
    for name in path.split("."):
        default = default[name]
    if path in OTHER:
        return OTHER[path]
    for feature in FEATURES:
        found: Any = yaml.safe_load(feature.read_text())
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if found not in (None, default) and path != "image.repository":
            return found
    assert isinstance(default, bool | int), f"set {path} in a file of ci/, or in OTHER"
    return not default if isinstance(default, bool) else default + 1


def in_schema(path: str) -> dict[str, Any]:
    node = SCHEMA
    for name in path.split("."):
        node = node["properties"][name]
    return node


def objects_of(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each schema of an object that lists its properties."""
    if isinstance(node, dict):
        if "properties" in node and node.get("type") == "object":
            yield path, node
        for name, below in node.items():
            yield from objects_of(below, f"{path}/{name}")


@pytest.mark.parametrize("path", LEAVES)
def test_a_value_is_described_alike_in_values_schema_and_readme(path: str) -> None:
    described = comments()[path]
    assert in_schema(path)["description"] == described
    default = VALUES
    for name in path.split("."):
        default = default[name]
    row = f"| `{path}` | `{json.dumps(default)}` | {described} |".replace("||", "|")
    assert row in (CHART / "README.md").read_text().splitlines()


@pytest.mark.parametrize("path", LEAVES)
def test_another_value_makes_other_objects(path: str) -> None:
    needed = next((values for prefix, values in NEEDED.items() if path.startswith(prefix)), {})
    group = path.partition(".")[0]
    if path != f"{group}.enabled" and "enabled" in (VALUES[group] if isinstance(VALUES[group], dict) else {}):
        needed = merged(needed, {group: {"enabled": True}})
    before, after = rendered(needed), rendered(merged(needed, nested(path, another(path))))
    assert (before.returncode, after.returncode) == (0, 0), before.stderr + after.stderr
    assert before.stdout != after.stdout


def test_the_readme_has_a_row_for_each_value_and_no_other() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", (CHART / "README.md").read_text(), re.MULTILINE)
    assert rows == list(leaves(VALUES))
    assert set(comments()) == set(LEAVES)


def items_in_comments() -> dict[str, Any]:
    """What stands, as a comment, below the empty lists of values.yaml: those lists with such items, and nothing else."""
    text = (CHART / "values.yaml").read_text()
    found: dict[str, Any] = {}
    for group, name, block in re.findall(r"^(?:(\w+):\n(?:  .*\n)*?  )?(\w+): \[\]\n((?: *# (?!-- ).*\n)+)", text, re.MULTILINE):
        items = yaml.safe_load("".join(f"{line.strip()[2:]}\n" for line in block.splitlines()))
        found = merged(found, nested(f"{group}.{name}".lstrip("."), items))
    return found


def test_the_items_that_readme_and_values_show_are_the_same_and_become_flags() -> None:
    (block,) = re.findall(r"^  ```yaml\n(.*?)^  ```$", (CHART / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    shown = yaml.safe_load(block)
    assert items_in_comments() == shown
    flags = container(objects(shown))["args"]
    assert [each for each in flags if re.match(r"--(hosts|gateway|unprotected|fetch)", each)] == [
        "--hosts-from=shop=shop.example.com,*.shop.example.com",
        "--hosts-from=auth-system",
        "--gateway=gateways/public",
        "--gateway-client-address=gateways/public=x-forwarded-for;hops=1;trusted=10.0.0.0/8",
        "--gateway-client-certificate=gateways/public=xfcc",
        "--gateway=gateways/internal",
        "--gateway-client-address=gateways/internal=peer",
        "--unprotected=gateway:gateways/internal",
        "--fetch-insecure=https://keycloak.identity.svc:8443",
    ]
    (role,) = (each for each in objects(shown) if each["kind"] == "Role" and each["metadata"]["namespace"] == "shop")
    assert [(rule["resources"], rule["resourceNames"]) for rule in role["rules"]] == [
        (["secrets"], ["partner-keys"]),
        (["configmaps"], ["partner-ca"]),
    ]


def test_the_schema_refuses_what_it_does_not_know_everywhere_but_in_global() -> None:
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert in_schema("global")["type"] == "object"
    assert in_schema("global")["additionalProperties"] is True
    open_ones = {path for path, node in objects_of(SCHEMA) if node.get("additionalProperties") is not False}
    assert open_ones == {"/properties/global"}


def test_everything_in_the_schema_is_described() -> None:
    silent = [
        f"{path}/{name}"
        for path, node in objects_of(SCHEMA)
        for name, field in node["properties"].items()
        if not field.get("description", "").endswith((".", "`"))
    ]
    assert silent == []


def test_the_schema_knows_nothing_that_values_do_not_have() -> None:
    known = set(leaves(VALUES)) | {path.rsplit(".", 1)[0] for path in LEAVES if "." in path}

    def paths(node: dict[str, Any], path: str = "") -> Iterator[str]:
        for name, field in node.get("properties", {}).items():
            below = f"{path}.{name}".lstrip(".")
            yield below
            if below != "global":
                yield from paths(field, below)

    assert {path for path in paths(SCHEMA) if path not in known and not any(leaf.startswith(f"{path}.") for leaf in LEAVES)} == set()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"bogus": 1}, "additional properties 'bogus' not allowed"),
        ({"tls": {"mod": "None"}}, "at '/tls': additional properties 'mod' not allowed"),
        ({"tls": {"mode": "none"}}, "at '/tls/mode'"),
        ({"tls": {"mode": "Secret"}}, "at '/tls/secretName'"),
        ({"image": {**IMAGE, "digest": "latest"}}, "at '/image/digest'"),
        ({"image": {**IMAGE, "tag": "a b"}}, "at '/image/tag'"),
        ({"image": {"repository": "UPPER"}}, "at '/image/repository'"),
        ({"hostsFrom": [{"hosts": ["a.example.com"]}]}, "at '/hostsFrom/0': missing property 'namespace'"),
        ({"hostsFrom": [{"namespace": "shop", "hosts": ["*"]}]}, "at '/hostsFrom/0/hosts/0'"),
        ({"gateways": [{"namespace": "infra"}]}, "missing property 'name'"),
        ({"gateways": [{**GATEWAY, "clientAddress": {"how": "Header"}}]}, "missing propert"),
        ({"gateways": [{**GATEWAY, "clientAddress": {"how": "XForwardedFor", "trustedProxies": ["10.0.0.0/8"]}}]}, "trustedHops"),
        ({"clientAddress": {"how": "XForwardedFor", "trustedHops": 1}}, "at '/clientAddress/trustedProxies'"),
        ({"clientAddress": {"how": "XForwardedFor", "trustedProxies": ["10.0.0.0/8"]}}, "trustedHops"),
        ({"clientAddress": {"how": "Header", "trustedProxies": ["10.0.0.0/8"]}}, "at '/clientAddress/header'"),
        ({"clientAddress": {"how": "Guess"}}, "at '/clientAddress/how'"),
        ({"clientCertificate": {"how": "ClientCert"}}, "at '/clientCertificate/trustedProxies'"),
        ({"clientCertificate": {"how": "Header", "trustedProxies": ["10.0.0.0/8"]}}, "at '/clientCertificate/header'"),
        ({"clientCertificate": {"how": "Header", "header": "x-cert"}}, "at '/clientCertificate/trustedProxies'"),
        ({"clientCertificate": {"how": "xfcc"}}, "at '/clientCertificate/how'"),
        ({"clientCertificate": {"how": "XForwardedClientCert", "trustedProxies": ["anybody"]}}, "clientCertificate/trustedProxies/0"),
        ({"gateways": [{**GATEWAY, "clientCertificate": {"how": "ClientCert"}}]}, "missing property 'trustedProxies'"),
        ({"gateways": [{**GATEWAY, "clientCertificate": {"how": "Guess"}}]}, "at '/gateways/0/clientCertificate/how'"),
        ({"apiKeys": {"digestKey": {"secretName": "A_B"}}}, "at '/apiKeys/digestKey/secretName'"),
        ({"apiKeys": {"digestKey": {"secretName": "digests", "key": "../key"}}}, "at '/apiKeys/digestKey/key'"),
        ({"networkPolicy": {"enabled": True}}, "at '/networkPolicy/gateways'"),
        ({"references": [{"namespace": "shop", "secrets": ["A_B"]}]}, "at '/references/0/secrets/0'"),
        ({"keySecrets": {"namespaces": ["A_B"]}}, "at '/keySecrets/namespaces/0'"),
        ({"keySecrets": {"namespaces": ["shop", "shop"]}}, "at '/keySecrets/namespaces'"),
        ({"replicas": "two"}, "at '/replicas'"),
        ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "at '/podDisruptionBudget/maxUnavailable'"),
        ({"test": {"expect": ["perhaps GET https://a.example.com/"]}}, "at '/test/expect/0'"),
        ({"listenAddress": "127.0.0.1"}, "at '/listenAddress'"),
        ({"limits": {"maxMessageBytes": 1}}, "at '/limits/maxMessageBytes'"),
    ],
)  # fmt: skip
def test_a_mistake_in_values_is_told_with_its_place(values: dict[str, Any], told: str) -> None:
    assert told in refusal(values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"shutdown": {"drainSeconds": 60}}, "set shutdown.terminationGracePeriodSeconds to 90 or more"),
        ({"tls": {"clientCA": {"secretName": "ca"}}}, "set tls.mode to Secret or CertManager"),
        (
            {"tls": {"mode": "CertManager", "clientCA": {"secretName": "ca", "configMapName": "ca"}}},
            "tls.clientCA: give one of configMapName and secretName",
        ),
        ({"autoscaling": {"enabled": True, "minReplicas": 11}}, "minReplicas is more than maxReplicas"),
        ({"unprotected": {"gateways": [{"namespace": "infra", "name": "a"}]}}, "infra/a is not listed in gateways"),
    ],
)
def test_values_that_contradict_each_other_are_told_with_a_remedy(values: dict[str, Any], told: str) -> None:
    assert told in refusal(values)


def test_without_an_image_the_refusal_says_how_to_get_one() -> None:
    told = refusal({"image": {}})
    assert "at '/image/repository'" in told
    assert "the image that you built with docker build (there is no default): --set image.repository=" in told
    assert VALUES["image"]["repository"] == ""


@pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.stem)
def test_the_values_of_each_feature_render_and_lint(path: Any) -> None:
    result = rendered(None, "--values", str(path))
    assert result.returncode == 0, result.stderr
    assert all(each["kind"] for each in yaml.load_all(result.stdout, yaml.CSafeLoader) if each)
    linted = helm("lint", CHART, "--strict", "--values", path)
    assert linted.returncode == 0, linted.stdout


def test_the_chart_is_of_the_projects_version() -> None:
    said = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert said["version"] == said["appVersion"] == version[1]
    assert said["kubeVersion"] == ">=1.30.0-0"


def test_an_old_cluster_is_refused() -> None:
    assert "chart requires kubeVersion" in rendered(None, "--kube-version", "1.29.9").stderr


def test_the_files_of_dashboard_and_alerts_are_what_the_templates_load() -> None:
    assert all(f'.Files.Get "{name}"' in TEMPLATES for name in PLACEHOLDERS)


def test_the_packaged_chart_renders_the_same(tmp_path: Path) -> None:
    """Whatever the templates load must be in the package."""
    packed = helm("package", chart(), "--destination", tmp_path)
    assert packed.returncode == 0, packed.stderr
    (package,) = tmp_path.iterdir()
    values = ("--values", CHART / "ci" / "monitoring-values.yaml", "--namespace", "auth-system")
    assert helm("template", "authz", package, *values).stdout == helm("template", "authz", chart(), *values).stdout != ""
