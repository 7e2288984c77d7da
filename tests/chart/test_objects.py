"""What the chart makes of its values."""

import json
import re
from typing import Any

import pytest
import yaml

from authz import settings
from authz.api.schema import crd_text
from authz.cli.serve import serve
from tests.chart.rendering import CHART, FEATURES, IMAGE, Object, chart, container, helm, objects, only, pod

TLS = {"tls": {"mode": "Secret", "secretName": "authz-tls"}}


def of_feature(name: str, *words: str) -> list[Object]:
    return objects(yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text()), *words)


def rules_of(found: list[Object], kind: str, name: str) -> list[tuple[list[str], list[str], list[str], list[str]]]:
    rules = only(found, kind, name)["rules"]
    return [(rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [])) for rule in rules]


READ = ["get", "list", "watch"]


# The resource


def test_the_crd_is_the_projects_with_a_mark_that_keeps_it() -> None:
    found = only(objects(), "CustomResourceDefinition")
    assert found["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert found["metadata"].pop("labels")["app.kubernetes.io/managed-by"] == "Helm"
    assert found == yaml.safe_load(crd_text())


def test_the_crd_can_be_left_to_others_or_be_let_go() -> None:
    assert "CustomResourceDefinition" not in {each["kind"] for each in of_feature("crds-elsewhere")}
    assert not only(of_feature("crds-not-kept"), "CustomResourceDefinition")["metadata"].get("annotations")


def test_no_policy_comes_with_the_chart_and_nothing_is_hidden_in_crds() -> None:
    assert not (CHART / "crds").exists(), "helm never upgrades what is there"
    every = [each for path in FEATURES for each in objects(yaml.safe_load(path.read_text()))]
    assert not [each for each in every if each["apiVersion"].startswith("ingress-authz.dev/")]


# Rights


def test_the_rights_are_exactly_these() -> None:
    found = objects()
    assert rules_of(found, "ClusterRole", "auth-system-authz-ingress-authz") == [
        (["ingress-authz.dev"], ["authpolicies"], READ, []),
        (["ingress-authz.dev"], ["authpolicies/status"], ["patch"], []),
        (["events.k8s.io"], ["events"], ["create", "patch"], []),
        (["gateway.networking.k8s.io"], ["referencegrants"], READ, []),
    ]
    leases = ["get", "list", "watch", "create", "update", "patch", "delete"]
    assert rules_of(found, "Role", "authz-ingress-authz") == [(["coordination.k8s.io"], ["leases"], leases, [])]
    assert only(found, "Role")["metadata"]["namespace"] == "auth-system"


def test_routes_and_gateways_are_read_only_where_gateways_are_listed() -> None:
    wanted = (["gateway.networking.k8s.io"], ["gateways", "httproutes"], READ, [])
    assert wanted not in rules_of(objects(), "ClusterRole", "auth-system-authz-ingress-authz")
    assert wanted in rules_of(of_feature("gateways"), "ClusterRole", "auth-system-authz-ingress-authz")


def test_secrets_and_config_maps_are_read_by_name_in_their_namespace_only() -> None:
    found = of_feature("references")
    roles = {
        each["metadata"]["namespace"]: each for each in found if each["kind"] == "Role" and each["metadata"]["name"].endswith("references")
    }
    assert roles["shop"]["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["partner-keys"], "verbs": READ},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["partner-ca", "partner-jwks"], "verbs": READ},
    ]
    assert [rule["resources"] for rule in roles["auth-system"]["rules"]] == [["configmaps"]]
    assert {each["metadata"]["namespace"] for each in found if each["kind"] == "RoleBinding"} == {"shop", "auth-system"}


@pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.stem)
def test_no_role_has_a_star_and_none_reads_every_secret(path: Any) -> None:
    for each in objects(yaml.safe_load(path.read_text())):
        for rule in each.get("rules", ()) if each["kind"] in ("Role", "ClusterRole") else ():
            assert "*" not in json.dumps(rule)
            is_asked_for = each["metadata"]["name"].endswith("-key-secrets") and path.stem == "key-secrets-values"
            assert rule.get("resourceNames") or is_asked_for or not {"secrets", "configmaps"} & set(rule["resources"])


def test_every_secret_is_read_only_in_the_namespaces_where_policies_choose_them() -> None:
    found = of_feature("key-secrets")
    roles = [each for each in found if each["kind"] == "Role" and each["metadata"]["name"] == "auth-system-authz-ingress-authz-key-secrets"]
    assert [each["metadata"]["namespace"] for each in roles] == ["shop", "platform"]
    assert all(each["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": READ}] for each in roles)
    bindings = [each for each in found if each["kind"] == "RoleBinding" and each["metadata"]["name"].endswith("-key-secrets")]
    assert [each["metadata"]["namespace"] for each in bindings] == ["shop", "platform"]
    account = only(found, "ServiceAccount")["metadata"]
    for each in bindings:
        assert each["roleRef"]["name"] == roles[0]["metadata"]["name"]
        assert [(one["name"], one["namespace"]) for one in each["subjects"]] == [(account["name"], account["namespace"])]
    assert not [each for each in objects() if "key-secrets" in each["metadata"]["name"]]


def test_every_binding_is_of_a_role_of_the_chart_to_its_account() -> None:
    found = of_feature("references")
    account = only(found, "ServiceAccount")["metadata"]
    roles = {(each["kind"], each["metadata"]["name"]) for each in found if each["kind"] in ("Role", "ClusterRole")}
    bindings = [each for each in found if each["kind"].endswith("Binding")]
    assert len(bindings) == 4
    for each in bindings:
        assert (each["roleRef"]["kind"], each["roleRef"]["name"]) in roles
        assert each["subjects"] == [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]
    assert pod(found)["serviceAccountName"] == account["name"]


def test_the_clusters_own_roles_count_for_policies() -> None:
    labels = {
        each["metadata"]["name"].rpartition("-")[2]: {name.rpartition("/")[2] for name in each["metadata"]["labels"] if "aggregate" in name}
        for each in objects()
        if each["kind"] == "ClusterRole"
    }
    assert labels["view"] == {"aggregate-to-view", "aggregate-to-edit", "aggregate-to-admin"}
    assert labels["edit"] == {"aggregate-to-edit", "aggregate-to-admin"}


def test_account_and_roles_can_be_given() -> None:
    found = of_feature("own-account")
    assert not {"ServiceAccount", "Role", "ClusterRole", "RoleBinding"} & {each["kind"] for each in found}
    assert pod(found)["serviceAccountName"] == "given"


def test_the_token_is_mounted_where_it_is_needed_only() -> None:
    found = objects()
    assert only(found, "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod(found)["automountServiceAccountToken"] is True
    assert only(found, "Pod")["spec"]["automountServiceAccountToken"] is False


# The container


def arguments(found: list[Object]) -> list[str]:
    return list(container(found)["args"])


def test_every_setting_of_the_operator_becomes_a_flag() -> None:
    found = arguments(of_feature("hosts-and-headers"))
    assert found[:4] == ["serve", "--kube", "--listen=0.0.0.0:9001", "--admin-listen=0.0.0.0:9002"]
    assert [each for each in found if not re.match(r"--(max|connection|drain|grace|allow|log|snapshot|.*listen)", each)][2:] == [
        "--hosts-from=shop=shop.example.com,*.shop.example.com",
        "--hosts-from=auth-system",
        "--client-address=x-forwarded-for",
        "--trusted-proxy=10.0.0.0/8",
        "--trusted-proxy=fd00::/8",
        "--trusted-hops=1",
        "--no-envoy-appends-peer",
        "--unprotected=www.example.com",
        "--unprotected=*.static.example.com",
        "--identity-header=x-user",
    ]
    assert "--client-address=header:x-real-ip" in arguments(of_feature("header-address"))
    assert "--unprotected=all" in arguments(of_feature("header-address"))


def test_listed_gateways_become_flags() -> None:
    found = arguments(of_feature("gateways"))
    assert [each for each in found if "gateway" in each] == [
        "--gateway=infra/public",
        "--gateway-client-address=infra/public=x-forwarded-for;hops=1;trusted=10.0.0.0/8;appends=no",
        "--gateway=infra/edge",
        "--gateway-client-address=infra/edge=header:x-real-ip;trusted=192.0.2.0/24",
        "--gateway=infra/internal",
        "--unprotected=gateway:infra/internal",
    ]
    assert "--client-address=peer" in found


def test_where_a_clients_certificate_is_told_becomes_flags() -> None:
    found = arguments(of_feature("client-certificate"))
    assert [each for each in found if "gateway" in each or "certificate" in each] == [
        "--gateway=infra/public",
        "--gateway-client-certificate=infra/public=xfcc",
        "--gateway=infra/edge",
        "--gateway-client-certificate=infra/edge=header:x-client-cert;trusted=192.0.2.0/24,fd00::/8",
        "--gateway=infra/internal",
        "--gateway-client-certificate=infra/internal=peer",
        "--client-certificate=client-cert;trusted=10.0.0.0/8",
    ]
    assert "--client-certificate=header:x-ssl-client-cert;trusted=10.0.0.0/8" in arguments(of_feature("certificate-header"))
    assert not [each for each in arguments(objects()) if "certificate" in each]


@pytest.mark.parametrize("feature", ["client-certificate", "certificate-header"])
def test_the_service_understands_what_is_said_of_certificates(feature: str) -> None:
    for each in arguments(of_feature(feature)):
        flag, _, said = each.partition("=")
        if flag in ("--client-certificate", "--gateway-client-certificate"):
            assert settings.client_certificate(said.partition("=")[2] if "gateway" in flag else said)


def test_the_key_of_keyed_digests_is_a_file_of_its_secret() -> None:
    found = of_feature("certificate-header")
    items = [{"key": "own.key", "path": "own.key"}]
    assert mounted(found, "--api-key-digest-key") == (
        {"name": "digest-key", "secret": {"secretName": "digests", "items": items}},
        "own.key",
    )
    (mount,) = (each for each in container(found)["volumeMounts"] if each["name"] == "digest-key")
    assert mount["readOnly"] is True
    assert not [each for each in (*pod(objects())["volumes"], *arguments(objects())) if "digest" in str(each)]


def test_limits_and_times_become_flags() -> None:
    found = of_feature("shutdown-and-probes")
    assert arguments(found)[5:] == [
        "--max-message-bytes=67108864",
        "--max-deadline=0.5",
        "--max-waiting=64",
        "--connection-age=3600",
        "--drain=10",
        "--grace=30",
        "--allow-sample=1",
        "--log-rate=1000",
    ]
    assert pod(found)["terminationGracePeriodSeconds"] == 60
    assert "lifecycle" not in container(found)
    assert container(objects())["lifecycle"] == {"preStop": {"sleep": {"seconds": 8}}}


KNOWN = {flag for option in serve.params for flag in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.stem)
def test_every_flag_is_one_that_the_command_has(path: Any) -> None:
    found = arguments(objects(yaml.safe_load(path.read_text())))
    flags = {each.partition("=")[0] for each in found if each.startswith("--")}
    assert flags <= KNOWN


def test_where_it_is_in_the_cluster_comes_from_the_pod_itself() -> None:
    named = {each["name"]: each for each in container(objects())["env"]}
    assert named["AUTHZ_SERVE_NAMESPACE"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"
    assert named["AUTHZ_SERVE_REPLICA"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert named["AUTHZ_SERVE_REPLICA_UID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.uid"
    known = {f"AUTHZ_SERVE_{(option.name or '').upper()}" for option in serve.params}
    assert set(named) <= known


def test_the_last_known_policies_are_kept_on_a_volume_of_the_pods() -> None:
    found = objects()
    (snapshot,) = (each.partition("=")[2] for each in arguments(found) if each.startswith("--snapshot="))
    mounts = {each["mountPath"]: each["name"] for each in container(found)["volumeMounts"]}
    volumes = {each["name"]: each for each in pod(found)["volumes"]}
    assert volumes[mounts[snapshot.rpartition("/")[0]]]["emptyDir"] == {"sizeLimit": "64Mi"}
    without = of_feature("spread-strictly")
    assert not [each for each in arguments(without) if "snapshot" in each]
    assert [each["name"] for each in pod(without)["volumes"]] == ["tmp"]


def test_the_root_is_read_only_and_tmp_is_a_volume() -> None:
    found = objects()
    assert container(found)["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"name": "tmp", "mountPath": "/tmp"} in container(found)["volumeMounts"]


def test_probes_ask_the_admin_port() -> None:
    found = container(objects())
    ports = {each["name"]: each["containerPort"] for each in found["ports"]}
    assert ports == {"grpc": 9001, "admin": 9002}
    asked = {name: found[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: get["port"] for name, get in asked.items()} == dict.fromkeys(asked, "admin")
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/readyz",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }


def test_memory_is_reserved_as_it_is_limited_and_the_cpu_is_not_limited() -> None:
    found = container(objects())["resources"]
    assert found["limits"] == {"memory": found["requests"]["memory"]}
    assert "cpu" in found["requests"]


@pytest.mark.parametrize(
    ("image", "shared", "wanted"),
    [
        ({}, {}, "authz:0.1.0"),
        ({"tag": "7"}, {}, "authz:7"),
        ({"tag": "7", "digest": "sha256:" + "a" * 64}, {}, "authz@sha256:" + "a" * 64),
        ({"registry": "one.example.com"}, {}, "one.example.com/authz:0.1.0"),
        ({"registry": "one.example.com"}, {"imageRegistry": "two.example.com:5000/"}, "two.example.com:5000/authz:0.1.0"),
    ],
)
def test_the_image_is_named_by_registry_repository_and_digest_or_tag(image: Object, shared: Object, wanted: str) -> None:
    found = objects({"image": {"repository": "authz", **image}, "global": shared})
    assert container(found)["image"] == wanted
    assert only(found, "Pod")["spec"]["containers"][0]["image"] == wanted


def test_pull_secrets_of_release_and_chart_add_up() -> None:
    found = of_feature("image")
    wanted = [{"name": "registry-of-the-team"}, {"name": "mirror"}]
    assert pod(found)["imagePullSecrets"] == wanted == only(found, "Pod")["spec"]["imagePullSecrets"]
    assert container(found)["imagePullPolicy"] == "Always"


# TLS


def test_without_tls_no_flag_and_no_certificate_is_there() -> None:
    found = objects()
    assert not [each for each in arguments(found) if "tls" in each]
    assert not [each for each in found if each["apiVersion"].startswith("cert-manager.io/")]


def mounted(found: list[Object], flag: str) -> tuple[Object, str]:
    """The volume that a flag's file is on, and the file's name."""
    (path,) = (each.partition("=")[2] for each in arguments(found) if each.startswith(f"{flag}="))
    folder, _, name = path.rpartition("/")
    (volume,) = (each["name"] for each in container(found)["volumeMounts"] if each["mountPath"] == folder)
    return next(each for each in pod(found)["volumes"] if each["name"] == volume), name


def test_with_a_secret_its_files_are_served_and_clients_are_held_against_a_ca() -> None:
    found = of_feature("tls-secret")
    assert mounted(found, "--tls-cert") == ({"name": "tls", "secret": {"secretName": "authz-tls"}}, "tls.crt")
    assert mounted(found, "--tls-key")[1] == "tls.key"
    assert mounted(found, "--tls-client-ca") == ({"name": "client-ca", "configMap": {"name": "gateway-ca"}}, "ca.crt")


def test_certificates_are_never_mounted_as_single_files() -> None:
    for feature in ("tls-secret", "tls-cert-manager", "references"):
        assert not [each for each in container(of_feature(feature))["volumeMounts"] if "subPath" in each], "such a file is never renewed"


def test_cert_manager_makes_the_certificate_by_a_ca_of_the_charts_own() -> None:
    found = of_feature("tls-cert-manager")
    certificate = only(found, "Certificate", "authz-ingress-authz-tls")["spec"]
    assert mounted(found, "--tls-cert")[0]["secret"]["secretName"] == certificate["secretName"]
    assert certificate["issuerRef"] == {"name": "authz-ingress-authz-ca", "kind": "Issuer", "group": "cert-manager.io"}
    assert {"authz-ingress-authz.auth-system.svc", "authz.example.internal"} <= set(certificate["dnsNames"])
    authority = only(found, "Certificate", "authz-ingress-authz-ca")["spec"]
    assert authority["isCA"] is True
    assert only(found, "Issuer", "authz-ingress-authz-ca")["spec"] == {"ca": {"secretName": authority["secretName"]}}
    assert only(found, "Issuer", authority["issuerRef"]["name"])["spec"] == {"selfSigned": {}}
    volume, name = mounted(found, "--tls-client-ca")
    assert name == "root.pem"
    assert volume["secret"] == {"secretName": "gateway-ca", "items": [{"key": "root.pem", "path": "root.pem"}]}


def test_cert_manager_makes_the_certificate_by_an_issuer_of_yours() -> None:
    found = of_feature("tls-issuer")
    (certificate,) = (each["spec"] for each in found if each["kind"] == "Certificate")
    assert certificate["issuerRef"] == {"name": "company", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert (certificate["duration"], certificate["renewBefore"]) == ("720h", "240h")
    assert "Issuer" not in {each["kind"] for each in found}


# Many pods


def test_pods_are_replaced_before_they_go() -> None:
    found = only(objects(), "Deployment")["spec"]
    assert found["replicas"] == 2
    assert found["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_where_pods_are_scaled_no_number_is_fixed() -> None:
    found = of_feature("autoscaling")
    assert "replicas" not in only(found, "Deployment")["spec"]
    scaler = only(found, "HorizontalPodAutoscaler")
    assert scaler["apiVersion"] == "autoscaling/v2"
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "authz-ingress-authz"}
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (3, 20)
    assert scaler["spec"]["metrics"][0]["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}


def test_evictions_take_pods_one_by_one_and_broken_ones_always() -> None:
    found = objects()
    budget = only(found, "PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"] == only(found, "Deployment")["spec"]["selector"]
    assert "PodDisruptionBudget" not in {each["kind"] for each in of_feature("spread-strictly")}
    assert only(of_feature("scheduling"), "PodDisruptionBudget")["spec"]["maxUnavailable"] == "25%"


def test_pods_are_spread_over_zones_and_nodes_within_one_version() -> None:
    found = pod(objects())["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in found] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert {each["whenUnsatisfiable"] for each in found} == {"ScheduleAnyway"}
    assert [each["matchLabelKeys"] for each in found] == [["pod-template-hash"]] * 2
    assert {each["whenUnsatisfiable"] for each in pod(of_feature("spread-strictly"))["topologySpreadConstraints"]} == {"DoNotSchedule"}


def test_scheduling_can_be_said() -> None:
    found = pod(of_feature("scheduling"))
    assert [each["topologyKey"] for each in found["topologySpreadConstraints"]] == ["topology.kubernetes.io/region"]
    assert found["priorityClassName"] == "system-cluster-critical"
    assert found["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert found["tolerations"][0]["key"] == "edge"
    assert "podAntiAffinity" in found["affinity"]


# The network


def test_the_service_finds_the_pods_and_not_the_tests() -> None:
    found = objects()
    selector = only(found, "Service")["spec"]["selector"]
    labels = only(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items()
    assert not selector.items() <= only(found, "Pod")["metadata"]["labels"].items()
    (port,) = only(found, "Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"], port["appProtocol"]) == (9001, "grpc", "kubernetes.io/h2c")
    assert only(objects(TLS), "Service")["spec"]["ports"][0]["appProtocol"] == "grpc"


def test_the_network_policy_lets_in_gateways_and_prometheus_and_the_test() -> None:
    assert "NetworkPolicy" not in {each["kind"] for each in objects()}
    found = of_feature("network-policy")
    policy = only(found, "NetworkPolicy")["spec"]
    labels = only(found, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    asked, watched = policy["ingress"]
    assert ([each["port"] for each in asked["ports"]], [each["port"] for each in watched["ports"]]) == (["grpc"], ["admin"])
    gateways, test = asked["from"]
    assert gateways["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "envoy-gateway-system"}
    assert test["podSelector"]["matchLabels"].items() <= only(found, "Pod")["metadata"]["labels"].items()
    assert [each["port"] for rule in policy["egress"] for each in rule.get("ports", ())] == [53, 53, 443, 6443]
    assert policy["egress"][-1] == {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}


# Seen by Prometheus


def test_nothing_of_the_prometheus_operator_is_made_unasked() -> None:
    assert not [each for each in objects() if each["apiVersion"].startswith("monitoring.coreos.com/")]


def test_pods_are_scraped_at_the_admin_port() -> None:
    found = of_feature("monitoring")
    monitor = only(found, "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"], endpoint["scrapeTimeout"]) == ("admin", "/metrics", "30s", "10s")
    assert monitor["spec"]["selector"] == only(found, "Deployment")["spec"]["selector"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus" == only(found, "PrometheusRule")["metadata"]["labels"]["release"]


def test_alerts_and_dashboard_are_loaded_as_they_are() -> None:
    found = of_feature("monitoring")
    alerts = yaml.safe_load((chart() / "alerts.yaml").read_text())
    assert only(objects({"prometheusRule": {"enabled": True}}), "PrometheusRule")["spec"] == alerts
    for annotations in (rule["annotations"] for group in alerts["groups"] for rule in group["rules"] if "alert" in rule):
        annotations["runbook_url"] = f"https://git.example.com/auth/{annotations['runbook_url']}"
    assert only(found, "PrometheusRule")["spec"] == alerts
    board = only(found, "ConfigMap")
    written = (chart() / "dashboards" / "ingress-authz.json").read_text()
    assert json.loads(board["data"]["ingress-authz.json"]) == json.loads(written)
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["metadata"]["annotations"] == {"grafana_folder": "Auth"}


def test_reads_of_the_api_server_can_have_a_queue_of_their_own() -> None:
    found = of_feature("extras")
    schema, level = only(found, "FlowSchema"), only(found, "PriorityLevelConfiguration")
    assert schema["spec"]["priorityLevelConfiguration"]["name"] == level["metadata"]["name"]
    (subject,) = schema["spec"]["rules"][0]["subjects"]
    assert subject["serviceAccount"] == {"name": pod(found)["serviceAccountName"], "namespace": "auth-system"}


# helm test


def test_the_test_is_a_hook_that_goes_when_it_succeeds_and_asks_the_service() -> None:
    found = only(objects(), "Pod")
    assert found["metadata"]["annotations"] == {
        "helm.sh/hook": "test",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    assert found["spec"]["containers"][0]["args"] == ["selftest", "authz-ingress-authz.auth-system.svc:9001"]
    assert found["spec"]["restartPolicy"] == "Never"


def test_over_tls_the_test_trusts_the_ca_and_shows_a_certificate() -> None:
    found = only(of_feature("tls-secret"), "Pod")
    words = found["spec"]["containers"][0]["args"]
    assert words[2:] == [
        "--tls-ca=/etc/ingress-authz/tls/ca.crt",
        "--tls-cert=/etc/ingress-authz/client/tls.crt",
        "--tls-key=/etc/ingress-authz/client/tls.key",
        "--expect=deny credentials.missing GET https://api.example.com/orders",
    ]
    mounts = {each["mountPath"]: each["name"] for each in found["spec"]["containers"][0]["volumeMounts"]}
    volumes = {each["name"]: each["secret"]["secretName"] for each in found["spec"]["volumes"]}
    assert {path: volumes[name] for path, name in mounts.items()} == {
        "/etc/ingress-authz/tls": "authz-tls",
        "/etc/ingress-authz/client": "test-client",
    }


def test_without_a_certificate_to_show_there_is_no_test() -> None:
    assert "Pod" not in {each["kind"] for each in of_feature("tls-cert-manager")}
    assert "Pod" not in {each["kind"] for each in of_feature("extras")}


# Names, labels and what is added


def names(found: list[Object]) -> set[str]:
    return {each["metadata"]["name"] for each in found if each["kind"] != "CustomResourceDefinition"}


def test_long_names_are_cut_with_a_hash_and_stay_apart() -> None:
    values = {"tls": {"mode": "CertManager"}, "dashboard": {"enabled": True}, "fullnameOverride": "a" * 63}
    other = {**values, "fullnameOverride": "a" * 62 + "b"}
    found = objects(values, name="r" * 53, namespace="n" * 63)
    namespaced = {each["metadata"]["name"] for each in found if "namespace" in each["metadata"]}
    assert max(map(len, namespaced)) <= 63
    # A pod is named for its Deployment, a hash of up to ten and one of five characters.
    assert len(only(found, "Deployment")["metadata"]["name"]) + 17 <= 63
    assert not names(found) & names(objects(other, name="r" * 53, namespace="n" * 63))
    for each in found:
        assert all(len(value) <= 63 for value in each["metadata"].get("labels", {}).values())


def test_two_releases_of_one_name_in_two_namespaces_share_no_object_of_the_cluster() -> None:
    one, other = objects(namespace="one"), objects(namespace="two")
    everywhere = [{n["metadata"]["name"] for n in found if n["kind"] in ("ClusterRole", "ClusterRoleBinding")} for found in (one, other)]
    assert len(everywhere[0]) == 3
    assert not everywhere[0] & everywhere[1]


def test_names_can_be_given() -> None:
    found = of_feature("extras")
    assert only(found, "Deployment")["metadata"]["name"] == "gatekeeper"
    assert only(found, "Deployment")["metadata"]["labels"]["app.kubernetes.io/name"] == "authz"
    assert names(objects(name="ingress-authz")) >= {"ingress-authz"}


@pytest.mark.parametrize("path", FEATURES, ids=lambda path: path.stem)
def test_every_object_has_the_standard_labels_and_every_namespaced_one_its_namespace(path: Any) -> None:
    values = yaml.safe_load(path.read_text())
    values.pop("extraObjects", None)
    for each in objects({**values, "commonLabels": {"team": "platform"}}):
        labels = each["metadata"]["labels"]
        assert {name for name in labels if name.startswith(("app.kubernetes.io/", "helm.sh/"))} >= {
            "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by",
            "helm.sh/chart",
        }  # fmt: skip
        assert labels["team"] == "platform"
        cluster = each["kind"].startswith("Cluster") or each["kind"] in (
            "CustomResourceDefinition", "FlowSchema", "PriorityLevelConfiguration",
        )  # fmt: skip
        assert ("namespace" in each["metadata"]) is not cluster, each["kind"]


def test_labels_of_the_selector_cannot_be_overruled() -> None:
    found = objects({"commonLabels": {"app.kubernetes.io/name": "other"}, "podLabels": {"app.kubernetes.io/component": "other"}})
    deployment = only(found, "Deployment")["spec"]
    assert deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()


def test_more_can_be_added_to_pods_and_release() -> None:
    found = of_feature("extras")
    template = only(found, "Deployment")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"example.com/note": "yes"}
    assert (template["metadata"]["labels"]["logging"], template["metadata"]["labels"]["team"]) == ("json", "platform")
    assert {"name": "GRPC_VERBOSITY", "value": "ERROR"} in container(found)["env"]
    assert {"name": "more", "mountPath": "/more"} in container(found)["volumeMounts"]
    assert {"name": "more", "emptyDir": {}} in pod(found)["volumes"]
    assert {"authz-from-an-object", "authz-from-a-string"} <= names(found)
    assert only(found, "ServiceAccount")["metadata"]["annotations"] == {"example.com/role": "authz"}
    assert only(found, "Service")["spec"]["trafficDistribution"] == "PreferSameZone"


# What is said after an installation


PUBLIC = {"namespace": "gateways", "name": "public"}
INTERNAL = {"namespace": "gateways", "name": "internal"}
BY_PEER = {"clientAddress": {"how": "Peer"}}


def notes(values: Object) -> str:
    given = json.dumps({"image": IMAGE, **values})
    result = helm("install", "authz", chart(), "--namespace", "auth-system", "--dry-run=client", "--values", "-", text=given)
    assert result.returncode == 0, result.stderr
    return result.stdout.partition("NOTES:\n")[2]


def test_the_next_three_commands_are_told() -> None:
    told = notes({"tls": {"mode": "CertManager"}, "networkPolicy": {"enabled": True, "gateways": [{"podSelector": {}}]}})
    commands = [line.strip() for line in told.splitlines() if line.startswith("       ")]
    assert commands == [
        "helm test authz --namespace auth-system",
        "kubectl get authpolicies --all-namespaces",
        "kubectl get service authz-ingress-authz --namespace auth-system",
    ]
    assert "WARNING" not in told
    assert "authz-ingress-authz.auth-system.svc:9001 (gRPC with TLS)" in told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "tls.mode is None"),
        ({"replicas": 1}, "replicas is 1"),
        ({"unprotected": {"all": True}}, "unprotected.all is on"),
        ({"unprotected": {"hosts": ["a.example.com", "*.b.example.com"]}}, "unprotected.hosts names a.example.com, *.b.example.com."),
        (
            {"gateways": [PUBLIC, INTERNAL], "unprotected": {"gateways": [PUBLIC, INTERNAL]}},
            "unprotected.gateways names gateways/public, gateways/internal.",
        ),
        ({"rbac": {"create": False}}, "rbac.create is off"),
        (TLS, "whoever reaches the port may ask"),
        ({"tls": {"mode": "CertManager", "clientCA": {"secretName": "ca"}}}, "test.clientSecretName names none"),
    ],
)
def test_what_is_dangerous_is_told_loudly(values: Object, told: str) -> None:
    assert [line for line in notes(values).splitlines() if line.startswith("WARNING: ") and told in line]


@pytest.mark.parametrize("unprotected", [{"all": True}, {"hosts": ["a.example.com"]}, {"gateways": [PUBLIC]}])
def test_whatever_is_unprotected_is_so_for_a_policy_that_was_deleted_too(unprotected: Object) -> None:
    told = notes({"gateways": [PUBLIC], "unprotected": unprotected})
    assert told.count("that no policy covers passes, and so does one whose policy was deleted.") == 1
    assert "one whose policy was deleted" not in notes({"gateways": [PUBLIC]})


@pytest.mark.parametrize(
    ("values", "silent"),
    [
        ({}, "hosts"),
        ({"gateways": [PUBLIC, INTERNAL]}, "hosts, gateways/public, gateways/internal"),
        ({"gateways": [PUBLIC | BY_PEER, INTERNAL]}, "hosts, gateways/internal"),
        ({"gateways": [PUBLIC | {"clientAddress": {"how": ""}}]}, "hosts, gateways/public"),
        ({"gateways": [PUBLIC | BY_PEER]}, "hosts"),
    ],
)
def test_where_the_clients_address_is_not_said_is_told(values: Object, silent: str) -> None:
    assert f"Note: the client's address is not said for: {silent}. Policies with `clientIP` there are refused.\n" in notes(values)


def test_where_the_clients_address_is_said_for_everything_nothing_is_told_of_it() -> None:
    assert "client's address" not in notes({**BY_PEER, "gateways": [PUBLIC, INTERNAL]})


BY_XFCC = {"clientCertificate": {"how": "XForwardedClientCert"}}


@pytest.mark.parametrize(
    ("values", "silent"),
    [
        ({}, "hosts"),
        ({"gateways": [PUBLIC | BY_XFCC, INTERNAL]}, "hosts, gateways/internal"),
        ({"gateways": [PUBLIC | {"clientCertificate": {"how": ""}}]}, "hosts, gateways/public"),
    ],
)
def test_where_nothing_is_said_of_certificates_is_told(values: Object, silent: str) -> None:
    wanted = (
        f"Note: where the client's certificate is told is not said for: {silent}. Policies with `clientCertificate` there are refused.\n"
    )
    assert wanted in notes(values)


def test_a_header_that_is_believed_from_the_gateway_itself_is_told() -> None:
    told = "the header x-forwarded-client-cert is believed from whatever Envoy asks for: {}.\n".format
    assert told("gateways/public") in notes({"gateways": [PUBLIC | BY_XFCC, INTERNAL]})
    everywhere = notes({**BY_XFCC, "gateways": [INTERNAL]})
    assert told("hosts") in everywhere
    assert "is not said for: hosts, gateways/internal. Policies with `clientCertificate`" not in everywhere
    trusted = {"clientCertificate": {"how": "XForwardedClientCert", "trustedProxies": ["10.0.0.0/8"]}}
    assert "is believed from" not in notes({"gateways": [PUBLIC | trusted]})


def test_an_origin_with_tls_is_not_called_one_without() -> None:
    private, plain = "keys are fetched from private addresses at", "keys are fetched without TLS at"
    both = notes({"fetch": {"insecureOrigins": ["http://a.svc:8080", "https://b.svc", "https://c.svc"]}})
    assert f"Note: {private} https://b.svc, https://c.svc.\n" in both
    assert f"Note: {plain} http://a.svc:8080.\n" in both
    assert plain not in notes({"fetch": {"insecureOrigins": ["https://b.svc"]}})
    assert private not in notes({"fetch": {"insecureOrigins": ["http://a.svc"]}})


def test_with_namespaces_named_there_are_no_rights_elsewhere() -> None:
    found = of_feature("some-namespaces")
    assert "--watch-namespace=shop" in arguments(found)
    named = [
        each for each in found if each["kind"] in ("ClusterRole", "ClusterRoleBinding") and "aggregate" not in each["metadata"]["name"]
    ]
    assert not [each for each in named if each["metadata"]["name"] == "auth-system-authz-ingress-authz"]
    roles = {(each["metadata"]["namespace"], rule["resources"][0]) for each in found if each["kind"] == "Role" for rule in each["rules"]}
    policies = ("authpolicies", "authpolicies/status", "events", "referencegrants", "httproutes")
    expected = {(namespace, resource) for namespace in ("shop", "platform") for resource in policies}
    assert roles == expected | {("infra", "gateways"), ("auth-system", "leases")}
