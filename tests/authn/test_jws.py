"""Compact JWS, read strictly."""

import base64
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authz.authn import jws
from authz.authn.jws import Jws
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from tests.builders import a_token

HEADER = {"alg": "RS256", "kid": "k1", "typ": "at+jwt"}
CLAIMS = {"iss": "https://idp.example.com", "sub": "alice"}
BAD_JSON = [
    b'{"alg":"RS256","alg":"none"}',
    b"\xef\xbb\xbf{}",
    '{"alg":"RS256"}'.encode("utf-16"),
    '{"alg":"RS256"}'.encode("utf-32"),
    b'{"alg":"RS256","x":NaN}',
    b'{"alg":"RS256","x":"\\ud800"}',
    b"{",
    b"",
    b"[" * 5000,
]


def _part(value):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _token(header=HEADER, claims=CLAIMS, signature=b"signature"):
    return ".".join((_part(header), _part(claims), _part(signature)))


def _with_header(**changes):
    return _token({name: value for name, value in {**HEADER, **changes}.items() if value is not None})


def _reason(token):
    found = jws.read(token)
    return "" if isinstance(found, Jws) else found.reason.value


def test_a_token_is_taken_apart():
    read = jws.read(_token())
    assert (read.algorithm, read.kid, read.claims, read.signature) == ("RS256", "k1", CLAIMS, b"signature")
    assert read.signed == _token().rpartition(".")[0].encode()


def test_a_token_that_a_library_made_is_taken_apart():
    assert isinstance(jws.read(a_token()), Jws)


def test_a_key_id_is_not_required():
    assert jws.read(_with_header(kid=None)).kid is None


# One spelling of a token.


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token + "==",
        lambda token: token.replace(".", "=.", 1),
        lambda token: token + "\n",
        lambda token: token + " ",
        lambda token: " " + token,
        lambda token: token + ".",
        lambda token: token + ".x",
        lambda token: token + "\x00",
        lambda token: token.replace(".", "..", 1),
        lambda token: token.rpartition(".")[0],
        lambda token: "." + token.partition(".")[2],
        lambda token: token[:-2] + "+/",
        lambda token: token + "\ud800",
        lambda token: token + "é",
        lambda token: "",
        lambda token: ".",
        lambda token: "..",
        lambda token: "..x",
        lambda token: "a.b.c.d",
        lambda token: "a.b.c",
        lambda token: json.dumps({"payload": token}),
    ],
)
def test_a_token_in_another_spelling_is_malformed(change):
    failure = jws.read(change(_token()))
    assert (failure.reason, failure.rank) == (Reason.TOKEN_MALFORMED, Rank.UNREADABLE)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_with_unused_bits_set_is_malformed(part):
    parts = _token(signature=b"x").split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert _reason(".".join(parts)) == ""
    if len(parts[part]) % 4 == 0:
        parts[part] = _part({**HEADER, "pad": "x"} if part == 0 else {**CLAIMS, "pad": "x"})
    assert len(parts[part]) % 4 in (2, 3)
    last = parts[part][-1]
    parts[part] = parts[part][:-1] + alphabet[alphabet.index(last) + 1]
    assert _reason(".".join(parts)) == "token.malformed"


@given(st.binary(min_size=1, max_size=40))
def test_octets_have_one_spelling(data):
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    assert jws.octets(text) == data


@given(st.text("ABQRZaz09-_", min_size=1, max_size=12))
@example("A")
@example("QR")
@example("QUJ")
def test_a_text_stands_for_octets_only_if_it_is_their_spelling(text):
    try:
        data = jws.octets(text)
    except ValueError:
        return
    assert base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}"))
def test_no_text_raises(text):
    assert isinstance(jws.read(text), Jws | Failure)


def test_an_encrypted_token_and_a_bare_scheme_say_what_they_are():
    encrypted = jws.read("a.b.c.d.e")
    assert (encrypted.reason, encrypted.rank, encrypted.got) == (Reason.TOKEN_DECRYPT, Rank.UNREADABLE, "an encrypted token (JWE)")
    assert jws.read("").got == "no token after the scheme"
    assert jws.read("a.b").got == "2 parts"
    assert jws.read("a.b.c=").got == "characters that base64url does not have"


@pytest.mark.parametrize("token", [_token().rpartition(".")[0] + ".", "a.b."])
def test_an_unsigned_token_is_of_no_algorithm(token):
    failure = jws.read(token)
    assert (failure.reason, failure.rank) == (Reason.TOKEN_ALGORITHM, Rank.NOT_VERIFIED)


# Limits.


def test_a_token_over_16_kib_is_too_large():
    rest = len(_token({**HEADER}, {"pad": ""}, b"sig"))
    assert isinstance(jws.read(_token(claims={"pad": "x" * ((16384 - rest) * 3 // 4 - 3)}, signature=b"sig")), Jws)
    failure = jws.read("a" * 16385)
    assert (failure.reason, failure.rank) == (Reason.TOKEN_TOO_LARGE, Rank.UNREADABLE)


def test_a_header_over_4_kib_is_malformed():
    assert _reason(_with_header(jwk={"n": "x" * 2900})) == ""
    assert _reason(_with_header(jwk={"n": "x" * 3100})) == "token.malformed"


@pytest.mark.parametrize(
    ("kid", "reason"), [("k" * 256, ""), ("k" * 257, "token.malformed"), (7, "token.malformed"), ([], "token.malformed"), ("", "")]
)
def test_a_key_id_is_a_short_string(kid, reason):
    assert _reason(_with_header(kid=kid)) == reason


def test_a_key_id_that_is_null_is_malformed():
    assert _reason(_token({**HEADER, "kid": None})) == "token.malformed"


# One reading of header and payload.


@pytest.mark.parametrize("data", BAD_JSON)
def test_a_header_with_two_readings_or_none_is_malformed(data):
    assert _reason(_token(header=data)) == "token.malformed"


@pytest.mark.parametrize("data", BAD_JSON)
def test_a_payload_with_two_readings_or_none_is_malformed(data):
    assert _reason(_token(claims=data)) == "token.malformed"


def test_a_claim_given_twice_is_malformed():
    assert _reason(_token(claims=b'{"iss":"https://evil.example","iss":"https://idp.example.com"}')) == "token.malformed"


@pytest.mark.parametrize("value", [[], "text", 7, None, True])
def test_header_and_payload_are_objects(value):
    assert _reason(_token(header=value)) == "token.malformed"
    assert _reason(_token(claims=value)) == "token.malformed"


def test_a_payload_that_is_no_json_is_told_apart_from_one_that_is_no_object():
    assert jws.read(_token(claims=b"x")).got == "a payload that is not JSON with one reading"
    assert jws.read(_token(claims=[])).got == "a payload that is no JSON object"


def test_a_signature_over_anything_is_taken_apart_and_no_claims_are_read():
    token = _token(claims=b"\xff")
    assert jws.take_apart(token) == (HEADER, b"\xff", token.rpartition(".")[0].encode(), b"signature")
    assert jws.take_apart(_with_header(crit=["exp"])).reason is Reason.TOKEN_MALFORMED


def test_a_detached_payload_is_malformed():
    header, _, signature = _token().split(".")
    assert _reason(f"{header}..{signature}") == "token.malformed"


# The header.


@pytest.mark.parametrize("alg", [[], {}, 7, True, None, ["RS256"]])
def test_an_algorithm_is_text(alg):
    assert _reason(_token({**HEADER, "alg": alg})) == "token.malformed"


def test_a_header_without_an_algorithm_is_malformed():
    assert _reason(_with_header(alg=None)) == "token.malformed"


@pytest.mark.parametrize("name", ["crit", "b64", "zip", "enc"])
@pytest.mark.parametrize("value", [True, False, "false", 0, [], ["exp"], "DEF", None])
def test_what_changes_the_meaning_of_a_token_is_refused_whatever_its_value(name, value):
    failure = jws.read(_token({**HEADER, name: value}))
    assert failure.reason is Reason.TOKEN_MALFORMED
    assert name in failure.got


@pytest.mark.parametrize(
    ("typ", "kind"),
    [
        ("JWT", "jwt"),
        ("AT+JWT", "at+jwt"),
        ("application/at+jwt", "at+jwt"),
        ("Application/DPoP+jwt", "dpop+jwt"),
        ("application/application/jwt", "application/jwt"),
        ("", ""),
        (" jwt", " jwt"),
    ],
)
def test_the_type_of_a_token_is_told_in_one_spelling(typ, kind):
    assert jws.read(_token({**HEADER, "typ": typ})).kind == kind


def test_a_token_that_does_not_say_its_type_is_a_jwt():
    assert jws.read(_with_header(typ=None)).kind == "jwt"


@pytest.mark.parametrize("typ", [None, 7, 1.5, [], ["JWT"], {}, True])
def test_a_type_that_is_no_text_is_refused(typ):
    failure = jws.read(_token({**HEADER, "typ": typ}))
    assert (failure.reason, failure.rank) == (Reason.TOKEN_TYPE, Rank.NOT_VERIFIED)


@pytest.mark.parametrize("cty", ["JWT", "jwt", "application/json"])
def test_a_nested_token_is_refused(cty):
    assert _reason(_with_header(cty=cty)) == "token.malformed"


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "x5t", "nonce", "unknown"])
def test_other_header_parameters_are_never_looked_at(name):
    read = jws.read(_with_header(**{name: "https://evil.example/keys"}))
    assert not hasattr(read, "header")
    assert (read.algorithm, read.kid) == ("RS256", "k1")
