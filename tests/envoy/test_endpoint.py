"""The border to the transport: an answer whatever happens."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from authz.envoy.endpoint import Endpoint, WaitingRoom
from authz.model.decision import Allow, Decision
from authz.model.reason import Reason
from authz.model.request import Request
from authz.service.ports import FetchedKeys
from tests.builders import ISSUER, Installation, a_jwks, a_manifest, a_token
from tests.envoy.messages import check_request, check_response, reason_of
from tests.fakes import Journal, settle

ALLOW = Allow(Reason.RULE_ALLOW, "shop/orders")


class Checks:
    """Answers with what it is given: a decision, an awaitable of one, or an exception."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.budgets: list[float] = []

    def check(self, request: Request, budget: float) -> Decision | Awaitable[Decision]:
        self.budgets.append(budget)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


async def later(answer: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(answer, BaseException):
        raise answer
    return answer


async def until_set(event: asyncio.Event) -> Decision:
    await event.wait()
    return ALLOW


def asked(checks: Checks, journal: Any, data: bytes | None = None) -> bytes:
    async def story() -> bytes:
        answer = Endpoint(checks, journal)(check_request() if data is None else data, 0.5)
        return answer if isinstance(answer, bytes) else await answer

    return asyncio.run(story())


def test_a_decision_becomes_bytes_and_is_told() -> None:
    journal, checks = Journal(), Checks(ALLOW)
    assert reason_of(asked(checks, journal)) == "rule.allow"
    ((request, decision, seconds),) = journal.decisions
    assert request is not None
    assert (request.path, decision) == ("/orders/7", ALLOW)
    assert 0 <= seconds < 5
    assert checks.budgets == [0.4], "a fifth of the deadline is for the way back"


def test_a_decision_that_comes_later_becomes_bytes_and_is_told() -> None:
    async def story() -> None:
        journal = Journal()
        answer = Endpoint(Checks(later(ALLOW)), journal)(check_request(), 1)
        assert isinstance(answer, Awaitable)
        assert journal.decisions == []
        assert reason_of(await answer) == "rule.allow"
        assert journal.reasons() == ["rule.allow"]

    asyncio.run(story())


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xff\xff", check_request()[:-2]])
def test_what_is_no_request_is_denied_without_being_decided(data: bytes) -> None:
    journal, checks = Journal(), Checks(ALLOW)
    response = check_response(asked(checks, journal, data))
    assert (response.status.code, response.denied_response.status.code) == (7, 400)
    assert checks.budgets == []
    assert [(request, decision.reason.value) for request, decision, _ in journal.decisions] == [(None, "request.malformed")]


@pytest.mark.parametrize("fault", [RuntimeError("x"), RecursionError("x"), MemoryError("x"), TimeoutError("x"), AssertionError("x")])
def test_an_exception_is_a_deny_and_told(fault: Exception) -> None:
    for answer in (fault, later(fault)):
        journal = Journal()
        response = check_response(asked(Checks(answer), journal))
        assert (response.status.code, response.denied_response.status.code) == (7, 503)
        assert journal.faults == [fault]


@pytest.mark.parametrize("answer", [None, 7, "allow", object(), b"", True])
def test_what_is_no_decision_is_a_deny(answer: Any) -> None:
    journal = Journal()
    assert reason_of(asked(Checks(answer), journal)) == "internal.error"
    assert len(journal.faults) == 1


class Deaf(Journal):
    """Hears nothing of decisions: its disk is full."""

    def decided(self, request: Request | None, decision: Decision, seconds: float) -> None:
        raise OSError(28, "No space left on device")


class StoneDeaf(Deaf):
    """Hears nothing at all."""

    def failed(self, fault: BaseException) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("answer", [ALLOW, RuntimeError("x")])
def test_an_audit_that_cannot_write_is_no_error_of_the_call(answer: Any) -> None:
    for given in (answer, later(answer)):
        assert check_response(asked(Checks(given), Deaf())).WhichOneof("http_response")


@pytest.mark.parametrize("wait", [False, True])
def test_an_audit_that_cannot_write_at_all_is_no_error_of_the_call(wait: bool) -> None:
    fault = RuntimeError("x")
    assert check_response(asked(Checks(later(fault) if wait else fault), StoneDeaf())).WhichOneof("http_response")


def test_a_caller_that_goes_away_is_not_told_as_a_fault() -> None:
    async def story() -> None:
        journal = Journal()
        answer = Endpoint(Checks(until_set(asyncio.Event())), journal)(check_request(), 1)
        assert isinstance(answer, Awaitable)
        task = asyncio.ensure_future(answer)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert journal.faults == []

    asyncio.run(story())


def test_the_whole_way_with_a_policy_and_keys_that_must_be_fetched() -> None:
    rules = f"hosts: [api.example.com]\naudiences: [orders]\nissuers: [{{name: idp, issuer: {ISSUER}}}]\n"
    rules += "rules: [{name: all, allow: [{name: any, jwt: {issuers: [idp]}}]}]"

    async def story() -> None:
        installation = Installation(a_manifest(rules))
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks().encode())
        endpoint = Endpoint(installation.checker, installation.journal)
        data = check_request(headers={"authorization": f"Bearer {a_token()}"})
        first = endpoint(data, 1.0)
        assert isinstance(first, Awaitable)
        assert reason_of(await first) == "rule.allow"
        second = endpoint(data, 1.0)
        assert isinstance(second, bytes)
        assert installation.journal.reasons() == ["rule.allow", "rule.allow"]

    asyncio.run(story())


def test_those_beyond_the_waiting_room_are_denied_at_once_and_it_empties_again() -> None:
    async def story() -> None:
        journal, free = Journal(), asyncio.Event()

        class Waiting:
            def check(self, request: Request, budget: float) -> Any:
                return until_set(free)

        endpoint = Endpoint(Waiting(), journal, WaitingRoom(checks=2))
        waiting = [asyncio.ensure_future(endpoint(check_request(), 1)) for _ in range(2)]  # type: ignore[arg-type]
        await settle()
        for _ in range(3):
            beyond = endpoint(check_request(), 1)
            assert isinstance(beyond, bytes)
            assert (reason_of(beyond), check_response(beyond).denied_response.status.code) == ("overloaded", 503)
        free.set()
        assert [reason_of(each) for each in await asyncio.gather(*waiting)] == ["rule.allow", "rule.allow"]
        assert reason_of(await endpoint(check_request(), 1)) == "rule.allow"  # type: ignore[misc]
        assert journal.reasons() == ["overloaded"] * 3 + ["rule.allow"] * 3

    asyncio.run(story())


def test_the_waiting_room_is_bounded_in_octets_too_and_one_that_goes_away_leaves_it() -> None:
    async def story() -> None:
        checks = Checks(until_set(asyncio.Event()))
        endpoint = Endpoint(checks, Journal(), WaitingRoom(bytes=10_000))
        large = check_request(headers={"x-large": "x" * 9_000})
        first = asyncio.ensure_future(endpoint(large, 1))  # type: ignore[arg-type]
        await settle()
        checks.answer = later(ALLOW)
        assert reason_of(endpoint(large, 1)) == "overloaded"  # type: ignore[arg-type]
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        checks.answer = later(ALLOW)
        assert reason_of(await endpoint(large, 1)) == "rule.allow"  # type: ignore[misc]

    asyncio.run(story())


@pytest.mark.parametrize(("seconds", "expected"), [(0.9, "rule.allow"), (1.1, "overloaded")])
@pytest.mark.parametrize("is_later", [False, True])
def test_an_allow_that_comes_after_the_deadline_is_none(seconds: float, expected: str, is_later: bool) -> None:
    times = iter([100.0, 100.0 + seconds])
    checks = Checks(later(ALLOW) if is_later else ALLOW)
    endpoint = Endpoint(checks, Journal(), now=lambda: next(times))

    async def story() -> bytes:
        answer = endpoint(check_request(), 1.0)
        return answer if isinstance(answer, bytes) else await answer

    assert reason_of(asyncio.run(story())) == expected
