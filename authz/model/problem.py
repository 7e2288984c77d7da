"""One thing that is wrong in something a person wrote."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a problem keeps the document from being used."""

    ERROR = "error"
    WARNING = "warning"


def written(path: tuple[str | int, ...]) -> str:
    """Return a path as people write it.

    >>> written(("spec", "rules", 0, "name")), written(())
    ('spec.rules[0].name', '')
    """
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: a stable code, what is wrong and how to mend it, and where.

    Attributes:
        code: `AZ…`, explained in docs/reference/problems.md.
        what: one sentence that ends with the remedy.
        path: keys and indexes that lead to the place: ("spec", "rules", 0, "name").
        file: the file, or "" for an object that came from elsewhere.
        line: from 1; 0 where unknown.
        column: from 1; 0 where unknown.
        severity: an error keeps the document from being used, a warning does not.
    """

    code: str
    what: str
    path: tuple[str | int, ...] = ()
    file: str = ""
    line: int = 0
    column: int = 0
    severity: Severity = Severity.ERROR

    @property
    def where(self) -> str:
        """The path in the form `spec.rules[0].name`."""
        return written(self.path)
