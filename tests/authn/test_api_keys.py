"""Who presents an API key."""

import hmac
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.authn.api_keys import MAX_KEY, ApiKeys, digest_key_of, digest_of, distinct, failure_of, scope_holds
from authz.model.api_key import Digest, DigestKind, KeyRecord, KeySlot, KeyState
from authz.model.credential import Secret
from authz.model.principal import Rank
from authz.model.reason import Reason
from tests import canaries

SECRET = canaries.note("0123456789abcdefghijABCDEFGHIJ0123456789-_x")
GENERATED = f"k1.{SECRET}"
IMPORTED = canaries.note("ffffffffffffffffffffffffffffffff")
UNDER = canaries.note("d" * 32).encode()
NOON = 1_800_000_000.0
OFFICE, ELSEWHERE, UNKNOWN = 1, 2, -1


def _a_record(key=GENERATED, name="k1", digest_key=b"", **changes):
    return replace(KeyRecord(name, digest_of(key, digest_key), KeySlot.PRIMARY, "acme"), **changes)


# Digests.


def test_a_digest_is_of_the_whole_key():
    assert digest_of(GENERATED) == Digest(DigestKind.PLAIN, sha256(GENERATED.encode()).digest())
    assert digest_of(GENERATED, UNDER) == Digest(DigestKind.KEYED, hmac.digest(UNDER, GENERATED.encode(), "sha256"))


@pytest.mark.parametrize("key", ["", "a" * (MAX_KEY + 1), "\ud800"])
def test_what_cannot_be_a_key_has_no_digest_and_is_found_nowhere(key):
    with pytest.raises(ValueError, match="1 to 512"):
        digest_of(key)
    assert ApiKeys([_a_record()]).find(key) is None


def test_a_digest_key_is_what_a_file_holds_without_its_line_end():
    assert {digest_key_of(UNDER + end) for end in (b"", b"\n", b"\r\n")} == {UNDER}
    with pytest.raises(ValueError, match="32 octets"):
        digest_key_of(b"short\n")


def test_nothing_shows_a_digest():
    record = _a_record(digest_key=UNDER)
    keys = ApiKeys([record], UNDER)
    for shown in (repr(record), repr(keys), str(keys.dropped)):
        assert record.digest.value.hex() not in shown
        assert repr(record.digest.value) not in shown
        assert list(canaries.found_in(shown)) == []


# Finding.


@pytest.mark.parametrize("digest_key", [b"", UNDER])
@pytest.mark.parametrize(("key", "name"), [(GENERATED, "k1"), (IMPORTED, "k2"), (GENERATED, "renamed"), ("a.b.c", "a"), ("k", "k")])
def test_a_key_is_found_by_its_id_or_by_its_digest(key, name, digest_key):
    record = _a_record(key, name, digest_key)
    keys = ApiKeys([record, _a_record("another" * 5, "other", digest_key), _a_record("third" * 7, "third")], UNDER)
    assert keys.find(key) is keys.find(Secret(key)) is record
    assert len(keys) == 3


def test_both_keys_of_a_subscription_are_found():
    first, second = _a_record(), _a_record(IMPORTED, "k2", slot=KeySlot.SECONDARY)
    keys = ApiKeys([first, second])
    assert (keys.find(GENERATED), keys.find(IMPORTED)) == (first, second)


@pytest.mark.parametrize(
    "key", ["k1", "k1.", "k1.x", SECRET, f".{SECRET}", f"k2.{SECRET}", f"K1.{SECRET}", f" {GENERATED}", f"{GENERATED} ", GENERATED[:-1]]
)
def test_no_key_like_it_is_found(key):
    assert ApiKeys([_a_record()], UNDER).find(key) is None


@given(st.text(max_size=600) | st.text(alphabet="k1.", max_size=4) | st.builds(lambda a, b: f"k{a}.{b}", st.integers(0, 3), st.text()))
def test_no_key_but_the_right_one_is_found_and_nothing_raises(key):
    records = [_a_record(), _a_record(IMPORTED, "k2"), _a_record("three" * 8, "k3", UNDER)]
    for keys in (ApiKeys(records), ApiKeys(records, UNDER), ApiKeys([])):
        assert keys.find(key) is None


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=8, unique=True), st.lists(st.booleans(), min_size=8, max_size=8))
def test_each_key_finds_its_own_record(texts, keyed):
    texts = [text for text in texts if text.isascii()] or ["a"]
    records = [_a_record(text, f"k{at}", UNDER if keyed[at] else b"") for at, text in enumerate(texts)]
    keys = ApiKeys(records, UNDER)
    assert [keys.find(text) for text in texts] == records


def test_octets_that_are_no_utf_8_are_a_key_like_another():
    key = b"\xff\xfe".decode("utf-8", "surrogateescape") * 20
    record = _a_record(key)
    assert ApiKeys([record]).find(key) is record


# Records that do not count.


def test_without_a_digest_key_keyed_records_are_dropped():
    keys = ApiKeys([_a_record(digest_key=UNDER), _a_record(IMPORTED, "k2")])
    assert (keys.find(GENERATED), len(keys)) == (None, 1)
    assert keys.dropped == ("k1: its digest is keyed, and no digest key is given (--api-key-digest-key)",)
    assert ApiKeys([_a_record(digest_key=UNDER)], b"e" * 32).find(GENERATED) is None


@pytest.mark.parametrize("state", list(KeyState))
def test_of_two_records_of_one_id_none_counts_whatever_they_say(state):
    keys = ApiKeys([_a_record(), _a_record(state=state, scopes=("orders",)), _a_record(IMPORTED, "k2")])
    assert keys.find(GENERATED) is None
    assert keys.find(IMPORTED) is not None
    assert keys.dropped == ("k1: 2 different records have this id, so none counts; keep one",)


def test_of_two_records_of_one_key_neither_counts():
    keys = ApiKeys([_a_record(), _a_record(name="k2")])
    assert keys.find(GENERATED) is None
    assert [sentence.partition(":")[0] for sentence in keys.dropped] == ["k1", "k2"]


def test_a_key_that_is_recorded_in_both_ways_is_found_by_its_id_alone():
    both = [_a_record(IMPORTED, "a"), _a_record(IMPORTED, "b", UNDER)]
    assert ApiKeys(both, UNDER).find(IMPORTED) is None
    named = [_a_record(), _a_record(name="b", digest_key=UNDER)]
    assert ApiKeys(named, UNDER).find(GENERATED) is named[0]


def test_the_same_record_again_counts_once():
    kept, told = distinct([_a_record(), _a_record()])
    assert (kept, told) == ([_a_record()], ())


def test_of_many_doubts_a_hundred_are_told():
    records = [_a_record(f"{name}-{at}", f"k{at}") for at in range(120) for name in "ab"]
    keys = ApiKeys(records)
    assert (len(keys), len(keys.dropped), keys.dropped[-1]) == (0, 101, "and 20 further")


# Whether a key counts.


def _failure(address=OFFICE, now=NOON, **changes):
    return failure_of(_a_record(**changes), now, address, lambda cidrs: {OFFICE} if cidrs == ("192.0.2.0/24",) else ())


@pytest.mark.parametrize("state", [state for state in KeyState if state is not KeyState.ACTIVE])
def test_a_key_counts_in_no_state_but_active(state):
    assert _failure() is None
    failure = _failure(state=state)
    assert (failure.reason, failure.rank, failure.undecided) == (Reason.APIKEY_DISABLED, Rank.NOT_VERIFIED, False)
    assert failure.got == f"k1: {state}"


@pytest.mark.parametrize(
    ("before", "after", "got"),
    [
        (None, None, None),
        (NOON, NOON, None),
        (NOON - 1, NOON + 1, None),
        (NOON + 60, None, "k1: valid in 60 s"),
        (None, NOON - 60, "k1: expired 60 s ago"),
        (NOON + 60, NOON - 60, "k1: valid in 60 s"),
    ],
)
def test_a_key_counts_between_its_times_both_included(before, after, got):
    failure = _failure(not_before=before, not_after=after)
    assert (failure and failure.got) == got
    assert failure is None or (failure.reason, failure.rank) == (Reason.APIKEY_EXPIRED, Rank.NOT_VERIFIED)


def test_at_no_time_no_key_counts():
    assert _failure(now=float("nan")).reason is Reason.APIKEY_EXPIRED


@pytest.mark.parametrize(
    ("address", "cidrs", "reason", "undecided"),
    [
        (OFFICE, (), None, False),
        (UNKNOWN, (), None, False),
        (OFFICE, ("192.0.2.0/24",), None, False),
        (ELSEWHERE, ("192.0.2.0/24",), Reason.IP_DENIED, False),
        (UNKNOWN, ("192.0.2.0/24",), Reason.IP_UNKNOWN, True),
        (OFFICE, ("198.51.100.0/24",), Reason.IP_DENIED, False),
    ],
)
def test_a_key_counts_from_its_addresses(address, cidrs, reason, undecided):
    failure = _failure(address, cidrs=cidrs)
    assert (failure and failure.reason) == reason
    assert failure is None or (failure.rank, failure.undecided) == (Rank.NOT_PERMITTED, undecided)


@pytest.mark.parametrize(
    ("scopes", "wanted", "holds"),
    [
        (("orders",), {"orders"}, True),
        (("orders", "billing"), {"billing", "other"}, True),
        (("*",), {"orders"}, True),
        ((), {"orders"}, False),
        (("orders",), {"Orders"}, False),
        (("orders",), {"*"}, False),
        (("orders",), set(), False),
        (("*",), set(), False),
    ],
)
def test_a_key_has_any_of_the_scopes_or_every_one(scopes, wanted, holds):
    assert scope_holds(_a_record(scopes=scopes), frozenset(wanted)) is holds
