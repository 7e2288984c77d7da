"""Waiting for conditions, never for a time."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], bool], within: float = 5) -> None:
    """Return once the condition holds; a condition that does not come to hold fails the test."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)
