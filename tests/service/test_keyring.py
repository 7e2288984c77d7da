"""Keys of issuers in virtual time."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.service.keyring import IssuerKeys, KeyRing, KeyTimes
from authz.service.ports import FetchedKeys, FetchError
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, ec_key, rsa_key
from tests.fakes import NOON, FakeClock, FakeFetcher, Journal, settle
from tests.service.ringing import background, in_time

DOWN = FetchError("https://idp.example.com: nobody answers")


def an_issuer(url: str = ISSUER, jwks: str = "", algorithms: tuple[str, ...] = ("RS256",), name: str = "idp", skew: int = 30) -> Issuer:
    return Issuer(name, url, KeySource(jwks=jwks), algorithms, skew, (AUTHORIZATION_BEARER,))


def keys(*members: dict[str, Any], max_age: float | None = None) -> FetchedKeys:
    return FetchedKeys(a_jwks(*members).encode(), max_age)


class Scene:
    """A key ring with its surroundings."""

    def __init__(self, answer: FetchedKeys | FetchError | None = None, times: KeyTimes | None = None) -> None:
        self.clock = FakeClock()
        self.fetcher = FakeFetcher({ISSUER: answer if answer is not None else keys()})
        self.journal = Journal()
        self.ring = KeyRing(self.fetcher, self.clock, self.journal, times)

    def answers(self, answer: FetchedKeys | FetchError) -> None:
        self.fetcher.answers[ISSUER] = answer

    @property
    def fetches(self) -> int:
        return len(self.fetcher.asked)

    def running(self) -> AbstractAsyncContextManager[None]:
        return background(self.ring)


def test_keys_are_fetched_before_anybody_asks() -> None:
    async def story() -> None:
        scene = Scene()
        known = scene.ring.of(an_issuer())
        assert not known.tried
        async with scene.running():
            assert known.tried
            assert known.keys is not None
            assert known.keys.kids == ("k1",)
            assert known.fetched_at == NOON
            assert scene.journal.fetches == [(ISSUER, ("k1",), ())]

    in_time(story)


def test_an_issuer_that_comes_later_is_fetched_at_once() -> None:
    async def story() -> None:
        scene = Scene()
        async with scene.running():
            known = scene.ring.of(an_issuer())
            await settle()
            assert known.keys is not None

    in_time(story)


def test_first_tries_returns_once_every_issuer_was_tried_well_or_not() -> None:
    async def story() -> None:
        scene = Scene()
        good, bad, inline = (
            scene.ring.of(an_issuer()),
            scene.ring.of(an_issuer("https://down.example.com")),
            scene.ring.of(an_issuer(jwks=a_jwks())),
        )
        assert inline.tried
        await scene.ring.first_tries()
        assert good.tried
        assert bad.tried
        assert bad.keys is None
        assert bad.failures == 1
        await scene.ring.first_tries()
        assert scene.fetches == 2

    in_time(story)


def test_inline_keys_are_there_at_once_and_never_fetched() -> None:
    async def story() -> None:
        scene = Scene()
        known = scene.ring.of(an_issuer(jwks=a_jwks()))
        async with scene.running():
            await scene.clock.advance(200_000)
            assert known.keys is not None
            assert not known.may_ask(scene.clock.now)
        assert scene.fetches == 0

    in_time(story)


def test_many_who_wait_share_one_flight() -> None:
    async def story() -> None:
        scene = Scene()
        scene.fetcher.gate = asyncio.Event()
        known = scene.ring.of(an_issuer())
        waiting = [asyncio.create_task(asyncio.wait({scene.ring.ask(known)})) for _ in range(50)]
        await settle()
        assert scene.fetches == 1
        assert known.may_ask(scene.clock.now), "one is under way: worth waiting for"
        waiting[0].cancel()
        await settle()
        scene.fetcher.gate.set()
        await asyncio.gather(*waiting[1:])
        assert scene.fetches == 1
        assert known.keys is not None
        assert known.flight is None

    in_time(story)


@pytest.mark.parametrize(
    ("max_age", "expected"),
    [(None, 300), (600, 600), (1, 60), (0, 60), (60, 60), (3600, 3600), (999_999_999, 3600)],
)
def test_keys_are_fetched_again_at_eight_tenths_of_their_age_which_is_clamped(max_age: float | None, expected: float) -> None:
    async def story() -> None:
        scene = Scene(keys(max_age=max_age))
        known = scene.ring.of(an_issuer())
        async with scene.running():
            assert expected * 0.8 * 0.9 <= known.due - NOON <= expected * 0.8 * 1.1
            await scene.clock.advance(expected * 0.8 * 0.89)
            assert scene.fetches == 1
            await scene.clock.advance(expected * 0.8 * 0.23)
            assert scene.fetches == 2

    in_time(story)


def test_failures_are_repeated_at_growing_distances_up_to_a_cap() -> None:
    async def story() -> None:
        scene = Scene(DOWN)
        known = scene.ring.of(an_issuer())
        async with scene.running():
            waits = []
            for failures in range(1, 30):
                assert known.failures == failures
                waits.append(known.due - scene.clock.now)
                await scene.clock.advance(known.due - scene.clock.now + 0.06)
            for number, wait in enumerate(waits):
                assert 0.9 * min(2**number, 60) - 0.1 <= wait <= 1.1 * min(2**number, 60)
            assert all(keeps is False for _, _, keeps in scene.journal.fetch_failures)
            scene.answers(keys())
            await scene.clock.advance(70)
            assert known.failures == 0
            assert known.keys is not None

    in_time(story)


def test_the_back_off_of_a_very_long_outage_still_computes() -> None:
    async def story() -> None:
        scene = Scene(DOWN)
        known = scene.ring.of(an_issuer())
        known.failures = 5000
        await scene.ring.ask(known)
        assert known.due - NOON <= 66

    in_time(story)


def test_keys_outlive_an_outage_up_to_the_cap_and_then_there_are_none() -> None:
    async def story() -> None:
        scene = Scene(times=KeyTimes(stale=1000))
        known = scene.ring.of(an_issuer())
        async with scene.running():
            first = known.keys
            assert first is not None
            scene.answers(DOWN)
            await scene.clock.advance(990)
            assert known.keys is first
            assert known.failures > 3
            assert scene.journal.fetch_failures[-1][2] is True
            await scene.clock.advance(80)
            assert known.keys is None
            await scene.clock.advance(70)
            assert scene.journal.fetch_failures[-1][2] is False
            scene.answers(keys())
            await scene.clock.advance(70)
            assert known.keys is not None

    in_time(story)


def test_keys_run_out_although_a_fetch_hangs() -> None:
    async def story() -> None:
        scene = Scene(times=KeyTimes(stale=1000))
        known = scene.ring.of(an_issuer())
        async with scene.running():
            scene.fetcher.gate = asyncio.Event()
            await scene.clock.advance(1100)
            assert known.flight is not None
            assert known.keys is None

    in_time(story)


@pytest.mark.parametrize(
    "answer",
    [
        FetchedKeys(b"<html>busy</html>"),
        FetchedKeys(b""),
        FetchedKeys(b'{"keys": []}'),
        FetchedKeys(b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "k1"}]}'),
        FetchedKeys(b"\xff\xfe{}"),
        FetchedKeys(b"[" * 100_000),
        FetchedKeys(b'{"keys": [' + b" " * 600_000 + b"]}"),
        DOWN,
    ],
    ids=["html", "nothing", "no keys", "symmetric only", "not UTF-8", "deep", "large", "down"],
)
def test_an_answer_without_a_usable_key_keeps_the_earlier_keys(answer: FetchedKeys | FetchError) -> None:
    async def story() -> None:
        scene = Scene()
        known = scene.ring.of(an_issuer())
        await scene.ring.ask(known)
        first = known.keys
        scene.answers(answer)
        await scene.ring.ask(known)
        assert known.keys is first
        assert known.failures == 1
        ((issuer, why, keeps),) = scene.journal.fetch_failures
        assert (issuer, keeps) == (ISSUER, True)
        assert why

    in_time(story)


def test_an_equal_key_set_keeps_the_same_object_and_another_one_replaces_it() -> None:
    async def story() -> None:
        scene = Scene()
        known = scene.ring.of(an_issuer())
        await scene.ring.ask(known)
        first = known.keys
        await scene.ring.ask(known)
        assert known.keys is first
        scene.answers(keys(a_jwk(kid="k2")))
        await scene.ring.ask(known)
        assert known.keys is not first
        assert known.keys is not None
        assert known.keys.kids == ("k2",), "a key that is gone from a good answer is gone"

    in_time(story)


def test_members_that_are_dropped_are_told() -> None:
    async def story() -> None:
        scene = Scene(keys(a_jwk(), {"kty": "oct", "k": "AAAA"}))
        await scene.ring.ask(scene.ring.of(an_issuer()))
        ((_, kids, dropped),) = scene.journal.fetches
        assert kids == ("k1",)
        assert len(dropped) == 1

    in_time(story)


def test_issuers_that_differ_in_name_or_places_only_share_their_keys() -> None:
    ring = Scene().ring
    one = ring.of(an_issuer())
    assert ring.of(an_issuer(name="other", skew=0)) is one
    assert ring.of(an_issuer(algorithms=("ES256",))) is not one
    assert ring.of(an_issuer(jwks=a_jwks())) is not one
    assert len(ring.all()) == 3


def test_retain_forgets_every_other_issuer() -> None:
    async def story() -> None:
        scene = Scene()
        kept, gone = scene.ring.of(an_issuer()), scene.ring.of(an_issuer("https://gone.example.com"))
        scene.ring.retain([kept])
        assert scene.ring.all() == [kept]
        async with scene.running():
            await scene.clock.advance(1000)
        assert set(scene.fetcher.asked) == {ISSUER}
        again = scene.ring.of(an_issuer("https://gone.example.com"))
        assert again is not gone

    in_time(story)


def test_after_a_success_an_unknown_key_may_ask_once_the_cooldown_is_over() -> None:
    async def story() -> None:
        scene = Scene()
        known = scene.ring.of(an_issuer())
        await scene.ring.ask(known)
        assert not known.may_ask(NOON + 29.9)
        assert known.may_ask(NOON + 30)

    in_time(story)


def test_a_failure_starts_a_cooldown_too() -> None:
    async def story() -> None:
        scene = Scene(DOWN)
        known = scene.ring.of(an_issuer())
        for _ in range(12):
            await scene.ring.ask(known)
        assert not known.may_ask(NOON + 29.9)
        assert known.may_ask(NOON + 30)

    in_time(story)


def test_the_first_failures_wait_shorter_than_the_cooldown() -> None:
    async def story() -> None:
        scene = Scene(DOWN)
        known = scene.ring.of(an_issuer())
        await scene.ring.ask(known)
        assert not known.may_ask(NOON + 0.8)
        assert known.may_ask(NOON + 1.2)

    in_time(story)


RULES = f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{{name: idp, issuer: {ISSUER}}}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]
"""


async def ask(installation: Installation, token: str, budget: float = 1.0) -> str:
    answer = installation.checker.check(a_request(token=token), budget)
    decision: Any = await answer if hasattr(answer, "__await__") else answer
    return str(decision.reason.value)


@pytest.mark.parametrize("answer", [keys(), DOWN], ids=["healthy", "down"])
def test_a_thousand_random_key_ids_cause_at_most_one_fetch_in_a_cooldown(answer: FetchedKeys | FetchError) -> None:
    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = keys()
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        installation.fetcher.answers[ISSUER] = answer
        key = ec_key()
        await installation.clock.advance(31)
        before = len(installation.fetcher.asked)
        for number in range(1000):
            await ask(installation, a_token(rsa_key("one"), kid=f"random-{number}"))
            assert installation.clock.now < NOON + 32
        assert len(installation.fetcher.asked) - before <= 1
        assert key is ec_key()

    in_time(story)


def test_a_broken_issuer_is_not_stormed_by_unknown_keys() -> None:
    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = DOWN
        token = a_token()
        for _ in range(300):
            await ask(installation, token)
            installation.clock.now += 1
        # 1, 2, 4, 8, 16, 30, 30 … seconds: about fourteen in five minutes.
        assert len(installation.fetcher.asked) <= 18

    in_time(story)


def test_who_has_a_known_key_never_waits_while_a_fetch_hangs() -> None:
    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = keys()
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        installation.fetcher.gate = asyncio.Event()
        hanging = installation.ring.ask(known)
        await settle()
        for number in range(50):
            assert installation.decide(a_request(token=a_token(jti=str(number)))).reason.value == "rule.allow"
        assert not hanging.done()
        installation.fetcher.gate.set()
        await hanging

    in_time(story)


def test_a_new_key_is_seen_within_the_cooldown() -> None:
    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = keys()
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        installation.fetcher.answers[ISSUER] = keys(a_jwk(), a_jwk(rsa_key("two"), "k2"))
        rotated = a_token(rsa_key("two"), kid="k2")
        assert await ask(installation, rotated) == "token.key_unknown"
        await installation.clock.advance(30)
        assert await ask(installation, rotated) == "rule.allow"
        assert await ask(installation, a_token()) == "rule.allow"

    in_time(story)


def test_a_key_that_was_replaced_under_the_same_name_is_looked_up_once_in_a_cooldown() -> None:
    async def story() -> None:
        installation = Installation(a_manifest(RULES))
        installation.fetcher.answers[ISSUER] = keys()
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        installation.fetcher.answers[ISSUER] = keys(a_jwk(rsa_key("two"), "k1"))
        replaced = a_token(rsa_key("two"))
        assert await ask(installation, replaced) == "token.signature"
        await installation.clock.advance(30)
        assert await ask(installation, replaced) == "rule.allow"
        assert await ask(installation, a_token()) == "token.signature"

    in_time(story)


def test_what_is_known_of_an_issuer_starts_empty() -> None:
    known = IssuerKeys(an_issuer())
    assert (known.keys, known.fetched_at, known.failures, known.flight) == (None, 0.0, 0, None)
