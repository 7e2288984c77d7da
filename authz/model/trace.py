"""The steps of one decision, written down while it is made."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Step(NamedTuple):
    """One thing that was looked at.

    Attributes:
        depth: 0 for the request, policy and rule; 1 for an item of a rule; 2 for its members; 3 inside a credential.
        what: what was looked at: `policy`, `rule`, `jwt`, `signature`, `clientIP` ….
        name: its name in the policy, or "".
        holds: True, False, or None where it was not reached or is only told.
        got: what the request had.
        want: what the policy asks for.
        path: where it stands in the policy: ("spec", "rules", 0).
    """

    depth: int
    what: str
    name: str = ""
    holds: bool | None = None
    got: str = ""
    want: str = ""
    path: tuple[str | int, ...] = ()


@dataclass(slots=True)
class Trace:
    """A recorder that is handed down a decision. Where there is none, nothing is recorded."""

    steps: list[Step] = field(default_factory=list)

    def note(self, step: Step) -> None:
        """Append one step."""
        self.steps.append(step)
