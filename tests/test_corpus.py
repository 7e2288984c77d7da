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
    assert len(named) == len(set(named)) >= 700
    assert sum(case.envoy for setting in corpus_runner.settings() for case in setting.cases) >= 25


def test_every_row_is_shown_by_a_case_or_listed_with_the_reason_why_none_does():
    rows = corpus_runner.rows()
    named = {row for setting in corpus_runner.settings() for case in setting.cases for row in case.rows}
    listed = [*rows.nowhere, *rows.later]
    assert len(listed) == len(set(listed))
    assert named & set(listed) == set()
    assert named | set(listed) == rows.every()
    assert all(len(why) > 10 for why in (rows.nowhere | rows.later).values())


def test_what_settings_declare_is_the_same_in_each_run():
    given = corpus_runner.SettingOf.model_validate(
        {"about": "x", "cases": [{"name": "x", "why": "x", "expect": {"decision": "deny", "status": 403}}]}
        | {"certificates": {"root": {"ca": True}, "client": {"signedBy": "root"}}, "keys": {"one": {}}}
    )
    assert given.certificate("client", "sha256").startswith("3e0da044c55669ca")
    assert given.digest("one").startswith("sha256:cc40da09f63e2335")
