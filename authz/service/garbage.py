"""When Python's collector of reference cycles runs: it stops all checks meanwhile, for as long as there are objects to look at.

So it never runs by itself. What is loaded is here to stay and is set apart; of the little that is left a collection is short.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import Final

# Seconds between two collections: of a second's requests, a collection takes a few milliseconds.
EVERY: Final = 1.0
# Objects in cycles that a request leaves behind, at most (grpc.aio: 5).
PER_CHECK: Final = 8
# New objects beyond requests' garbage that are too many: something is being loaded, and will be set apart.
LOADING: Final = 50_000
# Collections that are put off at most, one after the other.
PATIENCE: Final = 60


class Garbage:
    """Collects a little now and then. `answered`: how many requests have been answered so far."""

    def __init__(self, answered: Callable[[], int] = int) -> None:
        self._answered = answered
        self._seen = 0
        self._put_off = 0

    def start(self) -> None:
        """Take over from the automatic collector; what there is now is set apart."""
        gc.disable()
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """Leave the collector as it usually is."""
        gc.unfreeze()
        gc.enable()

    def set_apart(self) -> None:
        """Keep everything that there is now out of collections, garbage included: collect before what is to be kept is loaded."""
        gc.freeze()

    def collect(self) -> bool:
        """Collect, unless something is being loaded; return whether it was done."""
        answered = self._answered()
        loaded = gc.get_count()[0] - PER_CHECK * (answered - self._seen)
        if loaded > LOADING and self._put_off < PATIENCE:
            self._put_off += 1
            return False
        self._put_off, self._seen = 0, answered
        gc.collect()
        return True

    async def run(self) -> None:
        """Collect now and then, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            self.collect()
