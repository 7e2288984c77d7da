"""Through a real Envoy: API keys in every place, in every state, exchanged under traffic, taken back, and a hundred thousand of them."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from authz.model.api_key import KeyState
from tests.e2e.gate import PLAIN, RAW_HEADERS
from tests.e2e.house import Door, house, kept
from tests.e2e.shop import (
    ALLOWED,
    BILLING,
    DIGEST_KEY,
    EARLY,
    EVERYTHING,
    EXPIRED,
    GOLD,
    HEADER,
    IMPORTED,
    INVALID,
    KEYS,
    MATRIX,
    MISSING,
    ORDERS,
    RULES,
    SCOPE,
    SECONDARY,
    SEVERAL,
    SHORT,
    SIMPLE,
    STATES,
    UNKNOWN,
    Shop,
    Traffic,
    a_key,
    a_record,
    comes,
    header,
    matrix,
    policy,
    ways,
)
from tests.e2e.stack import Plan
from tests.e2e.wire import target_of, values_of
from tests.service.waiting import until

pytestmark = pytest.mark.envoy

CROWD = 100_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    policies = tmp_path_factory.mktemp("shop")
    texts = {
        "keys.jsonl": KEYS,
        "keys.yaml": policy("keys.example", RULES),
        "renamed.yaml": policy("renamed.example", SIMPLE, places="{header: api-key}"),
        "matrix.yaml": matrix(),
    }
    for name, text in texts.items():
        (policies / name).write_text(text)
    plans = {"usual": Plan(settings={"digest_key": DIGEST_KEY})}
    with kept(house(policies, plans, {"plain": Door("usual", PLAIN), "raw headers": Door("usual", RAW_HEADERS)})) as at:
        yield Shop(at)


@pytest.mark.parametrize("door", ["plain", "raw headers"])
def test_a_key_counts_in_each_place_and_is_taken_out_of_it(shop: Shop, door: str) -> None:
    for target, lines in ways(ORDERS):
        assert shop.ask(*lines, target=target, door=door) == ALLOWED, target
        arrived = shop.head()
        assert target_of(arrived) == b"/orders?a=1&b=%20"
        assert values_of(arrived, b"cookie") in ([], [b"theme=dark; lang=en"])
        assert ORDERS.encode() not in arrived
        assert values_of(arrived, b"x-auth-key") == [b"k1"]
    for target, lines in ways(UNKNOWN):
        assert shop.ask(*lines, target=target, door=door) == INVALID, target
    # Where nobody needs a key, the backend is not told one either.
    for target, lines in ways(ORDERS):
        assert shop.ask(*lines, target=target.replace("/orders", "/open"), door=door) == ALLOWED
        assert ORDERS.encode() not in shop.head()


def test_two_keys_are_one_too_many_and_one_key_twice_is_one(shop: Shop) -> None:
    every = ways(ORDERS)
    for _, lines in every:
        if lines:
            assert shop.ask(*lines, target=f"/orders?subscription-key={SECONDARY}") == SEVERAL
            assert shop.ask(*lines, target=f"/orders?subscription-key={UNKNOWN}") == SEVERAL
            assert shop.ask(*lines, target=f"/orders?subscription-key={ORDERS}") == ALLOWED
            assert ORDERS.encode() not in shop.head()
    # Where APIM does not look into the query once there is a header, here it cannot be told which of the two is meant.
    assert shop.ask(header(UNKNOWN), target=f"/orders?subscription-key={ORDERS}") == SEVERAL
    assert shop.ask(header(ORDERS), header(SECONDARY)) == SEVERAL
    assert shop.ask(target=f"/orders?subscription-key={ORDERS}&subscription-key={SECONDARY}") == SEVERAL


def test_every_key_is_judged_by_its_record(shop: Shop) -> None:
    outcomes = {
        ORDERS: ALLOWED,
        SECONDARY: ALLOWED,
        GOLD: ALLOWED,
        EVERYTHING: ALLOWED,
        IMPORTED: ALLOWED,
        SHORT: ALLOWED,
        BILLING: SCOPE,
        EXPIRED: INVALID,
        EARLY: INVALID,
        UNKNOWN: INVALID,
        ORDERS[:-1]: INVALID,
        f"{ORDERS}x": INVALID,
        ORDERS.upper(): INVALID,
        "k1": INVALID,
        "k1.": INVALID,
        sha256(ORDERS.encode()).hexdigest(): INVALID,
        "x" * 5000: INVALID,
        **dict.fromkeys(STATES.values(), INVALID),
    }
    assert len(STATES) == 5
    assert {key: shop.ask(header(key)) for key in outcomes} == outcomes
    assert shop.ask() == MISSING
    assert shop.ask((HEADER, b"")) == MISSING


def test_a_renamed_header_is_the_only_one_and_the_challenge_names_it(shop: Shop) -> None:
    at = shop.at.value
    assert shop.ask(header(ORDERS, b"api-key"), host="renamed.example") == ALLOWED
    for lines in ((header(ORDERS),), (), (header(UNKNOWN, b"api-key"),), (header(ORDERS, b"api_key"),)):
        answered = shop.at.run(at.ask("plain", "renamed.example", lines=lines))
        assert answered.status == 401
        assert answered.values(b"www-authenticate") == [b'ApiKey realm="api", name="api-key", in="header"']
    usual = shop.at.run(at.ask("plain", "keys.example", "/orders"))
    assert usual.values(b"www-authenticate") == [b'ApiKey realm="api", name="ocp-apim-subscription-key", in="header"']


def test_who_needs_a_key_and_who_has_one(shop: Shop) -> None:
    for at, (product, api) in enumerate(MATRIX):
        target = f"/{at}"
        assert shop.ask(host="matrix.example", target=target) == (MISSING if product and api else ALLOWED)
        assert shop.ask(header(ORDERS), host="matrix.example", target=target) == ALLOWED
        # A key that is none, or is for another API, is refused where none was needed.
        assert shop.ask(header(BILLING), host="matrix.example", target=target) == SCOPE
        for wrong in (UNKNOWN, EXPIRED, STATES[KeyState.SUSPENDED]):
            assert shop.ask(header(wrong), host="matrix.example", target=target) == INVALID


def test_the_backend_and_the_log_are_told_whose_key_it_is_and_never_the_key(shop: Shop) -> None:
    forged = [(name, b"root") for name in (b"x-auth-key", b"x_auth_subscription", b"X-Auth_Owner")]
    assert shop.ask(header(ORDERS), *forged) == ALLOWED
    told = {name: values_of(shop.head(), name) for name in (b"x-auth-key", b"x-auth-subscription", b"x-auth-owner")}
    assert told == {b"x-auth-key": [b"k1"], b"x-auth-subscription": [b"acme"], b"x-auth-owner": [b"team-blue"]}
    assert shop.ask(header(SECONDARY), *forged) == ALLOWED
    assert values_of(shop.head(), b"x-auth-owner") == values_of(shop.head(), b"x_auth_subscription") == []

    async def logged() -> None:
        await until(lambda: any(line.get("api_key") == "k2" and line.get("subscription") == "acme" for line in shop.at.value.lines()))

    shop.at.run(logged())


def test_keys_are_exchanged_under_traffic_without_one_refused_request(shop: Shop) -> None:
    at, host = shop.at.value, "exchange.example"
    first, second, third = a_key("first"), a_key("second"), a_key("third")
    one, two = a_record(first, "orders"), a_record(second, "orders", slot="Secondary")

    async def story() -> None:
        at.write("exchange.jsonl", one)
        at.write("exchange.yaml", policy(host, SIMPLE, "exchange.jsonl"))
        await comes(at, host, first, ALLOWED)
        traffic = Traffic(at, host, first)
        async with traffic.coming():
            for text, key, gone in ((one + two, second, first), (two + a_record(third, "orders"), third, second)):
                at.write("exchange.jsonl", text)
                await comes(at, host, key, ALLOWED)
                await traffic.go_on()
                await traffic.exchange(key)
                await traffic.go_on()
                at.write("exchange.jsonl", text.replace(one if gone == first else two, ""))
                await comes(at, host, gone, INVALID)
                await traffic.go_on()
        assert set(traffic.outcomes) == {ALLOWED}

    shop.at.run(story())


@pytest.mark.parametrize("how", ["suspended", "removed", "past its end", "another scope", "twice"])
def test_a_key_that_is_taken_back_is_refused_at_the_next_request(shop: Shop, how: str) -> None:
    at, host = shop.at.value, "back.example"
    key, mark = a_key("taken"), a_key("mark")
    after = {
        "suspended": a_record(key, "orders", state="Suspended"),
        "removed": "",
        "past its end": a_record(key, "orders", notAfter="2020-01-01T00:00:00Z"),
        "another scope": a_record(key, "billing"),
        # Which of two records is meant cannot be told.
        "twice": a_record(key, "orders") + a_record(key, "orders", state="Suspended"),
    }

    async def story() -> tuple[int, str]:
        at.write("back.jsonl", a_record(key, "orders"))
        at.write("back.yaml", policy(host, SIMPLE, "back.jsonl"))
        await comes(at, host, key, ALLOWED)
        # The mark tells that the change was read: the very next request must be refused.
        at.write("back.jsonl", after[how] + a_record(mark, "orders"))
        await comes(at, host, mark, ALLOWED)
        return (await at.ask("plain", host, lines=(header(key),))).outcome

    assert shop.at.run(story()) == (SCOPE if how == "another scope" else INVALID)


def test_a_hundred_thousand_keys_are_read_and_each_counts(shop: Shop) -> None:
    at, host = shop.at.value, "crowd.example"
    first, last = a_key("first"), a_key("last")
    filler = "".join(f'{{"id":"f{n}","digest":"sha256:{n:064x}","subscription":"acme","scopes":["orders"]}}\n' for n in range(CROWD - 2))
    at.write("crowd.jsonl", a_record(first, "orders") + filler + a_record(last, "orders"))
    at.write("crowd.yaml", policy(host, SIMPLE, "crowd.jsonl"))

    async def story() -> None:
        await comes(at, host, last, ALLOWED)
        assert (await at.ask("plain", host, lines=(header(first),))).outcome == ALLOWED
        assert (await at.ask("plain", host, lines=(header(UNKNOWN),))).outcome == INVALID

    shop.at.run(story())
    for name in ("crowd.yaml", "crowd.jsonl"):
        (at.policies / name).unlink()
