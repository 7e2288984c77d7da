"""One check: waiting for keys, and what becomes of exceptions."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from authz.model.decision import Decision
from authz.model.issuer import Issuer
from authz.model.request import Request
from authz.policy.snapshot import Snapshot
from authz.service.check import Checker, SnapshotStore
from authz.service.ports import FetchedKeys, FetchError
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, rsa_key
from tests.fakes import FakeFetcher, settle

OTHER = "https://other.example.com"
GOOD = FetchedKeys(a_jwks().encode())
RULES = f"""
hosts: [api.example.com]
audiences: [orders]
issuers:
- {{name: idp, issuer: {ISSUER}}}
- {{name: other, issuer: {OTHER}}}
rules:
- name: open
  matches: [{{path: {{type: Exact, value: /open}}}}]
  allow: [{{name: any, anonymous: {{}}}}]
- name: all
  allow: [{{name: any, jwt: {{issuers: [idp]}}}}, {{name: others, jwt: {{issuers: [other]}}}}]
"""
SHADOW = """
mode: Shadow
hosts: [api.example.com]
rules: [{name: nobody, allow: []}]
"""


def an_installation(answer: FetchedKeys | FetchError = GOOD, *more: str) -> Installation:
    installation = Installation(a_manifest(RULES), *more)
    installation.fetcher.answers[ISSUER] = answer
    return installation


async def asked(installation: Installation, request: Request, budget: float = 1.0) -> Decision:
    answer = installation.checker.check(request, budget)
    return await answer if isinstance(answer, Awaitable) else answer


def test_a_check_waits_for_one_fetch_and_then_decides() -> None:
    async def story() -> None:
        installation = an_installation()
        answer = installation.checker.check(a_request(token=a_token()), 1.0)
        assert isinstance(answer, Awaitable)
        assert (await answer).reason.value == "rule.allow"
        assert installation.fetcher.asked == [ISSUER]

    asyncio.run(story())


def test_many_checks_that_wait_cause_one_fetch() -> None:
    async def story() -> None:
        installation = an_installation()
        installation.fetcher.gate = asyncio.Event()
        waiting = [asyncio.create_task(asked(installation, a_request(token=a_token(jti=str(n))))) for n in range(100)]
        await settle()
        installation.fetcher.gate.set()
        assert {decision.reason.value for decision in await asyncio.gather(*waiting)} == {"rule.allow"}
        assert installation.fetcher.asked == [ISSUER]

    asyncio.run(story())


@pytest.mark.parametrize("budget", [0.0, -1.0, 0.05])
def test_a_check_that_cannot_wait_longer_says_that_keys_are_unavailable(budget: float) -> None:
    async def story() -> None:
        installation = an_installation()
        installation.fetcher.gate = asyncio.Event()
        decision: Any = await asyncio.wait_for(asked(installation, a_request(token=a_token()), budget), 2)
        assert (decision.reason.value, decision.status) == ("keys.unavailable", 503)
        assert ("retry-after", "5") in decision.headers

    asyncio.run(story())


def test_a_fetch_goes_on_for_those_who_come_later() -> None:
    async def story() -> None:
        installation = an_installation()
        installation.fetcher.gate = asyncio.Event()
        await asked(installation, a_request(token=a_token()), 0.01)
        assert installation.ring.all()[0].flight is not None
        installation.fetcher.gate.set()
        await settle()
        assert installation.decide(a_request(token=a_token())).reason.value == "rule.allow"
        assert installation.fetcher.asked == [ISSUER]

    asyncio.run(story())


def test_a_fetch_that_ends_just_now_is_not_followed_by_another() -> None:
    async def story() -> None:
        installation = an_installation()
        installation.fetcher.gate = asyncio.Event()
        await asked(installation, a_request(token=a_token()), 0.01)
        installation.fetcher.gate.set()
        assert (await asked(installation, a_request(token=a_token()))).reason.value == "rule.allow"
        assert installation.fetcher.asked == [ISSUER]

    asyncio.run(story())


def test_a_client_that_goes_away_leaves_the_fetch_alone() -> None:
    async def story() -> None:
        installation = an_installation()
        installation.fetcher.gate = asyncio.Event()
        gone = asyncio.create_task(asked(installation, a_request(token=a_token())))
        await settle()
        gone.cancel()
        await settle()
        assert gone.cancelled()
        installation.fetcher.gate.set()
        await settle()
        assert installation.ring.all()[0].keys is not None
        assert not installation.journal.faults

    asyncio.run(story())


def test_a_fetch_that_fails_is_our_fault_and_counted_once() -> None:
    async def story() -> None:
        installation = an_installation(FetchError("down"))
        decision: Any = await asked(installation, a_request(token=a_token()))
        assert (decision.reason.value, decision.status) == ("keys.unavailable", 503)
        assert installation.decide(a_request(token=a_token())).reason.value == "keys.unavailable"
        assert len(installation.journal.fetch_failures) == 1

    asyncio.run(story())


@pytest.mark.parametrize("request_given", [a_request(target="/open"), a_request(), a_request(host="elsewhere.example.com")])
def test_requests_that_need_no_keys_never_wait(request_given: Request) -> None:
    assert an_installation().decide(request_given) is not None


def test_an_issuer_without_keys_is_nothing_to_the_tokens_of_others() -> None:
    async def story() -> None:
        installation = an_installation()
        await installation.ring.ask(installation.ring.all()[0])
        assert installation.decide(a_request(token=a_token())).reason.value == "rule.allow"
        decision: Any = await asked(installation, a_request(token=a_token(iss=OTHER)))
        assert decision.reason.value == "keys.unavailable"

    asyncio.run(story())


def test_the_decision_after_the_wait_is_by_the_policies_of_then() -> None:
    async def story() -> None:
        installation = an_installation()
        installation.fetcher.gate = asyncio.Event()
        waiting = asyncio.create_task(asked(installation, a_request(token=a_token())))
        await settle()
        installation.apply(a_manifest("hosts: [api.example.com]\nrules: [{name: none, allow: []}]"))
        installation.fetcher.gate.set()
        assert (await waiting).reason.value == "rule.deny"

    asyncio.run(story())


class Break:
    """Raises whatever is asked of it."""

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault

    def __getattr__(self, name: str) -> Any:
        raise self.fault


class BrokenClock:
    def time(self) -> float:
        raise RuntimeError("no time")

    async def sleep(self, seconds: float) -> None:
        raise RuntimeError("no sleep")


def checked(checker: Checker, request: Request) -> Any:
    return checker.check(request, 1.0)


def test_a_broken_clock_is_a_deny_and_told() -> None:
    installation = an_installation()
    checker = Checker(installation.updater.store, installation.ring, BrokenClock(), installation.journal)
    decision = checked(checker, a_request(target="/open"))
    assert (decision.reason.value, decision.status) == ("internal.error", 503)
    assert [str(fault) for fault in installation.journal.faults] == ["no time"]


def test_a_broken_snapshot_is_a_deny_and_told() -> None:
    installation = an_installation()
    store = SnapshotStore(Break(ValueError("no snapshot")))  # type: ignore[arg-type]
    decision = checked(Checker(store, installation.ring, installation.clock, installation.journal), a_request())
    assert decision.reason.value == "internal.error"
    assert [str(fault) for fault in installation.journal.faults] == ["no snapshot"]


@pytest.mark.parametrize("fault", [RuntimeError("x"), RecursionError("x"), MemoryError("x"), KeyError("x"), AssertionError("x")])
def test_a_request_that_breaks_something_is_a_deny_and_told(fault: Exception) -> None:
    installation = an_installation()
    request = a_request()
    request.headers = Break(fault)  # type: ignore[assignment]
    decision = checked(installation.checker, request)
    assert (decision.reason.value, decision.status) == ("internal.error", 503)
    assert installation.journal.faults == [fault]


class PromiseBreaker(FakeFetcher):
    async def fetch(self, issuer: Issuer) -> FetchedKeys:
        raise RuntimeError("not in the contract")


def test_an_exception_while_waiting_is_a_deny_and_told() -> None:
    async def story() -> None:
        installation = an_installation()
        installation.ring._fetcher = PromiseBreaker()
        decision = await asked(installation, a_request(token=a_token()))
        assert decision.reason.value == "internal.error"
        assert [str(fault) for fault in installation.journal.faults] == ["not in the contract"]

    asyncio.run(story())


def test_an_exception_after_the_wait_is_a_deny_and_told() -> None:
    async def story() -> None:
        installation = an_installation()
        installation.fetcher.gate = asyncio.Event()
        waiting = asyncio.create_task(asked(installation, a_request(token=a_token())))
        await settle()
        installation.updater.store.current = Break(ValueError("gone"))  # type: ignore[assignment]
        installation.fetcher.gate.set()
        assert (await waiting).reason.value == "internal.error"
        assert [str(fault) for fault in installation.journal.faults] == ["gone"]

    asyncio.run(story())


def test_a_shadow_says_what_it_would_have_decided() -> None:
    installation = an_installation(GOOD, a_manifest(SHADOW, name="trial"))
    decision = installation.decide(a_request(target="/open"))
    assert decision.reason.value == "rule.allow"
    ((shadow),) = decision.shadows
    assert (shadow.policy, shadow.decision.reason.value) == ("shop/trial", "rule.deny")


def test_a_shadow_that_raises_leaves_the_decision() -> None:
    installation = an_installation(GOOD, a_manifest(SHADOW, name="trial"))
    snapshot: Snapshot = installation.updater.store.current
    trial = snapshot.policies["shop/trial"]
    trial.rules = Break(RuntimeError("shadow"))  # type: ignore[assignment]
    decision = checked(installation.checker, a_request(target="/open"))
    assert decision.reason.value == "rule.allow"
    assert decision.shadows == ()
    assert len(installation.journal.faults) == 1


def test_a_shadow_never_makes_a_request_wait() -> None:
    shadow = RULES.replace("hosts: [api.example.com]", "mode: Shadow\nhosts: [api.example.com]").replace(
        "rules:", "deny: [{name: bad, jwt: {issuers: [idp]}}]\nrules:"
    )
    installation = Installation(
        a_manifest("hosts: [api.example.com]\nrules: [{name: all, allow: [{name: any, anonymous: {}}]}]"), a_manifest(shadow, name="trial")
    )
    decision = installation.decide(a_request(token=a_token()))
    assert decision.reason.value == "rule.allow"
    ((found),) = decision.shadows
    assert found.decision.reason.value == "keys.unavailable"
    assert installation.fetcher.asked == []


def test_shadows_count_after_a_wait_too() -> None:
    async def story() -> None:
        installation = an_installation(GOOD, a_manifest(SHADOW, name="trial"))
        decision = await asked(installation, a_request(token=a_token()))
        assert decision.reason.value == "rule.allow"
        assert [shadow.policy for shadow in decision.shadows] == ["shop/trial"]

    asyncio.run(story())


@pytest.mark.parametrize(
    "request_given",
    [
        a_request(),
        a_request(target="/open"),
        a_request(token="a.b.c"),
        a_request(target="/a/../b"),
        a_request(host="?"),
        a_request(host="x.example"),
    ],
)
def test_an_explanation_comes_to_the_decision_of_the_check(request_given: Request) -> None:
    installation = an_installation(GOOD, a_manifest(SHADOW, name="trial"))
    decision, _ = installation.checker.explain(request_given)
    plain = installation.decide(request_given)
    assert (decision.reason, decision.policy, decision.rule, decision.alternative) == (
        plain.reason,
        plain.policy,
        plain.rule,
        plain.alternative,
    )
    assert [shadow.decision.reason for shadow in decision.shadows] == [shadow.decision.reason for shadow in plain.shadows]


def test_a_token_by_an_unknown_key_is_no_oracle_after_the_wait() -> None:
    async def story() -> None:
        installation = an_installation(FetchedKeys(a_jwks(a_jwk(rsa_key("two"), "k2")).encode()))
        decision: Any = await asked(installation, a_request(token=a_token()))
        assert (decision.reason.value, decision.status) == ("token.key_unknown", 401)
        assert "key_unknown" not in decision.body
        assert "k2" not in decision.body

    asyncio.run(story())
