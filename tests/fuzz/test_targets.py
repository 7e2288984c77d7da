"""No bytes break a parser: some hundred inputs each in `make test`, a minute each, guided by coverage, in `make nightly`."""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.conftest import unavailable
from tests.corpora import corpus_path
from tests.fuzz import gate
from tests.fuzz.mutations import mutations
from tests.fuzz.outside import PUBLISHED, outside
from tests.fuzz.run import TIMEOUT_SECONDS
from tests.fuzz.target import TARGETS, target

ROOT = Path(__file__).parents[2]
MUTATIONS = 300
SECONDS = 60


def tried(fuzz: Callable[[bytes], object], inputs: Iterable[bytes]) -> int:
    """Try each input, and return how many there were."""
    count = 0
    for data in inputs:
        count += 1
        try:
            fuzz(data)
        except BaseException as fault:  # What Rust panics with is no Exception.
            fault.add_note(f"input: {data.hex()}")
            raise
    return count


@pytest.mark.parametrize("name", TARGETS)
def test_no_seed_and_nothing_near_one_breaks_anything(name: str) -> None:
    chosen = target(name)
    seeds = [*chosen.seeds(), *chosen.FOUND.values()]
    assert tried(chosen.fuzz, seeds) >= 2
    assert tried(chosen.fuzz, mutations(name, seeds, MUTATIONS)) == MUTATIONS


@pytest.mark.parametrize("name", PUBLISHED)
def test_nothing_that_others_published_breaks_anything(name: str) -> None:
    corpus_path(".")
    assert tried(target(name).fuzz, outside(name)) >= 10


def test_the_gate_lets_in_whom_there_is_a_reason_for() -> None:
    told = [gate.send(check).dynamic_metadata for check in gate.checks()]
    allowed = [each.fields["rule"].string_value or each["reason"] for each in told if each["decision"] == "allow"]
    assert allowed == ["open", "staff", "staff", "staff", "staff", "office", "preflight.allow"]
    assert {each["reason"] for each in told} >= {"rule.deny", "scope.insufficient", "token.signature", "ip.denied", "policy.none"}


def test_an_input_that_breaks_something_is_told_in_hexadecimal_digits() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        tried(lambda data: data.decode(), [b"fine", b"\xff\x00"])
    assert caught.value.__notes__ == ["input: ff00"]


@pytest.mark.nightly
@pytest.mark.parametrize("name", TARGETS)
def test_a_minute_guided_by_coverage_breaks_nothing(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    if importlib.util.find_spec("atheris") is None:
        unavailable("atheris", "run `make nightly` on Linux on x86-64: it has wheels for nothing else")
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(tmp_path), str(SECONDS)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=SECONDS * 5, check=False)
    ended = f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    for file in (tmp_path / "found").glob("*"):
        pytest.fail(f"{ended}\n{file.name}: {file.read_bytes().hex()}")
    assert result.returncode == 0, ended
    told = re.search(r"stat::number_of_executed_units: *(\d+)", result.stderr)
    assert told, ended
    record_property("fuzzed", re.findall(r"#\d+\tDONE.*", result.stderr))
    assert int(told[1]) > SECONDS, f"an input takes a second or more; one of {TIMEOUT_SECONDS} s would have been told"
