"""Tokens that are signed with a secret which the issuer and the service share (HMAC), from the Secret to the decision."""

import hmac
import json
from typing import Any

import jwt
import pytest

from authz.model.cluster import Cluster
from authz.model.reference import FILE, Missing, Reference
from tests.authn.test_hmac_keys import ONE, TWO, key_text, oct_key, plain, url_safe
from tests.builders import AUDIENCE, ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, declared
from tests.canaries import note
from tests.fakes import NOON

AT = Reference("Secret", "shop", "legacy", "hmac")
CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(NOON) + 60}


def policy(more: str = "", *others: str, names: str = "legacy", source: str = "{secretRef: {name: legacy}}") -> str:
    mine = f"{{name: legacy, issuer: {ISSUER}, hmacFrom: {source}{more}}}"
    return a_manifest(f"""
hosts: [api.example.com]
audiences: [{AUDIENCE}]
issuers: [{", ".join((mine, *others))}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [{names}]}}}}]}}]
""")


def signed(secret: bytes = ONE, kid: str | None = None, algorithm: str = "HS256", **claims: Any) -> str:
    header = {"kid": kid} if kid is not None else {}
    return note(jwt.encode({**CLAIMS, **claims}, secret, algorithm, header))


class Shared:
    """An installation in a cluster whose Secret holds this text."""

    def __init__(self, text: str | Missing, manifest: str = "", at: Reference = AT) -> None:
        self.installation = Installation()
        self.manifest = manifest or policy()
        self.at = at
        self.put(text)

    def put(self, text: str | Missing) -> None:
        grants = frozenset[Any]() if self.at.kind != FILE else None
        self.report = self.installation.updater.apply(declared(self.manifest), Cluster(grants=grants, texts={self.at: text}))

    def problems(self) -> list[tuple[str, str, str]]:
        return [(each.code, each.where, each.what) for state in self.report.states for each in state.problems]

    def reason(self, token: str) -> str:
        return str(self.installation.decide(a_request(token=token)).reason.value)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_of_the_secret_is_allowed_and_one_of_another_is_not(algorithm: str) -> None:
    shared = Shared(url_safe(ONE), policy(f", algorithms: [{algorithm}]"))
    assert shared.problems() == []
    assert shared.reason(signed(algorithm=algorithm)) == "rule.allow"
    assert shared.reason(signed(algorithm=algorithm)) == "rule.allow"
    assert shared.reason(signed(TWO, algorithm=algorithm)) == "token.signature"
    others = {"HS256", "HS384", "HS512"} - {algorithm}
    assert {shared.reason(signed(algorithm=other)) for other in others} == {"token.algorithm"}


def test_vj24_several_keys_are_valid_at_once_while_they_are_changed() -> None:
    shared = Shared(key_text(oct_key(kid="k1")))
    assert shared.reason(signed(kid="k1")) == "rule.allow"
    shared.put(key_text(oct_key(kid="k1"), oct_key(TWO, kid="k2")))
    assert [shared.reason(signed(ONE, "k1")), shared.reason(signed(TWO, "k2"))] == ["rule.allow", "rule.allow"]
    assert [shared.reason(signed(ONE)), shared.reason(signed(TWO))] == ["rule.allow", "rule.allow"]
    shared.put(key_text(oct_key(TWO, kid="k2")))
    assert [shared.reason(signed(ONE, "k1")), shared.reason(signed(ONE))] == ["token.key_unknown", "token.signature"]
    assert shared.reason(signed(TWO, "k2")) == "rule.allow"


def test_vj25_a_token_whose_kid_no_key_has_is_refused_unlike_there() -> None:
    shared = Shared(key_text(oct_key(kid="k1"), oct_key(TWO, kid="k2")))
    assert shared.reason(signed(kid="k3")) == "token.key_unknown"
    assert shared.reason(signed(kid="k2")) == "token.signature"


@pytest.mark.parametrize("claims", [{"exp": int(NOON) - 60}, {"aud": "other"}, {"iss": "https://other.example.com"}])
def test_everything_else_is_asked_as_of_any_token(claims: dict[str, Any]) -> None:
    shared = Shared(url_safe(ONE))
    assert shared.reason(signed(**claims)) in ("token.expired", "token.audience", "token.issuer")


def test_public_keys_and_secrets_of_one_issuer_are_two_issuers_and_neither_verifies_for_the_other() -> None:
    both = policy("", f"{{name: idp, issuer: {ISSUER}, jwks: '{a_jwks()}'}}", names="legacy, idp")
    shared = Shared(url_safe(ONE), both)
    assert shared.reason(signed()) == "rule.allow"
    assert shared.reason(a_token()) == "rule.allow"
    signing = ".".join(plain(json.dumps(each).encode()) for each in ({"alg": "HS256", "kid": "k1"}, CLAIMS))
    # The public key, as everybody can fetch it, for a secret.
    for known in (a_jwks().encode(), json.dumps(a_jwk()).encode(), a_jwk()["n"].encode()):
        assert shared.reason(f"{signing}.{plain(hmac.digest(known, signing.encode(), 'sha256'))}") == "token.signature"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (a_jwks(), "public keys go into jwks or jwksFrom"),
        (plain(ONE[:31]), "31 octets instead of 32 to 128"),
        ("-----BEGIN PUBLIC KEY-----", "it is PEM"),
        ("  ", "it is empty"),
        (Missing("it is not there; create it"), "it is not there"),
    ],
    ids=range(5),
)
def test_a_text_that_is_no_secret_denies_its_own_policy_and_is_told(text: Any, told: str) -> None:
    shared = Shared(text)
    ((code, where, what),) = shared.problems()
    assert (code, where) == ("AZ212", "spec.issuers[0].hmacFrom")
    assert told in what
    assert shared.reason(signed()) == "policy.invalid"


def test_a_secret_that_goes_or_breaks_counts_no_more_at_once() -> None:
    shared = Shared(url_safe(ONE))
    assert shared.reason(signed()) == "rule.allow"
    shared.put(Missing("it is gone; create it"))
    assert shared.reason(signed()) == "policy.invalid"
    shared.put(url_safe(TWO))
    assert [shared.reason(signed()), shared.reason(signed(TWO))] == ["token.signature", "rule.allow"]


def test_in_a_file_beside_the_policy_it_counts_where_policies_are_files() -> None:
    at = Reference(FILE, "", "keys/legacy.hmac", ".")
    shared = Shared(url_safe(ONE), policy(source="{file: keys/legacy.hmac}"), at)
    assert shared.problems() == []
    assert shared.reason(signed()) == "rule.allow"
    shared.at = Reference("Secret", "", "", "")
    shared.put("")
    assert [each[:2] for each in shared.problems()] == [("AZ212", "spec.issuers[0].hmacFrom")]


def test_files_cannot_say_what_is_in_a_secret_so_nobody_is_verified() -> None:
    installation = Installation(policy())
    (state,) = installation.report.states
    assert [each.code for each in state.problems] == ["AZ212"]
    assert installation.decide(a_request(token=signed())).reason.value == "keys.unavailable"


def test_nothing_that_is_shown_holds_the_secret() -> None:
    shared = Shared(key_text(oct_key(kid="k1")))
    denial = shared.installation.decide(a_request(token=signed(TWO, "k2")))
    explained, trace = shared.installation.checker.explain(a_request(token=signed(kid="k1")))
    (state,) = shared.report.states
    known = shared.installation.ring.all()
    shown = [
        denial,
        explained,
        trace.steps,
        state,
        [each.source for each in known],
        [each.keys for each in known],
        shared.installation.updater.store,
    ]
    assert url_safe(ONE) not in repr(shown)
    assert repr(ONE)[2:30] not in repr(shown)
