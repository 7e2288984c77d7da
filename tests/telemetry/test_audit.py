"""What becomes of what happened: numbers and lines."""

import io
import json
from typing import Any

import pytest

from authz.model.decision import Allow, Deny
from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity
from authz.model.reason import Reason
from authz.service.states import State
from authz.telemetry.audit import Auditor
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import Metrics
from tests.builders import ISSUER, a_request
from tests.fakes import NOON
from tests.telemetry.test_metrics import value


class Office:
    """An auditor with its books."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.metrics = Metrics(lambda: (), lambda: 0)
        self._lines = Lines(self.stream, lambda: NOON, 1.0, None)
        self.audit = Auditor(self.metrics, self._lines)

    @property
    def lines(self) -> list[dict[str, Any]]:
        self._lines.flush()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def test_a_decision_is_counted_and_written() -> None:
    office = Office()
    office.audit.decided(a_request(), Deny(Reason.RULE_NONE, 403), 0.5)
    assert value(office.metrics, "authz_checks_total", decision="deny", reason="rule.none") == 1
    assert value(office.metrics, "authz_check_duration_seconds_sum") == 0.5
    assert [line["reason"] for line in office.lines] == ["rule.none"]


@pytest.mark.parametrize(("target", "counted"), [("/a/../b", 1), ("/a%2fb", 1), ("/a//b", 1), ("/a", 0), ("/a/%7eb", 0), ("/", 0)])
def test_an_ambiguous_path_that_passes_unprotected_is_counted(target: str, counted: int) -> None:
    office = Office()
    office.audit.decided(a_request(target=target), Allow(Reason.POLICY_UNPROTECTED), 0)
    assert office.metrics.ambiguous == counted


def test_an_ambiguous_path_is_counted_where_it_passed_only() -> None:
    office = Office()
    office.audit.decided(a_request(target="/a/../b"), Deny(Reason.PATH_AMBIGUOUS, 400), 0)
    office.audit.decided(None, Allow(Reason.POLICY_UNPROTECTED), 0)
    assert office.metrics.ambiguous == 0


def test_a_fault_is_counted_and_told_without_its_words() -> None:
    def innermost(secret: str) -> None:
        raise ValueError(f"cannot read {secret}")

    office = Office()
    try:
        innermost("eyJhbGciOi.secret")
    except ValueError as fault:
        office.audit.failed(fault)
    office.audit.failed(RuntimeError("never raised"))
    assert office.metrics.faults == 2
    first, second = office.lines
    assert (first["level"], first["event"], first["kind"]) == ("error", "fault", "ValueError")
    assert first["where"].startswith("innermost:")
    assert second["where"] == ""
    assert "secret" not in office.stream.getvalue()


def test_fetches_are_counted_and_written_where_something_changes() -> None:
    office = Office()
    office.audit.fetched(ISSUER, ("k1",), ())
    assert office.lines == []
    office.audit.fetch_failed(ISSUER, "down", keeps=True)
    office.audit.fetched(ISSUER, ("k1", "k2"), ())
    office.audit.fetched(ISSUER, ("k1", "k2"), ())
    office.audit.fetched(ISSUER, ("k1",), tuple(f"keys[{n}]: bad" for n in range(50)))
    told = [(line["level"], line["event"]) for line in office.lines]
    assert told == [("warning", "keys.fetch_failed"), ("info", "keys.fetched"), ("warning", "keys.fetched")]
    assert office.lines[0]["keeps_earlier_keys"] is True
    assert office.lines[0]["why"] == "down"
    assert len(office.lines[2]["dropped"]) == 8
    assert value(office.metrics, "authz_jwks_fetches_total", issuer=ISSUER, result="success") == 4
    assert value(office.metrics, "authz_jwks_fetches_total", issuer=ISSUER, result="failure") == 1


def test_an_update_is_counted_and_its_problems_written_with_their_place() -> None:
    office = Office()
    states = (
        State(PolicyName("shop", "orders"), True, True, True, False, ()),
        State(PolicyName("shop", "bad"), False, False, False, False, ()),
    )
    problems = [
        Problem("AZ105", "unknown field", ("spec",), "a.yaml", 3, 7),
        Problem("AZ310", "cookies", ("spec",), "b.yaml", 1, 1, Severity.WARNING),
    ]
    office.audit.reloaded(states, problems, NOON, ok=False)
    first, second, third = office.lines
    assert (first["level"], first["event"], first["policies"], first["in_force"]) == ("error", "policies.loaded", 2, 1)
    assert (second["level"], second["code"], second["at"], second["what"]) == ("error", "AZ105", "a.yaml:3:7", "unknown field")
    assert third["level"] == "warning"
    assert value(office.metrics, "authz_reloads_total", result="failure") == 1
    office.audit.reloaded(states, [], NOON, ok=True)
    assert office.lines[-1]["level"] == "info"


def test_other_events_are_written() -> None:
    office = Office()
    office.audit.event("info", "stopping", drain_seconds=5)
    assert office.lines[0]["drain_seconds"] == 5


def test_what_was_wrong_in_the_same_way_before_is_not_written_again() -> None:
    office = Office()
    problem = Problem("AZ205", "shop/a already decides for api.example.com/; narrow one of them", ("spec", "hosts"))
    bad = State(PolicyName("shop", "bad"), False, False, False, False, (problem,))
    for _ in range(3):
        office.audit.reloaded((bad,), [], NOON, ok=False)
    (told,) = [line for line in office.lines if line["event"] == "policy.problem"]
    assert (told["policy"], told["at"], told["code"]) == ("shop/bad", "spec.hosts", "AZ205")
    office.audit.reloaded((), [], NOON, ok=True)
    office.audit.reloaded((bad,), [], NOON, ok=False)
    assert len([line for line in office.lines if line["event"] == "policy.problem"]) == 2
