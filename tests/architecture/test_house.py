"""ARCHITECTURE.md, the import contracts and the code are of one mind."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def floors_of_the_contract() -> list[list[str]]:
    (layers,) = (contract["layers"] for contract in CONTRACTS if contract["type"] == "layers")
    return [sorted(re.split(r"\s*\|\s*", layer)) for layer in layers]


def floors_of_the_drawing() -> list[list[str]]:
    drawing = ARCHITECTURE.partition("```text\n")[2].partition("```")[0]
    # Names, then at least two spaces, then what the floor is for.
    names = [re.split(r"\s{2,}", line)[0] for line in drawing.splitlines() if line.strip()]
    return [sorted(re.split(r"\s*\|\s*", line)) for line in names]


def test_the_drawing_of_the_floors_is_the_contract() -> None:
    assert floors_of_the_drawing() == floors_of_the_contract()


def test_every_part_of_the_house_is_on_a_floor() -> None:
    parts = {path.stem for path in (ROOT / "authz").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__"} == {part for floor in floors_of_the_contract() for part in floor}


PROMISES = [("ARCHITECTURE.md", "## Invariants"), ("docs/threat-model.md", "## What is promised")]


@pytest.mark.parametrize(("document", "heading"), PROMISES)
def test_every_promise_names_a_test_or_contract_that_exists(document: str, heading: str) -> None:
    section = (ROOT / document).read_text(encoding="utf-8").partition(heading)[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) >= 8
    contracts = " ".join(contract["name"] for contract in CONTRACTS)
    for row in rows:
        keepers = re.findall(r"`([^`]+)`", row.split("|")[2])
        assert keepers, row
        for keeper in keepers:
            file, _, name = keeper.partition("::")
            assert keeper in contracts or (ROOT / file).exists(), keeper
            assert not name or f"def {name}" in (ROOT / file).read_text(encoding="utf-8"), keeper


def test_every_decision_record_is_listed() -> None:
    for record in sorted((ROOT / "docs" / "adr").glob("0*.md")):
        assert record.name in ARCHITECTURE
