"""The times and the audience of a token."""

import pytest

from authz.authn import claims
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
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


def an_issuer(clock_skew: int = 30, **more: int) -> Issuer:
    return Issuer("idp", "https://idp.example.com", KeySource(), ("RS256",), clock_skew, (AUTHORIZATION_BEARER,), **more)


def test_a_token_is_accepted_from_its_start_to_its_end_and_the_skew_around():
    assert claims.lifetime({"exp": 1000, "nbf": 500, "iat": 400}, an_issuer()) == (470, 1030)


@pytest.mark.parametrize(
    ("times", "begins"), [({}, -30), ({"nbf": 500}, 470), ({"iat": 500}, 470), ({"nbf": 500, "iat": 600}, 570), ({"nbf": 0}, -30)]
)
def test_the_later_of_nbf_and_iat_counts(times, begins):
    assert claims.lifetime({"exp": 1000, **times}, an_issuer()) == (begins, 1030)


def test_fractions_of_a_second_count():
    assert claims.lifetime({"exp": 1000.5, "nbf": 499.25}, an_issuer(0)) == (499.25, 1000.5)


def test_a_token_without_an_end_has_no_acceptable_lifetime():
    failure = claims.lifetime({"iat": 500}, an_issuer())
    assert (failure.reason, failure.rank) == (Reason.TOKEN_LIFETIME, Rank.NOT_VERIFIED)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", BAD_TIMES)
def test_a_time_that_is_no_plain_number_of_seconds_is_malformed(name, value):
    failure = claims.lifetime({"exp": 1000, "nbf": 500, "iat": 400, name: value}, an_issuer())
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
    failure = claims.time_failure({"exp": 200}, an_issuer(0), (100, 200), now)
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
    assert claims.time_failure({"exp": NOON}, an_issuer(0), (0, NOON), NOON + seconds).got == f"expired {words} ago"
    assert claims.time_failure({}, an_issuer(0), (NOON + seconds, NOON * 2), NOON).got == f"valid in {words}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"iat": 1000, "exp": 4600}, (970, 4630)),
        ({"iat": 1000, "exp": 4601}, "a lifetime of 60 minutes at most"),
        ({"iat": 1000, "exp": 1e15}, "a lifetime of 60 minutes at most"),
        ({"iat": 1000, "nbf": 4000, "exp": 4600}, (3970, 4630)),
        ({"nbf": 1000, "exp": 1060}, "iat"),
        ({"exp": 1060}, "iat"),
    ],
)
def test_a_lifetime_may_be_limited(written, expected):
    found = claims.lifetime(written, an_issuer(max_lifetime=3600))
    if isinstance(found, Failure):
        assert (found.reason, found.rank) == (Reason.TOKEN_LIFETIME, Rank.NOT_VERIFIED)
    assert (found.want if isinstance(found, Failure) else found) == expected


@pytest.mark.parametrize(
    ("written", "expected"), [({"iat": 1000, "exp": 9000}, (970, 1630)), ({"iat": 1000, "exp": 1060}, (970, 1090)), ({"exp": 1060}, "iat")]
)
def test_an_age_may_be_limited(written, expected):
    found = claims.lifetime(written, an_issuer(max_age=600))
    assert (found.want if isinstance(found, Failure) else found) == expected


def test_what_ended_a_token_is_said_exactly():
    issuer, written = an_issuer(max_age=600), {"iat": 1000, "exp": 3000}
    times = claims.lifetime(written, issuer)
    old = claims.time_failure(written, issuer, times, 1630)
    assert (old.reason, old.want, old.got) == (Reason.TOKEN_EXPIRED, "a token that is 10 minutes old at most", "one of 10 minutes")
    assert claims.time_failure(written, issuer, times, 1629.9) is None
    assert claims.time_failure(written, issuer, times, 3100).want == "a token that has not expired"


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
