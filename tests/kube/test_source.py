"""AuthPolicies of a server as declared policies."""

import asyncio

from authz.app import SystemClock
from authz.kube.reflector import Pace
from authz.kube.source import KubeSource
from authz.model.declared import Contents
from authz.model.policy import PolicyName
from tests.kube.scripted import Scripted, bookmark, event, policy, refusal, stream

PACE = Pace(silence=5, first_retry=0.01, last_retry=0.02)


def test_the_first_contents_wait_for_the_server_and_each_change_follows() -> None:
    async def run() -> None:
        events = [event("ADDED", policy("a", 1, created="2026-01-01T00:00:00Z")), bookmark(2, ends_list=True)]
        server = Scripted(refusal(503), stream(*events, stays=False), stream(event("ADDED", policy("b", 3))))
        source = KubeSource(await server.start(), SystemClock(), PACE)
        task = asyncio.create_task(source.run())
        try:
            async with asyncio.timeout(5):
                first = await source.first()
                assert [str(each.name) for each in first.declared] == ["shop/a"]
                declared = first.declared[0]
                assert declared.policy is not None
                assert declared.policy.created == "2026-01-01T00:00:00Z"
                async for found in source.changes():
                    assert isinstance(found, Contents)
                    if len(found.declared) == 2:
                        break
                assert found.declared[0] is declared, "an unchanged object is decoded once"
                assert found.declared[1].name == PolicyName("shop", "b")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await source.close()
            await server.stop()

    asyncio.run(run())


def test_an_object_that_cannot_be_read_still_says_which_hosts_it_is_for() -> None:
    broken = policy("a", 1)
    broken["spec"]["rules"] = "all"

    async def run() -> None:
        server = Scripted(stream(event("ADDED", broken), bookmark(2, ends_list=True)))
        source = KubeSource(await server.start(), SystemClock(), PACE)
        task = asyncio.create_task(source.run())
        try:
            (declared,) = (await source.first()).declared
            assert declared.is_partial
            assert declared.target is not None
            assert declared.target.hosts == ("api.example.com",)
            assert declared.problems[0].where == "spec.rules"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await source.close()
            await server.stop()

    asyncio.run(run())
