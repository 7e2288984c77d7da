"""How long the event loop was kept from what was due: checks wait exactly as long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

# A stall is told too short by as much as this, and waking costs: every 20 ms takes a three-hundredth of a core.
EVERY: Final = 0.02


class Stalls:
    """Sleeps a little, again and again, and notes how much too late it wakes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._longest = 0.0

    def take(self) -> float:
        """Return the longest stall since this was last asked, in seconds."""
        longest, self._longest = self._longest, 0.0
        return longest

    async def run(self) -> None:
        """Watch, for ever."""
        while True:
            due = self._clock() + EVERY
            await self._sleep(EVERY)
            self._longest = max(self._longest, self._clock() - due)
