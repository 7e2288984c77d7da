"""The times and the audience of a token."""

import pytest

from authz.authn import claims
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from tests.fakes import NOON

BAD_TIMES = [
    "9999999999",
    " 9_999 ",
    "٩٩",
    True,
    False,
    None,
    [],
    {},
    -1,
    -0.5,
    float(1 << 53),
    1 << 53,
    10**20,
    10**400,
    float("inf"),
    float("nan"),
]


def test_a_token_is_accepted_from_its_start_to_its_end_and_the_skew_around():
    assert claims.lifetime({"exp": 1000, "nbf": 500, "iat": 400}, 30) == (470, 1030)


@pytest.mark.parametrize(
    ("times", "begins"), [({}, -30), ({"nbf": 500}, 470), ({"iat": 500}, 470), ({"nbf": 500, "iat": 600}, 570), ({"nbf": 0}, -30)]
)
def test_the_later_of_nbf_and_iat_counts(times, begins):
    assert claims.lifetime({"exp": 1000, **times}, 30) == (begins, 1030)


def test_fractions_of_a_second_count():
    assert claims.lifetime({"exp": 1000.5, "nbf": 499.25}, 0) == (499.25, 1000.5)


def test_a_token_without_an_end_has_no_acceptable_lifetime():
    failure = claims.lifetime({"iat": 500}, 30)
    assert (failure.reason, failure.rank) == (Reason.TOKEN_LIFETIME, Rank.NOT_VERIFIED)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", BAD_TIMES)
def test_a_time_that_is_no_plain_number_of_seconds_is_malformed(name, value):
    failure = claims.lifetime({"exp": 1000, "nbf": 500, "iat": 400, name: value}, 30)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.rank) == (Reason.TOKEN_MALFORMED, Rank.UNREADABLE)
    assert name in failure.want


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (99.9, Reason.TOKEN_NOT_YET_VALID),
        (100.0, None),
        (199.9, None),
        (200.0, Reason.TOKEN_EXPIRED),
        (300.0, Reason.TOKEN_EXPIRED),
    ],
)
def test_the_start_is_in_time_and_the_end_too_late(now, reason):
    failure = claims.time_failure(100, 200, now)
    assert (failure.reason if failure else None) is reason


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (3600, "60 minutes"),
        (7200, "2 hours"),
        (86400, "24 hours"),
        (172800, "2 days"),
    ],
)
def test_how_late_or_early_a_token_is_is_said_in_words(seconds, words):
    assert claims.time_failure(0, NOON, NOON + seconds).got == f"expired {words} ago"
    assert claims.time_failure(NOON + seconds, NOON * 2, NOON).got == f"valid in {words}"


@pytest.mark.parametrize(
    ("aud", "found"),
    [
        ("orders", {"orders"}),
        (["orders", "billing"], {"orders", "billing"}),
        (["orders"] * 64, {"orders"}),
        ([], set()),
        ("", {""}),
        (["orders"] * 65, None),
        (7, None),
        (None, None),
        (True, None),
        ({"orders": 1}, None),
        (["orders", 7], None),
        (["orders", ["billing"]], None),
    ],
)
def test_the_audiences_of_a_token(aud, found):
    assert claims.audiences({"aud": aud}) == found


def test_a_token_without_audience_is_for_nobody():
    assert claims.audiences({}) == frozenset()
