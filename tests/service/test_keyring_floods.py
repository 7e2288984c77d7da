"""Floods of bad tokens in virtual time: how many fetches they cause, and what those who send them are told."""

import asyncio
import base64
import inspect
import json
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import pytest

from authz.model.issuer import Issuer
from authz.model.request import Request
from authz.service.keyring import MOST_WAITING
from authz.service.ports import FetchedKeys, FetchError
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, rsa_key
from tests.fakes import FakeFetcher, settle
from tests.service.ringing import asked, background, in_time, reason

DOWN: Final = FetchError("https://idp.example.com/keys: nobody answers")
OTHER: Final = "https://other.example.com"
RULES: Final = f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{{name: idp, issuer: {ISSUER}}}, {{name: other, issuer: {OTHER}}}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp, other]}}}}]}}]
"""
# What it costs to send: a flood takes no private key, and no two tokens need to be alike.
BODY, SIGNATURE = a_token().split(".")[1:]
GOOD: Final = [a_token(jti=str(number)) for number in range(10)]
FORGED: Final = a_token(rsa_key("two"))


RATES: Final = pytest.mark.parametrize(("minutes", "a_second"), [(3, 20), pytest.param(1, 10_000, marks=pytest.mark.nightly)])


def keys(*members: dict[str, Any]) -> FetchedKeys:
    return FetchedKeys(a_jwks(*members).encode())


def with_kid(kid: str) -> str:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": kid}).encode()).rstrip(b"=")
    return f"{head.decode()}.{BODY}.{SIGNATURE}"


class Flood:
    """An installation whose provider is flooded; knows the fetches of each minute, and what the senders are told."""

    def __init__(self, *, failing: bool = False, cold: bool = False) -> None:
        self.installation = Installation(a_manifest(RULES))
        self.failing, self.cold = failing, cold
        self.told: Counter[tuple[str, int]] = Counter()
        self.good: Counter[str] = Counter()
        self.minutes: list[int] = []
        self.others = 0
        self._numbers = count()

    async def run(self, minutes: int, a_second: int, token: str = "") -> None:
        """Let them come for some minutes, this many a second: random key ids, or this token; with one good token a second."""
        installation, fetcher = self.installation, self.installation.fetcher
        fetcher.answers = {ISSUER: DOWN if self.cold else keys(), OTHER: keys(a_jwk(rsa_key("three")))}
        async with background(installation.ring):
            await installation.clock.advance(100)
            if self.failing:
                fetcher.answers[ISSUER] = DOWN
            for _ in range(minutes):
                before = Counter(fetcher.asked)
                for second in range(60):
                    await installation.clock.advance(1)
                    self.good[await reason(installation, GOOD[second % len(GOOD)])] += 1
                    await self._second(a_second, token)
                self.minutes.append(fetcher.asked.count(ISSUER) - before[ISSUER])
                self.others += fetcher.asked.count(OTHER) - before[OTHER]

    async def _second(self, a_second: int, token: str) -> None:
        check = self.installation.checker.check
        answers = [check(a_request(token=token or with_kid(f"random-{next(self._numbers)}")), 1.0) for _ in range(a_second)]
        for answer in answers:
            decision: Any = await answer if inspect.isawaitable(answer) else answer
            self.told[decision.reason.value, decision.status] += 1


@RATES
def test_random_key_ids_cause_two_fetches_a_minute_while_the_provider_is_healthy(minutes: int, a_second: int) -> None:
    async def story() -> None:
        flood = Flood()
        await flood.run(minutes, a_second)
        assert flood.minutes == [2] * minutes
        # Those who come while one of the fetches is under way, beyond those who may wait for it, cannot be told yet.
        early = 2 * minutes * max(a_second - MOST_WAITING, 0)
        assert flood.told == +Counter({("token.key_unknown", 401): minutes * 60 * a_second - early, ("keys.unavailable", 503): early})
        assert flood.good == {"rule.allow": minutes * 60}
        assert flood.others <= 1, "only the issuer that the tokens name is asked"
        assert len(flood.installation.ring.all()) == 2
        assert len(flood.installation.memory) == len(GOOD), "a bad token is not remembered"

    in_time(story, 600)


@RATES
def test_random_key_ids_cause_two_fetches_a_minute_while_the_provider_fails(minutes: int, a_second: int) -> None:
    async def story() -> None:
        flood = Flood(failing=True)
        await flood.run(minutes, a_second)
        # Nobody who has a known key waits for this provider, so it has the cooldown to itself from the first failure on.
        assert flood.minutes == [2] * minutes
        assert flood.told == {("keys.unavailable", 503): minutes * 60 * a_second}
        assert flood.good == {"rule.allow": minutes * 60}

    in_time(story, 600)


def test_a_flood_of_a_provider_that_was_never_there_is_bounded_too() -> None:
    async def story() -> None:
        flood = Flood(cold=True)
        await flood.run(3, 20)
        assert flood.minutes == [2, 2, 2], "it has failed for 100 s when the flood begins"
        assert flood.told == {("keys.unavailable", 503): 3600}
        assert flood.good == {"keys.unavailable": 180}

    in_time(story)


@pytest.mark.parametrize("failing", [False, pytest.param(True, marks=pytest.mark.nightly)], ids=["healthy", "failing"])
def test_eighteen_thousand_bad_signatures_under_a_known_key_cause_a_handful_of_fetches(failing: bool) -> None:
    async def story() -> None:
        flood = Flood(failing=failing)
        await flood.run(1, 300, FORGED)
        assert flood.minutes == [2]
        # While keys are known and none is being fetched, a bad signature is the sender's fault.
        assert flood.told == {("token.signature", 401): 18_000}
        assert flood.good == {"rule.allow": 60}

    in_time(story)


async def all_begun(check: Callable[[Request, float], Any], tokens: list[str]) -> tuple[list[asyncio.Future[Any]], list[Any]]:
    """Those that wait, each since before the next one came, and what the others were answered."""
    waiting, at_once = list[asyncio.Future[Any]](), list[Any]()
    for token in tokens:
        answer = check(a_request(token=token), 1.0)
        if inspect.isawaitable(answer):
            waiting.append(asyncio.ensure_future(answer))
            await asyncio.sleep(0)
        else:
            at_once.append(answer)
    return waiting, at_once


@pytest.mark.parametrize("token", ["", FORGED], ids=["random keys", "bad signatures"])
def test_a_flood_while_a_fetch_hangs_is_one_fetch_and_few_of_it_wait(token: str) -> None:
    """Each that waits is kept, and decided again once the fetch ends: thousands would hold up everybody else then."""

    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = keys()
        await reason(installation, a_token())
        installation.fetcher.gate = asyncio.Event()
        await installation.clock.advance(31)
        before = len(installation.fetcher.asked)
        check = installation.checker.check
        waiting, at_once = await all_begun(check, [token or with_kid(f"random-{number}") for number in range(3000)])
        assert len(installation.fetcher.asked) - before == 1
        assert len(waiting) == MOST_WAITING
        assert not any(each.done() for each in waiting)
        assert {(each.reason.value, each.status) for each in at_once} == {("keys.unavailable", 503)}
        assert await reason(installation, a_token(jti="known")) == "rule.allow"
        installation.fetcher.gate.set()
        assert {(await each).reason.value for each in waiting} == {"token.signature" if token else "token.key_unknown"}
        assert len(installation.fetcher.asked) - before == 1

        installation.fetcher.gate = asyncio.Event()
        await installation.clock.advance(31)
        again = check(a_request(token=with_kid("later")), 1.0)
        assert inspect.isawaitable(again), "the next fetch has its own who wait"
        installation.fetcher.gate.set()
        assert (await again).reason.value == "token.key_unknown"

    in_time(story)


def test_who_goes_away_makes_room_for_another() -> None:
    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = keys()
        installation.fetcher.gate = asyncio.Event()
        known = next(each for each in installation.ring.all() if each.issuer == ISSUER)
        waiting = [asyncio.ensure_future(asked(installation, a_token(jti=str(number)))) for number in range(MOST_WAITING)]
        await settle()
        assert known.waiting == MOST_WAITING
        assert await reason(installation, a_token(jti="beyond")) == "keys.unavailable"
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert known.waiting == 0
        again = asyncio.ensure_future(asked(installation, a_token(jti="again")))
        await settle()
        installation.fetcher.gate.set()
        assert (await again).reason.value == "rule.allow"

    in_time(story)


def test_a_flood_of_one_issuer_does_not_hide_a_new_key_of_another() -> None:
    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers = {ISSUER: keys(), OTHER: keys(a_jwk(rsa_key("three"), "old"))}
        await installation.ring.first_tries()
        installation.fetcher.answers[OTHER] = keys(a_jwk(rsa_key("four"), "new"))
        for number in range(100):
            await asked(installation, with_kid(f"random-{number}"))
        assert await reason(installation, a_token(rsa_key("four"), kid="new", iss=OTHER)) == "rule.allow"

    in_time(story)


class Broken(FakeFetcher):
    """Breaks its promise: raises what nobody expects."""

    async def fetch(self, issuer: Issuer) -> FetchedKeys:
        self.asked.append(issuer.issuer)
        raise RuntimeError("not in the contract")


def test_a_fault_of_ours_while_fetching_backs_off_like_any_other_failure() -> None:
    async def story() -> None:
        installation, fetcher = Installation(a_manifest(RULES)), Broken()
        installation.ring._fetcher = fetcher
        async with background(installation.ring):
            await installation.clock.advance(60)
            assert 4 <= fetcher.asked.count(ISSUER) <= 8
            known = next(each for each in installation.ring.all() if each.issuer == ISSUER)
            assert known.tried
            assert known.failure == f"{ISSUER}: a fault of this service (RuntimeError)"
            assert await reason(installation, a_token()) in ("keys.unavailable", "internal.error")
            assert (ISSUER, known.failure, False) in installation.journal.fetch_failures

    in_time(story)


def test_without_keys_the_first_failures_are_repeated_at_once_and_with_keys_at_leisure() -> None:
    async def story(cold: bool) -> list[float]:
        installation = Installation(a_manifest(RULES))
        fetcher = installation.fetcher
        fetcher.answers = {ISSUER: DOWN if cold else keys(), OTHER: keys()}
        known = installation.ring.all()[0]
        await installation.ring.ask(known)
        fetcher.answers[ISSUER] = DOWN
        waits = []
        for _ in range(4):
            await installation.ring.ask(known)
            waits.append(known.due - installation.clock.now)
        return waits

    cold, warm = asyncio.run(story(True)), asyncio.run(story(False))
    assert [round(wait / 2**number) for number, wait in enumerate(cold, 1)] == [1, 1, 1, 1]
    assert warm == [30, 30, 30, 30]
