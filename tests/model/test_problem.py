"""One mistake in something a person wrote."""

import pytest

from authz.model.problem import Problem, Severity


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ((), ""),
        (("spec",), "spec"),
        (("spec", "rules", 0, "name"), "spec.rules[0].name"),
        ((0, "spec"), "[0].spec"),
    ],
)
def test_where_is_the_path_in_words(path, where):
    assert Problem("AZ301", "wrong", path).where == where


def test_a_problem_is_an_error_unless_it_says_otherwise():
    assert Problem("AZ301", "wrong").severity is Severity.ERROR
