"""The memory of verified tokens."""

import pytest

from authz.authn.keys import key_set
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.model.principal import Principal
from authz.service.keyring import IssuerKeys
from authz.service.tokens import TokenMemory
from tests.builders import ISSUER, Installation, a_jwk, a_jwks, a_manifest, a_request, a_token, issuer_yaml, rsa_key
from tests.fakes import NOON


def a_state(url: str = ISSUER) -> IssuerKeys:
    return IssuerKeys(Issuer("idp", url, KeySource(jwks=a_jwks()), ("RS256",), 30, (AUTHORIZATION_BEARER,)))


def a_principal(state: IssuerKeys) -> Principal:
    return Principal(state.source, {"sub": "alice"}, NOON, NOON + 60)


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_was_put_is_found_and_nothing_else() -> None:
    memory, state = TokenMemory(), a_state()
    principal = a_principal(state)
    memory.put(digest(1), principal, state, 500)
    assert memory.get(digest(1)) is principal
    assert memory.get(digest(2)) is None
    assert len(memory) == 1


@pytest.mark.parametrize("most", [2, 3, 10, 101])
def test_it_never_holds_more_tokens_than_told(most: int) -> None:
    memory, state = TokenMemory(max_count=most), a_state()
    for number in range(10 * most):
        memory.put(digest(number), a_principal(state), state, 500)
        assert len(memory) <= most
        assert memory.get(digest(number)) is not None


def test_it_never_holds_many_more_bytes_than_told() -> None:
    memory, state = TokenMemory(max_bytes=1_000_000), a_state()
    for number in range(1000):
        memory.put(digest(number), a_principal(state), state, 16_000)
    # Claims as objects take about twice their token: no more than thirty of them in a million bytes.
    assert 8 <= len(memory) <= 31


def test_small_tokens_cost_their_overhead() -> None:
    memory, state = TokenMemory(max_bytes=120_000), a_state()
    for number in range(1000):
        memory.put(digest(number), a_principal(state), state, 1)
    assert len(memory) <= 102


def test_the_young_generation_ages_and_the_old_one_is_forgotten() -> None:
    memory, state = TokenMemory(max_count=4), a_state()
    for number in range(4):
        memory.put(digest(number), a_principal(state), state, 500)
    assert all(memory.get(digest(number)) is not None for number in range(4))
    memory.put(digest(4), a_principal(state), state, 500)
    assert [memory.get(digest(number)) is not None for number in range(5)] == [False, False, True, True, True]


def test_other_keys_of_an_issuer_make_its_entries_void_and_leave_those_of_others() -> None:
    memory, one, other = TokenMemory(), a_state(), a_state("https://other.example.com")
    memory.put(digest(1), a_principal(one), one, 500)
    memory.put(digest(2), a_principal(other), other, 500)
    one.keys = key_set(a_jwks(a_jwk(rsa_key("two"))).encode(), ("RS256",))
    assert memory.get(digest(1)) is None
    assert memory.get(digest(2)) is not None


def test_an_issuer_without_keys_has_no_entries() -> None:
    memory, state = TokenMemory(), a_state()
    memory.put(digest(1), a_principal(state), state, 500)
    state.keys = None
    assert memory.get(digest(1)) is None
    memory.put(digest(2), a_principal(state), state, 500)
    assert memory.get(digest(2)) is None


RULES = f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{issuer_yaml(more=", clockSkewSeconds: 30")}]
rules: [{{name: all, allow: [{{name: any, jwt: {{issuers: [idp]}}}}]}}]
"""


def test_a_remembered_token_ends_with_its_exp_and_the_tolerance() -> None:
    installation = Installation(a_manifest(RULES))
    request = a_request(token=a_token(exp=int(NOON) + 100))
    installation.clock.now = NOON + 129.9
    assert installation.decide(request).reason.value == "rule.allow"
    assert len(installation.memory) == 1
    installation.clock.now = NOON + 130
    assert installation.decide(request).reason.value == "token.expired"
    assert "token that has not expired" in installation.decide(request).want


def test_a_remembered_token_grows_too_old_before_its_exp() -> None:
    installation = Installation(a_manifest(RULES.replace("clockSkewSeconds: 30", "clockSkewSeconds: 0, maxAgeSeconds: 600")))
    request = a_request(token=a_token(iat=int(NOON)))
    installation.clock.now = NOON + 599
    assert installation.decide(request).reason.value == "rule.allow"
    installation.clock.now = NOON + 600
    decision = installation.decide(request)
    assert (decision.reason.value, decision.want) == ("token.expired", "a token that is 10 minutes old at most")


def test_a_remembered_token_is_not_valid_where_the_clock_went_back_before_its_beginning() -> None:
    installation = Installation(a_manifest(RULES))
    request = a_request(token=a_token(iat=int(NOON)))
    assert installation.decide(request).reason.value == "rule.allow"
    installation.clock.now = NOON - 31
    assert installation.decide(request).reason.value == "token.not_yet_valid"


def test_only_verified_tokens_are_remembered() -> None:
    installation = Installation(a_manifest(RULES))
    for token in (a_token(rsa_key("two")), a_token(aud="other"), a_token(exp=int(NOON) - 600), "a.b.c", a_token()[:-4] + "AAAA"):
        assert installation.decide(a_request(token=token)).reason.value.startswith("token.")
    assert len(installation.memory) == 0
