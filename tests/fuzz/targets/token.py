"""A token as sent: refused, or read, and then no other text is read as the same octets. The data are a token, or its JSON."""

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping

from authz.authn import claims, jws
from authz.model.principal import Failure
from tests.fakes import NOON
from tests.policy.given import an_issuer

FOUND: Mapping[str, bytes] = {}
ISSUERS = (an_issuer(), an_issuer(max_lifetime=3600), an_issuer(max_age=600), an_issuer(clock_skew=0, max_lifetime=1, max_age=1))


def fuzz(data: bytes) -> None:
    _read(data.decode("utf-8", "surrogateescape"))
    header, _, payload = data.partition(b"\n")
    _read(f"{_spelt(header)}.{_spelt(payload)}.{_spelt(b'signature')}")


def _read(token: str) -> None:
    found = jws.read(token)
    if isinstance(found, Failure):
        assert found.want
        return
    assert len(token) <= jws.MAX_TOKEN
    parts = token.split(".")
    assert [_spelt(jws.octets(part)) for part in parts] == parts
    assert found.signed + b"." + parts[2].encode() == token.encode()
    assert isinstance(found.algorithm, str)
    assert found.kid is None or isinstance(found.kid, str)
    _read_claims(found.claims)


def _read_claims(found: Mapping[str, object]) -> None:
    for issuer in ISSUERS:
        times = claims.lifetime(found, issuer)
        if not isinstance(times, Failure):
            begins, expires = times
            for now in (0.0, begins, expires, NOON):
                assert (claims.time_failure(found, issuer, times, now) is None) == (begins <= now < expires)
    audiences = claims.audiences(found)
    assert audiences is None or all(isinstance(each, str) for each in audiences)


def _spelt(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def seeds() -> Iterable[bytes]:
    header = b'{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}'
    payload = b'{"iss":"https://idp.example.com","aud":["orders"],"sub":"alice","exp":1800003600,"iat":1799999940,"nbf":1799999940}'
    yield header + b"\n" + payload
    yield b'{"alg":"Ed25519","typ":"JWT"}\n{"aud":"orders","exp":1.5,"scope":"read write"}'
    yield b'{"alg":"RS256","crit":["b64"],"b64":false}\n{}'
    yield b'{"alg":"RS256","typ":"application/at+jwt","cty":"JWT"}\n{"exp":-1,"nbf":1e400,"iat":"now","aud":[1]}'
    token = f"{_spelt(header)}.{_spelt(payload)}.{_spelt(bytes(64))}".encode()
    yield token
    # Bits that stand for nothing are set: another spelling of the same octets.
    yield token[:-1] + b"B"
    yield token.replace(b".", b"=.", 1)
    yield token[: token.rindex(b".") + 1]
    yield token + b"." + token
