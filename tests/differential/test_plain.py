"""The plain reading is plain: short, on its own, and at one with the golden corpus."""

import ast
import json
import sys
from pathlib import Path

import pytest

from tests import corpus_runner
from tests.corpus_runner import Setting
from tests.differential import plain
from tests.differential.engine import plain_request, world_of

FILES = sorted(Path(__file__).parent.glob("plain*.py"))
# What it leaves out to stay short.
LEFT_OUT = {
    "from two cookie lines": "cookies are separated by ; alone",
    "it does not fit": "values are never too long",
    "a policy whose host is in upper case closes that host": "hosts are written rightly",
    "VJ-20 by the second discovery document of the same issuer": "an issuer is defined once",
    "a policy whose host has a port closes that host": "hosts are written rightly",
}
# Nor does it know any other credential than tokens, nor expressions, named sets of addresses, discovery and another manner of answering.
UNREAD = ('"apiKeys"', '"certificateAuthorities"', '"ipSets"', '"when"')
SETTINGS = [
    each
    for each in corpus_runner.settings()
    if not each.given.earlier
    and not any(word in json.dumps(each.given.policies) for word in UNREAD)
    and not any("compatibility" in policy.get("spec", {}) for policy in each.given.policies)
]


def _lines_of_code(text: str) -> int:
    """How many lines there are without empty ones, comments and what documents: those are what makes it readable."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            documented |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = enumerate((line.strip() for line in text.splitlines()), 1)
    return sum(bool(line) and not line.startswith("#") and at not in documented for at, line in lines)


def test_it_has_400_lines_in_all():
    assert len(FILES) == 3
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    assert sum(map(_lines_of_code, texts)) <= 400
    assert max(text.count("\n") for text in texts) <= 250


def test_it_knows_the_standard_library_and_itself_alone():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{each.name}" for each in node.names]
            for name in names:
                own = name.startswith("tests.differential.") and {f"{part}.py" for part in name.split(".")} & {each.name for each in FILES}
                assert own or name.partition(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_it_comes_to_what_the_corpus_says(setting: Setting):
    world = world_of(setting.given, set(setting.given.refused))
    for case in setting.cases:
        found = plain.decide(world, plain_request(case.request, setting.given))
        told = {name: getattr(case.expect, name) for name in ("decision", "status", "reason", "policy", "rule", "alternative")}
        want = {name: value for name, value in told.items() if name in case.expect.model_fields_set and value is not None}
        if want["decision"] == found["decision"] == "allow":
            want |= {"set": found["set"] if case.expect.set is None else case.expect.set, "removed_query": set(case.expect.removedQuery)}
            want |= {"removed": (found["removed"] | set(case.expect.removed)) - set(case.expect.kept)}
        assert ({name: found[name] for name in want} == want) is (case.name not in LEFT_OUT), f"{case.name}: {found}, expected {want}"


def test_most_of_the_corpus_is_read():
    assert sum(len(each.cases) for each in SETTINGS) >= 440
    assert {case.name for each in SETTINGS for case in each.cases} >= LEFT_OUT.keys()
