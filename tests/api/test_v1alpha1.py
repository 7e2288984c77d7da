"""The types of v1alpha1: what they take and what they refuse beside the wrong type."""

import pytest
from pydantic import ValidationError

from authz.api.decode import read
from authz.api.v1alpha1 import AuthPolicySpec
from tests.builders import a_manifest

JWT = {"issuers": ["idp"]}
ANYONE = {"name": "a", "anonymous": {}}


def _issuer(**members):
    return {"issuers": [{"name": "idp", "issuer": "https://idp.example.com", **members}]}


def _rule(**members):
    return {"rules": [{"name": "r", "allow": [], **members}]}


def _allow(**members):
    return _rule(allow=[{"name": "a", **members}])


def _deny(**members):
    return {"deny": [{"name": "d", **members}]}


def _answer(**members):
    return {"denied": {"forbidden": members}}


def _jwt(**members):
    return _allow(jwt={**JWT, **members})


def _forward(**members):
    return _rule(forward={"headers": [{"name": "x-auth-id", **members}]})


TAKEN = [
    {},
    _issuer(),
    _issuer(issuer="urn:local", jwks='{"keys":[]}'),
    _issuer(issuer="local", jwksURL="https://k.example/keys"),
    _issuer(issuer="http://idp.internal"),
    _issuer(clockSkewSeconds=0),
    _issuer(issuer="local", hmacFrom={"secretRef": {"name": "legacy"}}),
    _issuer(hmacFrom={"file": "keys/legacy"}, algorithms=["HS256", "HS384", "HS512"]),
    _issuer(jwksFrom={"file": "keys/idp.json"}, caRef={"file": "ca.pem"}),
    _issuer(jwksFrom={"kind": "ConfigMap", "name": "keys"}, caRef={"kind": "Secret", "namespace": "x", "name": "ca", "key": "k"}),
    _issuer(clockSkewSeconds=300),
    _issuer(tokenTypes=["at+jwt"], maxLifetimeSeconds=1, maxAgeSeconds=31_536_000),
    _issuer(tokenTypes=["application/at+jwt", "secevent+jwt"]),
    _issuer(tokenFrom=[{"header": "X-Token"}, {"header": "Authorization", "scheme": "Bearer"}, {"query": "t"}, {"cookie": "c"}]),
    _rule(),
    _rule(matches=[{"methods": ["GET", "M-SEARCH"]}]),
    _allow(jwt=JWT),
    _allow(anonymous={}),
    _allow(jwt=JWT, clientIP={"cidrs": ["::"]}, headers=[{"name": "X"}]),
    _deny(jwt=JWT),
    _deny(clientIP={"ranges": [{"from": "::", "to": "::1"}]}),
    _deny(headers=[{"name": "X"}]),
    _jwt(scopes=["orders.read", "https://graph.example/.default"]),
    _jwt(claims=[{"path": ["a.b", "c"], "match": "None", "values": ["x"]}]),
    _forward(value="x"),
    _forward(**{"from": {"claim": ["sub", "sub"]}}),
    _answer(statusCode=302),
    _answer(message="no"),
]


@pytest.mark.parametrize("spec", TAKEN)
def test_a_well_formed_spec_is_taken(spec):
    AuthPolicySpec.model_validate(spec)


REFUSED = [
    ("exactly one of header, query, cookie", _issuer(tokenFrom=[{}])),
    ("exactly one of header, query, cookie", _issuer(tokenFrom=[{"header": "X", "cookie": "c"}])),
    ("scheme goes with header", _issuer(tokenFrom=[{"cookie": "c", "scheme": "Bearer"}])),
    ("at most one of discoveryURL, jwksURL, jwks", _issuer(jwks="{}", jwksURL="https://k.example/")),
    ("keys cannot be discovered", _issuer(issuer="urn:local")),
    ("keys cannot be discovered", _issuer(issuer="ftp://idp.example")),
    ("string_pattern_mismatch", _issuer(jwksURL="ftp://k.example/")),
    ("string_pattern_mismatch", _issuer(jwksURL="file:///etc/passwd")),
    ("HS256, HS384 and HS512 take a secret", _issuer(algorithms=["HS256"])),
    ("HS256, HS384 and HS512 take a secret", _issuer(algorithms=["RS256", "HS512"], jwks="{}")),
    ("with hmacFrom algorithms are HS256", _issuer(hmacFrom={"file": "k"}, algorithms=["HS256", "RS256"])),
    ("at most one of discoveryURL, jwksURL, jwks", _issuer(hmacFrom={"file": "k"}, jwks="{}")),
    ("at most one of discoveryURL, jwksURL, jwks", _issuer(hmacFrom={"file": "k"}, discoveryURL="https://idp.example/d")),
    ("exactly one of secretRef, file", _issuer(hmacFrom={})),
    ("exactly one of secretRef, file", _issuer(hmacFrom={"file": "k", "secretRef": {"name": "k"}})),
    ("extra_forbidden", _issuer(hmacFrom={"configMapRef": {"name": "k"}})),
    ("model_type", _issuer(hmacFrom="c2VjcmV0")),
    ("caRef is for keys that are fetched", _issuer(hmacFrom={"file": "k"}, caRef={"file": "ca.pem"})),
    ("give kind and name of an object, or file", _issuer(jwksFrom={})),
    ("give kind and name of an object, or file", _issuer(jwksFrom={"name": "k"})),
    ("give kind and name of an object, or file", _issuer(jwksFrom={"kind": "Secret"})),
    ("give kind and name of an object, or file", _issuer(jwksFrom={"kind": "Secret", "name": "k", "file": "k"})),
    ("give kind and name of an object, or file", _issuer(caRef={"namespace": "shop", "file": "k"})),
    ("string_pattern_mismatch", _issuer(caRef={"file": "../ca.pem"})),
    ("literal_error", _issuer(algorithms=["none"])),
    ("too_short", _issuer(algorithms=[])),
    ("less_than_equal", _issuer(clockSkewSeconds=301)),
    ("greater_than_equal", _issuer(clockSkewSeconds=-1)),
    ("int_type", _issuer(clockSkewSeconds=True)),
    ("greater_than_equal", _issuer(maxLifetimeSeconds=0)),
    ("greater_than_equal", _issuer(maxAgeSeconds=0)),
    ("int_type", _issuer(maxAgeSeconds="60")),
    ("too_short", _issuer(tokenTypes=[])),
    ("string_pattern_mismatch", _issuer(tokenTypes=["text/plain"])),
    ("string_pattern_mismatch", _issuer(tokenTypes=[" jwt"])),
    ("string_pattern_mismatch", _issuer(tokenFrom=[{"header": "a:b"}])),
    ("string_pattern_mismatch", _issuer(tokenFrom=[{"header": "a\n"}])),
    ("string_pattern_mismatch", _issuer(tokenFrom=[{"query": "a&b"}])),
    ("string_pattern_mismatch", _issuer(tokenFrom=[{"cookie": "a;b"}])),
    ("give path, methods or both", _rule(matches=[{}])),
    ("too_short", _rule(matches=[])),
    ("too_short", _rule(deny=[])),
    ("missing", {"rules": [{"name": "r"}]}),
    ("does not say who the caller is", _allow()),
    ("does not say who the caller is", _allow(clientIP={"cidrs": ["::"]})),
    ("does not say who the caller is", _allow(headers=[{"name": "X"}])),
    ("anonymous: {} says that nobody in particular is meant", _allow(jwt=JWT, anonymous={})),
    ("give jwt, apiKey, clientCertificate, clientIP, headers or when", _deny()),
    ("extra_forbidden", _deny(anonymous={})),
    ("extra_forbidden", _allow(anonymous={"really": True})),
    ("give cidrs, ranges or sets", _deny(clientIP={})),
    ("too_short", _deny(clientIP={"cidrs": []})),
    ("too_short", _deny(headers=[])),
    ("too_short", _jwt(scopes=[])),
    ("too_short", _jwt(issuers=[])),
    ("too_short", _jwt(audiences=[])),
    ("too_short", _jwt(claims=[{"path": [], "match": "Any", "values": ["x"]}])),
    ("too_short", _jwt(claims=[{"path": ["x"], "match": "Any", "values": []}])),
    ("missing", _jwt(claims=[{"path": ["x"], "values": ["x"]}])),
    ("string_pattern_mismatch", _jwt(scopes=["orders read"])),
    ("string_pattern_mismatch", _jwt(scopes=['x"y'])),
    ("exactly one of value, from", _forward()),
    ("exactly one of value, from", _forward(**{"value": "x", "from": {"claim": ["sub"]}})),
    ("304 has no body", _answer(statusCode=304)),
    ("greater_than_equal", _answer(statusCode=200)),
    ("less_than_equal", _answer(statusCode=600)),
    ("string_pattern_mismatch", _answer(headers=[{"name": "a b", "value": "x"}])),
    ("too_short", {"hosts": []}),
    ("too_short", {"rules": []}),
    ("too_short", {"audiences": []}),
    ("string_pattern_mismatch", {"pathPrefixes": ["orders"]}),
    ("string_pattern_mismatch", {"definitionsFrom": [{"namespace": "A", "name": "b"}]}),
    ("string_unicode", {"audiences": ["\ud800"]}),
    ("string_unicode", _rule(matches=[{"path": {"type": "Exact", "value": "/\ud800"}}])),
]


@pytest.mark.parametrize(("why", "spec"), REFUSED)
def test_a_spec_with_one_mistake_is_refused_for_it(why, spec):
    with pytest.raises(ValidationError) as refusal:
        AuthPolicySpec.model_validate(spec)
    (error,) = refusal.value.errors()
    assert why in (error["type"], error["msg"]) or why in error["msg"]


def test_a_spec_cannot_be_changed():
    spec = AuthPolicySpec.model_validate(_rule())
    with pytest.raises(ValidationError):
        spec.mode = "Shadow"


@pytest.mark.parametrize("url", ["https://bob:s3cret@idp.example.com/keys", "https://bob@idp.example.com"])
def test_a_url_holds_no_credentials(url: str) -> None:
    text = a_manifest(
        f"hosts: [a.example]\naudiences: [a]\nissuers: [{{name: i, issuer: x, jwksURL: '{url}'}}]\nrules: [{{name: none, allow: []}}]"
    )
    (declared,) = read(text)
    assert [problem.where for problem in declared.problems] == ["spec.issuers[0].jwksURL"]
