"""The first of several things ends the wait, and the others with it."""

import asyncio

import pytest

from authz.service.waiting import first_of


def test_what_has_not_ended_is_cancelled() -> None:
    async def run() -> None:
        never = asyncio.get_running_loop().create_future()
        await first_of(never, asyncio.sleep(0))
        assert never.cancelled()

    asyncio.run(run())


def test_it_ends_after_its_seconds() -> None:
    async def run() -> None:
        never = asyncio.get_running_loop().create_future()
        await first_of(never, seconds=0.001)
        assert never.cancelled()

    asyncio.run(run())


def test_a_failure_is_an_end_and_stays_with_its_owner() -> None:
    async def failing() -> None:
        raise OSError("gone")

    async def run() -> None:
        own = asyncio.ensure_future(failing())
        await first_of(own, asyncio.get_running_loop().create_future())
        with pytest.raises(OSError, match="gone"):
            own.result()

    asyncio.run(run())


def test_who_is_cancelled_meanwhile_leaves_nothing_behind() -> None:
    async def run() -> None:
        never = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(first_of(never))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert waiting.cancelled()
        assert never.cancelled()

    asyncio.run(run())
