"""Issuers' public keys."""

import json
from functools import cache
from math import prod

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from authz.authn import jws
from authz.authn.keys import ALGORITHMS, MAX_BYTES, MAX_KEYS, KeySetError, key_set
from tests.builders import a_jwk, a_jwks, a_token, ec_key, ed_key, rsa_key

RS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


def _read(*members, algorithms=ALGORITHMS):
    return key_set(json.dumps({"keys": members}).encode(), algorithms)


def _dropped(member, algorithms=ALGORITHMS):
    """Why a member is not used, beside one that is."""
    keys = _read(member, a_jwk(kid="good"), algorithms=algorithms)
    assert keys.find("good", "RS256") is not None
    assert keys.kids == ("good",)
    (why,) = keys.dropped
    assert why.startswith("keys[0]: ")
    return why


def _numbers(n, e=65537):
    return RSAAlgorithm.to_jwk(rsa.RSAPublicNumbers(e, n).public_key(), as_dict=True)


def _without(member, *names):
    return {name: value for name, value in member.items() if name not in names}


@cache
def _p521():
    return ec.generate_private_key(ec.SECP521R1())


def _base64(number, size):
    import base64

    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()


# The set.


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not JSON with one reading"),
        (b"<html>", "not JSON with one reading"),
        (b'{"keys": [], "keys": []}', "not JSON with one reading"),
        (b"[]", "RFC 7517"),
        (b"{}", "RFC 7517"),
        (b'{"keys": {}}', "RFC 7517"),
        (b'{"keys": null}', "RFC 7517"),
        (b'{"keys": []}', "no usable key"),
        (b'{"keys": [7]}', r"no usable key; keys\[0\]: not an object"),
        (b" " * (MAX_BYTES + 1), "larger than 512 KiB"),
        (json.dumps({"keys": [{}] * (MAX_KEYS + 1)}).encode(), "more than 100 keys"),
    ],
)
def test_a_set_that_cannot_be_used_says_why(text, why):
    with pytest.raises(KeySetError, match=why):
        key_set(text, ALGORITHMS)


def test_a_set_keeps_its_text_so_that_an_unchanged_one_is_recognised():
    text = a_jwks().encode()
    assert key_set(text, ALGORITHMS).text == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["kty", "kid", "alg", "use", "key_ops", "crv", "n", "e", "x", "y"]),
                inner | st.sampled_from(["RSA", "EC", "OKP", "AQAB", "P-256", "Ed25519", "RS256"]),
                max_size=6,
            )
        ),
        max_leaves=10,
    )
)
def test_no_member_harms_the_others(member):
    keys = _read(member, a_jwk(kid="good"))
    assert keys.find("good", "RS256") is not None


# The members.


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(rsa_key, "RS256"), (rsa_key, "PS512"), (ec_key, "ES256"), (_p521, "ES512"), (ed_key, "EdDSA")],
)
def test_a_public_key_of_each_kind_verifies_what_its_private_half_signed(key, algorithm):
    token = jws.read(a_token(key(), alg=algorithm))
    found = _read(a_jwk(key())).find("k1", algorithm)
    assert found.verifies(token.signed, token.signature)
    assert not found.verifies(token.signed + b"x", token.signature)
    assert not found.verifies(token.signed, token.signature[:-1] + bytes((token.signature[-1] ^ 1,)))
    assert not found.verifies(token.signed, b"")


def test_a_key_shows_no_material():
    assert repr(_read(a_jwk()).find("k1", "RS256")) == "Key(kid='k1', algorithm='RS256')"


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_private_material_is_refused(name):
    assert "private or symmetric" in _dropped(a_jwk(**{name: "AQ"}))


def test_a_whole_private_key_is_refused():
    assert "private" in _dropped(json.loads(RSAAlgorithm.to_jwk(rsa_key())))
    assert "private" in _dropped(json.loads(ECAlgorithm.to_jwk(ec_key())))


def test_a_symmetric_key_is_refused():
    assert "private or symmetric" in _dropped(json.loads(HMACAlgorithm.to_jwk(b"secret" * 8)))
    assert "type, curve or algorithm" in _dropped({"kty": "oct"})


@pytest.mark.parametrize("use", ["enc", "", None, 7, ["sig"]])
def test_a_key_that_is_not_for_signatures_is_refused(use):
    assert "use" in _dropped(a_jwk(use=use))


@pytest.mark.parametrize("operations", [["encrypt"], ["sign"], [], "verify", None, {"verify": 1}])
def test_a_key_that_is_not_for_verifying_is_refused(operations):
    assert "key_ops" in _dropped(a_jwk(key_ops=operations))


@pytest.mark.parametrize("changes", [{"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}])
def test_a_key_that_is_for_verifying_is_used(changes):
    assert _read({**_without(a_jwk(), "use"), **changes}).find("k1", "RS256") is not None


def test_a_key_that_does_not_say_what_it_is_for_is_used():
    assert _read(_without(a_jwk(), "use")).find("k1", "RS256") is not None


@pytest.mark.parametrize("kid", [7, None, [], {}, "k" * 257])
def test_a_key_id_that_is_no_short_string_is_refused(kid):
    assert "kid" in _dropped({**a_jwk(), "kid": kid})


@pytest.mark.parametrize(
    "member",
    [
        {"kty": "RSA"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "RSA", "n": 7, "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {**a_jwk(ec_key()), "x": a_jwk(ec_key())["y"]},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": ["P-256"]},
        {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
        {**a_jwk(), "alg": []},
        {**a_jwk(), "alg": {}},
    ],
)
def test_a_key_that_cannot_be_read_is_dropped_alone(member):
    assert "not a key that can be read" in _dropped(member)


@pytest.mark.parametrize(
    "member",
    [
        {},
        {"kty": "rsa"},
        {"kty": 7},
        {**a_jwk(), "alg": "none"},
        {**a_jwk(), "alg": "HS256"},
        {**a_jwk(), "alg": "ES256"},
        {**a_jwk(), "alg": "rs256"},
        {**a_jwk(ec_key()), "alg": "ES384"},
        {**a_jwk(ec_key()), "crv": "P-384", "alg": "ES256"},
        {**a_jwk(ec_key()), "crv": "secp256k1"},
        {**a_jwk(ed_key()), "crv": "X25519"},
        {**a_jwk(ed_key()), "alg": "RS256"},
    ],
)
def test_a_key_whose_type_curve_and_algorithm_do_not_fit_is_refused(member):
    assert "type, curve or algorithm" in _dropped(member)


def test_a_point_under_the_name_of_another_curve_is_dropped():
    assert "not a key that can be read" in _dropped({**a_jwk(ec_key()), "crv": "P-384"})


def test_ed448_is_no_ed25519():
    member = json.loads(OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key()))
    assert "type, curve or algorithm" in _dropped({**member, "alg": "EdDSA"})
    assert "type, curve or algorithm" in _dropped({**member, "alg": "Ed448"})


def test_the_name_of_the_curve_is_understood_as_algorithm():
    assert _read({**a_jwk(ed_key()), "alg": "Ed25519"}).find("k1", "EdDSA") is not None


# Which algorithms.


@pytest.mark.parametrize("algorithm", RS)
def test_an_rsa_key_without_algorithm_serves_every_listed_rsa_algorithm(algorithm):
    keys = _read(a_jwk(), algorithms=(algorithm, "ES256"))
    assert keys.find("k1", algorithm).algorithm == algorithm
    assert [each for each in ALGORITHMS if keys.find("k1", each)] == [algorithm]


@pytest.mark.parametrize("own", RS)
def test_a_key_with_an_algorithm_serves_that_one_only(own):
    keys = _read(a_jwk(alg=own))
    assert [each for each in ALGORITHMS if keys.find("k1", each)] == [own]


def test_a_curve_serves_its_own_algorithm_only():
    assert [each for each in ALGORITHMS if _read(a_jwk(ec_key())).find("k1", each)] == ["ES256"]
    assert [each for each in ALGORITHMS if _read(a_jwk(ed_key())).find("k1", each)] == ["EdDSA"]


def test_a_key_that_the_issuers_algorithms_do_not_list_is_refused():
    assert "algorithms" in _dropped(a_jwk(ec_key()), algorithms=("RS256",))


@pytest.mark.parametrize("algorithm", ["none", "NONE", "HS256", "rs256", "", "ES256"])
def test_no_key_is_found_for_an_algorithm_that_it_does_not_serve(algorithm):
    assert _read(a_jwk()).find("k1", algorithm) is None
    assert _read(a_jwk()).find(None, algorithm) is None


# Weak keys.


def test_a_short_rsa_key_is_refused():
    short = rsa.generate_private_key(65537, 1024)
    assert _dropped(a_jwk(short))


@pytest.mark.parametrize("bits", [2047, 8193])
def test_an_rsa_key_of_the_wrong_size_is_refused(bits):
    assert _dropped(_numbers((1 << (bits - 1)) + 1))


def test_an_even_modulus_is_refused():
    assert _dropped({**a_jwk(), "n": _base64((1 << 2047) + 2, 256)})


@pytest.mark.parametrize(("exponent", "size"), [(3, 1), (65535, 3), ((1 << 32) + 1, 5), ((1 << 2000) + 1, 251)])
def test_an_exponent_that_is_too_small_or_too_large_is_refused(exponent, size):
    assert _dropped({**a_jwk(), "e": _base64(exponent, size)})


def test_an_rsa_key_with_the_fingerprint_of_roca_is_refused():
    primes = [n for n in range(3, 168) if all(n % other for other in range(2, n))]
    product = prod(primes)
    modulus = pow(65537, 424242, product) + product * ((1 << 2047) // product + 1)
    modulus += product if modulus % 2 == 0 else 0
    assert modulus.bit_length() == 2048
    assert "ROCA" in _dropped(_numbers(modulus))


# Finding a key.


def test_a_key_is_found_by_its_exact_name():
    keys = _read(a_jwk(kid="k1"), a_jwk(rsa_key("two"), kid="k2"))
    assert keys.find("k2", "RS256").kid == "k2"
    for kid in ("K1", "k3", "", "k1 "):
        assert keys.find(kid, "RS256") is None


def test_two_keys_of_one_name_are_ambiguous_and_the_others_are_not():
    keys = _read(a_jwk(kid="k1"), a_jwk(rsa_key("two"), kid="k1"), a_jwk(kid="k2"))
    assert keys.find("k1", "RS256") is None
    assert keys.find("k2", "RS256") is not None
    assert keys.kids == ("k1", "k2")


def test_three_keys_of_one_name_are_ambiguous_too():
    assert _read(*(a_jwk(rsa_key(name), kid="k1") for name in ("one", "two", "stranger"))).find("k1", "RS256") is None


def test_one_name_for_two_kinds_of_key_is_not_ambiguous():
    keys = _read(a_jwk(kid="k1"), a_jwk(ec_key(), kid="k1"))
    assert (keys.find("k1", "RS256").algorithm, keys.find("k1", "ES256").algorithm) == ("RS256", "ES256")


def test_without_a_name_the_only_key_that_fits_is_found():
    keys = _read(a_jwk(kid="k1"), a_jwk(ec_key(), kid="k2"))
    assert keys.find(None, "RS256").kid == "k1"
    assert keys.find(None, "ES256").kid == "k2"
    assert keys.find(None, "EdDSA") is None


def test_without_a_name_two_keys_that_fit_are_ambiguous():
    assert _read(a_jwk(kid="k1"), a_jwk(rsa_key("two"), kid="k2")).find(None, "RS256") is None


def test_a_key_without_a_name_is_not_the_one_that_a_token_names():
    keys = _read(a_jwk(kid=None))
    assert keys.find(None, "RS256") is not None
    assert keys.find("k1", "RS256") is None
