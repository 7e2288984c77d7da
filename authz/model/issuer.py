"""Who may vouch for a token, and where tokens are looked for."""

from dataclasses import dataclass, field
from enum import StrEnum

from authz.model.reference import Reference


def token_type(written: str) -> str:
    """Return a `typ` in the form that is compared: lower case, without `application/` (RFC 7515 §4.1.9).

    >>> token_type("application/AT+JWT")
    'at+jwt'
    """
    return written.lower().removeprefix("application/")


class PlaceKind(StrEnum):
    """Which part of a request a credential is read from."""

    HEADER = "header"
    QUERY = "query"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class Place:
    """One place where a credential may stand: a header (with a scheme, or bare), a query parameter or a cookie."""

    kind: PlaceKind
    name: str
    scheme: str = ""

    def __str__(self) -> str:
        """The place in words: `header authorization (Bearer)`."""
        return f"{self.kind} {self.name}" + (f" ({self.scheme})" if self.scheme else "")


AUTHORIZATION_BEARER = Place(PlaceKind.HEADER, "authorization", "Bearer")


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where an issuer's keys come from: at most one is set; without any, the issuer's URL leads to them.

    Attributes:
        hmac_from: where the secrets are that the issuer shares with this service.
        hmac: their text, once it is there.
    """

    discovery_url: str = ""
    jwks_url: str = ""
    jwks: str = ""
    jwks_from: Reference | None = None
    hmac_from: Reference | None = None
    hmac: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer of tokens. Equal issuers share keys; the name is only how a policy calls it.

    Attributes:
        name: how the rules of a policy refer to it.
        issuer: what `iss` and the metadata's issuer must equal, byte for byte.
        keys: where its keys come from.
        algorithms: the `alg` values that are accepted: those of HMAC where `keys` are secrets, else asymmetric ones alone.
        clock_skew: tolerance for `exp`, `nbf` and `iat`, in seconds.
        places: where its tokens are looked for, in this order.
        ca_from: where the CAs are that vouch for its servers; None: those that the operator trusts.
        ca: those CAs, as PEM, once they are there.
        token_types: the `typ` values that are accepted, as `token_type` gives them; none counts as `jwt`.
        max_lifetime: the longest time from `iat` to `exp`, in seconds; None: any.
        max_age: the longest time since `iat`, in seconds; None: any.
    """

    name: str
    issuer: str
    keys: KeySource
    algorithms: tuple[str, ...]
    clock_skew: int
    places: tuple[Place, ...]
    ca_from: Reference | None = None
    ca: str = ""
    token_types: frozenset[str] = frozenset({"at+jwt", "jwt"})
    max_lifetime: int | None = None
    max_age: int | None = None

    @property
    def references(self) -> tuple[Reference, ...]:
        """The texts in other objects that it needs."""
        return tuple(each for each in (self.keys.jwks_from, self.keys.hmac_from, self.ca_from) if each is not None)
