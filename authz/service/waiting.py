"""Waiting for whichever of several things comes first."""

import asyncio
from collections.abc import Awaitable
from typing import Any


async def first_of(*waits: Awaitable[Any], seconds: float | None = None) -> None:
    """Return once one of these has ended, well or not, or after `seconds`; those that have not ended are cancelled."""
    running = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in running:
            each.cancel()
