"""Objects as a source holds them."""

import pytest

from authz.model.declared import Declared
from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity
from tests.policy.given import a_policy

NAME = PolicyName("shop", "orders")
PLACES = {(): (1, 1), ("spec",): (4, 1), ("spec", "rules"): (5, 3), ("spec", "rules", 0): (6, 5)}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("spec", "rules", 0), (6, 5)),
        (("spec", "rules", 0, "allow", 1), (6, 5)),
        (("spec", "hosts", 0), (4, 1)),
        (("metadata", "name"), (1, 1)),
        ((), (1, 1)),
    ],
)
def test_a_place_that_is_unknown_is_that_of_what_is_around_it(path, place):
    assert Declared(NAME, None, places=PLACES).place(path) == place


def test_a_place_is_the_first_line_where_no_places_are_known():
    assert Declared(NAME, None).place(("spec",)) == (1, 1)


def test_a_problem_gets_file_line_and_column_by_its_path():
    located = Declared(NAME, None, file="a.yaml", places=PLACES).located(Problem("AZ301", "wrong", ("spec", "rules")))
    assert (located.file, located.line, located.column) == ("a.yaml", 5, 3)


def test_a_problem_that_knows_its_line_keeps_it():
    problem = Problem("AZ101", "wrong", ("spec",), line=9, column=2)
    assert Declared(NAME, None, file="a.yaml", places=PLACES).located(problem) is problem


def test_a_problem_of_an_object_without_file_stays_without_one():
    problem = Problem("AZ301", "wrong", ("spec",))
    assert Declared(NAME, None, places=PLACES).located(problem) is problem


def test_what_was_read_without_an_error_is_sound_warnings_or_not():
    warning = Problem("AZ310", "mind", severity=Severity.WARNING)
    assert Declared(NAME, a_policy(), problems=(warning,)).is_sound
    assert not Declared(NAME, a_policy(), problems=(warning, Problem("AZ301", "wrong"))).is_sound
    assert not Declared(NAME, None).is_sound
