"""A fault at any step of a check is a deny: an exception, a delay past the deadline, a cancellation, each at every call of the package.

The steps are not written down by hand: whatever function of the package a check calls is one. Which modules that comes to is a
list, so that a scenario is found missing where a check begins to take another way.
"""

import asyncio
import gc
import io
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType
from typing import Any

import pytest

from authz.envoy.endpoint import Endpoint
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from authz.service import certificates, told_certificates
from authz.service.ports import FetchedKeys
from authz.telemetry.audit import Auditor
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import Metrics
from tests import credentials
from tests.builders import HOST, ISSUER, Installation, a_jwks, a_manifest, a_token, declared, issuer_yaml
from tests.credentials import a_key, client, pem_of
from tests.envoy.messages import check_request, check_response, reason_of
from tests.fakes import NOON

POLICY = f"""
hosts: [{HOST}]
preflight: Allow
audiences: [orders]
issuers: [{issuer_yaml(more=", tokenFrom: [{header: Authorization, scheme: Bearer}, {query: token}, {cookie: session}]")}]
deny:
- {{name: blocked, clientIP: {{cidrs: [192.0.2.0/24]}}}}
- {{name: robots, headers: [{{name: user-agent, values: [robot]}}]}}
- {{name: suspended, jwt: {{issuers: [idp], claims: [{{path: [state], match: Any, values: [suspended]}}]}}}}
rules:
- {{name: open, matches: [{{path: {{type: Exact, value: /open}}, methods: [GET]}}], allow: [{{name: anyone, anonymous: {{}}}}]}}
- name: shapes
  matches: [{{path: {{type: Template, value: "/users/{{id}}"}}}}, {{path: {{type: RegularExpression, value: "/v[0-9]+/.*"}}}}]
  allow: [{{name: users, jwt: {{issuers: [idp]}}}}]
- name: all
  deny: [{{name: night, headers: [{{name: x-night}}]}}]
  allow:
  - {{name: office, anonymous: {{}}, clientIP: {{ranges: [{{from: 198.51.100.1, to: 198.51.100.9}}]}}}}
  - name: readers
    jwt: {{issuers: [idp], audiences: [orders], scopes: [read], claims: [{{path: [roles], match: All, values: [a, b]}}]}}
    clientIP: {{cidrs: [203.0.113.0/24]}}
    headers: [{{name: x-tenant, values: [blue], ignoreCase: true}}]
  forward: {{headers: [{{name: x-auth-subject, from: {{claim: [sub]}}}}, {{name: x-auth-plan, value: gold}}]}}
"""
SHADOW = "hosts: [api.example.com]\nmode: Shadow\nrules: [{name: all, allow: []}]\n"
CLOSED = "hosts: [closed.example.com]\nrules: [{name: all, allow: []}]\n"
KEYS = "keys.example.com"
WHEN = (
    "request.pathParams.id == jwt.sub && ip.inCidr(clientIP, '203.0.113.0/24') && jwt.roles.exists(r, r == 'a') && request.query.x == '1'"
)
CREDENTIALS = f"""
hosts: [{KEYS}]
audiences: [orders]
issuers: [{issuer_yaml()}]
apiKeys: [{{name: subs, from: {{file: keys.jsonl}}, in: [{{header: x-key}}, {{query: key}}]}}]
certificateAuthorities: [{{name: ca, from: {{file: ca.crt}}, revocation: Require, crls: [{{file: ca.crl}}]}}]
ipSets: [{{name: home, cidrs: [203.0.113.0/24]}}]
deny: [{{name: night, apiKey: {{from: subs}}, when: "apiKey.labels.plan == 'night'"}}]
rules:
- name: key
  matches: [{{path: {{type: PathPrefix, value: /key}}}}]
  allow:
  - {{name: key, apiKey: {{from: subs, scopes: [orders]}}, clientIP: {{sets: [home]}}}}
  - {{name: anyone, anonymous: {{}}, headers: [{{name: x-open}}]}}
  forward: {{headers: [{{name: x-auth-plan, from: {{apiKey: [labels, plan]}}}}]}}
- name: certificate
  matches: [{{path: {{type: PathPrefix, value: /certificate}}}}]
  allow: [{{name: certificate, clientCertificate: {{authority: ca, identities: [{{subject: "CN=other"}}, {{dnsName: "*.example.com"}}]}}}}]
- name: when
  matches: [{{path: {{type: Template, value: "/when/{{id}}"}}}}]
  allow: [{{name: own, jwt: {{issuers: [idp]}}, when: "{WHEN}"}}]
- name: all
  matches: [{{path: {{type: PathPrefix, value: /all}}}}]
  allow: [{{name: all, jwt: {{issuers: [idp]}}, apiKey: {{from: subs, scopes: [orders]}}, clientCertificate: {{authority: ca}}}}]
- name: bound
  allow: [{{name: holders, jwt: {{issuers: [idp]}}}}]
"""
GOOD = {"x-tenant": "BLUE", "x-request-id": "r-1"}
CLAIMS: dict[str, Any] = {"scope": "read write", "roles": ["a", "b", "c"]}

# What each scenario asks, given a token; the reason without a fault.
Ask = Callable[[str], bytes]
SCENARIOS: dict[str, tuple[Ask, str]] = {
    "a token in a header": (lambda token: check_request(headers={**GOOD, "authorization": f"Bearer {token}"}), "rule.allow"),
    "a token in the query": (lambda token: check_request(path=f"/orders?token={token}&x=1", headers=GOOD), "rule.allow"),
    "a token in a cookie": (lambda token: check_request(headers={**GOOD, "cookie": f"a=b; session={token}"}), "rule.allow"),
    "raw headers": (
        lambda token: check_request(raw_headers=[("x-tenant", b"blue"), ("authorization", f"Bearer {token}".encode())]), "rule.allow",
    ),
    "anyone": (lambda _: check_request(path="/open"), "rule.allow"),
    "an address": (lambda _: check_request(peer="198.51.100.7"), "rule.allow"),
    "a template": (lambda token: check_request(path="/users/7", headers={"authorization": f"Bearer {token}"}), "rule.allow"),
    "a pattern": (lambda token: check_request(path="/v1/x", headers={"authorization": f"Bearer {token}"}), "rule.allow"),
    "a preflight": (
        lambda _: check_request("OPTIONS", headers={"origin": "https://a.example", "access-control-request-method": "PUT"}),
        "preflight.allow",
    ),
    "unprotected": (lambda _: check_request(host="free.example.com"), "policy.unprotected"),
    "a deny that fires": (lambda token: check_request(peer="192.0.2.7", headers={**GOOD, "authorization": f"Bearer {token}"}), "rule.deny"),
    "a deny of the rule": (
        lambda token: check_request(headers={**GOOD, "x-night": "1", "authorization": f"Bearer {token}"}), "rule.deny",
    ),
    "nobody": (lambda _: check_request(host="closed.example.com"), "rule.deny"),
    "a bad token": (lambda token: check_request(headers={**GOOD, "authorization": f"Bearer {token[:-8]}AAAAAAAA"}), "token.signature"),
    "an odd path": (lambda _: check_request(path="/a/..%2f"), "path.ambiguous"),
    "no request": (lambda _: b"\xff", "request.malformed"),
}  # fmt: skip


def _asked(path: str, token: str = "", *, key: str = "", certificate: str = "", **headers: str) -> bytes:
    sent = {
        "authorization": f"Bearer {token}" if token else "",
        "x-key": key,
        **{name.replace("_", "-"): each for name, each in headers.items()},
    }
    return check_request(path=path, host=KEYS, headers={name: each for name, each in sent.items() if each}, certificate=certificate)


# The same for credentials beside tokens. The token is bound to the client's certificate.
WITH_CREDENTIALS: dict[str, tuple[Ask, str]] = {
    "a key": (lambda _: _asked("/key", key=a_key()), "rule.allow"),
    "a key in the query": (lambda _: _asked(f"/key?key={a_key()}"), "rule.allow"),
    "an unknown key": (lambda _: _asked("/key", key="k1.unknown"), "apikey.unknown"),
    "a key of another scope": (lambda _: _asked("/key", key=a_key("k2")), "apikey.scope"),
    "a suspended key, and anyone": (lambda _: _asked("/key", key=a_key("k3"), x_open="1"), "apikey.disabled"),
    "a certificate": (lambda _: _asked("/certificate", certificate=pem_of(client())), "rule.allow"),
    "a certificate with a key of Ed25519": (lambda _: _asked("/certificate", certificate=pem_of(client("edward"))), "rule.allow"),
    "a revoked certificate": (lambda _: _asked("/certificate", certificate=pem_of(client("gone"))), "cert.revoked"),
    "a certificate of a stranger": (lambda _: _asked("/certificate", certificate=pem_of(client(by_another=True))), "cert.untrusted"),
    "a bound token": (lambda token: _asked("/bound", token, certificate=pem_of(client())), "rule.allow"),
    "a bound token of somebody else": (lambda token: _asked("/bound", token, certificate=pem_of(client("thief"))), "token.binding"),
    "an expression": (lambda token: _asked("/when/alice?x=1", token, certificate=pem_of(client())), "rule.allow"),
    "an expression that is false": (lambda token: _asked("/when/bob?x=1", token, certificate=pem_of(client())), "expression.false"),
    "an expression that fails": (lambda token: _asked("/when/alice", token, certificate=pem_of(client())), "expression.error"),
    "all at once": (lambda token: _asked("/all", token, key=a_key(), certificate=pem_of(client())), "rule.allow"),
}  # fmt: skip
EVERY = SCENARIOS | WITH_CREDENTIALS
# Other places where a certificate is told.
TOLD = {
    CertificateSource.XFCC: lambda: {"x_forwarded_client_cert": f'By="spiffe://a";Cert="{pem_of(client())}"'},
    CertificateSource.CLIENT_CERT: lambda: {"client_cert": f":{b64encode(client().der).decode()}:"},
    CertificateSource.HEADER: lambda: {"x_cert": pem_of(client())},
}
MODULES = {
    "authz.authn.api_keys", "authz.authn.authorities", "authz.authn.bound", "authz.authn.byte_sequence", "authz.authn.certificates",
    "authz.authn.claims", "authz.authn.crl", "authz.authn.distinguished_name", "authz.authn.forwarded_certificate",
    "authz.authn.identities", "authz.authn.json_text", "authz.authn.jws", "authz.authn.keys", "authz.authn.pem", "authz.authn.presented",
    "authz.authn.roca", "authz.authn.small_order", "authz.authn.subject_names",
    "authz.envoy.codec", "authz.envoy.endpoint",
    "authz.model.certificate", "authz.model.credential", "authz.model.decision", "authz.model.issuer", "authz.model.policy",
    "authz.model.principal", "authz.model.reason", "authz.model.request",
    "authz.policy.addresses", "authz.policy.alternatives", "authz.policy.answers", "authz.policy.combine", "authz.policy.compiled",
    "authz.policy.conditions", "authz.policy.credential", "authz.policy.decide", "authz.policy.expressions", "authz.policy.facts",
    "authz.policy.forwarding", "authz.policy.hosts", "authz.policy.items", "authz.policy.judge", "authz.policy.paths",
    "authz.policy.shadows", "authz.policy.snapshot", "authz.policy.view", "authz.policy.when",
    "authz.service.api_keys", "authz.service.certificates", "authz.service.check", "authz.service.keyring", "authz.service.reader",
    "authz.service.told_certificates", "authz.service.tokens",
    "authz.telemetry.audit", "authz.telemetry.by_policy", "authz.telemetry.histogram", "authz.telemetry.lines", "authz.telemetry.metrics",
    "authz.telemetry.quota",
}  # fmt: skip
# The border itself, which nothing of ours is around: what is raised inside it is caught by it.
BORDER = {"__call__", "_later"}
KINDS = (RuntimeError, ValueError, KeyError, TypeError, RecursionError, MemoryError, TimeoutError, OSError)


class Calls:
    """Counts the calls into the package while a check runs, and does something at one of them."""

    def __init__(self, at: int = 0, act: Callable[[], None] = lambda: None) -> None:
        self.at, self.act = at, act
        self.count = 0
        self.modules: set[str] = set()
        self.where = ""
        # The functions that led there, with their modules.
        self.above: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        name = str(frame.f_globals.get("__name__", ""))
        function = frame.f_code.co_name
        # A generator expression is entered once more when it is thrown away, where nothing can be raised.
        if event != "call" or not name.startswith("authz.") or function == "<genexpr>":
            return
        if name == "authz.envoy.endpoint" and function in BORDER:
            return
        self.modules.add(name)
        self.count += 1
        if self.count == self.at:
            self.where = f"{name}.{function}"
            above: FrameType | None = frame
            while above is not None:
                self.above.add(f"{above.f_globals.get('__name__')}.{above.f_code.co_name}")
                above = above.f_back
            self.act()

    def is_in(self, part: str) -> bool:
        """Whether the step belongs to this part of the package."""
        return any(each.startswith(part) for each in self.above)


class World:
    """A service without its wires, with everything on."""

    def __init__(self, *more: str, source: CertificateSource = CertificateSource.PEER) -> None:
        told = ClientCertificate(source, "x-cert" if source is CertificateSource.HEADER else "", ("203.0.113.0/24",))
        operator = Operator(ClientAddress(), unprotected=frozenset({"free.example.com"}), client_certificate=told)
        policies = (a_manifest(POLICY), a_manifest(CLOSED, "closed"), a_manifest(CREDENTIALS, "keys"), *more)
        self.installation = Installation(operator=operator)
        self.installation.report = self.installation.updater.apply(declared(*policies), credentials.beside())
        assert all(state.accepted for state in self.installation.report.states)
        self.late = 0.0
        lines = Lines(io.StringIO(), lambda: NOON, 1.0, ClientAddress(), 1_000_000)
        audit = Auditor(Metrics(self.installation.ring.all, lambda: 0), lines)
        self.endpoint = Endpoint(self.installation.checker, audit, now=lambda: self.late)
        self._tokens = 0

    def token(self) -> str:
        """A good token that nobody has seen; no certificate has been seen by then, either."""
        self._tokens += 1
        told_certificates._chains.clear()
        for built in self.installation.updater._built.values():
            for reader in built.readers._made.values():
                if isinstance(reader, certificates.CertificateReader):
                    reader._known.clear()
                    reader._refused.clear()
        return a_token(jti=str(self._tokens), **CLAIMS)

    def bound_token(self) -> str:
        """The same, bound to the client's certificate."""
        self.token()
        return a_token(jti=str(self._tokens), cnf={"x5t#S256": credentials.thumbprint(client())}, **CLAIMS)

    def new(self, name: str) -> str:
        """The token for a scenario."""
        return self.bound_token() if name in WITH_CREDENTIALS else self.token()

    def asked(self, data: bytes, calls: Calls) -> bytes:
        self.late = 0.0
        sys.settrace(calls)  # type: ignore[arg-type]
        try:
            answer = self.endpoint(data, 1.0)
        finally:
            sys.settrace(None)
        assert isinstance(answer, bytes)
        return answer

    def delay(self) -> None:
        self.late = 2.0


def allows(answer: bytes) -> bool:
    """Envoy's own reading."""
    return bool(check_response(answer).status.code == 0)


def each_step(ask: Callable[[Calls], bytes], act: Callable[[int], Callable[[], None]]) -> Iterator[tuple[Calls, bytes]]:
    """Ask again and again, with the fault one call later each time, until all calls have been made; yield what was answered."""
    for at in count(1):
        calls = Calls(at, act(at))
        answer = ask(calls)
        if not calls.where:
            assert at > 10, "nothing was called"
            return
        yield calls, answer


def raising(kind: type[Exception]) -> Callable[[], None]:
    def act() -> None:
        raise kind("injected")

    return act


def any_kind(at: int) -> Callable[[], None]:
    return raising(KINDS[at % len(KINDS)])


@pytest.mark.parametrize("name", EVERY)
def test_an_exception_at_any_step_is_a_deny(name: str) -> None:
    ask, expected = EVERY[name]
    world = World()
    assert reason_of(world.asked(ask(world.new(name)), Calls())) == expected
    for calls, answer in each_step(lambda calls: world.asked(ask(world.new(name)), calls), any_kind):
        assert not allows(answer), f"{calls.where} failed, and the answer was an allow"
        assert check_response(answer).denied_response.status.code in (400, 401, 403, 503), calls.where
    assert reason_of(world.asked(ask(world.new(name)), Calls())) == expected, "it goes on as before"


@pytest.mark.parametrize("name", EVERY)
def test_a_delay_past_the_deadline_at_any_step_is_a_deny(name: str) -> None:
    ask, expected = EVERY[name]
    world = World()
    assert reason_of(world.asked(ask(world.new(name)), Calls())) == expected
    steps = list(each_step(lambda calls: world.asked(ask(world.new(name)), calls), lambda _: world.delay))
    # Counting and writing come after the answer exists, and gRPC itself ends a call whose deadline has passed.
    before = [(calls.where, answer) for calls, answer in steps if not calls.is_in("authz.telemetry")]
    assert 0 < len(before) < len(steps)
    assert [where for where, answer in before if allows(answer)] == []


def test_a_remembered_token_is_no_way_around() -> None:
    world = World()
    data = SCENARIOS["a token in a header"][0](world.token())
    clean = Calls()
    world.asked(data, Calls())
    assert reason_of(world.asked(data, clean)) == "rule.allow"
    assert "authz.authn.jws" not in clean.modules
    for calls, answer in each_step(lambda calls: world.asked(data, calls), any_kind):
        assert not allows(answer), calls.where
    assert reason_of(world.asked(data, Calls())) == "rule.allow"


@pytest.mark.parametrize("name", [name for name, (_, reason) in WITH_CREDENTIALS.items() if reason == "rule.allow"])
def test_what_is_remembered_of_credentials_is_no_way_around(name: str) -> None:
    world = World()
    data = EVERY[name][0](world.new(name))
    world.asked(data, Calls())
    assert reason_of(world.asked(data, Calls())) == "rule.allow"
    for calls, answer in each_step(lambda calls: world.asked(data, calls), any_kind):
        assert not allows(answer), calls.where
    assert reason_of(world.asked(data, Calls())) == "rule.allow"


@pytest.mark.parametrize("source", TOLD)
def test_an_exception_at_any_step_of_reading_what_is_told_of_a_certificate_is_a_deny(source: CertificateSource) -> None:
    world = World(source=source)

    def asked(calls: Calls) -> bytes:
        world.token()
        return world.asked(_asked("/certificate", **TOLD[source]()), calls)

    assert reason_of(asked(Calls())) == "rule.allow"
    for calls, answer in each_step(asked, any_kind):
        assert not allows(answer), calls.where


@pytest.mark.parametrize("name", WITH_CREDENTIALS)
def test_a_check_of_credentials_that_is_cancelled_at_any_step_is_never_an_allow(name: str) -> None:
    world = World()

    def cancel() -> None:
        raise asyncio.CancelledError

    def cancelled(calls: Calls) -> bytes:
        try:
            return world.asked(EVERY[name][0](world.new(name)), calls)
        except asyncio.CancelledError:
            return b""

    steps = list(each_step(cancelled, lambda _: cancel))
    assert [calls.where for calls, answer in steps if answer and allows(answer)] == []
    assert any(not answer for _, answer in steps)


def test_what_fails_in_shadow_changes_nothing_and_what_fails_beside_it_is_a_deny() -> None:
    world = World(a_manifest(SHADOW, "shadow"))
    ask, _ = SCENARIOS["a token in a header"]
    steps = list(each_step(lambda calls: world.asked(ask(world.token()), calls), any_kind))
    stood = [calls for calls, answer in steps if allows(answer)]
    assert 0 < len(stood) < len(steps)
    assert [calls.where for calls in stood if not calls.is_in("authz.service.check._with_shadows")] == []


FETCHED = POLICY.replace(f"jwks: '{a_jwks()}', ", "")


class Waiting:
    """A check that waits for an issuer's keys."""

    def __init__(self) -> None:
        self.installation = Installation(a_manifest(FETCHED), operator=Operator(ClientAddress()))
        self.installation.fetcher.answers[ISSUER] = FetchedKeys(a_jwks().encode())
        self.endpoint = Endpoint(self.installation.checker, self.installation.journal)
        self.data = check_request(headers={**GOOD, "authorization": f"Bearer {a_token(**CLAIMS)}"})

    async def asked(self, calls: Calls) -> bytes:
        sys.settrace(calls)  # type: ignore[arg-type]
        try:
            answer = self.endpoint(self.data, 1.0)
            return answer if isinstance(answer, bytes) else await answer
        finally:
            sys.settrace(None)


def waited(calls: Calls) -> bytes:
    return asyncio.run(Waiting().asked(calls))


# A fault right before a check begins to wait leaves behind what it would have waited for, until that is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine .* was never awaited:RuntimeWarning")
def test_an_exception_at_any_step_of_a_check_that_waits_for_keys_is_a_deny() -> None:
    clean = Calls()
    assert reason_of(waited(clean)) == "rule.allow"
    assert "authz.service.keyring" in clean.modules
    for calls, answer in each_step(waited, any_kind):
        assert not allows(answer), calls.where
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_cancellation_at_any_step_is_never_an_allow() -> None:
    def cancel() -> None:
        raise asyncio.CancelledError

    def cancelled(calls: Calls) -> bytes:
        try:
            return waited(calls)
        except asyncio.CancelledError:
            return b""  # No answer: the call is over.

    steps = list(each_step(cancelled, lambda _: cancel))
    assert [calls.where for calls, answer in steps if answer and allows(answer)] == []
    assert any(not answer for _, answer in steps)
    gc.collect()


def test_the_scenarios_pass_through_every_module_that_a_check_can_reach() -> None:
    seen: set[str] = set()
    world = World(a_manifest(SHADOW, "shadow"))
    for name, (ask, _) in EVERY.items():
        calls = Calls()
        world.asked(ask(world.new(name)), calls)
        seen |= calls.modules
    for source, told in TOLD.items():
        elsewhere, calls = World(source=source), Calls()
        elsewhere.token()
        elsewhere.asked(_asked("/certificate", **told()), calls)
        seen |= calls.modules
    calls = Calls()
    asyncio.run(Waiting().asked(calls))
    assert seen | calls.modules == MODULES
