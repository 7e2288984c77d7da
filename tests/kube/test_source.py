"""AuthPolicies of a server, and everything around them, as a source."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from authz.app import SystemClock
from authz.kube import source as module
from authz.kube.last_known import LastKnown
from authz.kube.reflector import Pace
from authz.kube.source import KubeSource
from authz.model.cluster import Grant
from authz.model.declared import Contents
from authz.model.policy import PolicyName
from authz.model.reference import Missing, Reference
from tests.kube.scripted import Reply, Scripted, bookmark, event, policy, refusal, stream

PACE = Pace(silence=5, first_retry=0.01, last_retry=0.02, absent=0.02)
ABSENT = [refusal(404)]


def listed(*objects: dict[str, Any], version: int = 9) -> Reply:
    """A streaming list of these objects, and a quiet watch."""
    return stream(*(event("ADDED", each) for each in objects), bookmark(version, ends_list=True))


def held(kind: str, name: str, namespace: str = "shop", **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace, "resourceVersion": "5"}, **fields}


@asynccontextmanager
async def following(
    *script: Reply,
    apart: dict[str, Sequence[Reply]] | None = None,
    gateways: Sequence[PolicyName] = (),
    kept: LastKnown | None = None,
) -> AsyncIterator[KubeSource]:
    server = Scripted(*script, apart={"referencegrants": ABSENT, **(apart or {})})
    source = KubeSource(await server.start(), SystemClock(), gateways, kept, PACE)
    task = asyncio.create_task(source.run())
    try:
        async with asyncio.timeout(10):
            yield source
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await source.close()
        await server.stop()


async def until(source: KubeSource, wanted: Any) -> Contents:
    async for found in source.changes():
        assert isinstance(found, Contents)
        if wanted(found):
            return found
    raise AssertionError


def test_the_first_contents_wait_for_the_server_and_each_change_follows() -> None:
    async def story() -> None:
        events = [event("ADDED", policy("a", 1, created="2026-01-01T00:00:00Z")), bookmark(2, ends_list=True)]
        script = (refusal(503), stream(*events, stays=False), stream(event("ADDED", policy("b", 3))))
        async with following(*script) as source:
            first = await source.first()
            assert [str(each.name) for each in first.declared] == ["shop/a"]
            declared = first.declared[0]
            assert declared.policy is not None
            assert declared.policy.created == "2026-01-01T00:00:00Z"
            found = await until(source, lambda found: len(found.declared) == 2)
            assert found.declared[0] is declared, "an unchanged object is decoded once"
            assert found.declared[1].name == PolicyName("shop", "b")

    asyncio.run(story())


def test_an_object_that_cannot_be_read_still_says_which_hosts_it_is_for() -> None:
    broken = policy("a", 1)
    broken["spec"]["rules"] = "all"

    async def story() -> None:
        async with following(listed(broken)) as source:
            (declared,) = (await source.first()).declared
            assert declared.is_partial
            assert declared.target is not None
            assert declared.target.hosts == ("api.example.com",)
            assert declared.problems[0].where == "spec.rules"

    asyncio.run(story())


def test_a_change_of_status_alone_is_no_change_but_counts_as_seen() -> None:
    touched = policy("a", 3) | {"status": {"conditions": []}}

    async def story() -> None:
        known = asyncio.Event()
        watch = stream(event("MODIFIED", touched), event("ADDED", policy("b", 4)), after=known)
        first_list = stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True), stays=False)
        async with following(first_list, watch) as source:
            first = await source.first()
            known.set()
            async for found in source.changes():
                assert isinstance(found, Contents)
                assert len(found.declared) == 2, "the status came through as a change of its own"
                assert found.declared[0] is first.declared[0]
                break
            assert source.policies.version == "4"

    asyncio.run(story())


def test_routes_and_gateways_are_read_only_where_gateways_are_listed() -> None:
    name = PolicyName("infra", "gw")
    parent = {"parentRef": {"name": "gw", "namespace": "infra"}, "conditions": [{"type": "Accepted", "status": "True"}]}
    route = held("HTTPRoute", "orders", spec={"hostnames": ["api.example.com"]}, status={"parents": [parent]})
    gateway = held("Gateway", "gw", "infra", spec={"listeners": [{"name": "http"}]})

    async def story() -> None:
        async with following(listed(policy("a", 1))) as source:
            contents = await source.first()
            assert contents.cluster.routes == ()
            assert {each.resource for each in source.watches()} == {"authpolicies", "referencegrants"}
        apart = {"httproutes": [listed(route)], "gateways": [listed(gateway)]}
        async with following(listed(policy("a", 1)), apart=apart, gateways=[name]) as source:
            contents = await source.first()
            assert contents.cluster.gateways == {name}
            (found,) = contents.cluster.routes
            assert found.gateways == (name,)

    asyncio.run(story())


def test_a_start_waits_for_the_routes_of_listed_gateways() -> None:
    async def story() -> None:
        apart = {"httproutes": [refusal(403)], "gateways": [listed()]}
        async with following(listed(policy("a", 1)), apart=apart, gateways=[PolicyName("infra", "gw")]) as source:
            waiting = asyncio.create_task(source.first())
            while source.policies.version == "" or not dict(source.troubles())["httproutes"]:  # noqa: ASYNC110 - a store has no event
                await asyncio.sleep(0.01)
            assert not waiting.done()
            waiting.cancel()

    asyncio.run(story())


REFERENCE = Reference("Secret", "shop", "idp", "jwks.json")
ISSUER = {"name": "idp", "issuer": "https://idp.example.com", "jwksFrom": {"kind": "Secret", "name": "idp"}}


def referring(version: int = 1) -> dict[str, Any]:
    each = policy("a", version)
    each["spec"]["issuers"] = [ISSUER]
    return each


def secret(**data: str) -> dict[str, Any]:
    return held("Secret", "idp", data={key.replace("_", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()})


def test_what_a_policy_refers_to_is_there_with_the_first_contents() -> None:
    async def story() -> None:
        async with following(listed(referring()), apart={"secrets": [listed(secret(jwks_json="{}"))]}) as source:
            contents = await source.first()
            assert contents.cluster.texts == {REFERENCE: "{}"}

    asyncio.run(story())


def told(*replies: Reply) -> str:
    """What is said of the reference where the server answers so."""

    async def story() -> str:
        async with following(listed(referring()), apart={"secrets": list(replies)}) as source:
            text = (await source.first()).cluster.texts[REFERENCE]
            assert isinstance(text, Missing)
            return text.why

    return asyncio.run(story())


def test_why_a_text_is_missing_says_what_to_do() -> None:
    assert told(listed()) == "there is no Secret shop/idp; create it, or correct the name"
    assert "grants get, list and watch on secrets idp" in told(refusal(403))
    assert told(listed(secret(other="x"))) == "Secret shop/idp (key jwks.json): it has no such key; add it, or name another"
    raw = held("Secret", "idp", data={"jwks.json": base64.b64encode(b"\xff").decode()})
    assert "it is no text" in told(listed(raw))


def test_a_text_that_goes_is_told_at_once() -> None:
    async def story() -> None:
        there = stream(event("ADDED", secret(jwks_json="{}")), bookmark(9, ends_list=True), stays=False)
        gone = stream(event("DELETED", secret(jwks_json="{}")))
        async with following(listed(referring()), apart={"secrets": [there, gone]}) as source:
            await source.first()
            found = await until(source, lambda found: isinstance(found.cluster.texts.get(REFERENCE), Missing))
            assert found.declared[0].policy is not None

    asyncio.run(story())


def test_grants_are_read_where_the_server_knows_them() -> None:
    spec = {
        "from": [{"group": "ingress-authz.dev", "kind": "AuthPolicy", "namespace": "shop"}],
        "to": [{"group": "", "kind": "Secret", "name": "idp"}],
    }

    async def story() -> None:
        async with following(listed(), apart={"referencegrants": [listed(held("ReferenceGrant", "g", "platform", spec=spec))]}) as source:
            assert (await source.first()).cluster.grants == {Grant("shop", "platform", "Secret", "idp")}
        async with following(listed()) as source:
            assert (await source.first()).cluster.grants == frozenset()
            assert dict(source.troubles())["referencegrants"] == ""

    asyncio.run(story())


def test_what_was_known_is_kept_without_secrets_and_serves_a_start_without_a_server(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    file = LastKnown(tmp_path / "known.json")
    with_map = policy("b", 2)
    reference = Reference("ConfigMap", "shop", "idp", "jwks.json")
    with_map["spec"]["issuers"] = [{**ISSUER, "jwksFrom": {"kind": "ConfigMap", "name": "idp"}}]
    apart = {
        "secrets": [listed(secret(jwks_json="TOP-SECRET"))],
        "configmaps": [listed(held("ConfigMap", "idp", data={"jwks.json": "{}"}))],
    }

    async def story() -> None:
        async with following(listed(referring(), with_map), apart=apart, kept=file) as source:
            await source.first()
        text = file.path.read_text()
        assert "TOP-SECRET" not in text
        assert base64.b64encode(b"TOP-SECRET").decode() not in text
        assert file.path.stat().st_mode & 0o077 == 0
        silent = [refusal(503)]
        down = dict.fromkeys(("authpolicies", "referencegrants", "secrets", "configmaps"), silent)
        async with following(apart=down, kept=file) as source:
            contents = await source.first()
            assert [str(each.name) for each in contents.declared] == ["shop/a", "shop/b"]
            assert source.is_restored
            assert contents.cluster.texts == {reference: "{}"}

    asyncio.run(story())


def test_the_server_counts_again_as_soon_as_it_speaks(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    file = LastKnown(tmp_path / "known.json")
    asyncio.run(file.write({"authpolicies": {"shop/a": policy("a", 1)}}))

    async def story() -> None:
        late = [refusal(503)] * 40 + [listed(policy("b", 7))]
        async with following(apart={"authpolicies": late}, kept=file) as source:
            assert [str(each.name) for each in (await source.first()).declared] == ["shop/a"]
            found = await until(source, lambda found: [str(each.name) for each in found.declared] == ["shop/b"])
            assert found
            assert not source.is_restored

    asyncio.run(story())


def test_a_file_that_is_no_snapshot_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    for text in ("", "{", "[]", json.dumps({"format": 0, "objects": {}}), json.dumps({"format": 1, "objects": {"authpolicies": []}})):
        path.write_text(text)
        assert LastKnown(path).read() is None
    assert LastKnown(tmp_path / "none.json").read() is None


ODD_OBJECTS = {"/[7]": {"metadata": {"name": [7]}}, "7/a": {"metadata": {"name": "a", "namespace": 7}}}
ODD_OBJECTS |= {
    "None/a": {"metadata": {"name": "a", "namespace": None}},
    "shop/a": {"metadata": {"name": "a", "namespace": "shop"}, "data": 7},
}


@pytest.mark.parametrize("key", ODD_OBJECTS)
def test_a_file_of_objects_as_no_server_holds_them_is_as_none(tmp_path: Path, key: str) -> None:
    path = tmp_path / "known.json"
    path.write_text(json.dumps({"format": 1, "objects": {"configmaps": {key: ODD_OBJECTS[key]}}}))
    assert LastKnown(path).read() is None


def test_a_change_whose_handling_was_broken_off_is_handed_out_again() -> None:
    async def story() -> None:
        first_list = stream(event("ADDED", policy("a", 1)), bookmark(2, ends_list=True), stays=False)
        known = asyncio.Event()
        async with following(first_list, stream(event("ADDED", policy("b", 3)), after=known)) as source:
            await source.first()
            known.set()
            broken_off = source.changes()
            assert len((await anext(broken_off)).declared) == 2  # type: ignore[union-attr]
            await broken_off.aclose()
            assert source.loaded_version == "2", "it was not dealt with"
            again = await until(source, lambda found: len(found.declared) == 2)
            assert again

    asyncio.run(story())


def test_a_text_that_nobody_answers_for_does_not_hold_up_a_start(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "FIRST_LOOK", 0.1)

    async def story() -> None:
        async with following(listed(referring(), policy("b", 2)), apart={"secrets": [refusal(500)]}) as source:
            contents = await source.first()
            assert len(contents.declared) == 2
            assert contents.cluster.texts == {}

    asyncio.run(story())


def test_what_a_policy_may_not_refer_to_is_not_even_looked_at() -> None:
    strange = referring()
    strange["spec"]["issuers"] = [{**ISSUER, "jwksFrom": {"kind": "Secret", "name": "idp", "namespace": "platform"}}]

    async def story() -> None:
        async with following(listed(strange), apart={"secrets": [listed(secret(jwks_json="{}"))]}) as source:
            await source.first()
            assert {each.resource for each in source.watches()} == {"authpolicies", "referencegrants"}

    asyncio.run(story())


def test_what_a_version_in_use_refers_to_is_followed_though_the_newest_does_not() -> None:
    async def story() -> None:
        async with following(listed(policy("a", 1)), apart={"secrets": [listed(secret(jwks_json="{}"))]}) as source:
            await source.first()
            source.use(frozenset({REFERENCE}))
            found = await until(source, lambda found: REFERENCE in found.cluster.texts)
            assert found.cluster.texts[REFERENCE] == "{}"

    asyncio.run(story())


def test_a_route_that_cannot_be_read_may_be_anything_and_stops_nobody() -> None:
    name = PolicyName("infra", "gw")
    odd = held("HTTPRoute", "odd", spec={"rules": [{"matches": [None]}], "hostnames": 7}, status={"parents": 3})

    async def story() -> None:
        apart = {"httproutes": [listed(odd)], "gateways": [listed(held("Gateway", "gw", "infra", spec={"listeners": None}))]}
        async with following(listed(policy("a", 1)), apart=apart, gateways=[name]) as source:
            (route,) = (await source.first()).cluster.routes
            assert route.gateways == (name,)
            assert not route.attachments[0].is_sure

    asyncio.run(story())


def test_a_damaged_file_is_dropped_and_the_server_waited_for(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    file = tmp_path / "known.json"
    file.write_text(json.dumps({"format": 1, "objects": {"authpolicies": {"shop/a": 7}}}))

    async def story() -> None:
        late = [refusal(503)] * 20 + [listed(policy("b", 7))]
        async with following(apart={"authpolicies": late}, kept=LastKnown(file)) as source:
            assert [str(each.name) for each in (await source.first()).declared] == ["shop/b"]

    asyncio.run(story())


def test_some_namespaces_are_followed_as_if_they_were_all() -> None:
    async def story() -> None:
        server = Scripted(
            apart={
                "/namespaces/shop/authpolicies": [listed(policy("a", 3), version=7)],
                "/namespaces/platform/authpolicies": [listed(policy("b", 4, "platform"), version=9)],
                "referencegrants": ABSENT,
            }
        )
        source = KubeSource(await server.start(), SystemClock(), pace=PACE, namespaces=("shop", "platform"))
        task = asyncio.create_task(source.run())
        try:
            async with asyncio.timeout(10):
                contents = await source.first()
            assert sorted(str(each.name) for each in contents.declared) == ["platform/b", "shop/a"]
            assert source.policies.version == "7", "the one that is behind counts"
            (policies,) = (each for each in source.watches() if each.resource == "authpolicies")
            assert (policies.objects, policies.is_up) == (2, True)
            source.policies.restore({"shop/z": policy("z", 1), "other/z": policy("z", 1, "other")})
            assert set(source.policies.store) == {"shop/a", "platform/b"}, "what the server told is not overwritten"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await source.close()
            await server.stop()

    asyncio.run(story())
