"""Long work in short slices: a generator that yields between its steps, run at once or between other work of the loop."""

import asyncio
from collections.abc import Generator
from typing import Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]

# Seconds. Checks wait for a slice to end, so it is about as long as a verification of a few tokens.
SLICE: Final = 0.003


def at_once(steps: Steps[T]) -> T:
    """Return what the steps come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


async def in_slices(steps: Steps[T]) -> T:
    """Return what the steps come to; others get their turn after each slice."""
    clock = asyncio.get_running_loop().time
    until = clock() + SLICE
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if clock() >= until:
            await asyncio.sleep(0)
            until = clock() + SLICE
