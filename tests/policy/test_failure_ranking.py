"""Which failure is reported (design: what an AuthPolicy means, point 5): every pair of credentials, in every state, in both orders.

What is expected is said here once more, in a table and in few words; nothing of it is taken from the engine.
"""

from collections.abc import Iterator
from itertools import product
from typing import Final

import pytest

from authz.model.certificate import CertificateIdentity
from authz.model.decision import Allow, Decision, Deny
from authz.model.definitions import ApiKeySet, CertificateAuthority, Definitions, Revocation
from authz.model.issuer import Issuer, Place, PlaceKind
from authz.model.policy import ApiKeyCondition, CertificateCondition, HeaderCondition, Item, JwtCondition
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.model.reference import Reference
from authz.policy.compiled import compile_policy
from authz.policy.judge import decide_policy
from authz.policy.view import View
from tests.builders import a_request
from tests.policy.given import a_policy, a_rule, a_view, an_issuer

ABSENT, UNREADABLE, UNVERIFIED, UNPERMITTED, OURS, HOLDS = "absent", "unreadable", "not verified", "not permitted", "our fault", "holds"
JWT, KEY, CERTIFICATE, ANONYMOUS = "jwt", "apiKey", "clientCertificate", "anonymous"
Given = tuple[str, str]

# What becomes of a credential in a state: its reason, and the status that goes with it.
REASONS: Final[dict[Given, tuple[str, int]]] = {
    (JWT, ABSENT): ("credentials.missing", 401),
    (JWT, UNREADABLE): ("token.malformed", 401),
    (JWT, UNVERIFIED): ("token.signature", 401),
    (JWT, UNPERMITTED): ("scope.insufficient", 403),
    (JWT, OURS): ("keys.unavailable", 503),
    (KEY, ABSENT): ("credentials.missing", 401),
    (KEY, UNREADABLE): ("credentials.multiple", 400),
    (KEY, UNVERIFIED): ("apikey.unknown", 401),
    (KEY, UNPERMITTED): ("apikey.scope", 403),
    (KEY, OURS): ("keys.unavailable", 503),
    (CERTIFICATE, ABSENT): ("cert.missing", 401),
    (CERTIFICATE, UNREADABLE): ("cert.untrusted", 401),
    (CERTIFICATE, UNVERIFIED): ("cert.expired", 401),
    (CERTIFICATE, UNPERMITTED): ("cert.not_allowed", 403),
    (CERTIFICATE, OURS): ("cert.revocation_unknown", 503),
    (ANONYMOUS, UNPERMITTED): ("header.mismatch", 403),
}
RANKS: Final = (ABSENT, UNREADABLE, UNVERIFIED, UNPERMITTED)
ERRORS: Final = {
    "token.malformed": "invalid_token",
    "token.signature": "invalid_token",
    "scope.insufficient": "insufficient_scope",
    "credentials.multiple": "invalid_request",
}
STATES: Final = [*(given for given in REASONS), *((kind, HOLDS) for kind in (JWT, KEY, CERTIFICATE, ANONYMOUS))]
FAULTS: Final = {  # As the readers of credentials tell them.
    ABSENT: (Rank.NOT_PRESENTED, False),
    UNREADABLE: (Rank.UNREADABLE, False),
    UNVERIFIED: (Rank.NOT_VERIFIED, False),
    UNPERMITTED: (Rank.NOT_PERMITTED, False),
    OURS: (Rank.NOT_VERIFIED, True),
}


# The rule in plain words.


def reported(alternatives: list[Given]) -> tuple[int, str, int]:
    """Which of several alternatives, each with one credential, is told, with its reason and the status as such."""
    at = next((at for at, each in enumerate(alternatives) if holds(each, alternatives)), None)
    if at is not None:
        return at, "rule.allow", 200
    # A 503 first, for asked again the answer may be an allow; then the highest rank; `anonymous` ranks lowest; ties as written.
    at = max(range(len(alternatives)), key=lambda at: (rank(alternatives[at]), -at))
    return at, *REASONS[alternatives[at]]


def rank(given: Given) -> int:
    kind, state = given
    if kind == ANONYMOUS:
        return -1
    return len(RANKS) if state == OURS else RANKS.index(state)


def holds(given: Given, alternatives: list[Given]) -> bool:
    """`anonymous` does not overlook a token or key in a header that failed, nor a key that is for another API; certificates it does."""
    if given[1] != HOLDS:
        return False
    failed = {(JWT, UNREADABLE), (JWT, UNVERIFIED), (JWT, OURS), (KEY, UNREADABLE), (KEY, UNVERIFIED), (KEY, UNPERMITTED), (KEY, OURS)}
    return given[0] != ANONYMOUS or failed.isdisjoint(alternatives)


def first_of_members(members: list[Given]) -> tuple[str, int]:
    """What is told of one alternative that wants all of these: the first that fails, our own fault only where nothing else does."""
    order = sorted(members, key=lambda each: (JWT, KEY, CERTIFICATE).index(each[0]))
    failed = [each for each in order if each[1] != HOLDS]
    certain = [each for each in failed if each[1] != OURS]
    return REASONS[(certain or failed)[0]] if failed else ("rule.allow", 200)


def answer(reason: str, status: int, schemes: list[str], helping: list[str]) -> tuple[int, list[str]]:
    """The status and the challenges: 401 only with one that helps. A certificate cannot be asked for, other credentials can."""
    if reason.startswith("cert."):
        schemes = helping
    if status == 401 and not schemes:
        status = 403
    if status in (200, 503) or (status == 403 and reason != "scope.insufficient"):
        return status, []
    return status, [with_error(each, reason) for each in dict.fromkeys(schemes)]


def with_error(scheme: str, reason: str) -> str:
    """A challenge: RFC 6750's errors go with tokens only."""
    error = ERRORS.get(reason, "")
    return f'{scheme} error="{error}"' if error and scheme == "Bearer" else scheme


# The engine's side.


class Told:
    """Finds what it is told to find."""

    def __init__(self, found: Caller | Failure) -> None:
        self.found = found

    def identify(self, view: View) -> Caller | Failure:
        return self.found


class Readers:
    """A reader for each definition, which finds its credential in the state that is given."""

    def __init__(self, states: dict[str, Given]) -> None:
        self._states = states

    def tokens(self, issuers: tuple[Issuer, ...], audiences: tuple[str, ...]) -> Told:
        # A guard of several issuers reads no token that is theirs together: here each has a place of its own.
        (issuer,) = issuers
        return self._of(issuer.name)

    def api_keys(self, key_set: ApiKeySet) -> Told:
        return self._of(key_set.name)

    def certificates(self, authority: CertificateAuthority, identities: tuple[CertificateIdentity, ...]) -> Told:
        return self._of(authority.name)

    def _of(self, name: str) -> Told:
        kind, state = self._states[name]
        if state == HOLDS or (state == UNPERMITTED and kind != CERTIFICATE):
            has = state == HOLDS
            token = {"scope": "read" if has else "other", "aud": "orders"}
            key = {"scopes": frozenset({"read" if has else "other"}), "subscription": "acme"}
            return Told(Caller(name, "alice", {JWT: token, KEY: key, CERTIFICATE: {}}[kind]))
        ranked, undecided = FAULTS[state]
        reason = Reason(REASONS[kind, state][0])
        return Told(Failure(reason, ranked, undecided=undecided or reason is Reason.CREDENTIALS_MULTIPLE))


DEFINITIONS: Final = Definitions(
    {name: an_issuer(name, places=(Place(PlaceKind.HEADER, f"x-token-{name}"),)) for name in ("one", "two")},
    {name: ApiKeySet(name, (), (Place(PlaceKind.HEADER, f"x-key-{name}"),)) for name in ("one", "two")},
    {name: CertificateAuthority(name, Reference("File", "", "ca", "."), Revocation.NONE) for name in ("one", "two")},
)


def members(name: str, kind: str) -> dict[str, object]:
    return {
        JWT: {"jwt": JwtCondition((name,), scopes=("read",))},
        KEY: {"api_key": ApiKeyCondition(name, ("read",))},
        CERTIFICATE: {"certificate": CertificateCondition(name)},
        ANONYMOUS: {"anonymous": True, "headers": (HeaderCondition(f"x-{name}"),)},
    }[kind]


def decision(states: dict[str, Given], *items: Item) -> Decision:
    there = {f"x-{name}": "1" for name, given in states.items() if given == (ANONYMOUS, HOLDS)}
    policy = a_policy(rules=(a_rule(allow=items),))
    return decide_policy(compile_policy(policy, DEFINITIONS, frozenset(), Readers(states)), a_view(a_request(headers=there)))


def scheme(name: str, kind: str) -> list[str]:
    return {JWT: ["Bearer"], KEY: [f"ApiKey x-key-{name}"]}.get(kind, [])


def challenges(found: Decision) -> list[str]:
    """The challenges of an answer, each as its scheme and what tells it apart."""
    value = dict(found.headers).get("www-authenticate", "") if isinstance(found, Deny) else ""
    return list(_challenges(value))


def _challenges(value: str) -> Iterator[str]:
    for part in value.replace(", ApiKey", "\nApiKey").replace(", Bearer", "\nBearer").splitlines():
        word, _, rest = part.partition(" ")
        parameters = dict(each.split("=", 1) for each in rest.split(", "))
        assert parameters.pop("realm") == '"api"'
        if word == "ApiKey":
            assert parameters.keys() == {"name", "in"}
            assert parameters["in"] == '"header"'
            yield f"ApiKey {parameters['name'].strip(chr(34))}"
        else:
            error = parameters.get("error", "")
            assert parameters.keys() <= {"error", "error_description", "scope"}
            assert ("scope" in parameters) is (error == '"insufficient_scope"')
            yield f"{word} error={error}" if error else word


def told(found: Decision) -> tuple[str, str, int, list[str]]:
    status = 200 if isinstance(found, Allow) else found.status
    return found.alternative, found.reason.value, status, challenges(found)


@pytest.mark.parametrize(("one", "two"), [pytest.param(*pair, id=f"{pair[0]} or {pair[1]}") for pair in product(STATES, STATES)])
def test_of_two_alternatives(one: Given, two: Given) -> None:
    states = {"one": one, "two": two}
    at, reason, status = reported([one, two])
    schemes = [*scheme("one", one[0]), *scheme("two", two[0])]
    status, wanted = answer(reason, status, schemes, schemes)
    items = (Item(name, **members(name, given[0])) for name, given in states.items())
    assert told(decision(states, *items)) == (("one", "two")[at], reason, status, wanted)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        pytest.param(*pair, id=f"{pair[0]} and {pair[1]}")
        for pair in product(STATES, STATES)
        if pair[0][0] != pair[1][0] and ANONYMOUS not in (pair[0][0], pair[1][0])
    ],
)
def test_of_two_members_of_one_alternative(one: Given, two: Given) -> None:
    reason, status = first_of_members([one, two])
    names = sorted({"one": one, "two": two}.items(), key=lambda each: (JWT, KEY, CERTIFICATE).index(each[1][0]))
    # Another token or key would not help where it is the certificate that fails: both are wanted.
    status, wanted = answer(reason, status, [each for name, given in names for each in scheme(name, given[0])], [])
    both = Item("both", **members("one", one[0]), **members("two", two[0]))
    assert told(decision({"one": one, "two": two}, both)) == ("both", reason, status, wanted)


def test_every_pair_is_there() -> None:
    assert len(STATES) == 3 * 6 + 2
    assert {given for given in STATES if given[1] != HOLDS} == REASONS.keys()
