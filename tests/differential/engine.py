"""The engine's side of the comparison, and the same installation for the plain reading.

An installation is what a document of tests/corpus is (`SettingOf`), so that whatever is found can become a case there.
"""

import asyncio
import json
import re
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from authz.api.decode import read
from authz.model.cluster import Cluster
from authz.model.declared import Declared
from authz.model.operator import CertificateSource, ClientCertificate, Operator
from authz.model.reference import FILE, Reference
from authz.model.request import Request
from authz.service.check import Checker
from authz.service.keyring import KeyRing
from authz.service.tokens import TokenMemory
from authz.service.update import Updater
from tests import corpus_runner
from tests.corpus_runner import (
    NOW,
    FakeFetcher,
    FixedClock,
    OperatorOf,
    Outcome,
    RecordingAudit,
    RequestOf,
    SettingOf,
    SilentJournal,
    Strict,
    TokenOf,
    written_claims,
)
from tests.differential import credentials

Raw = dict[str, Any]
_HEAD = {"apiVersion": "ingress-authz.dev/v1alpha1", "kind": "AuthPolicy"}
_JWKS = re.compile(r"@JWKS:([a-z0-9-]+)(?::(rsa|ec))?@")


class CertificateFrom(Strict):
    """Where the client's certificate is told: by Envoy itself, or in a header."""

    header: str = ""
    trusted: list[str] = []


class Operated(OperatorOf):
    clientCertificate: CertificateFrom | None = None  # noqa: N815 - as in documents

    def operator(self) -> Operator:
        found = self.clientCertificate
        kind = CertificateSource.HEADER if found and found.header else CertificateSource.PEER
        told = ClientCertificate(kind, found.header, tuple(found.trusted)) if found else None
        alone = self.model_copy(update={"clientCertificate": None})
        return replace(OperatorOf.operator(alone), client_certificate=told)


class Installed(SettingOf):
    """An installation with files beside its policies: those of `credentials`."""

    operator: Operated = Operated()


class Asked(RequestOf):
    certificate: str = ""


class Engine:
    """The service without its wires, with the policies of a setting in force."""

    def __init__(self, given: SettingOf) -> None:
        self._given = given
        clock, self.audit = FixedClock(), RecordingAudit()
        self._ring = KeyRing(FakeFetcher(given.fetched), clock, SilentJournal())
        updater = Updater(given.operator.operator(), self._ring, TokenMemory())
        self.refused: dict[str, list[str]] = {}
        beside = Cluster(texts={Reference(FILE, "", name, "."): text for name, text in credentials.texts().items()})
        for policies in filter(None, (given.earlier, given.policies)):
            states = updater.apply([each for document in policies for each in _declared(document)], beside).states
            self.refused = {str(state.name): [each.code for each in state.problems] for state in states if not state.accepted}
        self._checker = Checker(updater.store, self._ring, clock, self.audit)

    async def decide(self, request: RequestOf) -> Outcome:
        """What a request comes to."""
        answer = self._checker.check(_request(request, self._given), corpus_runner.BUDGET)
        decision = await answer if isinstance(answer, Awaitable) else answer
        assert not self.audit.faults, self.audit.faults
        return corpus_runner.of_decision(decision, "compiled")


def _request(request: RequestOf, given: SettingOf) -> Request:
    # The certificate of a request that was asked is no name of one, but what the proxy tells.
    plain = request.model_copy(update={"certificate": ""}) if isinstance(request, Asked) else request
    found = corpus_runner.request_of(corpus_runner.sent(plain, given))
    if isinstance(request, Asked):
        found.certificate = request.certificate
    return found


def decided(given: SettingOf, requests: list[RequestOf]) -> tuple[dict[str, list[str]], list[Outcome]]:
    """Which policies the engine refuses, with the codes of their problems, and what it makes of the requests."""

    async def inside() -> tuple[dict[str, list[str]], list[Outcome]]:
        engine = Engine(given)
        return engine.refused, [await engine.decide(each) for each in requests]

    return asyncio.run(inside())


def _declared(document: Raw) -> list[Declared]:
    found = read(json.dumps(_HEAD | _filled(document)), "policy.yaml")
    assert all(isinstance(each, Declared) for each in found), found
    return [each for each in found if isinstance(each, Declared)]


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each) for each in value]
    return _JWKS.sub(lambda found: corpus_runner.jwks(found[1], found[2] or ""), value) if isinstance(value, str) else value


# The same for the plain reading.


def world_of(given: SettingOf, refused: set[str]) -> Raw:
    """The installation in the words of the plain reading."""
    labels = {_text(name, given): label(token) for name, token in given.tokens.items()}
    operator = given.operator.model_dump()
    fetched = {url: corpus_runner.jwks(signer) for url, signer in given.fetched.items()}
    policies = [_filled(each) for each in given.policies]
    told = {"policies": policies, "refused": refused, "operator": operator, "tokens": labels, "fetched": fetched, "now": NOW}
    return {**told, **credentials.known()}


def plain_request(request: RequestOf, given: SettingOf) -> Raw:
    """The request in the words of the plain reading."""
    found = _request(request, given)
    path = f"{found.path}?{found.query}" if found.query else found.path
    headers = dict(found.headers.items())
    told = {"method": found.method, "host": found.host, "path": path, "headers": headers, "source": found.peer, "policy": found.policy}
    return {**told, "certificate": found.certificate}


def _text(name: str, given: SettingOf) -> str:
    found = corpus_runner.sent(RequestOf(headers={"x": f"@TOKEN:{name}@"}), given)
    return next(value for header, value in found.lines if header == "x").decode()


def label(token: TokenOf) -> Raw:
    """What is known of a token because we made it."""
    if token.raw is not None:
        return {"fault": "token.decrypt" if token.raw.count(".") == 4 else "token.malformed"}
    kind = "ec" if token.alg.startswith("ES") else "rsa"
    own = f"{token.signedBy}-{kind}"
    header = {"alg": token.alg, "typ": token.typ, "kid": own if token.kid == "" else token.kid} | token.header
    claims = _claims(token)
    fault = "token.too_large" if token.padding > 16_000 else ""
    if claims is None or token.tamper == "padding" or set(header) & {"crit", "b64", "cty"} or not isinstance(header["kid"], str | None):
        fault = "token.malformed"
    signed = "" if token.tamper or header["alg"] != token.alg else own
    return {"fault": fault, "alg": header["alg"], "typ": header["typ"], "kid": header["kid"], "signed": signed, "claims": claims}


def _claims(token: TokenOf) -> Raw | None:
    """The claims that were written; None: they are none."""
    claims: Any = written_claims(token)
    if token.rawPayload:
        claims = json.loads(token.rawPayload.replace("@NOW@", str(int(NOW))).replace("@LATER@", str(int(NOW) + 300)))
        if not isinstance(claims, dict) or token.rawPayload.count('"iss"') > 1:
            return None
    times = [claims[name] for name in ("exp", "nbf", "iat") if name in claims]
    audiences = claims.get("aud", "")
    named = audiences if isinstance(audiences, list) else [audiences]
    good = all(isinstance(each, int | float) and not isinstance(each, bool) and each < 1e300 for each in times)
    return claims if good and all(isinstance(each, str) for each in named) else None
