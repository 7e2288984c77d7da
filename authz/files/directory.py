"""What a directory, or a list of files and directories, holds now."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from authz.api.decode import read
from authz.model.declared import Contents, Declared, Stray
from authz.model.problem import Problem
from authz.service.ports import SourceError

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
MAX_BYTES: Final = 4 * 1024 * 1024

Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _File:
    signature: Signature
    found: tuple[Declared | Stray, ...]
    kept: tuple[Declared, ...]


class Reader:
    """Reads the same places again and again; a file that did not change is not read again."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._files: dict[Path, _File] = {}

    def signatures(self) -> dict[Path, Signature]:
        """Return what tells whether anything changed. Raises SourceError."""
        return {path: _signature(path) for path in _listed(self._paths)}

    def seen(self) -> dict[Path, Signature]:
        """Return the signatures of the files as they were last read."""
        return {path: file.signature for path, file in self._files.items()}

    def read(self) -> Contents:
        """Return what is there now. Raises SourceError where a named file or directory is not there at all."""
        listed = _listed(self._paths)
        still = frozenset(listed)
        gone = [each for path, file in self._files.items() if path not in still for each in _held(file)]
        files = {path: self._read(path, gone) for path in listed}
        self._files = files
        declared: dict[object, Declared] = {}
        strays: list[Stray] = []
        for file in files.values():
            for each in (*file.found, *file.kept):
                if isinstance(each, Stray):
                    strays.append(each)
                elif each.name in declared:
                    strays.append(_twice(each, declared[each.name]))
                else:
                    declared[each.name] = each
        return Contents(tuple(declared.values()), tuple(strays), len(files))

    def _read(self, path: Path, gone: list[Declared]) -> _File:
        signature, known = _signature(path), self._files.get(path)
        if known is not None and known.signature == signature:
            return known
        found = tuple(_found(path))
        # A document that cannot be read hides what it held: what the file declared before, and does not now, stays.
        kept: tuple[Declared, ...] = ()
        if any(isinstance(each, Stray) and each.is_fault for each in found):
            names = {each.name for each in found if isinstance(each, Declared)}
            # A new file that cannot be read may be one that went, under another name.
            earlier = _held(known) if known is not None else gone
            kept = tuple(each for each in earlier if each.name not in names)
        return _File(signature, found, kept)


def _held(file: _File) -> list[Declared]:
    return [*(each for each in file.found if isinstance(each, Declared)), *file.kept]


def _found(path: Path) -> list[Declared | Stray]:
    try:
        # Not a pipe, on which reading would wait, nor a device, which has no end.
        if not path.is_file():
            raise OSError("not a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise OSError(f"larger than {MAX_BYTES // 1024 // 1024} MiB")
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        what = f"cannot be read: {fault}"
        return [Stray((Problem("AZ101", what, file=str(path), line=1, column=1),), is_fault=True)]
    return read(text, str(path))


def _twice(each: Declared, first: Declared) -> Stray:
    line, column = each.place(("metadata", "name"))
    what = f"the AuthPolicy {each.name} is also in {first.file}, which counts; rename or remove one"
    return Stray((Problem("AZ206", what, ("metadata", "name"), each.file, line, column),), is_fault=False)


def _listed(paths: tuple[Path, ...]) -> list[Path]:
    """Return the policy files among and below `paths`, sorted. Hidden names are left out: Kubernetes' `..data` among them.

    A directory below that cannot be read is listed itself: a fault of its own, and no reason to lose the others.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            if path.is_dir():
                found.update(dict.fromkeys(_below(path, path.resolve(), set())))
            elif path.exists():
                found[path] = None
            else:
                raise SourceError(f"{path}: no such file or directory")
        except OSError as fault:
            raise SourceError(f"{path}: {fault.strerror}") from fault
    return list(found)


def _below(directory: Path, root: Path, seen: set[Path]) -> list[Path]:
    """Return the policy files of a directory that was not `seen` yet and is below `root`: a link may lead anywhere."""
    real = directory.resolve()
    if real in seen or not real.is_relative_to(root):
        return []
    seen.add(real)
    found: list[Path] = []
    for entry in sorted(directory.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            try:
                found += _below(entry, root, seen)
            except OSError:
                found.append(entry)
        elif entry.suffix in SUFFIXES:
            found.append(entry)
    return found


def _signature(path: Path) -> Signature:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
