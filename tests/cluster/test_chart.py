"""The chart on a real API server: installed, upgraded, rolled back, uninstalled, and what its rights and its pods are good for."""

import itertools
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.builders import a_jwks
from tests.certificates import Authority, an_authority
from tests.chart.rendering import FEATURES, chart
from tests.cluster.control_plane import PARTS, ControlPlane, _wait, assets, gateway_api
from tests.cluster.objects import EVERYONE, NOBODY, POLICIES, applied, deleted, gateway, policy, route, to
from tests.cluster.release import Release, RunningPod
from tests.conftest import unavailable
from tests.image.contained import built, run, serving

pytestmark = pytest.mark.cluster

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/authpolicies.ingress-authz.dev"
CONFIG_MAPS = "/api/v1/namespaces/{}/configmaps"
SECRETS = "/api/v1/namespaces/{}/secrets"
_numbers = itertools.count(1)


def foreign_crds() -> list[Path]:
    """The files of the CRDs of cert-manager and the Prometheus Operator that the chart makes objects of, out of their Go modules."""
    found = subprocess.run([PARTS / "foreign-crds.sh"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return sorted(Path(found.stdout.strip()).iterdir())


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of this module's own: here AuthPolicy comes from `helm install`, not from kubectl."""
    tools = assets()
    if tools is None:
        unavailable("a control plane (kube-apiserver, etcd, kubectl)", "build it once with `make control-plane` (minutes, 8 GB of caches)")
        raise AssertionError
    with ControlPlane(tools, tmp_path_factory.mktemp("control-plane")) as cluster:
        files = [*gateway_api("gateways", "httproutes", "referencegrants"), *foreign_crds()]
        result = cluster.kubectl("apply", "--server-side", *(f"-f={file}" for file in files))
        assert result.returncode == 0, result.stderr
        yield cluster


@pytest.fixture(scope="module")
def first(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The release that brings the CRD to a server that did not know it."""
    assert plane.ask("GET", CRD).status == 404
    release = Release(plane, "first", a_namespace(plane), tmp_path_factory.mktemp("helm"))
    release.values = {"hostsFrom": [{"namespace": release.namespace}]}
    release.install()
    established = plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    assert established.returncode == 0, established.stderr
    return release


def a_namespace(cluster: ControlPlane, name: str = "") -> str:
    """A new namespace that admits no pod but a restricted one."""
    name = name or f"release-{next(_numbers)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    answer = cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    assert answer.status in (201, 409), answer.message
    return name


@pytest.fixture
def release(plane: ControlPlane, first: Release, tmp_path: Path) -> Release:
    """A release of the test's own, not installed yet."""
    return Release(plane, "authz", a_namespace(plane), tmp_path, {"crds": {"enabled": False}, "shutdown": {"drainSeconds": 0}})


def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Return once it holds; nobody tells."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        _wait(0.05)


def conditions(cluster: ControlPlane, namespace: str, name: str) -> dict[str, str]:
    found = cluster.ask("GET", f"{POLICIES.format(namespace)}/{name}").body.get("status", {}).get("conditions", ())
    return {each["type"]: f"{each['status']} {each['reason']}" for each in found}


def changed_chart(folder: Path) -> Path:
    """The chart's next version, with another CRD."""
    copy = folder / "ingress-authz"
    shutil.copytree(chart(), copy)
    file = copy / "files" / "crds" / "authpolicies.yaml"
    crd = yaml.safe_load(file.read_text())
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["hosts"]["maxItems"] = 7
    file.write_text(yaml.safe_dump(crd))
    return copy


def most_hosts(cluster: ControlPlane) -> int:
    (version,) = cluster.ask("GET", CRD).body["spec"]["versions"]
    return int(version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["hosts"]["maxItems"])


def container(release: Release) -> dict[str, Any]:
    (found,) = release.deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_from_installation_to_uninstallation(first: Release, tmp_path: Path) -> None:
    """One test: each step is made on what the one before left."""
    with first.pod(tmp_path / "pod") as pod:
        it_decides_and_says_so(first)
        it_is_upgraded_with_its_crd(first, pod, tmp_path)
    it_is_rolled_back(first)
    it_leaves_the_crd_and_the_policies(first)
    the_crd_must_be_taken_over(first.cluster, tmp_path)


def it_decides_and_says_so(first: Release) -> None:
    policy(first.cluster, first.namespace, "orders", EVERYONE, hosts=["api.example.com"])
    until(lambda: conditions(first.cluster, first.namespace, "orders").get("Programmed") == "True Programmed")
    leases = first.get(f"/apis/coordination.k8s.io/v1/namespaces/{first.namespace}/leases")["items"]
    assert {each["metadata"]["name"] for each in leases} == {"ingress-authz", "ingress-authz-replica-pod-1"}
    owners = [owner for each in leases for owner in each["metadata"].get("ownerReferences", ())]
    assert [(each["kind"], each["name"]) for each in owners] == [("Pod", "pod-1")]


def it_is_upgraded_with_its_crd(first: Release, pod: RunningPod, folder: Path) -> None:
    """The CRD changes under the pod, which goes on following; and so does what `helm test` expects."""
    first.values["test"] = {"expect": ["allow GET https://api.example.com/", "deny policy.none GET https://other.example.com/"]}
    first.values["allowSample"] = 1
    assert most_hosts(first.cluster) != 7
    upgraded = first.apply("upgrade", changed_chart(folder))
    assert upgraded.returncode == 0, upgraded.stderr
    assert most_hosts(first.cluster) == 7
    assert "--allow-sample=1" in container(first)["args"]
    asked = first.selftest(pod)
    assert (asked.returncode, asked.stdout.count("ok ")) == (0, 5), asked.stdout + asked.stderr
    policy(first.cluster, first.namespace, "orders", NOBODY, hosts=["api.example.com"])
    until(lambda: "expected allow. " in first.selftest(pod).stdout)
    assert first.selftest(pod).returncode == 1


def it_is_rolled_back(first: Release) -> None:
    back = first.helm("rollback", first.name, "1")
    assert back.returncode == 0, back.stderr
    assert most_hosts(first.cluster) != 7
    assert "--allow-sample=0.01" in container(first)["args"]


def it_leaves_the_crd_and_the_policies(first: Release) -> None:
    gone = first.helm("uninstall", first.name)
    assert gone.returncode == 0, gone.stderr
    assert conditions(first.cluster, first.namespace, "orders")
    kinds = "deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,clusterroles,clusterrolebindings"
    left = first.cluster.kubectl("get", kinds, "--all-namespaces", "--selector=app.kubernetes.io/instance=first", "--output=name")
    assert (left.returncode, left.stdout) == (0, ""), left.stderr


def the_crd_must_be_taken_over(cluster: ControlPlane, folder: Path) -> None:
    """Another release finds the CRD that the first one left, and is refused it unless told otherwise."""
    again = Release(cluster, "again", a_namespace(cluster), folder)
    assert "invalid ownership metadata" in again.apply("install").stderr
    again.helm("uninstall", again.name)
    taken = again.apply("install", None, "--take-ownership")
    assert taken.returncode == 0, taken.stderr


def test_what_a_user_wrote_by_hand_survives_an_upgrade_of_the_crd(first: Release) -> None:
    """The mark that keeps the CRD is on the server."""
    assert first.cluster.ask("GET", CRD).body["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


# Admission


def admitted(release: Release, template: dict[str, Any]) -> str:
    """What the API server's admission says of a pod: "" where it would be made."""
    meta = {**template["metadata"], "name": "probe", "namespace": release.namespace}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
    answer = release.cluster.ask("POST", f"/api/v1/namespaces/{release.namespace}/pods", body, params={"dryRun": "All"})
    return "" if answer.status == 201 else answer.message


@pytest.mark.parametrize("feature", [path for path in FEATURES if path.stem.split("-")[0] in ("default", "tls", "extras", "references")],
                         ids=lambda path: path.stem)  # fmt: skip
def test_pods_are_admitted_where_the_standard_restricted_is_enforced(release: Release, feature: Path) -> None:
    result = release.helm("template", release.name, chart(), "--values", feature)
    found = [each for each in yaml.safe_load_all(result.stdout) if each]
    templates = [each["spec"]["template"] for each in found if each["kind"] == "Deployment"]
    hooks = [{"metadata": {"labels": each["metadata"]["labels"]}, "spec": each["spec"]} for each in found if each["kind"] == "Pod"]
    assert [admitted(release, each) for each in (*templates, *hooks)] == [""] * (len(templates) + len(hooks))
    for each in (*templates, *hooks):
        del each["spec"]["containers"][0]["securityContext"]["capabilities"]
        assert "violates PodSecurity" in admitted(release, each), "the server does enforce it"


@pytest.mark.parametrize("feature", FEATURES, ids=lambda path: path.stem)
def test_the_server_takes_every_object_of_every_feature(plane: ControlPlane, first: Release, release: Release, feature: Path) -> None:
    for name in ("auth-system", "shop", "infra", "platform"):
        a_namespace(plane, name)
    result = release.helm("template", release.name, chart(), "--values", feature, "--set", "crds.enabled=false")
    found = [each for each in yaml.safe_load_all(result.stdout) if each]
    text = yaml.safe_dump_all(found)
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    taken = plane.kubectl(*words, text=text)
    assert taken.returncode == 0, taken.stderr
    assert taken.stdout.count("(server dry run)") == len(found)
    assert "Warning" not in taken.stderr


# Rights


ALLOWED = (
    ("GET", "/apis/ingress-authz.dev/v1alpha1/authpolicies"),
    ("GET", "/apis/gateway.networking.k8s.io/v1beta1/referencegrants"),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/{own}/leases"),
    ("GET", "/api/v1/namespaces/{shop}/configmaps?fieldSelector=metadata.name=listed"),
    ("GET", "/api/v1/namespaces/{shop}/configmaps/listed"),
    ("GET", "/api/v1/namespaces/{shop}/secrets?fieldSelector=metadata.name=listed"),
    ("GET", "/api/v1/namespaces/{shop}/secrets?fieldSelector=metadata.name=listed&watch=1&timeoutSeconds=1"),
)
REFUSED = (
    ("GET", "/api/v1/secrets"),
    ("GET", "/api/v1/configmaps"),
    ("GET", "/api/v1/namespaces/{own}/secrets"),
    ("GET", "/api/v1/namespaces/{shop}/secrets"),
    ("GET", "/api/v1/namespaces/{shop}/secrets?watch=1&timeoutSeconds=1"),
    ("GET", "/api/v1/namespaces/{shop}/secrets?fieldSelector=metadata.name=other"),
    ("GET", "/api/v1/namespaces/{shop}/secrets/other"),
    ("GET", "/api/v1/namespaces/{shop}/configmaps/other"),
    ("GET", "/api/v1/namespaces/{own}/secrets/listed"),
    ("DELETE", "/api/v1/namespaces/{shop}/secrets/listed"),
    ("GET", "/apis/coordination.k8s.io/v1/leases"),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/{shop}/leases"),
    ("GET", "/apis/gateway.networking.k8s.io/v1/httproutes"),
    ("GET", "/apis/gateway.networking.k8s.io/v1/gateways"),
    ("GET", "/api/v1/pods"),
    ("GET", "/api/v1/namespaces"),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("DELETE", "/apis/ingress-authz.dev/v1alpha1/namespaces/{own}/authpolicies/orders"),
    ("PATCH", "/apis/ingress-authz.dev/v1alpha1/namespaces/{own}/authpolicies/orders"),
    ("PUT", "/apis/ingress-authz.dev/v1alpha1/namespaces/{own}/authpolicies/orders/status"),
    ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
)


def test_the_token_of_the_service_is_good_for_what_it_needs_and_for_nothing_else(release: Release) -> None:
    shop = a_namespace(release.cluster, f"{release.namespace}-shop")
    for collection in (CONFIG_MAPS, SECRETS):
        for name in ("listed", "other"):
            kind = "Secret" if collection is SECRETS else "ConfigMap"
            applied(release.cluster, collection, shop, name, {"kind": kind, "data": {"key": "dmFsdWU="}})
    release.values["references"] = [{"namespace": shop, "secrets": ["listed"], "configMaps": ["listed"]}]
    release.install()
    policy(release.cluster, release.namespace, "orders", EVERYONE)
    # What is asked with the administrator's client, under the service's token.
    own = {"headers": {"authorization": f"Bearer {release.token()}"}}

    def status(method: str, path: str) -> int:
        place, _, query = path.format(own=release.namespace, shop=shop).partition("?")
        return release.cluster.ask(method, place, params=dict(each.split("=", 1) for each in query.split("&") if each), **own).status

    assert {(method, path): status(method, path) for method, path in ALLOWED} == dict.fromkeys(ALLOWED, 200)
    assert {(method, path): status(method, path) for method, path in REFUSED} == dict.fromkeys(REFUSED, 403)


def granted(release: Release, verb: str, resource: str, namespace: str) -> bool:
    """Whether the ServiceAccount may, by the server's own judgement."""
    account = f"--as=system:serviceaccount:{release.namespace}:{release.object_name}"
    words = ("auth", "can-i", verb, resource, "--namespace", namespace, account, "--quiet")
    return release.cluster.kubectl(*words).returncode == 0


def test_what_the_service_may_write_is_status_events_and_its_leases(release: Release) -> None:
    release.install()
    own = release.namespace
    writes = ("create", "update", "patch", "delete", "deletecollection")
    may = {
        (resource, namespace): {verb for verb in writes if granted(release, verb, resource, namespace)}
        for resource in ("authpolicies.ingress-authz.dev", "events.events.k8s.io", "leases.coordination.k8s.io", "secrets", "pods")
        for namespace in (own, "default")
    }
    assert {key: verbs for key, verbs in may.items() if verbs} == {
        ("events.events.k8s.io", own): {"create", "patch"},
        ("events.events.k8s.io", "default"): {"create", "patch"},
        ("leases.coordination.k8s.io", own): {"create", "update", "patch", "delete"},
    }
    words = ("auth", "can-i", "patch", "authpolicies.ingress-authz.dev", "--subresource=status", "--namespace=default")
    account = f"--as=system:serviceaccount:{own}:{release.object_name}"
    assert release.cluster.kubectl(*words, account).stdout == "yes\n"


def test_people_with_the_clusters_own_roles_may_read_and_write_policies(release: Release) -> None:
    """The server has no controller that adds roles up, so the roles themselves are asked for."""
    release.install()
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{release.namespace}-{release.object_name}"
    verbs = {each: [(rule["resources"], rule["verbs"]) for rule in release.get(f"{path}-{each}")["rules"]] for each in ("view", "edit")}
    assert verbs == {
        "view": [(["authpolicies", "authpolicies/status"], ["get", "list", "watch"])],
        "edit": [(["authpolicies"], ["create", "update", "patch", "delete", "deletecollection"])],
    }


# A pod with the chart's token and nothing else


def metric(pod: RunningPod, name: str) -> dict[tuple[str, ...], float]:
    text = httpx2.get(f"{pod.admin}/metrics", trust_env=False).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name]
    return {tuple(sample.labels.values()): sample.value for sample in samples}


def complaints(pod: RunningPod) -> list[dict[str, Any]]:
    """What went wrong by the service's own word, but for mistakes in policies: other tests' policies may have some."""
    worth = [line for line in pod.lines if line.get("level") in ("warning", "error")]
    return [line for line in worth if "code" not in line and line.get("event") != "policies.loaded"]


def test_with_gateways_listed_a_pod_follows_routes_by_the_token_of_the_chart(release: Release, tmp_path: Path) -> None:
    gateway(release.cluster, release.namespace)
    release.values["gateways"] = [{"namespace": release.namespace, "name": "gw"}]
    release.values["test"] = {
        "expect": [
            "allow GET https://gw.example.com/orders/7",
            "deny rule.deny GET https://gw.example.com/other",
            "deny GET https://gw.example.com/",
        ]
    }
    release.install()
    route(release.cluster, release.namespace, "orders", "/orders", of=release.namespace, host="gw.example.com")
    route(release.cluster, release.namespace, "other", "/other", of=release.namespace, host="gw.example.com")
    policy(release.cluster, release.namespace, "orders", EVERYONE, targetRefs=to("HTTPRoute", "orders"))
    policy(release.cluster, release.namespace, "other", NOBODY, targetRefs=to("HTTPRoute", "other"))
    with release.pod(tmp_path / "pod") as pod:
        asked = release.selftest(pod)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        for resource in ("authpolicies", "gateways", "httproutes", "referencegrants"):
            until(lambda resource=resource: metric(pod, "authz_watch_up")[(resource,)] == 1.0)
        until(lambda: conditions(release.cluster, release.namespace, "orders"))
        assert complaints(pod) == []


def test_a_reference_is_resolved_only_where_the_chart_lists_it(release: Release, tmp_path: Path) -> None:
    namespace = release.namespace
    for name in ("listed", "other"):
        applied(release.cluster, CONFIG_MAPS, namespace, name, {"kind": "ConfigMap", "data": {"jwks.json": a_jwks()}})
    release.values |= {
        "hostsFrom": [{"namespace": namespace}],
        "references": [{"namespace": namespace, "configMaps": ["listed"]}],
        "test": {"expect": ["deny credentials.missing GET https://listed.example.com/", "deny GET https://other.example.com/"]},
    }
    release.install()
    for name in ("listed", "other"):
        issuer = {"name": "idp", "issuer": "https://idp.example.com", "jwksFrom": {"kind": "ConfigMap", "name": name}}
        rules = [{"name": "all", "allow": [{"name": "anyone", "jwt": {"issuers": ["idp"]}}]}]
        policy(release.cluster, namespace, name, rules, hosts=[f"{name}.example.com"], issuers=[issuer], audiences=["orders"])
    with release.pod(tmp_path / "pod") as pod:
        until(lambda: conditions(release.cluster, namespace, "listed").get("ResolvedRefs", "").startswith("True"))
        until(lambda: conditions(release.cluster, namespace, "other").get("ResolvedRefs", "").startswith("False"))
        asked = release.selftest(pod)
        assert asked.returncode == 0, asked.stdout + asked.stderr
    for name in ("listed", "other"):  # Other tests' pods would look for what these refer to, and complain.
        deleted(release.cluster, POLICIES, namespace, name)


# TLS


def a_secret(release: Release, name: str, authority: Authority, host: str, folder: Path) -> None:
    """A Secret as cert-manager makes one: certificate, key, and the CA beside them."""
    folder.mkdir(exist_ok=True)
    pem = authority.issue(folder, host)
    files = {"tls.crt": pem.certificate, "tls.key": pem.key, "ca.crt": authority.file}
    data = {key: b64encode(file.read_bytes()).decode() for key, file in files.items()}
    applied(release.cluster, SECRETS, release.namespace, name, {"kind": "Secret", "type": "kubernetes.io/tls", "data": data})


@pytest.mark.parametrize("mode", ["Secret", "CertManager"])
def test_over_tls_only_the_gateway_may_ask_and_a_renewed_secret_is_served_without_a_restart(
    release: Release, tmp_path: Path, mode: str
) -> None:
    host = f"{release.object_name}.{release.namespace}.svc"
    secret = "served" if mode == "Secret" else f"{release.object_name}-tls"
    old, clients = an_authority(tmp_path, "old-ca"), an_authority(tmp_path, "clients")
    applied(
        release.cluster, CONFIG_MAPS, release.namespace, "gateway-ca", {"kind": "ConfigMap", "data": {"ca.crt": clients.file.read_text()}}
    )
    a_secret(release, secret, old, host, tmp_path / "old")
    a_secret(release, "shown", clients, "gateway", tmp_path / "shown")
    release.values |= {
        "hostsFrom": [{"namespace": release.namespace}],
        "tls": {"mode": mode, "secretName": secret, "clientCA": {"configMapName": "gateway-ca"}},
        "test": {"clientSecretName": "shown"},
    }
    # With CertManager the chart makes a Certificate, and the Secret is what cert-manager would make of it.
    release.install()
    with release.pod(tmp_path / "pod") as pod:
        asked = release.selftest(pod)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        # Renewed by another CA, as at the end of one; what a kubelet mounts changes with the Secret.
        a_secret(release, secret, an_authority(tmp_path, "new-ca"), host, tmp_path / "new")
        assert release.selftest(pod).returncode == 4, "the new CA does not vouch for what is served yet"
        release.fill({"secret": {"secretName": secret}}, pod.mounts["/etc/ingress-authz/tls"])
        until(lambda: release.selftest(pod).returncode == 0)
        # A certificate of somebody else's CA is shown the door.
        a_secret(release, "shown", old, "stranger", tmp_path / "stranger")
        assert release.selftest(pod).returncode == 4


# The image


def test_the_image_runs_as_a_pod_by_nothing_but_what_a_kubelet_mounts(
    release: Release, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Here nothing is replaced but the ports: the API server, its CA, the token and the namespace are found where pods find them."""
    release.values["test"] = {"expect": ["allow GET https://api.example.com/"]}
    release.install()
    policy(release.cluster, release.namespace, "orders", EVERYONE, hosts=["api.example.com"])
    tree = built(tmp_path_factory.mktemp("image"))
    account = tmp_path / "account"
    account.mkdir(mode=0o755)
    files = {"token": release.token(), "ca.crt": release.cluster.authority.file.read_text(), "namespace": release.namespace}
    for name, text in files.items():
        (account / name).write_text(text)
    # Mount points are the runtime's to make, before it makes the tree read-only.
    mounts = {"/var/run/secrets/kubernetes.io/serviceaccount": account}
    for each in container(release)["volumeMounts"]:
        mounts[each["mountPath"]] = tmp_path / each["name"]
        mounts[each["mountPath"]].mkdir()
        mounts[each["mountPath"]].chmod(0o1777)
    for path in mounts:
        (tree / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    words = [word for word in container(release)["args"] if not word.startswith(("--listen=", "--admin-listen="))]
    server = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(release.cluster.port)}
    named = {"AUTHZ_SERVE_NAMESPACE": release.namespace, "AUTHZ_SERVE_REPLICA": "pod-1"}
    with serving(tree, mounts, *words, **server, **named) as (_, addresses):
        until(lambda: conditions(release.cluster, release.namespace, "orders").get("Programmed") == "True Programmed")
        name, _, *expected = release.hook["spec"]["containers"][0]["args"]
        asked = run(tree, mounts["/tmp"], "/usr/bin/authz", name, addresses["listen"], *expected)
        assert (asked.returncode, asked.stdout.count("ok ")) == (0, 4), asked.stdout + asked.stderr
        until((mounts["/var/lib/ingress-authz"] / "snapshot.json").exists, 20)


def test_a_pod_with_rights_in_some_namespaces_serves_these_and_is_told_of_no_other(release: Release, tmp_path: Path) -> None:
    shop = a_namespace(release.cluster, f"{release.namespace}-shop")
    release.values |= {"watchNamespaces": [shop], "hostsFrom": [{"namespace": shop}, {"namespace": release.namespace}]}
    release.install()
    policy(release.cluster, shop, "orders", EVERYONE, hosts=["shop.example"])
    policy(release.cluster, release.namespace, "orders", EVERYONE, hosts=["own.example"])
    own = {"headers": {"authorization": f"Bearer {release.token()}"}}
    assert release.cluster.ask("GET", POLICIES.format(shop), **own).status == 200
    assert release.cluster.ask("GET", POLICIES.format(release.namespace), **own).status == 403
    with release.pod(tmp_path / "pod") as pod:
        words = ["--expect", "allow GET https://shop.example/", "--expect", "deny policy.none GET https://own.example/"]
        asked = subprocess.run(
            [sys.executable, "-m", "authz", "selftest", pod.checks, *words], capture_output=True, text=True, check=False, timeout=60
        )
        assert asked.returncode == 0, asked.stdout + asked.stderr
