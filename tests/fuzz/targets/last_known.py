"""The file of what was last known: of no use, or objects that can be read as the API server's are."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from authz.kube.api import key_of
from authz.kube.last_known import FORMAT, LastKnown
from tests.fuzz.targets import kube_objects

FOUND: Mapping[str, bytes] = {
    "a name that is a list": b'{"format":1,"objects":{"authpolicies":{"/[1]":{"metadata":{"name":[1]}}}}}',
    "a namespace that is none": b'{"format":1,"objects":{"httproutes":{"None/a":{"metadata":{"name":"a","namespace":null}}}}}',
    "a ConfigMap without a map": b'{"format":1,"objects":{"configmaps":{"a/b":{"metadata":{"name":"b","namespace":"a"},"data":7}}}}',
}
RESOURCES = ("authpolicies", "httproutes", "gateways", "referencegrants", "configmaps")


class _File(type(Path())):
    """A file that holds these bytes, and is on no disk."""

    data = b""

    def read_bytes(self) -> bytes:
        return self.data


def fuzz(data: bytes) -> None:
    file = _File("last-known.json")
    file.data = data
    found = LastKnown(file).read()
    if found is not None:
        assert json.loads(data)["format"] == FORMAT
        for held in found.values():
            for key, each in held.items():
                assert all(isinstance(part, str) for part in (key, each["metadata"]["name"], each["metadata"].get("namespace", "")))
                assert isinstance(each.get("data") or {}, dict)
        kube_objects.read({resource: found.get(resource, {}) for resource in RESOURCES})


def seeds() -> Iterable[bytes]:
    for seed in kube_objects.seeds():
        objects: dict[str, Any] = {resource: {key_of(each): each for each in held} for resource, held in json.loads(seed).items()}
        yield json.dumps({"format": FORMAT, "objects": objects}, separators=(",", ":")).encode()
    texts = {"keys/jwks": {"metadata": {"name": "jwks", "namespace": "keys"}, "data": {"jwks.json": "{}"}}}
    yield json.dumps({"format": FORMAT, "objects": {"configmaps": texts}}).encode()
    yield b'{"format":0,"objects":{}}'
