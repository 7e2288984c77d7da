"""Who was verified, or why nobody was."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from authz.model.issuer import Issuer
from authz.model.reason import Reason


class Rank(IntEnum):
    """How far a credential got. Of several failures the highest is reported."""

    ANONYMOUS = 0
    NOT_PRESENTED = 1
    UNREADABLE = 2
    NOT_VERIFIED = 3
    NOT_PERMITTED = 4


class Failure:
    """Why one alternative, or one credential, did not hold. Values only: words are made where they are shown.

    Attributes:
        want: what the policy asks for.
        got: what the request had.
        undecided: it could not be told whether the member holds; an item of `deny` fires then.
        unasked: the credential stood in a cookie only, which browsers send unasked.
    """

    __slots__ = ("got", "rank", "reason", "unasked", "undecided", "want")

    def __init__(
        self, reason: Reason, rank: Rank, want: str = "", got: str = "", *, undecided: bool = False, unasked: bool = False
    ) -> None:
        self.reason = reason
        self.rank = rank
        self.want = want
        self.got = got
        self.undecided = undecided
        self.unasked = unasked

    @property
    def ours(self) -> bool:
        """Whether the fault is ours: asked again later, the answer may be another."""
        return self.reason.status == 503

    def __repr__(self) -> str:
        """The reason and its two sides, for tests and debuggers."""
        return f"Failure({self.reason}, want={self.want!r}, got={self.got!r})"


class Caller:
    """Who a verified credential speaks of.

    Attributes:
        source: the definition by which it was verified: an issuer, a key set or a certificate authority, by name.
        subject: who that is: `sub` of a token, the id of an API key, the subject of a certificate; or "".
        claims: what the credential says: a token's claims, or the like of a key and of a certificate.
        answers: what each alternative of the policy made of these claims, remembered: the claims cannot change.
    """

    __slots__ = ("answers", "claims", "source", "subject")

    def __init__(self, source: str, subject: str, claims: Mapping[str, Any]) -> None:
        self.source = source
        self.subject = subject
        self.claims = claims
        self.answers: dict[object, Any] = {}  # What a policy makes of it is that floor's own.


class Principal(Caller):
    """Who a verified token speaks of.

    Attributes:
        issuer: who vouched.
        expires: when it stops being accepted, Unix time in seconds, clock skew included.
        begins: when it starts being accepted, likewise.
    """

    __slots__ = ("begins", "expires", "issuer")

    def __init__(self, issuer: Issuer, claims: Mapping[str, Any], begins: float, expires: float) -> None:
        subject = claims.get("sub")
        super().__init__(issuer.name, subject if isinstance(subject, str) else "", claims)
        self.issuer = issuer
        self.begins = begins
        self.expires = expires
