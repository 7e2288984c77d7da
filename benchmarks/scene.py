"""The scene of every benchmark: policies as a cluster has them, tokens, and a CheckRequest as Envoy sends it."""

import base64
import io
import json
import time
from collections.abc import Iterable

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from envoy.service.auth.v3 import external_auth_pb2
from jwt.algorithms import RSAAlgorithm

from authz.envoy.codec import request_of
from authz.envoy.endpoint import Endpoint
from authz.model.cluster import ALONE, Cluster
from authz.model.declared import Declared
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource
from authz.model.operator import ClientAddress, Operator
from authz.model.policy import (
    AddressCondition,
    ForwardedHeader,
    HeaderCondition,
    Item,
    JwtCondition,
    Mode,
    PathKind,
    PathMatch,
    Policy,
    PolicyName,
    RequestMatch,
    Rule,
)
from authz.model.request import Request
from authz.service.check import Checker
from authz.service.keyring import KeyRing
from authz.service.ports import FetchedKeys
from authz.service.tokens import TokenMemory
from authz.service.update import Updater
from authz.telemetry.audit import Auditor
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import Metrics

HOST = "api.example.com"
BUDGET = 1.0
OPERATOR = Operator(client_address=ClientAddress())
KID = "CtTuhMmJD5M7DLdzD2v2x3QKSRY"
ISSUER = "https://idp.example.com/0b1e6a33-9aaa-4bbb-8ccc-1234567890ab/v2.0"
AUDIENCE = "b29e6a33-9aaa-4bbb-8ccc-1234567890ab"


class SystemClock:
    """The machine's clock."""

    def time(self):
        return time.time()

    async def sleep(self, seconds):
        raise NotImplementedError("no benchmark waits")


class NoFetcher:
    """Nothing is fetched: the keys are in the policy."""

    async def fetch(self, issuer):
        return FetchedKeys(b"")


class Minter:
    """Signs tokens like those of a large identity provider: about 800 bytes."""

    def __init__(self):
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, subject="x" * 36):
        return self.encode(claims_for(subject))

    def encode(self, claims):
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KID})

    def jwks(self):
        public = json.loads(RSAAlgorithm.to_jwk(self._key.public_key()))
        public.pop("key_ops", None)
        return json.dumps({"keys": [{**public, "kid": KID, "use": "sig", "alg": "RS256"}]})


def claims_for(subject):
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + 86_400,
        "iat": now,
        "scp": "orders.read orders.write",
        "sub": subject,
        "tid": "y" * 36,
        "roles": ["reader", "writer"],
    }


def base64url(value):
    """Return `value` as JSON in base64url, as a token has it."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def policies(count, jwks):
    """Yield one policy that defines the issuer and `count` that use it, each for its own host; the middle one is for HOST."""
    issuer = Issuer("idp", ISSUER, KeySource(jwks=jwks), ("RS256",), 30, (AUTHORIZATION_BEARER,))
    shared = PolicyName("platform", "issuers")
    yield Declared(shared, Policy(shared, 1, (), (), Mode.ENFORCE, False, (), (), (issuer,), (), ()))
    for at in range(count):
        host = HOST if at == count // 2 else f"svc-{at}.team-{at % 97}.example.com"
        yield Declared(PolicyName(f"team-{at % 97}", f"svc-{at}"), _policy(at, host, shared))


def _policy(at, host, shared):
    """Return a policy of its own values, as decoding makes them: nothing is shared with the next one."""
    item = Item(
        "callers",
        jwt=JwtCondition(("idp",), scopes=("orders.read",)),
        addresses=AddressCondition(("10.0.0.0/8", "192.168.0.0/16")),
        headers=(HeaderCondition("x-forwarded-proto", ("https",)),),
    )
    rule = Rule(
        "read",
        Mode.ENFORCE,
        (RequestMatch(PathMatch(PathKind.PREFIX, "/orders/v1"), ("GET", "HEAD")),),
        (),
        (item,),
        (ForwardedHeader("x-auth-subject", claim=("sub",)),),
    )
    name = PolicyName(f"team-{at % 97}", f"svc-{at}")
    return Policy(name, 1, (host,), ("/orders",), Mode.ENFORCE, False, (shared,), (AUDIENCE,), (), (), (rule,))


class Site:
    """Everything between the bytes of a check and the bytes of its answer, with `declared` in force."""

    def __init__(
        self,
        declared: Iterable[Declared],
        memory: TokenMemory | None = None,
        operator: Operator = OPERATOR,
        cluster: Cluster = ALONE,
    ) -> None:
        self.memory = memory if memory is not None else TokenMemory()
        self.clock = clock = SystemClock()
        metrics = Metrics(tuple, lambda: len(self.memory))
        self.audit = Auditor(metrics, Lines(io.StringIO(), clock.time, 0.0, OPERATOR.client_address))
        self.ring = KeyRing(NoFetcher(), clock, self.audit)
        self.updater = Updater(operator, self.ring, self.memory)
        self.report = self.updater.apply(declared, cluster)
        metrics.reloaded(self.report.states, 0.0, ok=True)
        wrong = [state for state in self.report.states if not state.accepted]
        if wrong:
            raise SystemExit(f"the policies of the benchmark are wrong: {wrong[0]}")
        self.checker = Checker(self.updater.store, self.ring, clock, self.audit)
        self.endpoint = Endpoint(self.checker, self.audit)


def check_request(token, host=HOST):
    """Return a CheckRequest as Envoy sends it, with fields that the service does not read: about 1,550 bytes, 14 headers."""
    message = external_auth_pb2.CheckRequest()
    attributes = message.attributes
    for peer, address, port in ((attributes.source, "10.1.2.3", 44444), (attributes.destination, "10.1.2.9", 8443)):
        peer.address.socket_address.address, peer.address.socket_address.port_value = address, port
    http = attributes.request.http
    http.id, http.method, http.host, http.scheme, http.protocol = "1234567890123", "GET", host, "https", "HTTP/1.1"
    http.path = "/orders/v1/items/42?expand=all&limit=50"
    headers = {
        ":authority": host,
        ":path": http.path,
        ":method": "GET",
        ":scheme": "https",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120 Safari/537.36",
        "accept": "application/json, text/plain, */*",
        "accept-encoding": "gzip, deflate, br",
        "accept-language": "en-US,en;q=0.9",
        "x-request-id": "5f1c0b5e-8a9d-4d4e-9f3b-3b1f2c0a1d2e",
        "x-forwarded-for": "10.1.2.3",
        "x-forwarded-proto": "https",
        "x-envoy-internal": "true",
        "authorization": f"Bearer {token}",
        "cookie": "sid=abcdef0123456789; theme=dark",
    }
    for name, value in headers.items():
        http.headers[name] = value
    attributes.request.time.GetCurrentTime()
    attributes.context_extensions["virtual_host"] = "orders"
    return message.SerializeToString()


def plain_request(token, path="/orders/v1/items/42"):
    """Return a request without the way through protobuf."""
    headers = {"authorization": f"Bearer {token}", "x-forwarded-proto": "https"}
    return Request("GET", HOST, path, headers, "10.1.2.3")


def request(data: bytes) -> Request:
    """Return the request that `data` describes."""
    found = request_of(data)
    if found is None:
        raise SystemExit("the benchmark's CheckRequest cannot be read")
    return found
