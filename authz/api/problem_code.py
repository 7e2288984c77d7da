"""One problem code: its title and its meaning."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProblemCode:
    """What is said of a code.

    Attributes:
        title: a few words, for a list.
        meaning: what is wrong, why it matters, and how to mend it.
    """

    title: str
    meaning: str
