"""When Python's collector of reference cycles runs: it stops all checks meanwhile, for as long as there are objects to look at.

So it never runs by itself. What is loaded is here to stay and is set apart; of the little that is left a collection is short.
"""

import asyncio
import gc
from typing import Final

# Seconds between two collections.
EVERY: Final = 5.0
# New objects that are too many to be requests' garbage: something is being loaded, and will be set apart.
LOADING: Final = 50_000
# Collections that are put off at most, one after the other.
PATIENCE: Final = 12


class Garbage:
    """Collects a little now and then."""

    def __init__(self) -> None:
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
        """Keep everything that there is now out of collections."""
        gc.freeze()

    def collect(self) -> bool:
        """Collect, unless something is being loaded; return whether it was done."""
        if gc.get_count()[0] > LOADING and self._put_off < PATIENCE:
            self._put_off += 1
            return False
        self._put_off = 0
        gc.collect()
        return True

    async def run(self) -> None:
        """Collect now and then, for ever."""
        while True:
            await asyncio.sleep(EVERY)
            self.collect()
