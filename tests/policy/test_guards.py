"""What `anonymous` may not overlook where a rule reads several credentials."""

from collections.abc import Mapping

import pytest

from authz.model.decision import Deny
from authz.model.definitions import ApiKeySet, Definitions
from authz.model.issuer import Place, PlaceKind
from authz.model.policy import ApiKeyCondition, Item
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.policy.alternatives import guards, key_guard
from authz.policy.compiled import CompiledPolicy, compile_policy
from authz.policy.judge import decide_policy
from tests.policy.given import NOT_PRESENTED, UNAVAILABLE, FakeReader, FakeReaders, a_policy, a_rule, a_view, with_header

UNKNOWN = Failure(Reason.APIKEY_UNKNOWN, Rank.NOT_VERIFIED, "a key", "another")
MULTIPLE = Failure(Reason.CREDENTIALS_MULTIPLE, Rank.UNREADABLE, undecided=True)


def a_key(*scopes: str) -> Caller:
    return Caller("subs", "k1", {"id": "k1", "subscription": "acme", "labels": {}, "scopes": frozenset(scopes)})


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (NOT_PRESENTED, NOT_PRESENTED, None),
        (a_key("orders"), UNKNOWN, None),
        (UNKNOWN, a_key("*"), None),
        (UNKNOWN, UNKNOWN, Reason.APIKEY_UNKNOWN),
        (UNKNOWN, NOT_PRESENTED, Reason.APIKEY_UNKNOWN),
        (a_key("billing"), UNKNOWN, Reason.APIKEY_SCOPE),
        (a_key("orders"), MULTIPLE, Reason.CREDENTIALS_MULTIPLE),
    ],
)
def test_a_key_of_one_of_the_sets_that_share_a_place_is_good(first, second, reason):
    failure = key_guard([(FakeReader(first), ("orders",)), (FakeReader(second), ("orders",))])(a_view())
    assert (failure.reason if failure is not None else None) is reason


@pytest.mark.parametrize(
    ("found", "reason"),
    [([UNAVAILABLE, UNKNOWN], Reason.APIKEY_UNKNOWN), ([UNAVAILABLE, UNAVAILABLE], Reason.KEYS_UNAVAILABLE), ([], None)],
)
def test_our_own_fault_is_told_where_it_is_the_only_one(found, reason):
    guard = guards([lambda view, each=each: each for each in found])
    assert (guard(a_view()).reason if guard is not None else None) is reason


class _ByName(FakeReaders):
    """Gives a reader for each key set."""

    def __init__(self, readers: Mapping[str, FakeReader]) -> None:
        super().__init__(FakeReader())
        self.readers = readers

    def api_keys(self, key_set: ApiKeySet) -> FakeReader:
        return self.readers[key_set.name]


HEADER, QUERY = Place(PlaceKind.HEADER, "x-key"), Place(PlaceKind.QUERY, "key")
ITEMS = (
    Item("own", api_key=ApiKeyCondition("own", ("orders",)), headers=with_header("x-tenant")),
    Item("theirs", api_key=ApiKeyCondition("theirs", ("orders",)), headers=with_header("x-tenant")),
    Item("anyone", anonymous=True),
)


def _policy(*places: Place) -> CompiledPolicy:
    sets = {name: ApiKeySet(name, (), (place,)) for name, place in zip(("own", "theirs"), places, strict=True)}
    readers = _ByName({"own": FakeReader(a_key("orders")), "theirs": FakeReader(UNKNOWN)})
    return compile_policy(a_policy(rules=(a_rule(allow=ITEMS),)), Definitions(api_keys=sets), frozenset(), readers)


def test_a_key_that_is_good_for_one_alternative_is_no_bad_key_for_another_that_reads_it_too():
    decision = decide_policy(_policy(HEADER, HEADER), a_view())
    assert (decision.reason, decision.alternative) == (Reason.RULE_ALLOW, "anyone")


def test_a_good_key_does_not_excuse_a_bad_one_elsewhere():
    assert isinstance(decide_policy(_policy(HEADER, QUERY), a_view()), Deny)
