"""Secrets that policies choose by labels."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authz.kube import source as module
from authz.kube.chosen import Chosen
from authz.kube.contents import divided, permitted
from authz.kube.last_known import LastKnown
from authz.kube.source import KubeSource
from authz.model.cluster import Cluster
from authz.model.declared import Contents, Declared
from authz.model.policy import Policy
from authz.model.reference import Missing, Reference, Selection, Text
from authz.service.slices import at_once
from tests.builders import a_manifest, declared
from tests.kube.scripted import Reply, bookmark, event, policy, refusal, stream
from tests.kube.test_source import following, held, listed, until

LABELS = {"ingress-authz.dev/keys": "orders", "team": "shop"}
SELECTION = Selection("shop", tuple(sorted(LABELS.items())))
EMPTY = Text("Secret shop/acme (key a)", "")


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def secret(name: str, version: int = 5, labels: Any = LABELS, namespace: str = "shop", **data: str) -> dict[str, Any]:
    each = held("Secret", name, namespace, data={key: encoded(value) for key, value in data.items()})
    each["metadata"] |= {"labels": labels, "resourceVersion": str(version)}
    return each


def store(*secrets: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in secrets}


def chosen(*secrets: dict[str, Any]) -> tuple[Text, ...]:
    return at_once(Chosen(SELECTION).texts(store(*secrets)))


# What stands in the Secrets.


def test_every_entry_of_every_secret_is_a_text_and_they_are_sorted() -> None:
    assert chosen(secret("zeta", z="4", y="3"), secret("acme", b="2", a="1")) == (
        Text("Secret shop/acme (key a)", "1"),
        Text("Secret shop/acme (key b)", "2"),
        Text("Secret shop/zeta (key y)", "3"),
        Text("Secret shop/zeta (key z)", "4"),
    )


@pytest.mark.parametrize("data", [None, {}])
def test_a_secret_without_data_is_no_text(data: Any) -> None:
    assert chosen(secret("acme") | {"data": data}) == ()


@pytest.mark.parametrize("value", [encoded(b"\xff"), "no base64!", "YQ", None, 7])
def test_what_is_no_text_is_an_empty_one_with_its_origin(value: Any) -> None:
    assert chosen(secret("acme") | {"data": {"a": value}}) == (EMPTY,)


@pytest.mark.parametrize(
    "labels",
    [None, {}, {"team": "shop"}, {**LABELS, "team": "other"}, {**LABELS, "ingress-authz.dev/keys": ""}],
)
def test_a_secret_counts_with_all_the_labels_only_whatever_the_server_tells(labels: Any) -> None:
    assert chosen(secret("acme", labels=labels, a="1")) == ()
    assert len(chosen(secret("acme", labels={**LABELS, "more": "x"}, a="1"))) == 1
    assert chosen(secret("acme", namespace="other", a="1")) == ()


def test_where_nothing_changed_the_texts_are_the_very_same() -> None:
    reader, one, other = Chosen(SELECTION), secret("acme", a="1"), secret("zeta", a="2")
    before = at_once(reader.texts(store(one, other)))
    assert at_once(reader.texts(store(one, other))) is before
    assert at_once(reader.texts(store(secret("acme", 6, a="1"), other))) is before, "only its labels changed"
    after = at_once(reader.texts(store(one, secret("zeta", 7, a="3"))))
    assert [text.text for text in after] == ["1", "3"]
    assert at_once(reader.texts(store(one))) == after[:1]


# What of it is followed.


class Choosing(Policy):
    """A policy that chooses Secrets of its own namespace, and of another."""

    @property
    def selections(self) -> tuple[Selection, ...]:
        return SELECTION, replace(SELECTION, namespace="platform")


def test_only_secrets_of_the_policys_own_namespace_are_chosen() -> None:
    (each,) = declared(a_manifest("hosts: [api.example.com]\nrules: [{name: none, allow: []}]"))
    assert each.policy is not None
    fields = {name: getattr(each.policy, name) for name in Policy.__dataclass_fields__}
    choosing = Choosing(**fields)
    assert choosing.refers
    assert not each.policy.refers
    wanted = at_once(permitted([Declared(each.name, choosing), replace(each, policy=None)], Cluster(grants=frozenset())))
    assert divided(wanted) == (set(), {SELECTION})


def chosen_by(
    *replies: Reply, wanted: frozenset[Reference | Selection] = frozenset({SELECTION}), is_there: Any = None
) -> tuple[Any, Sequence[Any]]:
    """What is known of the choice where the server answers so, and the watches then."""

    async def story() -> tuple[Any, Sequence[Any]]:
        async with following(listed(policy("a", 1)), apart={"secrets": list(replies)}) as source:
            source.use(wanted)
            first = await source.first()
            enough = is_there or (lambda contents: bool(contents.cluster.selected))
            found = first if enough(first) else await until(source, enough)
            return found.cluster.selected[SELECTION], source.watches()

    return asyncio.run(story())


def test_the_chosen_secrets_are_there_with_the_first_contents_and_the_server_chooses() -> None:
    asked = []

    def reply(request: Any) -> Any:
        asked.append(dict(request.query_params))
        return listed(secret("acme", a="1"))(request)

    found, watches = chosen_by(reply, is_there=lambda contents: True)
    assert found == (Text("Secret shop/acme (key a)", "1"),)
    assert asked[0]["labelSelector"] == "ingress-authz.dev/keys=orders,team=shop"
    assert "fieldSelector" not in asked[0]
    assert next(each.objects for each in watches if each.resource == "secrets") == 1


def test_without_such_a_secret_there_is_no_text() -> None:
    assert chosen_by(listed(), is_there=lambda contents: True)[0] == ()


def test_a_refusal_says_what_to_grant_and_ends_with_it() -> None:
    found, _ = chosen_by(refusal(403), is_there=lambda contents: True)
    assert found == Missing(
        "the service may not read Secrets of shop with ingress-authz.dev/keys=orders, team=shop: "
        "the operator grants get, list and watch on secrets there (chart: keySecrets.namespaces)"
    )
    there = listed(secret("acme", a="1"))
    found, _ = chosen_by(refusal(403), there, is_there=lambda contents: isinstance(contents.cluster.selected.get(SELECTION), tuple))
    assert len(found) == 1


def test_what_has_not_been_told_yet_is_left_out(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "FIRST_LOOK", 0.1)

    async def story() -> None:
        async with following(listed(policy("a", 1)), apart={"secrets": [refusal(500)]}) as source:
            source.use(frozenset({SELECTION}))
            assert (await source.first()).cluster.selected == {}

    asyncio.run(story())


def test_a_choice_without_labels_is_of_nothing_and_the_server_is_not_asked() -> None:
    everything = Selection("shop", ())

    async def story() -> None:
        async with following(listed(policy("a", 1)), apart={"secrets": [listed(secret("acme", a="1"))]}) as source:
            source.use(frozenset({everything}))
            found = (await source.first()).cluster.selected[everything]
            assert isinstance(found, Missing)
            assert "secrets" not in {each.resource for each in source.watches()}

    asyncio.run(story())


@pytest.mark.parametrize("how", ["the Secret goes", "its label goes"])
def test_a_secret_that_goes_counts_at_once(how: str) -> None:
    # A watch with labels tells a label that goes as an object that does.
    labels = LABELS if how == "the Secret goes" else {}
    first = stream(event("ADDED", secret("acme", a="1")), event("ADDED", secret("b", a="2")), bookmark(9, ends_list=True), stays=False)
    told = asyncio.Event()
    gone = stream(event("DELETED", secret("acme", 10, labels=labels, a="1")), after=told)

    async def story() -> None:
        async with following(listed(policy("a", 1)), apart={"secrets": [first, gone]}) as source:
            source.use(frozenset({SELECTION}))
            assert len(_texts(await source.first())) == 2
            told.set()
            assert _texts(await until(source, lambda found: len(_texts(found)) == 1)) == (Text("Secret shop/b (key a)", "2"),)

    asyncio.run(story())


def _texts(contents: Contents) -> tuple[Text, ...]:
    found = contents.cluster.selected[SELECTION]
    assert isinstance(found, tuple)
    return found


def test_a_choice_that_nobody_makes_any_more_is_not_followed() -> None:
    async def story() -> None:
        async with following(listed(policy("a", 1)), apart={"secrets": [listed(secret("acme", a="1"))]}) as source:
            source.use(frozenset({SELECTION}))
            await source.first()
            source.use(frozenset())
            found = await until(source, lambda found: not found.cluster.selected)
            assert found.cluster.selected == {}
            assert "secrets" not in {each.resource for each in source.watches()}

    asyncio.run(story())


def test_a_named_secret_and_a_choice_that_has_it_are_two_things_and_files_are_none() -> None:
    named = Reference("Secret", "shop", "acme", "a")
    wanted: frozenset[Reference | Selection] = frozenset({SELECTION, named, Reference("File", "", "acme.jsonl", "/policies")})

    async def story() -> None:
        async with following(listed(policy("a", 1)), apart={"secrets": [listed(secret("acme", a="1"))]}) as source:
            source.use(wanted)
            contents = await source.first()
            assert contents.cluster.texts == {named: "1"}
            assert _texts(contents) == (Text("Secret shop/acme (key a)", "1"),)

    asyncio.run(story())


def test_chosen_secrets_are_never_on_disk(tmp_path: Path) -> None:
    file = LastKnown(tmp_path / "known.json")

    async def story(source: KubeSource) -> None:
        source.use(frozenset({SELECTION}))
        assert len(_texts(await source.first())) == 1

    async def run() -> None:
        async with following(listed(policy("a", 1)), apart={"secrets": [listed(secret("acme", a="TOP-SECRET"))]}, kept=file) as source:
            await story(source)

    asyncio.run(run())
    text = file.path.read_text()
    assert "shop/a" in text
    assert "TOP-SECRET" not in text
    assert encoded("TOP-SECRET") not in text
    assert "acme" not in text
