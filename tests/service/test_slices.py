"""Long work in short slices: the same result, and others get their turn."""

import asyncio

from authz.service.slices import Steps, at_once, in_slices


def counting(to: int) -> Steps[int]:
    total = 0
    for number in range(to):
        total += sum(range(500)) * 0 + number
        yield
    return total


def test_both_ways_come_to_the_same() -> None:
    assert at_once(counting(100)) == asyncio.run(in_slices(counting(100))) == 4950


def test_others_get_their_turn_between_slices() -> None:
    async def story() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await in_slices(counting(50_000))
        task.cancel()
        return turns

    assert asyncio.run(story()) >= 5


def test_an_exception_in_a_step_comes_through() -> None:
    def breaks() -> Steps[int]:
        yield
        raise ValueError("broken")

    async def story() -> str:
        try:
            await in_slices(breaks())
        except ValueError as fault:
            return str(fault)
        return "nothing"

    assert asyncio.run(story()) == "broken"
