"""What a source holds: objects as they were written, read as far as they can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from authz.model.cluster import ALONE, Cluster
from authz.model.policy import Policy, PolicyName
from authz.model.problem import Problem, Severity

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """One AuthPolicy as a source holds it.

    Attributes:
        name: which object.
        policy: what it declares, as far as it can be read; None where it cannot.
        target: a policy with its hosts, path prefixes and mode and nothing else, where at least those can be read.
        problems: what was found wrong while it was read.
        file: where it stands; "" where it came from elsewhere.
        places: line and column, from 1, of what stands in it, by path.
        generation: of the object, where the API server holds it.
        uid: the API server's own name for it: one that was deleted and made anew is another.
        is_partial: whether parts that cannot be read were left out of `policy`; it is good for finding further mistakes only.
    """

    name: PolicyName
    policy: Policy | None
    target: Policy | None = None
    problems: tuple[Problem, ...] = ()
    file: str = ""
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict, repr=False, compare=False)
    is_partial: bool = False
    generation: int = 0
    uid: str = ""

    def located(self, problem: Problem) -> Problem:
        """Return a problem that is known by its path with file, line and column."""
        if problem.line or not self.file:
            return problem
        line, column = self.place(problem.path)
        return replace(problem, file=self.file, line=line, column=column)

    def place(self, path: Path) -> tuple[int, int]:
        """Return line and column of what is at `path`, or of the closest thing around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    @property
    def is_sound(self) -> bool:
        """Whether it was read without an error."""
        return self.policy is not None and not any(problem.severity is Severity.ERROR for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Stray:
    """Something in a source that is no AuthPolicy, or cannot be read at all.

    Attributes:
        problems: why.
        is_fault: nothing is known of what it should have held: not a removal, but a fault.
    """

    problems: tuple[Problem, ...]
    is_fault: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that a source holds.

    Attributes:
        declared: the AuthPolicies; of a file that cannot be read now, those that it held before.
        strays: what is no AuthPolicy, and files that cannot be read.
        files: how many files were read; 0 for a source without files.
        cluster: what is around them.
        is_restored: whether it is what was last known, because the source does not answer.
    """

    declared: tuple[Declared, ...]
    strays: tuple[Stray, ...]
    files: int = 0
    cluster: Cluster = ALONE
    is_restored: bool = False

    @property
    def faults(self) -> tuple[Stray, ...]:
        """The strays of which is not known what they should have held."""
        return tuple(stray for stray in self.strays if stray.is_fault)
