"""Texts in files beside the policies of a directory, which these refer to by name."""

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from errno import EIO, EMFILE, ENFILE, ENOENT, ENOMEM, ESTALE
from pathlib import Path
from typing import Final

from authz.model.reference import FILE, Missing, Reference

MAX_BYTES: Final = 32 * 1024 * 1024
# Not a link that took the file's place meanwhile, nor a pipe, on which opening would wait.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What keeps a file from being read for a while: it is tried again at the next look, though the file stays what it is.
_PASSING: Final = frozenset({EIO, EMFILE, ENFILE, ENOMEM, ESTALE})

Signature = tuple[int, int, int, int]
NOWHERE: Final = (0, 0, 0, 0)


def signature(path: Path) -> Signature:
    """Return what tells whether a file changed: its times (of content; of anything, rights included), size and identity."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return NOWHERE
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def real(path: Path) -> Path:
    """Return where a path leads, whether or not anything is there."""
    return Path(os.path.realpath(path))


@dataclass(frozen=True, slots=True)
class _Read:
    signature: Signature
    text: str | Missing


class FileTexts:
    """Reads the same files again and again; one that did not change is not read again, and stays the very same text."""

    def __init__(self, places: Iterable[Path]) -> None:
        self._places = tuple(places)
        self._read: dict[Reference, _Read] = {}

    def signatures(self) -> dict[Path, Signature]:
        """Return what tells whether anything that was asked for last changed, by the path as written."""
        roots = self._roots()
        return {_written(each): _signature(_located(each, roots)) for each in self._read}

    def seen(self) -> dict[Path, Signature]:
        """Return the signatures as they were when the files were last read."""
        return {_written(each): read.signature for each, read in self._read.items()}

    def read(self, references: Iterable[Reference]) -> Mapping[Reference, str | Missing]:
        """Return the texts of these files, or why they are not there; from now on these count and no others."""
        roots = self._roots()
        wanted = dict.fromkeys(each for each in references if each.kind == FILE)
        self._read = {each: self._again(each, _located(each, roots)) for each in wanted}
        return {each: read.text for each, read in self._read.items()}

    def files(self, references: Iterable[Reference]) -> frozenset[Path]:
        """Return where these files really are, as far as they may be read."""
        roots = self._roots()
        located = (_located(each, roots) for each in references if each.kind == FILE)
        return frozenset(where for where in located if not isinstance(where, Missing))

    def _roots(self) -> tuple[Path, ...]:
        return tuple(real(each if _is_directory(each) else each.parent) for each in self._places)

    def _again(self, reference: Reference, where: Path | Missing) -> _Read:
        now, known = _signature(where), self._read.get(reference)
        if isinstance(where, Missing):
            return _Read(now, where)
        if known is not None and known.signature == now != NOWHERE:
            return known
        try:
            text = _text(reference, _data(where))
        except OSError as fault:
            return _Read(NOWHERE if fault.errno in _PASSING else now, _unreadable(reference, fault))
        # What was written anew as it was is the same text for everybody who has made something of it.
        return _Read(now, known.text if known is not None and known.text == text else text)


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _written(reference: Reference) -> Path:
    return Path(reference.key, reference.name)


def _signature(where: Path | Missing) -> Signature:
    return NOWHERE if isinstance(where, Missing) else signature(where)


def _located(reference: Reference, roots: tuple[Path, ...]) -> Path | Missing:
    """Return where a file really is: below the root of the policy that refers to it, wherever links lead."""
    parts = reference.name.split("/")
    if not reference.name or "\0" in reference.name or reference.name.startswith("/"):
        return Missing(f"{reference}: that is no name of a file; name one as it is seen from the policy's file")
    if any(part.startswith(".") and part not in (".", "..") for part in parts):
        return Missing(f"{reference}: what is hidden is not read; take a name without a dot before it")
    try:
        directory = real(Path(reference.key))
        where = real(directory / reference.name)
    except (OSError, ValueError):
        return Missing(f"{reference}: that is no name of a file; name one as it is seen from the policy's file")
    if not any(directory.is_relative_to(root) and root in where.parents for root in roots):
        return Missing(f"{reference}: it is outside of the policies' directory; put it there, or below")
    return where


def _unreadable(reference: Reference, fault: OSError) -> Missing:
    if fault.errno == ENOENT:
        return Missing(f"{reference}: there is no such file; create it, or correct the name")
    return Missing(f"{reference}: it cannot be read: {fault.strerror}; put a file there that the service may read")


def _text(reference: Reference, data: bytes | None) -> str | Missing:
    if data is None:
        return Missing(f"{reference}: it is no regular file; put one there")
    if len(data) > MAX_BYTES:
        return Missing(f"{reference}: it is larger than {MAX_BYTES >> 20} MiB; divide it")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return Missing(f"{reference}: it is no text in UTF-8; write it as that")


def _data(where: Path) -> bytes | None:
    """Return what is in a file, up to one more than may be; None for what is no regular file. Raises OSError."""
    descriptor = os.open(where, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
