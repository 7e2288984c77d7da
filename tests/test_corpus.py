"""Every case of tests/corpus: compiled, explained and over gRPC must all come to what AuthPolicy's meaning says."""

import pytest

from tests import corpus_runner
from tests.corpus_runner import CaseOf, Setting


def _params():
    for setting in corpus_runner.settings():
        for case in setting.cases:
            marks = [pytest.mark.xfail(reason=case.disagrees, strict=True, raises=AssertionError)] if case.disagrees else []
            yield pytest.param(setting, case, id=f"{setting.name}: {case.name}", marks=marks)


@pytest.mark.parametrize(("setting", "case"), list(_params()))
def test_case(setting: Setting, case: CaseOf) -> None:
    found = corpus_runner.run(setting, case)
    assert not found, "\n".join([*found, f"because: {case.why}"])


def test_the_corpus_is_large_enough_and_every_name_is_its_own():
    named = [(setting.name, case.name) for setting in corpus_runner.settings() for case in setting.cases]
    assert len(named) == len(set(named)) >= 110
    assert sum(case.envoy for setting in corpus_runner.settings() for case in setting.cases) >= 25
