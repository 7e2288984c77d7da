"""Service accounts with just the rights that a test gives them."""

from pathlib import Path
from typing import Any

from tests.cluster.control_plane import TOKEN, ControlPlane

RBAC = "/apis/rbac.authorization.k8s.io/v1"
Rule = dict[str, Any]


def rule(group: str, resource: str, *verbs: str) -> Rule:
    """One rule of a role."""
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


def grant(cluster: ControlPlane, namespace: str, name: str, *rules: Rule) -> None:
    """Let a service account do this in its namespace, and nothing else there."""
    base = f"{RBAC}/namespaces/{namespace}"
    role = {"kind": "Role", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}, "rules": list(rules)}
    options: Any = {"params": {"fieldManager": "test", "force": "true"}, "headers": {"content-type": "application/apply-patch+yaml"}}
    answer = cluster.ask("PATCH", f"{base}/roles/{name}", role, **options)
    assert answer.status in (200, 201), answer.message
    binding = {
        "kind": "RoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    answer = cluster.ask("PATCH", f"{base}/rolebindings/{name}", binding, **options)
    assert answer.status in (200, 201), answer.message


def account(cluster: ControlPlane, namespace: str, name: str, folder: Path, *rules: Rule) -> Path:
    """Make a service account with these rights in its namespace, and return a kubeconfig with its token."""
    base = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert cluster.ask("POST", base, {"metadata": {"name": name}}).status == 201
    grant(cluster, namespace, name, *rules)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = cluster.ask("POST", f"{base}/{name}/token", asked).body["status"]["token"]
    file = folder / f"{name}.kubeconfig"
    file.write_text(cluster.kubeconfig.read_text().replace(TOKEN, token))
    return file
