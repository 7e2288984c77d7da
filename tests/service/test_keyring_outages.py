"""Providers that go away, come late, rotate and revoke, in virtual time: who is refused, with which status, and for how long."""

import asyncio
import inspect
from dataclasses import replace
from typing import Any, Final

import pytest

from authz.service.ports import FetchedKeys, FetchError
from tests.builders import HOST, ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, rsa_key
from tests.fakes import NOON, settle
from tests.service.ringing import asked, background, in_time, reason

DOWN: Final = FetchError("https://idp.example.com/keys: nobody answers")
OTHER: Final = "https://other.example.com"
DAY: Final = 86_400


def rules(issuer: str = ISSUER, host: str = HOST, name: str = "orders") -> str:
    return a_manifest(
        f"""
hosts: [{host}]
audiences: [orders]
issuers: [{{name: idp, issuer: {issuer}}}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]
""",
        name,
    )


def keys(*members: dict[str, Any], max_age: float | None = None) -> FetchedKeys:
    return FetchedKeys(a_jwks(*members).encode(), max_age)


def lasting(key: Any = None, **claims: Any) -> str:
    """A token that outlives every outage here."""
    return a_token(key, exp=int(NOON) + 10 * DAY, **claims)


@pytest.mark.parametrize("max_age", [None, 0, 999_999_999], ids=["as usual", "not at all", "for ever"])
def test_a_provider_may_be_away_for_a_day_and_no_valid_request_is_refused(max_age: float | None) -> None:
    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys(max_age=max_age)
        remembered = lasting()
        async with background(installation.ring):
            (known,) = installation.ring.all()
            installation.fetcher.answers[ISSUER] = DOWN
            asked_before = len(installation.fetcher.asked)
            for minute in range(24 * 60):
                # One that is remembered, and one that was never seen.
                assert await reason(installation, remembered) == "rule.allow", minute
                if minute % 20 == 0:
                    assert await reason(installation, lasting(jti=str(minute))) == "rule.allow", minute
                await installation.clock.advance(60 if minute < 24 * 60 - 1 else 59)
            assert installation.clock.now == NOON + DAY - 1
            assert await reason(installation, lasting(jti="last")) == "rule.allow"
            # One try a minute at most, from when its keys were due.
            assert 1000 <= len(installation.fetcher.asked) - asked_before <= 1600

            await installation.clock.advance(70)
            assert known.keys is None
            for token in (remembered, lasting(jti="new")):
                decision = await asked(installation, token)
                assert (decision.reason.value, decision.status) == ("keys.unavailable", 503)
                assert ("retry-after", "5") in decision.headers

            installation.fetcher.answers[ISSUER] = keys()
            await installation.clock.advance(70)
            assert await reason(installation, remembered) == "rule.allow"

    in_time(story)


def test_a_start_without_a_provider_serves_the_others_and_recovers_by_itself() -> None:
    async def story() -> None:
        installation = Installation(rules(), rules(OTHER, "other.example.com", "other"))
        installation.fetcher.answers = {ISSUER: DOWN, OTHER: keys(a_jwk(rsa_key("two")))}
        theirs = lasting(rsa_key("two"), iss=OTHER)
        async with background(installation.ring):
            for _ in range(30):
                decision = await asked(installation, lasting())
                assert (decision.reason.value, decision.status) == ("keys.unavailable", 503)
                assert ("retry-after", "5") in decision.headers
                assert not any(name == "www-authenticate" for name, _ in decision.headers)
                assert await reason(installation, theirs, host="other.example.com") == "rule.allow"
                await installation.clock.advance(60)
            # Without keys there is no key to fall back to: not one of another issuer, not one that was ever built in.
            assert await reason(installation, lasting(rsa_key("two"))) == "keys.unavailable"
            installation.fetcher.answers[ISSUER] = keys()
            await installation.clock.advance(66)
            assert await reason(installation, lasting()) == "rule.allow"
            assert await reason(installation, lasting(rsa_key("two"))) == "token.signature"

    in_time(story)


def test_a_start_beside_a_provider_that_hangs_holds_nobody_else_up() -> None:
    async def story() -> None:
        installation = Installation(rules(), rules(OTHER, "other.example.com", "other"))
        installation.fetcher.answers = {ISSUER: keys(), OTHER: keys(a_jwk(rsa_key("two")))}
        async with background(installation.ring):
            assert await reason(installation, lasting(rsa_key("two"), iss=OTHER), host="other.example.com") == "rule.allow"
            installation.fetcher.gate = asyncio.Event()
            await installation.clock.advance(400)
            hanging = next(each for each in installation.ring.all() if each.issuer == ISSUER)
            assert hanging.flight is not None
            assert await reason(installation, lasting(rsa_key("two"), iss=OTHER, jti="new"), host="other.example.com") == "rule.allow"

    in_time(story)


def test_a_key_that_is_published_before_it_signs_refuses_nobody() -> None:
    """Ten thousand requests across a rotation: old key, both, the new one signs, the old one is withdrawn."""

    async def story() -> None:
        installation = Installation(rules())
        old, new = a_jwk(rsa_key("one"), "old"), a_jwk(rsa_key("two"), "new")
        by_old = [lasting(rsa_key("one"), kid="old", jti=str(number)) for number in range(20)]
        by_new = [lasting(rsa_key("two"), kid="new", jti=str(number)) for number in range(20)]
        allowed = 0

        async def minutes(count: int, *tokens: str) -> None:
            nonlocal allowed
            for second in range(count * 60):
                for token in tokens[second % 5 :: 5]:
                    assert installation.decide(a_request(token=token)).reason.value == "rule.allow"
                    allowed += 1
                await installation.clock.advance(1)

        installation.fetcher.answers[ISSUER] = keys(old)
        async with background(installation.ring):
            await minutes(5, *by_old)
            installation.fetcher.answers[ISSUER] = keys(old, new)
            # Keys are fetched again after 264 s at most.
            await minutes(5, *by_old)
            await minutes(14, *by_old, *by_new)
            installation.fetcher.answers[ISSUER] = keys(new)
            await minutes(6, *by_new)
            assert allowed >= 10_000
            assert {await reason(installation, token) for token in by_old} == {"token.key_unknown"}

    in_time(story)


def test_all_who_meet_a_key_that_signs_at_once_wait_for_one_fetch() -> None:
    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys()
        async with background(installation.ring):
            installation.fetcher.answers[ISSUER] = keys(a_jwk(), a_jwk(rsa_key("two"), "k2"))
            installation.fetcher.gate = asyncio.Event()
            before = len(installation.fetcher.asked)
            tokens = [lasting(rsa_key("two"), kid="k2", jti=str(number)) for number in range(50)]
            waiting = [asyncio.create_task(asked(installation, token)) for token in tokens]
            await settle()
            assert not any(each.done() for each in waiting)
            impatient = await asked(installation, lasting(rsa_key("two"), kid="k2"), budget=0.01)
            assert (impatient.reason.value, impatient.status) == ("keys.unavailable", 503), "its own deadline, and no guess at its token"
            installation.fetcher.gate.set()
            assert {(await each).reason.value for each in waiting} == {"rule.allow"}
            assert len(installation.fetcher.asked) - before == 1

    in_time(story)


def test_a_key_that_is_gone_from_a_good_set_is_gone_for_remembered_tokens_too() -> None:
    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys(a_jwk(), a_jwk(rsa_key("two"), "k2"))
        async with background(installation.ring):
            withdrawn, kept = lasting(), lasting(rsa_key("two"), kid="k2")
            for token in (withdrawn, kept, withdrawn, kept):
                assert await reason(installation, token) == "rule.allow"
            installation.fetcher.answers[ISSUER] = keys(a_jwk(rsa_key("two"), "k2"))
            await installation.clock.advance(300)
            decision = await asked(installation, withdrawn)
            assert (decision.reason.value, decision.status) == ("token.key_unknown", 401)
            assert await reason(installation, kept) == "rule.allow"

    in_time(story)


@pytest.mark.parametrize(
    "text",
    [b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "k1"}]}', b"", b"<html>", b'{"error": "busy"}'],
    ids=["an empty set", "no usable key", "nothing", "a page", "an error"],
)
def test_what_is_no_set_of_keys_is_no_revocation(text: bytes) -> None:
    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys()
        async with background(installation.ring):
            token = lasting()
            assert await reason(installation, token) == "rule.allow"
            installation.fetcher.answers[ISSUER] = FetchedKeys(text, url="https://idp.example.com/keys")
            await installation.clock.advance(3600)
            (known,) = installation.ring.all()
            assert known.failures > 10
            assert known.failure.startswith("https://idp.example.com/keys: the key set ")
            assert known.failure.endswith("; a JWKS of public signing keys must be there")
            assert await reason(installation, token) == "rule.allow"
            assert await reason(installation, lasting(jti="new")) == "rule.allow"

    in_time(story)


def test_a_key_that_is_replaced_under_its_name_counts_from_the_next_fetch_and_the_old_one_is_gone() -> None:
    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys()
        async with background(installation.ring):
            old, new = lasting(), lasting(rsa_key("two"))
            assert await reason(installation, old) == "rule.allow"
            installation.fetcher.answers[ISSUER] = keys(a_jwk(rsa_key("two"), "k1"))
            before = len(installation.fetcher.asked)
            assert await reason(installation, new) == "rule.allow", "a bad signature is worth one look, and the request waits for it"
            assert len(installation.fetcher.asked) - before == 1
            decision = await asked(installation, old)
            assert (decision.reason.value, decision.status) == ("token.signature", 401)
            assert len(installation.fetcher.asked) - before == 1

    in_time(story)


def test_readers_of_known_keys_never_wait_whatever_the_fetch_does() -> None:
    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys(max_age=60)
        async with background(installation.ring):
            installation.fetcher.gate = asyncio.Event()
            await installation.clock.advance(DAY - 60)
            (known,) = installation.ring.all()
            assert known.flight is not None, "a fetch has hung for a day"
            for number in range(100):
                answer = installation.checker.check(a_request(token=lasting(jti=str(number))), 1.0)
                assert not inspect.isawaitable(answer)
                assert answer.reason.value == "rule.allow"
            assert installation.fetcher.asked == [ISSUER, ISSUER]

    in_time(story)


def test_keys_that_were_fetched_under_other_authorities_are_gone_at_once() -> None:
    """An authority that is trusted no more may have vouched for anybody: its keys must not outlive it, whether a fetch succeeds or not."""

    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys()
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        assert known.keys is not None
        other = installation.ring.of(replace(known.source, ca="-----BEGIN CERTIFICATE-----"))
        assert other is not known
        assert other.keys is None
        installation.fetcher.answers[ISSUER] = DOWN
        await installation.ring.ask(other)
        assert other.keys is None

    in_time(story)


def test_a_new_key_is_our_fault_while_the_provider_fails_and_counts_within_a_cooldown_once_it_is_back() -> None:
    async def story() -> None:
        installation = Installation(rules())
        installation.fetcher.answers[ISSUER] = keys()
        async with background(installation.ring):
            installation.fetcher.answers[ISSUER] = DOWN
            new = lasting(rsa_key("two"), kid="k2")
            for _ in range(20):
                decision = await asked(installation, new)
                assert (decision.reason.value, decision.status) == ("keys.unavailable", 503)
                await installation.clock.advance(1)
            installation.fetcher.answers[ISSUER] = keys(a_jwk(), a_jwk(rsa_key("two"), "k2"))
            await installation.clock.advance(10)
            assert await reason(installation, new) == "rule.allow"

    in_time(story)
