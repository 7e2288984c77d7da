"""The places of a token: one, none, or too many, and never a token that another place contradicts.

The data are lines: the query, then headers as `name: value`.
"""

from collections.abc import Iterable, Mapping

from authz.authn.presented import Finder, Presented
from authz.model.issuer import AUTHORIZATION_BEARER, Place, PlaceKind
from authz.model.reason import Reason
from tests.builders import a_request
from tests.fuzz.lines import headers_of, text_of

FOUND: Mapping[str, bytes] = {}
PLACES = (
    AUTHORIZATION_BEARER,
    Place(PlaceKind.HEADER, "x-token"),
    Place(PlaceKind.HEADER, "x-token", "Token"),
    Place(PlaceKind.QUERY, "access_token"),
    Place(PlaceKind.COOKIE, "session"),
)


def fuzz(data: bytes) -> None:
    query, *lines = text_of(data).split("\n")
    request = a_request(target=f"/orders?{query}", headers=headers_of(lines))
    alone = [Finder((place,)).find(request) for place in PLACES]
    together = Finder(PLACES).find(request)
    tokens = {each.token.reveal() for each in alone if isinstance(each, Presented)}
    reasons = {each.reason for each in alone if not isinstance(each, Presented)}
    assert reasons <= {Reason.CREDENTIALS_MISSING, Reason.CREDENTIALS_MULTIPLE}
    if isinstance(together, Presented):
        assert tokens == {together.token.reveal()}
        assert reasons <= {Reason.CREDENTIALS_MISSING}
        assert set(together.places) == {place for place, each in zip(PLACES, alone, strict=True) if isinstance(each, Presented)}
        assert together.unasked == all(place.kind is PlaceKind.COOKIE for place in together.places)
        assert repr(together) == repr(Presented("another", together.places, together.mark, unasked=together.unasked))
    else:
        several = len(tokens) > 1 or Reason.CREDENTIALS_MULTIPLE in reasons
        assert together.reason is (Reason.CREDENTIALS_MULTIPLE if several else Reason.CREDENTIALS_MISSING)
        assert several or not tokens


def seeds() -> Iterable[bytes]:
    yield b"page=2\nauthorization: Bearer aaa.bbb.ccc"
    yield b"access_token=aaa.bbb.ccc&page=2\ncookie: theme=dark; session=aaa.bbb.ccc"
    yield b"access%5Ftoken=a+b%20c&access_token=\nauthorization: bearer a,Bearer b, Basic eDp5\nx-token: Token t"
    yield b'\ncookie: session="quoted", session=other;session\nx-token: one , two'
    yield b"\nauthorization: Bearer\nx-token: token aaa"
