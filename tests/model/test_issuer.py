"""Issuers and the places of tokens."""

import pytest

from authz.model.issuer import AUTHORIZATION_BEARER, Place, PlaceKind


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (AUTHORIZATION_BEARER, "header authorization (Bearer)"),
        (Place(PlaceKind.HEADER, "x-token"), "header x-token"),
        (Place(PlaceKind.QUERY, "access_token"), "query access_token"),
        (Place(PlaceKind.COOKIE, "session"), "cookie session"),
    ],
)
def test_a_place_says_itself_in_words(place, words):
    assert str(place) == words
