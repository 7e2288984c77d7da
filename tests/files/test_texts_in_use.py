"""What a version in use refers to is read, though a newer version that is refused refers to something else."""

import asyncio
from pathlib import Path

from authz.files.source import DirectorySource
from authz.model.reference import FILE, Reference

POLICY = """
apiVersion: ingress-authz.dev/v1alpha1
kind: AuthPolicy
metadata: {name: orders, namespace: shop}
spec:
  hosts: [api.example.com]
  apiKeys: [{name: keys, from: {file: FILE}, in: [{header: x-key}]}]
  rules: [{name: all, allow: [{name: any, apiKey: {from: keys}}]}]
"""


async def _texts(source: DirectorySource) -> set[str]:
    return {each.name for each in (await source.first()).cluster.texts}


async def _story(folder: Path) -> None:
    (folder / "one.jsonl").write_text("{}\n")
    policy = folder / "policy.yaml"
    policy.write_text(POLICY.replace("FILE", "one.jsonl"))
    source = DirectorySource(folder)
    assert await _texts(source) == {"one.jsonl"}
    source.use(frozenset({Reference(FILE, "", "one.jsonl", str(folder))}))
    policy.write_text(POLICY.replace("FILE", "other.jsonl"))
    assert await _texts(source) == {"one.jsonl", "other.jsonl"}
    source.use(frozenset())
    assert await _texts(source) == {"other.jsonl"}


def test_texts_of_a_version_in_use_are_read_as_long_as_it_is(tmp_path: Path) -> None:
    asyncio.run(_story(tmp_path))
