"""A directory of AuthPolicies as a source. Satisfies service.ports.Source."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from authz.files.directory import Reader
from authz.files.watch import changes
from authz.model.declared import Contents
from authz.model.reference import Reference, Selection
from authz.service.ports import SourceError


class DirectorySource:
    """Reads a directory and follows it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reader = Reader([directory])

    async def run(self) -> None:
        """Return never: a directory is read when it is asked for."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Return at once: nothing is held open."""

    async def first(self) -> Contents:
        """Return what the directory holds. Raises SourceError."""
        return await asyncio.to_thread(self._reader.read)

    def use(self, references: frozenset[Reference | Selection]) -> None:
        """Read these too: versions of policies are in use that refer to them, though newer ones do not."""
        self._reader.in_use = frozenset(each for each in references if isinstance(each, Reference))

    def changes(self) -> AsyncIterator[Contents | SourceError]:
        """Yield what it holds after each change, or why it cannot be read now."""
        return changes(self._directory, self._reader)
