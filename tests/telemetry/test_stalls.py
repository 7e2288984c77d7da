"""How long checks had to wait for something else."""

import asyncio

import pytest

from authz.telemetry.stalls import EVERY, Stalls


class Machine:
    """A clock, and sleeps that end as late as they are told, and then for ever."""

    def __init__(self, *late: float) -> None:
        self.now = 100.0
        self._late = list(late)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if not self._late:
            raise asyncio.CancelledError
        self.now += seconds + self._late.pop(0)


async def watched(machine: Machine) -> Stalls:
    stalls = Stalls(machine.clock, machine.sleep)
    with pytest.raises(asyncio.CancelledError):
        await stalls.run()
    return stalls


def test_the_longest_stall_is_told_once() -> None:
    stalls = asyncio.run(watched(Machine(0.001, 0.3, 0.002)))
    assert stalls.take() == pytest.approx(0.3)
    assert stalls.take() == 0


def test_a_sleep_that_ends_early_is_no_stall() -> None:
    assert asyncio.run(watched(Machine(-0.01))).take() == 0


def test_a_loop_that_is_really_held_up_is_noticed() -> None:
    async def story() -> float:
        stalls = Stalls()
        task = asyncio.create_task(stalls.run())
        await asyncio.sleep(0)
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - begun < 4 * EVERY:
            pass
        # One turn for the sleep that is overdue, one for what waits for it.
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        return stalls.take()

    assert 2.5 * EVERY < asyncio.run(story()) < 100 * EVERY
