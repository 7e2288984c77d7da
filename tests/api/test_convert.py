"""From what was written to the model's values."""

import pytest

from authz.api.convert import policy_of, target_of
from authz.api.v1alpha1 import AuthPolicySpec
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource, Place, PlaceKind
from authz.model.policy import (
    AddressCondition,
    AddressRange,
    Answer,
    ClaimCondition,
    ClaimMatch,
    Denied,
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
from authz.model.reference import Reference

NAME = PolicyName("shop", "orders")
ISSUER = {"name": "idp", "issuer": "https://idp.example.com"}


def _policy(**spec):
    return policy_of(NAME, 3, AuthPolicySpec.model_validate(spec))


def _rule(**members):
    (rule,) = _policy(hosts=["a.example"], rules=[{"name": "r", "allow": [], **members}]).rules
    return rule


def _issuer(**members):
    (issuer,) = _policy(issuers=[{**ISSUER, **members}]).issuers
    return issuer


def test_what_is_left_out_has_the_documented_defaults():
    assert _policy() == Policy(
        name=NAME,
        generation=3,
        hosts=(),
        path_prefixes=(),
        mode=Mode.ENFORCE,
        preflight=False,
        definitions_from=(),
        audiences=(),
        issuers=(),
        deny=(),
        rules=(),
        denied=Denied(),
    )


def test_an_issuer_has_the_documented_defaults():
    assert _issuer() == Issuer(
        name="idp",
        issuer="https://idp.example.com",
        keys=KeySource(),
        algorithms=("RS256", "ES256"),
        clock_skew=30,
        places=(AUTHORIZATION_BEARER,),
    )


def test_a_rule_has_the_documented_defaults():
    assert _rule() == Rule(name="r", mode=Mode.ENFORCE, matches=(), deny=(), allow=(), forward=(), keep_credentials=False, denied=None)


def test_everything_that_is_written_arrives():
    policy = _policy(
        hosts=["a.example", "*.b.example"],
        pathPrefixes=["/orders"],
        mode="Shadow",
        preflight="Allow",
        definitionsFrom=[{"namespace": "platform", "name": "idps"}],
        audiences=["orders"],
        deny=[{"name": "blocked", "clientIP": {"cidrs": ["192.0.2.0/24"], "ranges": [{"from": "192.0.2.1", "to": "192.0.2.9"}]}}],
        denied={"unauthenticated": {"statusCode": 302, "message": "in", "headers": [{"name": "Location", "value": "/login"}]}},
    )
    assert policy.hosts == ("a.example", "*.b.example")
    assert policy.path_prefixes == ("/orders",)
    assert policy.mode is Mode.SHADOW
    assert policy.preflight
    assert policy.definitions_from == (PolicyName("platform", "idps"),)
    assert policy.audiences == ("orders",)
    assert policy.deny == (Item("blocked", addresses=AddressCondition(("192.0.2.0/24",), (AddressRange("192.0.2.1", "192.0.2.9"),))),)
    assert policy.denied == Denied(Answer(302, "in", (("location", "/login"),)), Answer())


@pytest.mark.parametrize(
    ("members", "keys"),
    [
        ({"discoveryURL": "https://x.example/d"}, KeySource(discovery_url="https://x.example/d")),
        ({"jwksURL": "https://x.example/k"}, KeySource(jwks_url="https://x.example/k")),
        ({"jwks": '{"keys": []}'}, KeySource(jwks='{"keys": []}')),
        (
            {"jwksFrom": {"kind": "Secret", "name": "k", "key": "jwks.json"}},
            KeySource(jwks_from=Reference("Secret", "shop", "k", "jwks.json")),
        ),
        ({"jwksFrom": {"file": "keys/idp.json"}}, KeySource(jwks_from=Reference("File", "", "keys/idp.json", ""))),
        ({"hmacFrom": {"file": "keys/idp"}}, KeySource(hmac_from=Reference("File", "", "keys/idp", ""))),
        ({"hmacFrom": {"secretRef": {"name": "k"}}}, KeySource(hmac_from=Reference("Secret", "shop", "k", "hmac"))),
        (
            {"hmacFrom": {"secretRef": {"namespace": "x", "name": "k", "key": "now"}}},
            KeySource(hmac_from=Reference("Secret", "x", "k", "now")),
        ),
    ],
)
def test_where_an_issuers_keys_come_from(members, keys):
    assert _issuer(**members).keys == keys


def test_the_algorithms_follow_the_keys_where_none_are_written():
    assert _issuer(hmacFrom={"file": "k"}).algorithms == ("HS256",)
    assert _issuer(hmacFrom={"file": "k"}, algorithms=["HS512"]).algorithms == ("HS512",)
    assert _issuer(jwksFrom={"file": "k"}).algorithms == ("RS256", "ES256")


def test_cas_may_stand_in_a_file():
    issuer = _issuer(caRef={"file": "ca.pem"})
    assert issuer.ca_from == Reference("File", "", "ca.pem", "")
    assert issuer.references == (issuer.ca_from,)


def test_how_an_issuers_tokens_are_read():
    issuer = _issuer(
        algorithms=["EdDSA"],
        clockSkewSeconds=0,
        tokenTypes=["application/AT+JWT", "JWT"],
        maxLifetimeSeconds=7200,
        maxAgeSeconds=3600,
        tokenFrom=[{"header": "Authorization", "scheme": "Token"}, {"header": "X-Token"}, {"query": "Token"}, {"cookie": "Session"}],
    )
    assert (issuer.algorithms, issuer.clock_skew) == (("EdDSA",), 0)
    assert (issuer.token_types, issuer.max_lifetime, issuer.max_age) == ({"at+jwt", "jwt"}, 7200, 3600)
    assert issuer.places == (
        Place(PlaceKind.HEADER, "authorization", "Token"),
        Place(PlaceKind.HEADER, "x-token"),
        Place(PlaceKind.QUERY, "Token"),
        Place(PlaceKind.COOKIE, "Session"),
    )


def test_what_a_rule_is_for():
    matches = [
        {"path": {"type": "Template", "value": "/u/{id}"}, "methods": ["GET"]},
        {"methods": ["POST"]},
        {"path": {"type": "Exact", "value": "/"}},
    ]
    assert _rule(mode="Shadow", matches=matches).matches == (
        RequestMatch(PathMatch(PathKind.TEMPLATE, "/u/{id}"), ("GET",)),
        RequestMatch(None, ("POST",)),
        RequestMatch(PathMatch(PathKind.EXACT, "/"), ()),
    )
    assert _rule(mode="Shadow").mode is Mode.SHADOW


def test_who_may():
    claims = [
        {"path": ["realm", "roles"], "match": "All", "values": ["a", "b"]},
        {"path": ["groups"], "match": "None", "values": ["x"], "separator": ";"},
    ]
    headers = [{"name": "X-Tenant", "values": ["blue"], "ignoreCase": True}, {"name": "X-Any"}]
    rule = _rule(
        allow=[
            {
                "name": "staff",
                "jwt": {"issuers": ["idp"], "audiences": ["orders"], "scopes": ["read"], "claims": claims},
                "headers": headers,
            },
            {"name": "office", "anonymous": {}, "clientIP": {"cidrs": ["192.0.2.1"]}},
        ],
        deny=[{"name": "mallory", "jwt": {"issuers": ["idp"]}}, {"name": "bots", "headers": [{"name": "X-Bot"}]}],
    )
    assert rule.allow == (
        Item(
            "staff",
            jwt=JwtCondition(
                ("idp",),
                ("orders",),
                ("read",),
                (
                    ClaimCondition(("realm", "roles"), ClaimMatch.ALL, ("a", "b")),
                    ClaimCondition(("groups",), ClaimMatch.NONE, ("x",), ";"),
                ),
            ),
            headers=(HeaderCondition("X-Tenant", ("blue",), ignore_case=True), HeaderCondition("X-Any")),
        ),
        Item("office", anonymous=True, addresses=AddressCondition(("192.0.2.1",))),
    )
    assert rule.deny == (Item("mallory", jwt=JwtCondition(("idp",))), Item("bots", headers=(HeaderCondition("X-Bot"),)))


def test_what_the_upstream_sees():
    headers = [{"name": "X-Auth-Plan", "value": "gold"}, {"name": "X-Auth-Sub", "from": {"claim": ["realm", "sub"]}}]
    rule = _rule(forward={"headers": headers, "credentials": "Keep"})
    assert rule.forward == (ForwardedHeader("X-Auth-Plan", value="gold"), ForwardedHeader("X-Auth-Sub", claim=("realm", "sub")))
    assert rule.keep_credentials
    assert not _rule(forward={}).keep_credentials


def test_a_rules_own_words_for_a_denial():
    assert _rule(denied={"forbidden": {"statusCode": 404}}).denied == Denied(Answer(), Answer(404))
    assert _rule(denied={}).denied == Denied()


# The target alone.


def test_a_target_has_hosts_prefixes_and_mode_and_nothing_else():
    spec = {"hosts": ["a.example"], "pathPrefixes": ["/a"], "mode": "Shadow", "preflight": "Allow", "rules": "?", "audiences": ["x"]}
    target = target_of(NAME, spec)
    assert (target.name, target.hosts, target.path_prefixes, target.mode) == (NAME, ("a.example",), ("/a",), Mode.SHADOW)
    assert (target.preflight, target.rules, target.audiences, target.issuers, target.deny) == (False, (), (), (), ())


def test_an_empty_target_is_one():
    target = target_of(NAME, {})
    assert (target.hosts, target.path_prefixes, target.mode) == ((), (), Mode.ENFORCE)


@pytest.mark.parametrize(
    "spec", [None, [], "x", {"hosts": "a"}, {"hosts": [1]}, {"pathPrefixes": ["a"]}, {"mode": "enforce"}, {"mode": None}]
)
def test_a_target_that_cannot_be_read_is_none(spec):
    assert target_of(NAME, spec) is None
