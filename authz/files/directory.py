"""What a directory, or a list of files and directories, holds now."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from authz.api.decode import read
from authz.files.texts import FileTexts, Signature, real, signature
from authz.model.cluster import Cluster
from authz.model.declared import Contents, Declared, Stray
from authz.model.policy import PolicyName
from authz.model.problem import Problem
from authz.model.reference import Reference
from authz.service.ports import SourceError

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _File:
    signature: Signature
    found: tuple[Declared | Stray, ...]
    kept: tuple[Declared, ...]

    @property
    def held(self) -> list[Declared]:
        """Everything that it declares, or declared before."""
        return [*(each for each in self.found if isinstance(each, Declared)), *self.kept]

    @property
    def is_faulty(self) -> bool:
        """Whether something in it cannot be read, and may hide anything."""
        return any(isinstance(each, Stray) and each.is_fault for each in self.found)

    def keeping(self, earlier: Iterable[Declared]) -> "_File":
        """Return it with what was declared before, and is not now."""
        names = {each.name for each in self.found if isinstance(each, Declared)}
        return replace(self, kept=tuple(each for each in earlier if each.name not in names))


class Reader:
    """Reads the same places again and again; a file that did not change is not read again. Texts that policies refer to come with them.

    Attributes:
        in_use: what versions in use refer to, though what is declared now may not.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._files: dict[Path, _File] = {}
        self._texts = FileTexts(self._paths)
        self._sound: dict[PolicyName, tuple[Reference, ...]] = {}
        self.in_use: frozenset[Reference] = frozenset()

    def signatures(self) -> dict[Path, Signature]:
        """Return what tells whether anything changed. Raises SourceError."""
        return {**self._texts.signatures(), **{path: signature(path) for path in _listed(self._paths)}}

    def seen(self) -> dict[Path, Signature]:
        """Return the signatures of the files as they were last read."""
        return {**self._texts.seen(), **{path: file.signature for path, file in self._files.items()}}

    def read(self) -> Contents:
        """Return what is there now. Raises SourceError where a named file or directory is not there at all."""
        self._files = self._with_gone({path: self._read(path) for path in _listed(self._paths)})
        files = self._of_policies()
        declared: dict[PolicyName, Declared] = {}
        strays: list[Stray] = []
        for file in files:
            for each in (*file.found, *file.kept):
                if isinstance(each, Stray):
                    strays.append(each)
                elif each.name in declared:
                    strays.append(_twice(each, declared[each.name]))
                else:
                    declared[each.name] = each
        texts = self._texts.read(self._wanted(declared))
        return Contents(tuple(declared.values()), tuple(strays), len(files), Cluster(texts=texts))

    def _read(self, path: Path) -> _File:
        now, known = signature(path), self._files.get(path)
        if known is not None and known.signature == now:
            return known
        file = _File(now, tuple(_found(path)), ())
        # A document that cannot be read hides what it held: what the file declared before, and does not now, stays.
        return file.keeping(known.held) if known is not None and file.is_faulty else file

    def _with_gone(self, files: dict[Path, _File]) -> dict[Path, _File]:
        """Return the files: a new one that cannot be read may be one that went, under another name, unless a policy refers to it."""
        gone = [each for path, file in self._files.items() if path not in files for each in file.held]
        if not gone:
            return files
        texts = self._texts.files(_references(files.values()))
        is_one = {path: path not in self._files and file.is_faulty and real(path) not in texts for path, file in files.items()}
        return {path: file.keeping(gone) if is_one[path] else file for path, file in files.items()}

    def _of_policies(self) -> list[_File]:
        """Return the files that are not there for others to refer to: those hold no policy, and nothing in them is strange."""
        texts = self._texts.files(_references(self._files.values()))
        return [file for path, file in self._files.items() if file.held or not texts or real(path) not in texts]

    def _wanted(self, declared: Mapping[PolicyName, Declared]) -> Iterator[Reference]:
        """Yield what the policies refer to; of one that cannot be read now also what it did, for its last version is still in use."""
        self._sound = {name: _of(each) if each.is_sound else self._sound.get(name, ()) for name, each in declared.items()}
        for name, each in declared.items():
            yield from dict.fromkeys((*_of(each), *self._sound[name]))
        yield from self.in_use


def _of(each: Declared) -> tuple[Reference, ...]:
    return each.policy.references if each.policy is not None else ()


def _references(files: Iterable[_File]) -> set[Reference]:
    return {reference for file in files for each in file.held for reference in _of(each)}


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
