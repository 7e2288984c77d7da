"""The token that a request presents."""

import pytest

from authz.authn.presented import Finder, Presented
from authz.model.issuer import AUTHORIZATION_BEARER, Place, PlaceKind
from authz.model.principal import Rank
from authz.model.reason import Reason
from tests.builders import a_request

HEADER = Place(PlaceKind.HEADER, "X-Token")
QUERY = Place(PlaceKind.QUERY, "access_token")
COOKIE = Place(PlaceKind.COOKIE, "session")


def _found(*places, target="/", **headers):
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Finder(places).find(a_request(target=target, headers=sent))


def _token(*places, **sent):
    found = _found(*places, **sent)
    return found.token.reveal() if isinstance(found, Presented) else found.reason


# A header with a scheme.


@pytest.mark.parametrize("sent", ["Bearer T", "bearer T", "BEARER T", "bEaReR T"])
def test_the_case_of_a_scheme_does_not_matter(sent):
    assert _token(AUTHORIZATION_BEARER, authorization=sent) == "T"


@pytest.mark.parametrize("sent", ["", "Basic T", "Bearer-T", "BearerT", "Bearer\tT", "Bearers T", "T", "DPoP T", "Basic a, Digest b"])
def test_another_scheme_presents_nothing(sent):
    failure = _found(AUTHORIZATION_BEARER, authorization=sent)
    assert (failure.reason, failure.rank) == (Reason.CREDENTIALS_MISSING, Rank.NOT_PRESENTED)
    assert failure.want == "header authorization (Bearer)"


@pytest.mark.parametrize("sent", ["Bearer", "bearer", "Bearer ", " Bearer"])
def test_a_bare_scheme_presents_an_unreadable_token(sent):
    assert _token(AUTHORIZATION_BEARER, authorization=sent) == ""


@pytest.mark.parametrize(("sent", "token"), [("Bearer  T", " T"), ("Bearer T ", "T "), ("Bearer T U", "T U"), ("Bearer \tT", "\tT")])
def test_more_than_one_space_stays_in_the_token_which_is_then_malformed(sent, token):
    assert _token(AUTHORIZATION_BEARER, authorization=sent) == token


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer T,Bearer U",
        "Bearer T, Bearer U",
        "Bearer T,Bearer T",
        "Bearer T,",
        "Bearer T,U",
        "Basic x,Bearer T",
        "Bearer T, Basic x",
        "Bearer,Bearer",
    ],
)
def test_several_lines_of_one_header_are_several_credentials(sent):
    failure = _found(AUTHORIZATION_BEARER, authorization=sent)
    assert (failure.reason, failure.rank, failure.undecided, failure.unasked) == (Reason.CREDENTIALS_MULTIPLE, Rank.UNREADABLE, True, False)


def test_another_scheme_of_an_issuer_is_found():
    place = Place(PlaceKind.HEADER, "authorization", "Token")
    assert _token(place, authorization="token T") == "T"
    assert _token(place, authorization="Bearer T") is Reason.CREDENTIALS_MISSING


# A bare header.


@pytest.mark.parametrize(("sent", "token"), [("T", "T"), (" T ", "T"), ("T,T", "T"), ("Bearer T", "Bearer T")])
def test_a_bare_header_is_the_token(sent, token):
    assert _token(HEADER, x_token=sent) == token


def test_two_values_of_a_bare_header_are_several_credentials():
    assert _token(HEADER, x_token="T,U") is Reason.CREDENTIALS_MULTIPLE
    assert _token(HEADER, x_token="T,") is Reason.CREDENTIALS_MULTIPLE


@pytest.mark.parametrize("sent", [{}, {"x_token": ""}, {"x_tokens": "T"}])
def test_a_header_that_is_absent_or_empty_presents_nothing(sent):
    assert _token(HEADER, **sent) is Reason.CREDENTIALS_MISSING


# The query.


@pytest.mark.parametrize(
    ("query", "token"),
    [
        ("access_token=T", "T"),
        ("a=1&access_token=T&b=2", "T"),
        ("access%5ftoken=T", "T"),
        ("access_token=a%2Eb", "a.b"),
        ("access_token=T=", "T="),
        ("access_token", ""),
        ("access_token=", ""),
        ("access_token=T&access_token=T", "T"),
        ("access_token=T&access_token=U", Reason.CREDENTIALS_MULTIPLE),
        ("access_token=T&access%5Ftoken=U", Reason.CREDENTIALS_MULTIPLE),
        ("Access_Token=T", Reason.CREDENTIALS_MISSING),
        ("a=access_token", Reason.CREDENTIALS_MISSING),
        ("", Reason.CREDENTIALS_MISSING),
    ],
)
def test_a_token_in_the_query(query, token):
    assert _token(QUERY, target=f"/orders?{query}") == token


# Cookies.


@pytest.mark.parametrize(
    ("sent", "token"),
    [
        ("session=T", "T"),
        ('session="T"', "T"),
        ("a=1; session=T; b=2", "T"),
        ("a=1;session=T", "T"),
        ("a=1,session=T", "T"),
        ("a=1, session=T", "T"),
        ("session=T=x", "T=x"),
        ("session=", ""),
        ("session", ""),
        ("session=T; session=T", "T"),
        ("session=T; session=U", Reason.CREDENTIALS_MULTIPLE),
        ("session=T,session=U", Reason.CREDENTIALS_MULTIPLE),
        ("Session=T", Reason.CREDENTIALS_MISSING),
        ("my-session=T", Reason.CREDENTIALS_MISSING),
        ("", Reason.CREDENTIALS_MISSING),
    ],
)
def test_a_token_in_a_cookie(sent, token):
    assert _token(COOKIE, cookie=sent) == token


def test_a_request_without_cookies_presents_nothing_in_them():
    assert _token(COOKIE) is Reason.CREDENTIALS_MISSING


# Several places.


def test_places_are_looked_at_in_the_order_written():
    found = _found(QUERY, HEADER, target="/?access_token=T", x_token="T")
    assert (found.token.reveal(), found.places) == ("T", (QUERY, HEADER))
    assert _found(HEADER, QUERY, target="/?access_token=T", x_token="T").places == (HEADER, QUERY)
    assert _found(HEADER, QUERY, target="/?access_token=T").places == (QUERY,)


def test_two_different_tokens_in_two_places_are_several_credentials():
    failure = _found(AUTHORIZATION_BEARER, QUERY, target="/?access_token=U", authorization="Bearer T")
    assert failure.reason is Reason.CREDENTIALS_MULTIPLE
    assert failure.got == "several in header authorization (Bearer) and query access_token"


def test_what_is_missing_is_said_for_every_place():
    assert _found(AUTHORIZATION_BEARER, COOKIE).want == "header authorization (Bearer), cookie session"


@pytest.mark.parametrize(
    ("places", "unasked"),
    [((COOKIE,), True), ((HEADER, COOKIE), False), ((HEADER,), False), ((QUERY,), False)],
)
def test_a_token_is_unasked_only_where_it_stood_in_a_cookie_alone(places, unasked):
    sent = {HEADER: {"x_token": "T"}, QUERY: {"target": "/?access_token=T"}, COOKIE: {"cookie": "session=T"}}
    found = _found(*places, **{name: value for place in places for name, value in sent[place].items()})
    assert found.unasked is unasked


@pytest.mark.parametrize(("cookie", "header", "unasked"), [("session=T; session=U", "", True), ("session=T", "U", False)])
def test_several_tokens_are_unasked_only_where_all_stood_in_cookies(cookie, header, unasked):
    failure = _found(COOKIE, HEADER, cookie=cookie, **({"x_token": header} if header else {}))
    assert (failure.reason, failure.unasked) == (Reason.CREDENTIALS_MULTIPLE, unasked)


@pytest.mark.parametrize("cookie", ["session=T", "session=T; session=U"])
def test_a_token_that_stood_in_a_header_too_was_sent_on_purpose(cookie):
    assert _found(COOKIE, HEADER, cookie=cookie, x_token="T").unasked is False


def test_where_a_token_stood_is_marked_apart():
    sent = {"target": "/?access_token=T", "x_token": "T", "cookie": "session=T"}
    every = (HEADER, QUERY, COOKIE)
    one = [_found(*every, **{name: sent[name]}).mark for name in sent]
    two = [_found(*every, **{name: sent[name] for name in sent if name != without}).mark for without in sent]
    assert len({*one, *two, _found(*every, **sent).mark}) == 7


def test_a_token_never_shows_itself():
    assert repr(_found(HEADER, x_token="s3cret")) == "Presented(header X-Token, •••)"
