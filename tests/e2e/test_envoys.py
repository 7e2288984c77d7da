"""Where the oldest Envoy comes from, and what happens where it cannot be had."""

import subprocess
from pathlib import Path

import pytest

from tests.e2e.envoys import VERSIONS, envoy_of, folder_of, oldest

pytestmark = pytest.mark.envoy


def test_the_two_envoys_are_two() -> None:
    told = {subprocess.run([envoy_of(version), "--version"], capture_output=True, text=True, check=True).stdout for version in VERSIONS}
    assert len(told) == len(VERSIONS)
    assert any("/1.36." in each for each in told)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_an_index_it_is_a_loud_skip_and_a_failure_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    nowhere = (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(tmp_path)))
    with pytest.raises(outcome, match="oldest Envoy"):
        oldest(str(tmp_path), nowhere)
    assert not folder_of(str(tmp_path)).exists()
