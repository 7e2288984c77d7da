"""docs/conformance.md: every corpus, how many of its vectors are answered as labelled, and which are not, and why."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.conformance.cookbook import COOKBOOK
from tests.conformance.identity_model import IDENTITY_MODEL
from tests.conformance.istio import ISTIO
from tests.conformance.json_suite import JSON_SUITE
from tests.conformance.outcomes import NOT_RUN, Corpus
from tests.conformance.request_parts import IP_PARSING, PATH_NORMALIZATION
from tests.conformance.rfc_vectors import RFC_VECTORS
from tests.conformance.wycheproof import WYCHEPROOF

COMMAND: Final = "make conformance"
PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
CORPORA: Final = (WYCHEPROOF, COOKBOOK, RFC_VECTORS, JSON_SUITE, IDENTITY_MODEL, ISTIO, PATH_NORMALIZATION, IP_PARSING)
_NUMBER: Final = re.compile(r"(?<=[ -])(\d+)$")
KINDS: Final = ("as labelled", "otherwise", NOT_RUN)
OPENING: Final = f"""<!-- Written by `{COMMAND}`; not edited by hand. -->

# Conformance

Vectors that others published, put to the code that reads requests and verifies tokens. `{COMMAND}` runs them and writes this page.
The corpora are no part of the repository: they are read from `../shared/corpora`, or from the folder that `AUTHZ_CORPORA` names.

*As labelled*: what the vector asks for came. *Otherwise*: something else has to come, and came; the reason is below. *Not run*: it is of
something that this service does not do.
"""


def page() -> str:
    """The whole page."""
    rows = [_row(each.folder, each.origin, each.licence, len(each.outcomes), *_counts(each), each.note) for each in CORPORA]
    head = _head("Corpus", "Origin", "Licence", "Vectors", "As labelled", "Otherwise", "Not run", "What is done")
    sections = [
        part
        for kind in KINDS[1:]
        for part in ("", f"## {kind.capitalize()}", "", *_head("Corpus", "Vectors", "Which", "Why"), *_listed(kind))
    ]
    return "\n".join([OPENING, *head, *rows, *sections, ""])


def failures() -> list[str]:
    """The vectors of which came what must not."""
    return [f"{each.folder}: {one}" for each in CORPORA for one in each.outcomes if not one.holds]


def _counts(each: Corpus) -> list[int]:
    return [sum(one.kind == kind for one in each.outcomes if one.holds) for kind in KINDS]


def _listed(kind: str) -> Iterator[str]:
    for each in CORPORA:
        reasons: dict[str, list[str]] = {}
        for one in each.outcomes:
            if one.kind == kind:
                reasons.setdefault(one.why, []).append(one.vector)
        for why, names in reasons.items():
            yield _row(each.folder, len(names), ", ".join(spans(names)), why)


def spans(names: list[str]) -> list[str]:
    """The names, those that differ in a last number only as one.

    >>> spans(["A-001", "A-002", "A-003", "7", "8", "10", "b"])
    ['A-001…003', '7', '8', '10', 'b']
    """
    runs: list[list[str]] = []
    for name in names:
        runs.append([*runs.pop(), name] if runs and _follows(runs[-1][-1], name) else [name])
    return [run[0] if len(run) == 1 else f"{run[0]}…{_NUMBER.split(run[-1])[1]}" for run in runs]


def _follows(first: str, second: str) -> bool:
    one, two = _NUMBER.split(first), _NUMBER.split(second)
    return len(one) == len(two) > 1 and bool(one[0]) and one[0] == two[0] and int(two[1]) == int(one[1]) + 1


def _head(*titles: str) -> list[str]:
    return [_row(*titles), _row(*["---"] * len(titles))]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
