"""Valid things with one difference: requests, tokens, key sets, policies."""

import json
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from authz.api.decode import read
from authz.model.declared import Declared
from authz.model.operator import ClientAddress, Operator
from authz.model.request import Request
from authz.service.check import Checker
from authz.service.keyring import KeyRing, KeyTimes
from authz.service.states import Report
from authz.service.tokens import TokenMemory
from authz.service.update import Updater
from tests import canaries
from tests.fakes import NOON, FakeClock, FakeFetcher, Journal

ISSUER = "https://idp.example.com"
AUDIENCE = "orders"
HOST = "api.example.com"


@cache
def rsa_key(name: str = "one") -> rsa.RSAPrivateKey:
    """The private RSA key of this name, made once."""
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key(name: str = "one") -> ec.EllipticCurvePrivateKey:
    """The private P-256 key of this name, made once."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key(name: str = "one") -> ed25519.Ed25519PrivateKey:
    """The private Ed25519 key of this name, made once."""
    return ed25519.Ed25519PrivateKey.generate()


def a_jwk(key: Any = None, kid: str | None = "k1", **changes: Any) -> dict[str, Any]:
    """The public JWK of a private key."""
    key = key or rsa_key()
    kinds = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((algorithm for base, algorithm in kinds.items() if isinstance(key, base)), OKPAlgorithm)
    member = json.loads(kind.to_jwk(key.public_key()))
    member.pop("key_ops", None)
    return {**member, **({"kid": kid} if kid is not None else {}), "use": "sig", **changes}


def a_jwks(*members: Mapping[str, Any]) -> str:
    """A key set of these members, or of the usual one."""
    return json.dumps({"keys": list(members) or [a_jwk()]})


def a_token(key: Any = None, *, kid: str | None = "k1", alg: str = "RS256", header: Mapping[str, Any] | None = None, **claims: Any) -> str:
    """A valid token, but for what is given. A claim given as None is left out; the times are around tests.fakes.NOON."""
    usual: dict[str, Any] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": int(NOON) - 60, "exp": int(NOON) + 3600}
    payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
    headers = {"typ": "at+jwt", **({"kid": kid} if kid is not None else {}), **(header or {})}
    return canaries.note(jwt.encode(payload, key or rsa_key(), algorithm=alg, headers=headers))


def a_request(
    method: str = "GET",
    target: str = "/orders/7",
    *,
    host: str = HOST,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    peer: str = "203.0.113.7",
    policy: str = "",
) -> Request:
    """A request that differs from the usual one by what is given."""
    sent = {"user-agent": "test", **(headers or {})}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    return Request(method, host, target, sent, peer, policy)


def a_manifest(spec: str, name: str = "orders", namespace: str = "shop") -> str:
    """The YAML of an AuthPolicy with this spec."""
    head = f"apiVersion: ingress-authz.dev/v1alpha1\nkind: AuthPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
    return head + textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n"


def declared(*manifests: str) -> list[Declared]:
    """What these manifests declare; each must be an AuthPolicy with a name."""
    found = [each for at, text in enumerate(manifests) for each in read(text, f"file{at}.yaml")]
    return [each for each in found if isinstance(each, Declared)]


def issuer_yaml(jwks: str | None = None, name: str = "idp", more: str = "") -> str:
    """An entry of `issuers` with an inline key set, as one flow mapping."""
    return f"{{name: {name}, issuer: {ISSUER}, jwks: '{jwks or a_jwks()}'{more}}}"


class Installation:
    """The service without its wires: policies from text, a fake clock, a fake way out."""

    def __init__(
        self, *manifests: str, operator: Operator | None = None, times: KeyTimes | None = None, room: int = 50_000
    ) -> None:  # fmt: skip
        self.clock = FakeClock()
        self.fetcher = FakeFetcher()
        self.journal = Journal()
        self.memory = TokenMemory(room)
        self.ring = KeyRing(self.fetcher, self.clock, self.journal, times)
        self.updater = Updater(operator or Operator(ClientAddress()), self.ring, self.memory)
        self.checker = Checker(self.updater.store, self.ring, self.clock, self.journal)
        self.report: Report = self.updater.apply(declared(*manifests))

    def apply(self, *manifests: str) -> Report:
        """Put other policies in force."""
        self.report = self.updater.apply(declared(*manifests))
        return self.report

    def decide(self, request: Request) -> Any:
        """The decision, which must not have to wait."""
        decision = self.checker.check(request, 1.0)
        assert not hasattr(decision, "__await__"), "the decision waits for keys"
        assert not self.journal.faults, self.journal.faults
        return decision
