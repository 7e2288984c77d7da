"""`compatibility: APIM`: what its clients read in an answer, and that nothing passes for it that must not."""

import json
from typing import Any

import pytest

from authz.model.cluster import Cluster
from authz.model.policy import Answer, Denied
from authz.model.principal import Failure, Rank
from authz.model.reason import Reason
from authz.model.reference import FILE, Reference
from authz.policy.answers import deny, with_instance
from authz.policy.apim import BLOCKED_ADDRESS, tolerant
from authz.policy.credential import API_KEY, CERTIFICATE, JWT, Challenge
from tests.builders import Installation, a_manifest, a_request, a_token, declared, issuer_yaml, rsa_key
from tests.canaries import note
from tests.fakes import NOON
from tests.policy.given import a_policy

APIM = Denied(is_apim=True)
KEY = Challenge("ApiKey", (("name", "Ocp-Apim-Subscription-Key"), ("in", "header")), is_token=False)
NO_KEY = "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."
BAD_KEY = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription."
# Names of headers are compared without case, and kept in lower case.
KEY_CHALLENGE = 'AzureApiManagementKey realm="api",name="ocp-apim-subscription-key",type="header"'
_CREDENTIALS = ("token", "scope", "claims", "apikey", "cert", "credentials")


def policy(allow: str, more: str = "", issuer: str = "") -> str:
    return a_manifest(f"""
hosts: [api.example.com]
compatibility: APIM
audiences: [api://orders, "api://more/"]
issuers: [{issuer_yaml(more=issuer)}]
rules: [{{name: all, allow: [{allow}]}}]
{more}
""")


USERS = "{name: users, jwt: {issuers: [idp], scopes: [read], claims: [{path: [role], match: Any, values: [admin]}]}}"
GOOD = {"aud": "api://orders", "scope": "read", "role": "admin"}


def told(installation: Installation, **given: Any) -> tuple[int, str]:
    decision = installation.decide(a_request(**given))
    body = json.loads(decision.body)
    assert body.keys() == {"statusCode", "message"}
    assert body["statusCode"] == decision.status
    assert dict(decision.headers)["content-type"] == "application/json"
    return decision.status, body["message"]


@pytest.fixture(scope="module")
def users() -> Installation:
    return Installation(policy(USERS))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(NOON) - 60, "iat": int(NOON) - 120},
        {"exp": None},
        {"nbf": int(NOON) + 60},
        {"aud": "other"},
        {"iss": "https://other.example.com"},
        {"scope": "write"},
        {"role": "guest"},
        {"role": None},
    ],
    ids=str,
)
def test_vj04_whatever_is_wrong_with_a_token_is_401_and_the_same_words(users: Installation, changes: dict[str, Any]) -> None:
    assert told(users, token=a_token(**{**GOOD, **changes})) == (401, "Invalid JWT.")


def test_vj05_no_token_and_one_that_nobody_can_read_or_that_another_signed(users: Installation) -> None:
    assert told(users) == (401, "JWT not present.")
    assert told(users, headers={"authorization": "Basic YTpi"}) == (401, "JWT not present.")
    assert told(users, token="x") == (401, "Invalid JWT.")
    assert told(users, token=a_token(rsa_key("two"), **GOOD)) == (401, "Invalid JWT.")
    assert users.decide(a_request(token=a_token(**GOOD))).reason.value == "rule.allow"


def test_a_401_has_a_challenge_though_there_it_has_none(users: Installation) -> None:
    assert dict(users.decide(a_request()).headers)["www-authenticate"] == 'Bearer realm="api"'


def test_vj04_the_policys_own_status_and_words_count_for_every_failure() -> None:
    installation = Installation(policy(USERS, "denied: {unauthenticated: {statusCode: 403, message: Go away}}"))
    assert told(installation) == (403, "Go away")
    assert told(installation, token=a_token(**{**GOOD, "role": "guest"})) == (403, "Go away")


def test_a_rules_own_words_have_the_same_shape() -> None:
    installation = Installation(
        policy(USERS).replace("rules: [{name: all,", "rules: [{name: all, denied: {unauthenticated: {message: Mine}},")
    )
    assert told(installation) == (401, "Mine")


@pytest.mark.parametrize(
    ("audience", "passes"),
    [
        ("api://orders", True),
        ("api://orders/", True),
        ("api://more", True),
        ("api://more/", True),
        ("api://orders//", False),
        ("API://orders", False),
        ("api://order", False),
    ],
)
def test_vj29_an_audience_may_differ_by_one_final_slash_and_by_nothing_else(users: Installation, audience: str, passes: bool) -> None:
    decision = users.decide(a_request(token=a_token(**{**GOOD, "aud": audience})))
    assert (decision.reason.value == "rule.allow") is passes


def test_vj29_an_audience_of_an_item_is_compared_likewise() -> None:
    narrowed = Installation(policy("{name: users, jwt: {issuers: [idp], audiences: [api://orders]}}"))
    assert narrowed.decide(a_request(token=a_token(aud="api://orders/"))).reason.value == "rule.allow"
    assert narrowed.decide(a_request(token=a_token(aud="api://more"))).reason.value == "token.audience"
    assert [state.problems for state in narrowed.report.states] == [()]


def test_audiences_are_exact_without_it() -> None:
    exact = Installation(policy(USERS).replace("compatibility: APIM", ""))
    assert exact.decide(a_request(token=a_token(**{**GOOD, "aud": "api://orders/"}))).reason.value == "token.audience"


@pytest.mark.parametrize(("written", "skew"), [("", 0), (", clockSkewSeconds: 30", 30)])
def test_vj09_clocks_may_not_differ_unless_it_is_written(written: str, skew: int) -> None:
    installation = Installation(policy(USERS, issuer=written))
    late = {**GOOD, "exp": int(NOON) - skew}
    assert installation.decide(a_request(token=a_token(**late))).reason.value == "token.expired"
    assert installation.decide(a_request(token=a_token(**{**late, "exp": int(NOON) - skew + 1}))).reason.value == "rule.allow"


ALONE = "{name: office, anonymous: {}, "


@pytest.mark.parametrize(
    ("allow", "more", "message"),
    [
        (ALONE + "clientIP: {cidrs: [192.0.2.0/24]}}", "", "Caller IP address 203.0.113.7 is not allowed. Access denied."),
        (USERS, "deny: [{name: b, clientIP: {cidrs: [203.0.113.0/24]}}]", "Caller IP address is blocked. Access denied."),
        (ALONE + "headers: [{name: X-Tenant}]}", "", "Header x-tenant was not found in the request. Access denied."),
        (ALONE + "headers: [{name: User-Agent, values: [other]}]}", "", "Header user-agent value is not allowed. Access denied."),
        (ALONE + "when: 'false'}", "", "The request is not permitted"),
        ("", "", "The request is not permitted"),
    ],
)
def test_what_is_no_credential_is_403_with_its_message(allow: str, more: str, message: str) -> None:
    assert told(Installation(policy(allow, more))) == (403, message)


def test_an_address_that_cannot_be_told_is_403() -> None:
    installation = Installation(policy(ALONE + "clientIP: {cidrs: [192.0.2.0/24]}}"))
    assert told(installation, peer="@") == (403, "Failed to establish IP address for the caller. Access denied.")


def test_no_rule_is_403_in_the_same_shape() -> None:
    installation = Installation(policy(USERS).replace("name: all,", "name: all, matches: [{methods: [POST]}],"))
    assert told(installation) == (403, "The request is not permitted")


RECORD = {"id": "k7", "digest": "sha256:" + "0" * 64, "subscription": "acme", "scopes": ["orders"]}


def with_keys(allow: str, place: str = "{header: Ocp-Apim-Subscription-Key}") -> Installation:
    installation = Installation()
    keys = f"apiKeys: [{{name: subs, from: {{file: keys.jsonl}}, in: [{place}]}}]"
    texts: dict[Any, Any] = {Reference(FILE, "", "keys.jsonl", "."): json.dumps(RECORD)}
    installation.report = installation.updater.apply(declared(policy(allow, keys)), Cluster(texts=texts))
    assert all(state.in_use for state in installation.report.states)
    return installation


BY_KEY = "{name: subscribers, apiKey: {from: subs}}"


def test_sk10_a_missing_and_a_wrong_key_name_the_field() -> None:
    installation = with_keys(BY_KEY)
    assert told(installation) == (401, NO_KEY)
    assert dict(installation.decide(a_request()).headers)["www-authenticate"] == KEY_CHALLENGE
    wrong = {"ocp-apim-subscription-key": note("wrong-wrong-wrong-wrong-wrong-wrong")}
    assert told(installation, headers=wrong) == (401, BAD_KEY)
    assert dict(installation.decide(a_request(headers=wrong)).headers)["www-authenticate"] == KEY_CHALLENGE


@pytest.mark.parametrize(
    ("place", "challenge"),
    [
        ("{header: api-key}", 'AzureApiManagementKey realm="api",name="api-key",type="header"'),
        ("{query: subscription-key}", 'AzureApiManagementKey realm="api",name="subscription-key",type="query"'),
        ("{header: Authorization, scheme: Key}", 'AzureApiManagementKey realm="api",name="Authorization",type="header"'),
    ],
)
def test_sk10_the_name_is_the_renamed_one(place: str, challenge: str) -> None:
    assert dict(with_keys(BY_KEY, place).decide(a_request()).headers)["www-authenticate"] == challenge


def test_sk13_of_two_credentials_the_one_that_is_missing_is_named() -> None:
    installation = with_keys("{name: both, jwt: {issuers: [idp]}, apiKey: {from: subs}}")
    assert told(installation) == (401, "JWT not present.")
    assert told(installation, token=a_token(**GOOD)) == (401, NO_KEY)


@pytest.mark.parametrize("reason", [each for each in Reason if not each.allows])
@pytest.mark.parametrize("kind", [JWT, API_KEY, CERTIFICATE, BLOCKED_ADDRESS, ""])
def test_every_denial_is_one_and_has_the_shape(reason: Reason, kind: str) -> None:
    failure = Failure(reason, Rank.NOT_VERIFIED, "x: a", "b")
    denial = deny(failure, denied=APIM, challenges=(KEY,), kind=kind)
    if reason.status == 503:
        assert denial.status == 503
    elif reason.value.partition(".")[0] in _CREDENTIALS:
        assert denial.status == 401
    else:
        assert denial.status == reason.status
    assert json.loads(denial.body).keys() == {"statusCode", "message"}
    assert dict(denial.headers)["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        (Reason.CERT_MISSING, "Client certificate missing"),
        *((each, "Invalid client certificate") for each in (Reason.CERT_UNTRUSTED, Reason.CERT_EXPIRED, Reason.CERT_NOT_ALLOWED)),
    ],
)
def test_certificates_are_401_with_their_messages(reason: Reason, message: str) -> None:
    denial = deny(Failure(reason, Rank.NOT_VERIFIED), denied=APIM, kind=CERTIFICATE)
    assert (denial.status, json.loads(denial.body)["message"]) == (401, message)


def test_a_503_is_never_rewritten() -> None:
    own = Denied(Answer(403, "x"), Answer(404, "x"), is_apim=True)
    assert deny(Failure(Reason.KEYS_UNAVAILABLE, Rank.NOT_VERIFIED), denied=own).status == 503


def test_such_a_body_does_not_name_the_request() -> None:
    body = deny(Failure(Reason.TOKEN_EXPIRED, Rank.NOT_VERIFIED), denied=APIM).body
    assert with_instance(body, "abc") == body == '{"statusCode": 401, "message": "Invalid JWT."}'


def test_an_audience_that_is_only_a_slash_is_that() -> None:
    assert tolerant(a_policy(audiences=("/", "a"))).audiences == ("/", "a", "a/")
