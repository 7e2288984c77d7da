"""Tells when a directory of policies has changed: the system's notice where there is one, a look now and then in any case."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from watchfiles import awatch

from authz.files.directory import Reader
from authz.files.texts import Signature
from authz.model.declared import Contents
from authz.service.ports import SourceError

# How long files must have been quiet before they are read: editors and copies write in several steps.
QUIET: Final = 0.05
# How often to look although no notice came: network file systems send none.
LOOK: Final = 10.0
# How soon to look again for a directory that is not there.
AGAIN: Final = 0.25


async def changes(directory: Path, reader: Reader) -> AsyncIterator[Contents | SourceError]:
    """Yield what the directory holds after each change since it was last read, or why it cannot be read now."""
    known: dict[Path, Signature] | SourceError = reader.seen()
    async for _ in _notices(directory):
        seen = await _settled(reader)
        if _same(seen, known):
            continue
        try:
            if isinstance(seen, SourceError):
                raise seen
            # In a thread: reading YAML takes a while, and checks go on meanwhile.
            contents = await asyncio.to_thread(reader.read)
        except SourceError as fault:
            known = fault
            yield fault
        else:
            known = reader.seen()
            yield contents


async def _notices(directory: Path) -> AsyncIterator[None]:
    """Yield at once, then whenever something may have changed: on the system's notice, and every LOOK seconds."""
    while True:
        watched = _identity(directory)
        yield
        if watched is None:
            await asyncio.sleep(AGAIN)
            continue
        try:
            async for _ in awatch(
                directory,
                watch_filter=None,
                debounce=int(QUIET * 1000),
                step=10,
                yield_on_timeout=True,
                rust_timeout=int(LOOK * 1000),
            ):
                if _identity(directory) != watched:
                    break  # The system's watch is on what was here before.
                yield
        except (OSError, RuntimeError):
            await asyncio.sleep(AGAIN)


def _identity(directory: Path) -> tuple[int, int] | None:
    try:
        stat = directory.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


async def _settled(reader: Reader) -> dict[Path, Signature] | SourceError:
    """Return the signatures once two looks in a row agree."""
    seen = _signatures(reader)
    for _ in range(20):
        await asyncio.sleep(QUIET)
        again = _signatures(reader)
        if _same(again, seen):
            break
        seen = again
    return seen


def _signatures(reader: Reader) -> dict[Path, Signature] | SourceError:
    try:
        return reader.signatures()
    except SourceError as fault:
        return fault


def _same(one: dict[Path, Signature] | SourceError, other: dict[Path, Signature] | SourceError) -> bool:
    return one == other or (isinstance(one, SourceError) and isinstance(other, SourceError))
