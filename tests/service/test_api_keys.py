"""The reader of API keys: whose key a request presents, or why it counts for nothing."""

import json
from dataclasses import replace

import pytest

from authz.authn.api_keys import digest_of
from authz.model.definitions import ApiKeySet
from authz.model.issuer import Place, PlaceKind
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.model.reference import Text
from authz.model.trace import Trace
from authz.service.api_keys import ApiKeyReader, KeyRecords
from tests import canaries
from tests.builders import a_request
from tests.policy.given import a_view

KEY = canaries.note("k7.0123456789abcdef0123456789abcdef0123456789a")
SET = ApiKeySet("subscriptions", (), (Place(PlaceKind.HEADER, "x-key"), Place(PlaceKind.COOKIE, "key")))


def a_text(key=KEY, origin="keys.jsonl", **changes):
    digest = f"sha256:{digest_of(key).value.hex()}"
    return Text(origin, json.dumps({"id": "k7", "digest": digest, "subscription": "acme", "scopes": ["orders"], **changes}))


def reader(*texts, records=None):
    texts = texts or (a_text(),)
    return ApiKeyReader(replace(SET, texts=texts), (records or KeyRecords()).keys(texts))


def found(sent, *texts, address="203.0.113.7", trace=None):
    return reader(*texts).identify(a_view(a_request(headers=sent), address=address, trace=trace))


def test_a_key_is_its_holder_and_says_what_the_record_says():
    caller = found({"x-key": KEY}, a_text(labels={"plan": "gold"}))
    assert isinstance(caller, Caller)
    assert (caller.source, caller.subject) == ("subscriptions", "k7")
    assert caller.claims == {"id": "k7", "subscription": "acme", "labels": {"plan": "gold"}, "scopes": frozenset({"orders"})}


def test_the_holder_is_one_object_each_time_so_that_answers_are_remembered():
    one = reader()
    assert one.identify(a_view(a_request(headers={"x-key": KEY}))) is one.identify(a_view(a_request(headers={"x-key": KEY})))


@pytest.mark.parametrize(
    ("sent", "changes", "reason", "rank"),
    [
        ({}, {}, Reason.CREDENTIALS_MISSING, Rank.NOT_PRESENTED),
        ({"x-key": "other"}, {}, Reason.APIKEY_UNKNOWN, Rank.NOT_VERIFIED),
        ({"x-key": f"{KEY},other"}, {}, Reason.CREDENTIALS_MULTIPLE, Rank.UNREADABLE),
        ({"x-key": KEY}, {"state": "Suspended"}, Reason.APIKEY_DISABLED, Rank.NOT_VERIFIED),
        ({"x-key": KEY}, {"notAfter": "2020-01-01T00:00:00Z"}, Reason.APIKEY_EXPIRED, Rank.NOT_VERIFIED),
        ({"x-key": KEY}, {"cidrs": ["192.0.2.0/24"]}, Reason.IP_DENIED, Rank.NOT_PERMITTED),
    ],
)
def test_why_a_key_counts_for_nothing(sent, changes, reason, rank):
    failure = found(sent, a_text(**changes))
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.rank, failure.unasked) == (reason, rank, False)


def test_an_address_that_is_not_known_is_undecided():
    failure = found({"x-key": KEY}, a_text(cidrs=["192.0.2.0/24"]), address="garbage")
    assert (failure.reason, failure.undecided) == (Reason.IP_UNKNOWN, True)
    assert isinstance(found({"x-key": KEY}, a_text(cidrs=["192.0.2.0/24"]), address="192.0.2.7"), Caller)


def test_a_key_in_a_cookie_was_sent_unasked():
    assert found({"cookie": "key=other"}).unasked
    view = a_view(a_request(headers={"cookie": f"key={KEY}"}))
    assert isinstance(reader().identify(view), Caller)
    assert view.unasked


@pytest.mark.parametrize("sent", [{"x-key": KEY}, {"x-key": f"{KEY}1"}, {"x-key": f"{KEY},{KEY}1"}])
def test_what_is_told_has_no_key(sent):
    trace = Trace()
    told = repr((found(sent, trace=trace), trace.steps))
    assert len(trace.steps) == 1
    assert KEY not in told
    assert list(canaries.found_in(told)) == []


def test_a_text_is_read_once_as_long_as_it_is_in_use():
    records, text, other = KeyRecords(), a_text(), a_text(origin="other")
    first, both = records.keys((text,)), records.keys((text, other))
    assert records.keys((text,)) is first
    records.retain({text})
    assert records.keys((text,)) is first
    assert records.keys((text, other)) is not both


def test_keyed_digests_take_the_digest_key():
    secret = b"0123456789abcdef0123456789abcdef"
    text = a_text(digest=f"hmac-sha256:{digest_of('short', secret).value.hex()}")
    for key, known in ((secret, True), (b"another key of thirty-two octets", False), (b"", False)):
        caller = reader(text, records=KeyRecords(key)).identify(a_view(a_request(headers={"x-key": "short"})))
        assert isinstance(caller, Caller) is known
