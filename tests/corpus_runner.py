"""The golden corpus: reads its files, mints their tokens, and runs a case compiled, explained and over gRPC.

The format of the files: tests/corpus/README.md.
"""

import asyncio
import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import grpc
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.json_format import MessageToDict
from jwt.algorithms import ECAlgorithm, RSAAlgorithm, get_default_algorithms
from pydantic import BaseModel, ConfigDict, Field

from authz.api.decode import read
from authz.envoy.endpoint import Endpoint
from authz.envoy.pb import ext_authz_pb2 as pb
from authz.envoy.server import SERVICE, CheckServer, ServerLimits
from authz.model.cluster import Cluster
from authz.model.decision import Allow, Decision, Shadow
from authz.model.declared import Declared
from authz.model.issuer import Issuer
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from authz.model.reference import FILE, Reference
from authz.model.request import Request
from authz.service.api_keys import KeyRecords
from authz.service.check import Checker
from authz.service.keyring import KeyRing
from authz.service.ports import FetchedKeys, FetchError
from authz.service.readers import Sources
from authz.service.tokens import TokenMemory
from authz.service.update import Updater
from tests import canaries
from tests.corpus_credentials import NOW, Credentials

CORPUS: Final = Path(__file__).parent / "corpus"
ROWS: Final = CORPUS / "rows.yaml"
BUDGET: Final = 2.0
# Header lines that Envoy joins before anybody sees them; of other names `header_map` keeps every line.
_INLINE: Final = frozenset({"authorization", "content-type", "host", "origin", "x-forwarded-for", "x-request-id"})
_PLACEHOLDER: Final = re.compile(r"@(JWKS|TOKEN|KEY|CERT|CRL):([a-z0-9-]+)(?::([a-z0-9]+))?@")


class Strict(BaseModel):
    """An unknown key in a corpus file is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClientAddressOf(Strict):
    header: str = ""
    hops: int = 0
    appended: bool = True
    trusted: list[str] = []


class ClientCertificateOf(Strict):
    source: Literal["peer", "x-forwarded-client-cert", "client-cert", "header"] = "peer"
    header: str = ""
    trusted: list[str] = []


class OperatorOf(Strict):
    clientAddress: ClientAddressOf | None = None  # noqa: N815 - as written in the files
    clientCertificate: ClientCertificateOf | None = None  # noqa: N815
    unprotected: list[str] = []
    identityHeaders: list[str] = []  # noqa: N815

    def operator(self) -> Operator:
        found = self.clientAddress
        client = ClientAddress(found.header, found.hops, found.appended, tuple(found.trusted)) if found else None
        named = frozenset(host for host in self.unprotected if host != "all")
        told = self.clientCertificate
        certificate = ClientCertificate(CertificateSource(told.source), told.header, tuple(told.trusted)) if told else None
        identity = frozenset(self.identityHeaders)
        return Operator(client, named, "all" in self.unprotected, identity, client_certificate=certificate)


class TokenOf(Strict):
    signedBy: str = "idp"  # noqa: N815
    issuer: str = ""
    audience: str | list[Any] | None = "orders"
    subject: str | None = "alice"
    scope: str | None = None
    claims: dict[str, Any] = {}
    lifetime: float | None = 300
    issuedAgo: float = 0  # noqa: N815
    notBefore: float | None = None  # noqa: N815
    alg: str = "RS256"
    kid: str | None = ""
    typ: str | None = "at+jwt"
    header: dict[str, Any] = {}
    padding: int = 0
    rawPayload: str = ""  # noqa: N815
    tamper: Literal["", "signature", "payload", "zeros", "short", "padding"] = ""
    raw: str | None = None


class Latin1(Strict):
    latin1: str


class RequestOf(Strict):
    method: str = "GET"
    host: str | None = None
    path: str = "/"
    headers: dict[str, str | list[str] | Latin1] = {}
    token: str = ""
    source: str = "192.0.2.10"
    certificate: str = ""
    policy: str = ""


class ShadowOf(Strict):
    policy: str
    decision: Literal["allow", "deny"]
    reason: str
    rule: str = ""


class AnswerOf(Strict):
    title: str = ""
    message: str = ""  # instead of title, with compatibility: APIM
    code: str = ""
    type: str = ""
    headers: dict[str, str | None] = {}
    requestId: str = ""  # noqa: N815 - over gRPC only, as the next two
    instance: str = ""
    isEmpty: bool = False  # noqa: N815


class ExpectOf(Strict):
    decision: Literal["allow", "deny"]
    status: int
    reason: str = ""
    policy: str | None = None
    rule: str | None = None
    alternative: str | None = None
    subject: str | None = None
    set: dict[str, str] | None = {}
    removed: list[str] = []
    kept: list[str] = []
    removedQuery: list[str] = []  # noqa: N815
    challenge: str | list[str] | None = None
    answer: AnswerOf = AnswerOf()
    shadows: list[ShadowOf] = []


class CaseOf(Strict):
    name: str
    why: str
    rows: list[str] = []
    request: RequestOf = RequestOf()
    before: list[RequestOf] = []
    expect: ExpectOf
    envoy: bool = False
    disagrees: str = ""


class SettingOf(Credentials):
    about: str
    host: str = "api.example.com"
    operator: OperatorOf = OperatorOf()
    fetched: dict[str, str] = {}
    earlier: list[dict[str, Any]] = []
    policies: list[dict[str, Any]] = []
    refused: list[str] = []
    files: dict[str, str] = {}
    tokens: dict[str, TokenOf] = {}
    cases: list[CaseOf] = Field(min_length=1)


class RowsOf(Strict):
    families: dict[str, list[str | int]]
    nowhere: dict[str, str]
    later: dict[str, str]

    def every(self) -> set[str]:
        """Every row that there is: `1-3` are three."""
        found: set[str] = set()
        for family, spans in self.families.items():
            for first, _, last in (str(span).partition("-") for span in spans):
                found |= {f"{family}-{number:02}" for number in range(int(first), int(last or first) + 1)}
        return found


class _Loader(yaml.SafeLoader):
    """A key that is given twice is a mistake, too."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    pairs = loader.construct_pairs(node, deep=True)
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError(f"a key is given twice {node.start_mark}")
    return dict(pairs)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


@dataclass(frozen=True, eq=False)
class Setting:
    """One document of a corpus file: an installation and the cases that are run against it."""

    name: str
    given: SettingOf

    @property
    def cases(self) -> list[CaseOf]:
        return self.given.cases


@cache
def settings() -> tuple[Setting, ...]:
    """Return every setting of the corpus."""
    found = []
    for file in sorted(CORPUS.glob("*.yaml")):
        if file == ROWS:
            continue
        documents = list(yaml.load_all(file.read_text(encoding="utf-8"), Loader=_Loader))
        for at, document in enumerate(documents):
            try:
                found.append(Setting(f"{file.stem}[{at}]", SettingOf.model_validate(document)))
            except ValueError as fault:
                raise ValueError(f"{file.name}, document {at}: {fault}") from fault
    return tuple(found)


def rows() -> RowsOf:
    """Return the rows that cases name, and those that none can."""
    return RowsOf.model_validate(yaml.load(ROWS.read_text(encoding="utf-8"), Loader=_Loader))


# Keys and tokens.


@cache
def _private(signer: str, kind: str) -> Any:
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def jwks(signer: str, kind: str = "") -> str:
    """Return the key set of a signer: one RSA key and one on P-256, or the one of `kind`."""
    keys = []
    for each in (kind,) if kind else ("rsa", "ec"):
        algorithm = ECAlgorithm if each == "ec" else RSAAlgorithm
        public = algorithm.to_jwk(_private(signer, each).public_key(), as_dict=True)
        keys.append({**public, "kid": f"{signer}-{each}", "use": "sig"})
    return json.dumps({"keys": keys})


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def written_claims(token: TokenOf) -> dict[str, Any]:
    """Return the claims that a token's description comes to."""
    claims: dict[str, Any] = {
        "iss": token.issuer or f"https://{token.signedBy}.example.com",
        "aud": token.audience,
        "sub": token.subject,
        "scope": token.scope,
        "iat": int(NOW - token.issuedAgo),
        "exp": None if token.lifetime is None else NOW + token.lifetime,
        "nbf": None if token.notBefore is None else NOW + token.notBefore,
        "pad": "x" * token.padding or None,
    }
    return {name: value for name, value in claims.items() if value is not None} | token.claims


def _payload(token: TokenOf) -> str:
    if token.rawPayload:
        return token.rawPayload.replace("@NOW@", str(int(NOW))).replace("@LATER@", str(int(NOW) + 300))
    return json.dumps(written_claims(token))


def _signature(token: TokenOf, kind: str, signed: bytes) -> bytes:
    key = _private(token.signedBy, kind)
    if token.alg == "HS256":
        # The classic confusion: the public key, which everybody has, as the secret.
        secret = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return hmac.new(secret, signed, hashlib.sha256).digest()
    if token.alg.lower() == "none":
        return b""
    return get_default_algorithms()[token.alg].sign(signed, key)


def _tampered(kind: str, header: str, payload: str, signature: bytes) -> str:
    if kind == "payload":
        payload = _base64(json.dumps(json.loads(_unbase64(payload)) | {"sub": "root", "scope": "orders.read orders.write"}).encode())
    changed = {
        "signature": bytes((signature[0] ^ 1,)) + signature[1:] if signature else b"",
        "zeros": bytes(len(signature)),
        "short": signature[:10],
    }
    text = f"{header}.{payload}.{_base64(changed.get(kind, signature))}"
    return text + "=" if kind == "padding" else text


def _unbase64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@cache
def _minted(text: str) -> str:
    token = TokenOf.model_validate_json(text)
    if token.raw is not None:
        return token.raw
    kind = "ec" if token.alg.startswith("ES") else "rsa"
    header: dict[str, Any] = {"alg": token.alg, "typ": token.typ, "kid": token.kid if token.kid != "" else f"{token.signedBy}-{kind}"}
    header = {name: value for name, value in header.items() if value is not None} | token.header
    first, second = _base64(json.dumps(header).encode()), _base64(_payload(token).encode())
    return canaries.note(_tampered(token.tamper, first, second, _signature(token, kind, f"{first}.{second}".encode())))


def _filled(text: str, given: SettingOf, *, recorded: bool = False) -> str:
    """Return `text` with its placeholders replaced. `recorded`: it is what the service is given, where a key is its digest."""

    def value(found: re.Match[str]) -> str:
        name, form = found.group(2), found.group(3) or ""
        match found.group(1):
            case "JWKS":
                return jwks(name, form)
            case "KEY":
                return given.digest(name) if recorded else given.key(name)
            case "CERT":
                return given.certificate(name, form or "pem")
            case "CRL":
                return given.crl(name)
        return _minted(_replaced(given.tokens[name], given).model_dump_json())

    return _PLACEHOLDER.sub(value, text)


# Fakes.


class FixedClock:
    """It is always NOW."""

    def time(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


class FakeFetcher:
    """Issuers whose keys can be fetched, by URL; every other one is out of reach."""

    def __init__(self, signers: Mapping[str, str]) -> None:
        self._signers = signers

    async def fetch(self, issuer: Issuer) -> FetchedKeys:
        url = issuer.keys.jwks_url or issuer.keys.discovery_url
        if url not in self._signers:
            raise FetchError(f"{url} is out of reach")
        return FetchedKeys(jwks(self._signers[url]).encode())


class SilentJournal:
    def fetched(self, issuer: str, kids: tuple[str, ...], dropped: tuple[str, ...]) -> None:
        pass

    def fetch_failed(self, issuer: str, why: str, *, keeps: bool) -> None:
        pass


class RecordingAudit:
    """Remembers the exceptions that became denials: there should be none."""

    def __init__(self) -> None:
        self.faults: list[BaseException] = []

    def decided(self, request: Request | None, decision: Decision, seconds: float) -> None:
        pass

    def failed(self, fault: BaseException) -> None:
        self.faults.append(fault)


# Requests.


@dataclass(frozen=True)
class Sent:
    """A request as a client sends it: header lines in octets."""

    method: str
    host: str
    path: str
    lines: tuple[tuple[str, bytes], ...]
    source: str
    policy: str
    certificate: str = ""

    def joined(self) -> dict[str, bytes]:
        headers: dict[str, bytes] = {}
        for name, value in self.lines:
            headers[name] = headers[name] + b"," + value if name in headers else value
        return headers


def sent(given: RequestOf, setting: SettingOf) -> Sent:
    """Return the request that a case writes down."""
    host = setting.host if given.host is None else given.host
    path = _filled(given.path, setting)
    lines = [(":method", given.method), (":authority", host), (":path", path), (":scheme", "https")]
    if given.token:
        lines.append(("authorization", f"Bearer @TOKEN:{given.token}@"))
    octets = [(name, _filled(value, setting).encode()) for name, value in lines]
    for name, value in given.headers.items():
        for each in value if isinstance(value, list) else [value]:
            text = each.latin1 if isinstance(each, Latin1) else each
            octets.append((name.lower(), _filled(text, setting).encode("latin-1" if isinstance(each, Latin1) else "utf-8")))
    return Sent(given.method, host, path, tuple(octets), given.source, given.policy, setting.told(given.certificate))


def _map_text(value: bytes) -> str:
    # Envoy writes "!" for each octet of the map that is no UTF-8.
    return re.sub("[\udc80-\udcff]", "!", value.decode("utf-8", "surrogateescape"))


def request_of(one: Sent) -> Request:
    """Return the model's request, with headers as Envoy's map has them."""
    headers = {name: _map_text(value) for name, value in one.joined().items()}
    request = Request(one.method, one.host, one.path, headers, one.source, one.policy)
    request.certificate = one.certificate
    return request


def check_request(one: Sent, *, raw: bool) -> bytes:
    """Return the bytes of a CheckRequest, with headers as a map or, `encode_raw_headers`, line by line."""
    message = pb.CheckRequest()
    attributes = message.attributes
    attributes.source.address.socket_address.address = one.source
    attributes.source.certificate = one.certificate
    http = attributes.request.http
    http.method, http.host, http.path = one.method, one.host, one.path
    if one.policy:
        attributes.context_extensions["policy"] = one.policy
    if not raw:
        for name, value in one.joined().items():
            http.headers[name] = _map_text(value)
        return message.SerializeToString()
    joined, seen = one.joined(), set()
    for name, value in one.lines:
        if name in _INLINE and name in seen:
            continue
        seen.add(name)
        http.header_map.headers.add(key=name, raw_value=joined[name] if name in _INLINE else value)
    return message.SerializeToString()


# Outcomes.


@dataclass
class Outcome:
    """What came out, in the words of a case. None: this way does not tell."""

    way: str
    decision: str
    status: int
    reason: str
    policy: str
    rule: str
    alternative: str | None = None
    subject: str | None = None
    set: dict[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    removed_query: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    shadows: list[ShadowOf] | None = None
    trouble: str = ""


def of_decision(decision: Decision, way: str) -> Outcome:
    """Return the outcome that a decision is."""
    if isinstance(decision, Allow):
        found = Outcome(way, "allow", 200, decision.reason.value, decision.policy, decision.rule, decision.alternative, decision.subject)
        found.set, found.removed = dict(decision.set_headers), frozenset(decision.remove_headers)
        found.removed_query = decision.remove_query
    else:
        found = Outcome(way, "deny", decision.status, decision.reason.value, decision.policy, decision.rule, decision.alternative)
        found.headers, found.body = dict(decision.headers), decision.body
    found.shadows = [_shadow(each) for each in decision.shadows]
    return found


def _shadow(each: Shadow) -> ShadowOf:
    word = "allow" if isinstance(each.decision, Allow) else "deny"
    return ShadowOf(policy=each.policy, rule=each.rule, decision=word, reason=each.decision.reason.value)


def of_response(data: bytes, way: str) -> Outcome:
    """Return the outcome that a CheckResponse is to Envoy."""
    response = pb.CheckResponse.FromString(data)
    told = {name: str(value) for name, value in MessageToDict(response.dynamic_metadata).items()}
    allowed = response.status.code == 0
    word = "allow" if allowed else "deny"
    found = Outcome(way, word, 200, told.get("reason", ""), told.get("policy", ""), told.get("rule", ""))
    answer = response.ok_response if allowed else response.denied_response
    headers = {option.header.key: option.header.value for option in answer.headers}
    found.trouble = _trouble(response, told.get("decision", ""), word)
    if allowed:
        # What is removed beats what is set.
        found.removed = frozenset(response.ok_response.headers_to_remove)
        found.set = {name: value for name, value in headers.items() if name not in found.removed}
        found.removed_query = tuple(response.ok_response.query_parameters_to_remove)
    else:
        found.status, found.headers, found.body = response.denied_response.status.code, headers, response.denied_response.body
    return found


def _trouble(response: pb.CheckResponse, told: str, word: str) -> str:
    if told != word:
        return f"the metadata says {told!r}, the status {word!r}"
    if word == "allow":
        gone = "x-envoy-auth-failure-mode-allowed" in response.ok_response.headers_to_remove
        return "" if gone else "x-envoy-auth-failure-mode-allowed is not removed"
    names = [option.header.key for option in response.denied_response.headers]
    if not response.HasField("denied_response") or not 300 <= response.denied_response.status.code <= 599:
        return "a denial without a status"
    return "a header is there twice" if len(names) != len(set(names)) else ""


# Comparing.


def differences(expect: ExpectOf, outcome: Outcome) -> Iterator[str]:
    """Yield a sentence for each difference between what is expected and what came out."""
    for name in ("decision", "status", "reason", "policy", "rule", "alternative", "subject"):
        want, got = getattr(expect, name), getattr(outcome, name)
        if name in expect.model_fields_set and got is not None and got != want:
            yield f"{name} is {got!r}, expected {want!r}"
    if outcome.trouble:
        yield outcome.trouble
    yield from _shadows(expect, outcome)
    yield from (_upstream if outcome.decision == "allow" else _answer)(expect, outcome)


def _shadows(expect: ExpectOf, outcome: Outcome) -> Iterator[str]:
    if outcome.shadows is not None and outcome.shadows != expect.shadows:
        yield f"shadows are {outcome.shadows}, expected {expect.shadows}"


def _upstream(expect: ExpectOf, outcome: Outcome) -> Iterator[str]:
    if expect.set is not None and outcome.set != expect.set:
        yield f"headers that are set: {outcome.set}, expected {expect.set}"
    if missing := set(expect.removed) - outcome.removed:
        yield f"not removed: {sorted(missing)}"
    if touched := set(expect.kept) & (outcome.removed | outcome.set.keys()):
        yield f"not kept: {sorted(touched)}"
    if both := outcome.removed & outcome.set.keys():
        yield f"set and removed at once: {sorted(both)}"
    if sorted(outcome.removed_query) != sorted(expect.removedQuery):
        yield f"query parameters that are removed: {outcome.removed_query}, expected {expect.removedQuery}"


def _answer(expect: ExpectOf, outcome: Outcome) -> Iterator[str]:
    challenge = outcome.headers.get("www-authenticate")
    if outcome.status == 401 and challenge is None:
        yield "a 401 without a challenge (RFC 9110 §15.5.2)"
    if "challenge" in expect.model_fields_set:
        yield from _challenge(expect.challenge, challenge)
    if ("retry-after" in outcome.headers) != (outcome.status == 503):
        yield "retry-after goes with 503, and with nothing else"
    if outcome.headers.get("cache-control") != "no-store":
        yield "a denial that may be stored"
    for name, value in expect.answer.headers.items():
        if outcome.headers.get(name) != value:
            yield f"{name} of the answer is {outcome.headers.get(name)!r}, expected {value!r}"
    yield from _body(expect.answer, outcome)


def _challenge(want: str | list[str] | None, got: str | None) -> Iterator[str]:
    if want is None and got is not None:
        yield f"the challenge is {got!r}, expected none"
    for part in [want] if isinstance(want, str) else want or []:
        if part not in (got or ""):
            yield f"the challenge is {got!r}, expected in it {part!r}"


def _body(expect: AnswerOf, outcome: Outcome) -> Iterator[str]:
    is_wire = outcome.way.startswith("gRPC")
    if expect.isEmpty:
        if is_wire and outcome.body:
            yield f"the body is {outcome.body!r}, expected none"
        return
    fields = json.loads(outcome.body)
    said = fields["status" if "status" in fields else "statusCode"]
    if said != outcome.status:
        yield f"the body says status {said}"
    if outcome.policy and outcome.policy in outcome.body:
        yield "the body tells the policy's name"
    for name in ("title", "message", "code", "type", *(["instance"] if is_wire else [])):
        want = getattr(expect, name)
        if want and fields.get(name) != want:
            yield f"{name} of the body is {fields.get(name)!r}, expected {want!r}"
    if is_wire and expect.requestId and outcome.headers.get("x-request-id") != expect.requestId:
        yield f"x-request-id of the answer is {outcome.headers.get('x-request-id')!r}, expected {expect.requestId!r}"


# Running.


class World:
    """An installation: the policies of a setting in force, and what answers checks from them."""

    def __init__(self, setting: Setting) -> None:
        given = setting.given
        clock, ring_memory = FixedClock(), TokenMemory()
        self.audit = RecordingAudit()
        self.ring = KeyRing(FakeFetcher(given.fetched), clock, SilentJournal())
        self.updater = Updater(given.operator.operator(), self.ring, ring_memory, sources=Sources(KeyRecords(given.digestKey.encode())))
        if given.earlier:
            self._apply(given.earlier, given)
        refused = self._apply(given.policies, given)
        wrong = {name: why for name, why in refused.items() if name not in given.refused}
        if wrong or len(refused) != len(given.refused):
            raise ValueError(f"{setting.name}: refused are {refused}, expected {given.refused}")
        self.checker = Checker(self.updater.store, self.ring, clock, self.audit)

    def _apply(self, policies: Iterable[dict[str, Any]], given: SettingOf) -> dict[str, list[str]]:
        found = _declared(policies, given)
        texts = {Reference(FILE, "", name, "."): _filled(text, given, recorded=True) for name, text in given.files.items()}
        report = self.updater.apply(found, Cluster(texts=texts))
        return {str(state.name): [each.what for each in state.problems] for state in report.states if not state.accepted}


def _declared(policies: Iterable[dict[str, Any]], given: SettingOf) -> list[Declared]:
    found = []
    for policy in policies:
        document = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy"} | _replaced(policy, given)
        for each in read(json.dumps(document), "corpus.yaml"):
            assert isinstance(each, Declared), each
            found.append(each)
    return found


def _replaced(value: Any, given: SettingOf) -> Any:
    if isinstance(value, TokenOf):
        return value.model_copy(update={"claims": _replaced(value.claims, given)})
    if isinstance(value, dict):
        return {name: _replaced(each, given) for name, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, given) for each in value]
    return _filled(value, given, recorded=True) if isinstance(value, str) else value


async def run_compiled(setting: Setting, case: CaseOf) -> Outcome:
    """Run a case through Checker.check."""
    world = await _world(setting)
    for request in (*case.before, case.request):
        answer = world.checker.check(request_of(sent(request, setting.given)), BUDGET)
        decision = await answer if isinstance(answer, Awaitable) else answer
    return _judged(of_decision(decision, "compiled"), world)


async def run_explained(setting: Setting, case: CaseOf) -> Outcome:
    """Run a case through Checker.explain."""
    world = await _world(setting)
    for request in case.before:
        answer = world.checker.check(request_of(sent(request, setting.given)), BUDGET)
        if isinstance(answer, Awaitable):
            await answer
    decision, trace = world.checker.explain(request_of(sent(case.request, setting.given)))
    found = _judged(of_decision(decision, "explained"), world)
    # Where no policy was asked there is no step to tell of.
    if not trace.steps and decision.policy:
        found.trouble = found.trouble or "the trace is empty"
    return found


async def _world(setting: Setting) -> World:
    world = World(setting)
    await world.ring.first_tries()
    return world


def _judged(found: Outcome, world: World) -> Outcome:
    if world.audit.faults:
        found.trouble = f"an exception inside: {world.audit.faults[0]!r}"
    return found


@cache
def over_grpc(setting: Setting) -> dict[str, tuple[Outcome, ...]]:
    """Return what every case of a setting comes to over gRPC, by its name: one server for all of them."""
    return asyncio.run(_over_grpc(setting))


async def _over_grpc(setting: Setting) -> dict[str, tuple[Outcome, ...]]:
    world = await _world(setting)
    server = CheckServer(Endpoint(world.checker, world.audit), ServerLimits())
    port = await server.start("127.0.0.1:0")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(f"/{SERVICE}/Check")
            return {case.name: await _answers(call, setting, case, world) for case in setting.cases}
    finally:
        await server.stop(0)


async def _answers(call: Any, setting: Setting, case: CaseOf, world: World) -> tuple[Outcome, ...]:
    found = []
    for raw in (False, True):
        world.audit.faults.clear()
        for request in (*case.before, case.request):
            data = await call(check_request(sent(request, setting.given), raw=raw), timeout=5)
        found.append(_judged(of_response(data, f"gRPC, {'header_map' if raw else 'headers'}"), world))
    return tuple(found)


def run(setting: Setting, case: CaseOf) -> list[str]:
    """Run a case in every way; return what differs from what it expects."""

    async def inside() -> tuple[Outcome, ...]:
        return await run_compiled(setting, case), await run_explained(setting, case)

    outcomes = (*asyncio.run(inside()), *over_grpc(setting)[case.name])
    return [f"{outcome.way}: {what}" for outcome in outcomes for what in differences(case.expect, outcome)]
