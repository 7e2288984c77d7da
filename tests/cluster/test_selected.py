"""Secrets chosen by labels on a real API server, with the rights of the chart's ServiceAccount and no others."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from authz.app import SystemClock
from authz.kube.api import connect
from authz.kube.last_known import LastKnown
from authz.kube.reflector import Pace
from authz.kube.source import KubeSource
from authz.model.declared import Contents
from authz.model.reference import Missing, Reference, Selection, Text
from tests.cluster.control_plane import TOKEN, ControlPlane
from tests.cluster.objects import another_namespace, applied, deleted
from tests.cluster.release import Release

pytestmark = pytest.mark.cluster

SECRETS = "/api/v1/namespaces/{}/secrets"
LABELS = {"ingress-authz.dev/keys": "orders"}
# A watch that was refused is tried again soon.
PACE = Pace(first_retry=0.1, last_retry=0.2)


@asynccontextmanager
async def following(kubeconfig: Path, snapshot: Path, *wanted: Selection | Reference) -> AsyncIterator[KubeSource]:
    """A source with these rights, where versions in use need this."""
    source = KubeSource(await connect(kubeconfig), SystemClock(), (), LastKnown(snapshot), PACE)
    source.use(frozenset(wanted))
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(60):
            yield source
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await source.close()


async def until(source: KubeSource, wanted: Callable[[Contents], bool]) -> Contents:
    async with aclosing(source.changes()) as changes:  # type: ignore[type-var]
        async for found in changes:
            assert isinstance(found, Contents)
            if wanted(found):
                return found
    raise AssertionError


def secret(cluster: ControlPlane, namespace: str, name: str, text: str, labels: dict[str, str]) -> None:
    data = {"keys.jsonl": base64.b64encode(text.encode()).decode()}
    applied(cluster, SECRETS, namespace, name, {"kind": "Secret", "metadata": {"name": name, "labels": labels}, "data": data})


def text(namespace: str, name: str, held: str) -> Text:
    return Text(f"Secret {namespace}/{name} (key keys.jsonl)", held)


async def changes_count(source: KubeSource, cluster: ControlPlane, here: Selection) -> None:
    """What comes, goes, and loses its label."""
    shop = here.namespace
    await asyncio.to_thread(secret, cluster, shop, "more", "two", LABELS)
    wanted = (text(shop, "acme", "one"), text(shop, "more", "two"))
    await until(source, lambda found: found.cluster.selected[here] == wanted)
    await asyncio.to_thread(secret, cluster, shop, "acme", "one", {"ingress-authz.dev/keys": "invoices"})
    await until(source, lambda found: found.cluster.selected[here] == wanted[1:])
    await asyncio.to_thread(deleted, cluster, SECRETS, shop, "more")
    await until(source, lambda found: found.cluster.selected[here] == ())
    await asyncio.to_thread(secret, cluster, shop, "acme", "three", LABELS)
    await until(source, lambda found: found.cluster.selected[here] == (text(shop, "acme", "three"),))


def test_a_choice_works_with_the_charts_right_and_says_what_to_grant_without_it(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    shop, other = another_namespace(cluster, namespace), another_namespace(cluster, namespace)
    for each in (shop, other):
        secret(cluster, each, "acme", "one", LABELS)
        secret(cluster, each, "strange", "TOP-SECRET", {"ingress-authz.dev/keys": "invoices"})
        secret(cluster, each, "unlabelled", "TOP-SECRET", {})
    release = Release(cluster, "keys", namespace, tmp_path, {"crds": {"enabled": False}})
    release.install()
    kubeconfig, snapshot = tmp_path / "kubeconfig", tmp_path / "known.json"
    kubeconfig.write_text(cluster.kubeconfig.read_text().replace(TOKEN, release.token()))
    here, there = (Selection(each, tuple(LABELS.items())) for each in (shop, other))

    def granted() -> None:
        release.values["keySecrets"] = {"namespaces": [shop]}
        result = release.apply("upgrade")
        assert result.returncode == 0, result.stderr

    async def story() -> None:
        async with following(kubeconfig, snapshot, here, there) as source:
            first = (await source.first()).cluster.selected
            for each in (here, there):
                found = first[each]
                assert isinstance(found, Missing)
                assert "chart: keySecrets.namespaces" in found.why
                assert str(each) in found.why
            await asyncio.to_thread(granted)
            contents = await until(source, lambda found: isinstance(found.cluster.selected[here], tuple))
            assert contents.cluster.selected[here] == (text(shop, "acme", "one"),)
            assert isinstance(contents.cluster.selected[there], Missing), "the right is for the listed namespaces"
            await changes_count(source, cluster, here)

    asyncio.run(story())
    held = snapshot.read_text()
    assert "three" not in held
    assert base64.b64encode(b"three").decode() not in held


def test_a_label_with_a_comma_chooses_nothing_more(cluster: ControlPlane, namespace: str, tmp_path: Path) -> None:
    """The server reads a choice as a text, in which commas and signs mean something."""
    secret(cluster, namespace, "acme", "one", LABELS)
    odd = [Selection(namespace, (("ingress-authz.dev/keys", value),)) for value in ("orders,team!=x", "orders,!team", "=orders")]

    async def story() -> None:
        async with following(cluster.kubeconfig, tmp_path / "known.json", *odd) as source:
            selected = (await source.first()).cluster.selected
            assert [selected.get(each) for each in odd] == [(), (), ()]

    asyncio.run(story())
