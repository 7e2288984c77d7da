"""A policy file: policies or problems, each with a known code and its place; and what is right can be put in force."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import indent

import yaml

from authz.api.decode import read
from authz.api.problem_codes import CODES
from authz.model.declared import Declared
from authz.model.problem import Problem
from tests.builders import a_manifest
from tests.fuzz.force import put_in_force

FOUND: Mapping[str, bytes] = {}
ROOT = Path(__file__).parents[3]


def fuzz(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # A file is UTF-8, or its reader says so.
    found = read(text, "file.yaml")
    assert found
    # Every line end that YAML knows; what is missing at the end is missing after the last line.
    lines = 2 + sum(map(text.count, "\n\r\u0085\u2028\u2029"))
    for each in found:
        for problem in each.problems:
            _assert_told(problem, lines)
        assert isinstance(each, Declared) or each.problems
    put_in_force([each for each in found if isinstance(each, Declared)])


def _assert_told(problem: Problem, lines: int) -> None:
    assert problem.code in CODES
    assert problem.what.encode()
    assert problem.file == "file.yaml"
    assert 1 <= problem.line <= lines
    assert problem.column >= 1
    assert isinstance(problem.where, str)


def seeds() -> Iterable[bytes]:
    spec, *parts = yaml.safe_load((ROOT / "docs" / "examples.yaml").read_text(encoding="utf-8")).values()
    whole = yaml.safe_load(spec)
    yield a_manifest(spec).encode()
    for part in parts:
        yield a_manifest(yaml.safe_dump(whole | yaml.safe_load(part), default_flow_style=None)).encode()
    for file in sorted((ROOT / "tests" / "corpus").glob("*.yaml")):
        for setting in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            for policy in setting.get("policies", [])[:1]:
                head = "apiVersion: ingress-authz.dev/v1alpha1\nkind: AuthPolicy\n"
                yield (head + yaml.safe_dump(policy, default_flow_style=None)).encode()
    item = a_manifest("hosts: [a.example]\nrules: [{name: all, allow: []}]")
    yield f"apiVersion: v1\nkind: List\nitems:\n- {indent(item, '  ').lstrip()}---\n{item}---\n".encode()
    yield b"a: &a [x, y]\nb: *a\n<<: {c: 1}\n!!str d: 0o17\ne: 1e999\n? [f]\n: 2001-01-01\nkind: AuthPolicy\nkind: 7"
    yield json.dumps(yaml.safe_load(item)).replace("a.example", "\\u00e9").encode()
