"""What a replica says of itself in a Lease of its own: to the Lease and back. Pure."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from authz.kube.api import Object
from authz.kube.programmed import Replica, version_of
from authz.model.policy import PolicyName

LABEL: Final = "ingress-authz.dev/replica"
_VERSION: Final = "ingress-authz.dev/loaded-version"
_NOT_IN_USE: Final = "ingress-authz.dev/not-in-use"
_PREFIX: Final = "ingress-authz-replica-"
_LONGEST: Final = 253 - len(_PREFIX)
# More names would say no more to a person, and an annotation must stay small. Those beyond are counted by version alone.
MOST_NAMES: Final = 100
_AND_MORE: Final = "…"


def lease_name(replica: str) -> str:
    """Return the name of a replica's Lease: the replica's own, or one like it where that cannot name an object.

    >>> lease_name("authz-6d5f-x2")
    'ingress-authz-replica-authz-6d5f-x2'
    >>> lease_name("My_Laptop")
    'ingress-authz-replica-my-laptop-f3d82913'
    """
    if len(replica) <= _LONGEST and re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", replica):
        return _PREFIX + replica
    fit = re.sub(r"[^a-z0-9]+", "-", replica.lower()).strip("-")
    digest = hashlib.sha256(replica.encode()).hexdigest()[:8]
    return f"{_PREFIX}{fit[: _LONGEST - 9]}-{digest}".replace("--", "-")


def lease_of(replica: Replica, seconds: int, renewed: str, uid: str = "") -> Object:
    """Return the Lease of a replica that is to be heard again within `seconds` after `renewed` (a MicroTime).

    `uid`: of its pod, with which Kubernetes' garbage collector then deletes the Lease; "" where it is no pod.
    """
    owner = {"apiVersion": "v1", "kind": "Pod", "name": replica.name, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": lease_name(replica.name),
            "labels": {LABEL: "true"},
            **({"ownerReferences": [owner]} if uid else {}),
            "annotations": {_VERSION: str(replica.version), _NOT_IN_USE: _listed(replica.not_in_use)},
        },
        "spec": {"holderIdentity": replica.name, "leaseDurationSeconds": seconds, "renewTime": renewed},
    }


def replica_of(lease: Object) -> Replica:
    """Return the replica that a Lease speaks of."""
    told = lease["metadata"].get("annotations") or {}
    name = (lease.get("spec") or {}).get("holderIdentity") or lease["metadata"]["name"].removeprefix(_PREFIX)
    names = [each.partition("/") for each in str(told.get(_NOT_IN_USE, "")).split(",")]
    not_in_use = frozenset(PolicyName(namespace, policy) for namespace, slash, policy in names if slash)
    return Replica(name, version_of(told.get(_VERSION)), not_in_use)


def _listed(names: Iterable[PolicyName]) -> str:
    written = sorted(map(str, names))
    return ",".join(written[:MOST_NAMES] + ([_AND_MORE] if len(written) > MOST_NAMES else []))
