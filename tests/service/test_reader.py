"""From a request to the caller: which issuer, which key, which time."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from authz.authn import keys as keys_module
from authz.model.trace import Trace
from authz.service.ports import FetchedKeys, FetchError
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, ec_key, ed_key, issuer_yaml, rsa_key
from tests.fakes import NOON, settle

OTHER = "https://other.example.com"


def rules(*issuers: str, names: str = "idp", audiences: str = "orders") -> str:
    return a_manifest(f"""
hosts: [api.example.com]
audiences: [{audiences}]
issuers: [{", ".join(issuers)}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [{names}]}}}}]}}]
""")


def other_yaml(jwks: str, name: str = "other", more: str = "") -> str:
    return f"{{name: {name}, issuer: {OTHER}, jwks: '{jwks}'{more}}}"


FETCHED = f"{{name: idp, issuer: {ISSUER}}}"


def reason(installation: Installation, **given: Any) -> str:
    return str(installation.decide(a_request(**given)).reason.value)


async def asked(installation: Installation, **given: Any) -> str:
    answer = installation.checker.check(a_request(**given), 1.0)
    decision: Any = await answer if hasattr(answer, "__await__") else answer
    return str(decision.reason.value)


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The key ids of the verifications done."""
    seen: list[str] = []
    verifies = keys_module.Key.verifies

    def counting(self: keys_module.Key, signed: bytes, signature: bytes) -> bool:
        seen.append(self.kid)
        return verifies(self, signed, signature)

    with monkeypatch.context() as patch:
        patch.setattr(keys_module.Key, "verifies", counting)
        yield seen


def test_a_good_token_names_its_caller() -> None:
    decision = Installation(rules(issuer_yaml())).decide(a_request(token=a_token(sub="bob")))
    assert (decision.reason.value, decision.issuer, decision.subject) == ("rule.allow", "idp", "bob")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        *[(rsa_key, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")],
        (ec_key, "ES256"),
        (ed_key, "EdDSA"),
    ],
)
def test_every_kind_of_key_works_where_the_issuer_lists_its_algorithm(key: Any, algorithm: str) -> None:
    installation = Installation(rules(issuer_yaml(a_jwks(a_jwk(key())), more=f", algorithms: [{algorithm}]")))
    assert reason(installation, token=a_token(key(), alg=algorithm)) == "rule.allow"
    refusing = Installation(
        rules(issuer_yaml(more=", algorithms: [RS256]") if algorithm != "RS256" else issuer_yaml(more=", algorithms: [PS256]"))
    )
    assert reason(refusing, token=a_token(key(), alg=algorithm)) == "token.algorithm"


def test_keys_belong_to_their_issuer_though_two_call_them_the_same() -> None:
    installation = Installation(
        rules(issuer_yaml(a_jwks(a_jwk(rsa_key("one")))), other_yaml(a_jwks(a_jwk(rsa_key("two")))), names="idp, other")
    )
    assert reason(installation, token=a_token(rsa_key("one"))) == "rule.allow"
    assert reason(installation, token=a_token(rsa_key("two"), iss=OTHER)) == "rule.allow"
    assert reason(installation, token=a_token(rsa_key("two"))) == "token.signature"
    assert reason(installation, token=a_token(rsa_key("one"), iss=OTHER)) == "token.signature"


def test_an_issuer_that_the_rule_does_not_name_is_not_accepted() -> None:
    installation = Installation(rules(issuer_yaml(), other_yaml(a_jwks(a_jwk(rsa_key("two")))), names="idp"))
    decision = installation.decide(a_request(token=a_token(rsa_key("two"), iss=OTHER)))
    assert decision.reason.value == "token.issuer"
    assert (decision.want, decision.got) == (ISSUER, OTHER)


@pytest.mark.parametrize("issuer", [ISSUER + "/", ISSUER.upper(), "", None, 7, [ISSUER], {"a": 1}, True])
def test_the_issuer_must_be_equal_octet_for_octet(issuer: Any) -> None:
    claims = {"iss": issuer}
    installation = Installation(rules(issuer_yaml()))
    try:
        token = a_token(**claims)
    except TypeError:
        # PyJWT would not write such an `iss`.
        token = _signed(claims)
    assert reason(installation, token=token) == "token.issuer"


def _signed(changes: dict[str, Any]) -> str:
    """A token of claims that PyJWT's encode() refuses."""
    import json

    from jwt.api_jws import encode

    claims = {"iss": ISSUER, "aud": "orders", "iat": int(NOON) - 60, "exp": int(NOON) + 3600, **changes}
    return encode(json.dumps(claims).encode(), rsa_key(), "RS256", headers={"kid": "k1", "typ": "at+jwt"})


def test_two_entries_of_one_issuer_are_tried_after_each_other() -> None:
    installation = Installation(
        rules(
            issuer_yaml(),
            issuer_yaml(a_jwks(a_jwk(ec_key(), "e1")), name="elliptic", more=", algorithms: [ES256]"),
            names="idp, elliptic",
        )
    )
    assert reason(installation, token=a_token()) == "rule.allow"
    assert installation.decide(a_request(token=a_token(ec_key(), kid="e1", alg="ES256"))).issuer == "elliptic"


def two_places() -> Installation:
    """`idp` in a header, `other` in a cookie."""
    return Installation(
        rules(
            issuer_yaml(more=", tokenFrom: [{header: x-token}]"),
            other_yaml(a_jwks(a_jwk(rsa_key("two"))), more=", tokenFrom: [{cookie: session}]"),
            names="idp, other",
        )
    )


def test_a_token_counts_only_in_the_places_of_its_own_issuer() -> None:
    one, two = a_token(), a_token(rsa_key("two"), iss=OTHER)
    assert reason(two_places(), headers={"x-token": one}) == "rule.allow"
    assert reason(two_places(), headers={"cookie": f"session={two}"}) == "rule.allow"
    assert reason(two_places(), headers={"cookie": f"session={one}"}) == "token.issuer"
    assert reason(two_places(), headers={"x-token": two}) == "token.issuer"
    assert reason(two_places(), token=one) == "credentials.missing"
    assert reason(two_places(), headers={"x-token": one, "cookie": f"session={two}"}) == "credentials.multiple"


def test_a_remembered_token_counts_only_in_the_places_of_its_own_issuer() -> None:
    installation, token = two_places(), a_token()
    assert reason(installation, headers={"x-token": token}) == "rule.allow"
    assert reason(installation, headers={"cookie": f"session={token}"}) == "token.issuer"


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("orders", "rule.allow"),
        (["billing", "orders"], "rule.allow"),
        ("billing", "token.audience"),
        ([], "token.audience"),
        (None, "token.audience"),
        ("ORDERS", "token.audience"),
        ("order", "token.audience"),
        ({"orders": 1}, "token.malformed"),
        (7, "token.malformed"),
        (["orders", 7], "token.malformed"),
        (["orders"] * 65, "token.malformed"),
    ],
)
def test_the_audience_must_be_one_of_the_policys(audience: Any, expected: str) -> None:
    assert reason(Installation(rules(issuer_yaml())), token=a_token(aud=audience)) == expected


def test_a_key_that_the_issuer_does_not_have_is_unknown() -> None:
    decision = Installation(rules(issuer_yaml())).decide(a_request(token=a_token(kid="k9")))
    assert (decision.reason.value, decision.status) == ("token.key_unknown", 401)
    assert "k1" in decision.want
    assert "k9" in decision.got


def test_without_keys_it_is_our_fault() -> None:
    async def story() -> None:
        installation = Installation(rules(FETCHED))
        installation.fetcher.answers[ISSUER] = FetchError("down")
        assert await asked(installation, token=a_token()) == "keys.unavailable"

    asyncio.run(story())


def test_an_unknown_key_while_fetches_fail_is_our_fault_and_while_they_succeed_the_tokens() -> None:
    async def story() -> None:
        installation = Installation(rules(FETCHED))
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks().encode())
        assert await asked(installation, token=a_token()) == "rule.allow"
        assert await asked(installation, token=a_token(kid="k9")) == "token.key_unknown"
        installation.fetcher.answers[ISSUER] = FetchError("down")
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        assert await asked(installation, token=a_token(kid="k9")) == "keys.unavailable"
        assert await asked(installation, token=a_token(jti="another")) == "rule.allow"

    asyncio.run(story())


def test_a_token_without_kid_takes_the_only_key_that_fits() -> None:
    assert reason(Installation(rules(issuer_yaml())), token=a_token(kid=None)) == "rule.allow"
    two = a_jwks(a_jwk(), a_jwk(rsa_key("two"), "k2"))
    assert reason(Installation(rules(issuer_yaml(two))), token=a_token(kid=None)) == "token.key_unknown"


def test_a_remembered_token_is_not_verified_again(monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation(rules(issuer_yaml()))
    with counted(monkeypatch) as seen:
        for _ in range(5):
            assert reason(installation, token=a_token(jti="one")) == "rule.allow"
        assert seen == ["k1"]
        assert reason(installation, token=a_token(jti="two")) == "rule.allow"
        assert seen == ["k1", "k1"]


def test_a_token_with_another_signature_is_another_token(monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation(rules(issuer_yaml()))
    token = a_token()
    assert reason(installation, token=token) == "rule.allow"
    head, _, signature = token.rpartition(".")
    forged = f"{head}.{signature[:-8]}{'AAAAAAAA' if signature[-8:] != 'AAAAAAAA' else 'BBBBBBBB'}"
    assert reason(installation, token=forged) in ("token.signature", "token.malformed")


def test_an_explanation_verifies_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation(rules(issuer_yaml()))
    assert reason(installation, token=a_token()) == "rule.allow"
    with counted(monkeypatch) as seen:
        _, trace = installation.checker.explain(a_request(token=a_token()))
        assert seen == ["k1"]
    told = {step.what: step.holds for step in trace.steps if step.depth == 3}
    assert told == {"token": True, "issuer": True, "key": True, "signature": True, "times": True, "audience": True}


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"token": "x.y"}, "form"),
        ({"token": a_token(iss=OTHER)}, "issuer"),
        ({"token": a_token(ec_key(), alg="ES256")}, "key"),
        ({"token": a_token(rsa_key("one"), alg="RS512")}, "algorithm"),
        ({"token": a_token(kid="k9")}, "key"),
        ({"token": a_token(rsa_key("two"))}, "signature"),
        ({"token": a_token(exp=int(NOON) - 100)}, "times"),
        ({"token": a_token(aud="billing")}, "audience"),
        ({}, "token"),
    ],
)
def test_an_explanation_ends_at_the_step_that_fails(change: dict[str, str], failing: str) -> None:
    installation = Installation(rules(issuer_yaml()))
    decision, trace = installation.checker.explain(a_request(**change))
    last = [step for step in trace.steps if step.depth == 3][-1]
    assert (last.what, last.holds) == (failing, False)
    assert decision.reason == installation.decide(a_request(**change)).reason


def test_an_explanation_tells_of_keys_that_could_not_be_fetched() -> None:
    decision, trace = Installation(rules(FETCHED)).checker.explain(a_request(token=a_token()))
    assert decision.reason.value == "keys.unavailable"
    assert trace.steps[-1].want == "the issuer's keys, which could not be fetched"
    assert isinstance(trace, Trace)


def test_no_step_holds_the_token() -> None:
    token = a_token()
    _, trace = Installation(rules(issuer_yaml())).checker.explain(a_request(token=token))
    for part in token.split("."):
        assert part not in str(trace.steps)


def test_another_version_of_a_policy_verifies_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation(rules(issuer_yaml()))
    assert reason(installation, token=a_token()) == "rule.allow"
    installation.apply(rules(issuer_yaml(), audiences="billing"))
    with counted(monkeypatch) as seen:
        assert reason(installation, token=a_token()) == "token.audience"
        assert seen == ["k1"]


def test_an_entry_is_void_for_another_policy_that_asks_for_another_audience() -> None:
    other = a_manifest(
        f"""
hosts: [other.example.com]
audiences: [billing]
issuers: [{issuer_yaml()}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]
""",
        name="billing",
    )
    installation = Installation(rules(issuer_yaml()), other)
    token = a_token()
    assert reason(installation, token=token) == "rule.allow"
    assert reason(installation, token=token, host="other.example.com") == "token.audience"


def test_keys_that_change_make_the_token_be_verified_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        installation = Installation(rules(FETCHED))
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks().encode())
        assert await asked(installation, token=a_token()) == "rule.allow"
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks(a_jwk(kid="k2")).encode())
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        assert await asked(installation, token=a_token()) == "token.key_unknown"

    asyncio.run(story())


def test_lone_surrogates_in_a_token_are_only_malformed() -> None:
    installation = Installation(rules(issuer_yaml()))
    assert reason(installation, headers={"authorization": "Bearer \udcff\udcfe"}) == "token.malformed"


def test_a_token_that_is_bound_to_its_holder_is_no_bearer_token() -> None:
    installation = Installation(rules(issuer_yaml()))
    for claim in ({"x5t#S256": "abc"}, {"jkt": "abc"}, {}, "abc"):
        assert reason(installation, token=a_token(cnf=claim)) == "token.binding"


def test_a_signature_that_does_not_match_while_keys_are_being_fetched_is_undecided() -> None:
    async def story() -> None:
        installation = Installation(rules(FETCHED))
        installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks().encode())
        (known,) = installation.ring.all()
        await installation.ring.ask(known)
        installation.fetcher.gate = asyncio.Event()
        fetching = installation.ring.ask(known)
        await settle()
        answer: Any = installation.checker.check(a_request(token=a_token(rsa_key("two"))), 0.02)
        assert (await answer).reason.value == "keys.unavailable"
        installation.fetcher.gate.set()
        await fetching
        assert await asked(installation, token=a_token(rsa_key("two"))) == "token.signature"

    asyncio.run(story())


@pytest.mark.parametrize("odd", ["\ud800", "\x00", "é", "\U0010ffff"])
def test_characters_that_no_token_has_are_no_fault_of_ours(odd: str) -> None:
    assert reason(Installation(rules(issuer_yaml())), token=f"{a_token()}{odd}") == "token.malformed"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_scheme_is_one_place_in_whichever_case_it_is_written(scheme: str) -> None:
    first = issuer_yaml(more=", tokenFrom: [{header: Authorization, scheme: Bearer}]")
    second = other_yaml(a_jwks(a_jwk(rsa_key("two"))), more=f", tokenFrom: [{{header: Authorization, scheme: {scheme}}}]")
    installation = Installation(
        a_manifest(
            f"""
            hosts: [api.example.com]
            audiences: [orders]
            issuers: [{first}, {second}]
            rules:
            - name: all
              allow:
              - {{name: one, jwt: {{issuers: [idp], scopes: [admin]}}}}
              - {{name: two, jwt: {{issuers: [other]}}}}
              - {{name: anyone, anonymous: {{}}}}
            """
        )
    )
    assert installation.decide(a_request(token=a_token())).alternative == "anyone"
