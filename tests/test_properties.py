"""What holds for every policy and every request."""

import asyncio
from collections.abc import Awaitable
from dataclasses import fields, replace
from functools import cache

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from authz.authn.keys import ALGORITHMS
from authz.envoy.endpoint import Endpoint
from authz.envoy.pb import ext_authz_pb2 as pb
from authz.model.certificate import CertificateIdentity
from authz.model.decision import Allow, Deny
from authz.model.declared import Declared
from authz.model.definitions import ApiKeySet, CertificateAuthority, Definitions, IpSet, Revocation
from authz.model.issuer import AUTHORIZATION_BEARER, Issuer, KeySource, Place, PlaceKind
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from authz.model.policy import (
    AddressCondition,
    ApiKeyCondition,
    CertificateCondition,
    ClaimCondition,
    ClaimMatch,
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
from authz.model.reason import Reason
from authz.model.reference import FILE, Reference, Text
from authz.policy.compiled import compile_policy
from authz.policy.forwarding import all_variants
from authz.policy.snapshot import Snapshot
from authz.service.api_keys import KeyRecords
from authz.service.check import Checker, SnapshotStore
from authz.service.keyring import KeyRing
from authz.service.ports import FetchedKeys
from authz.service.readers import PolicyReaders, Sources
from authz.service.tokens import TokenMemory
from tests import credentials
from tests.builders import HOST, ISSUER, Installation, a_jwk, a_jwks, a_request, a_token, rsa_key
from tests.fakes import NOON, FakeClock, FakeFetcher, Journal

# Policies. Small words, so that rules, conditions and requests meet.

OTHER = "https://partner.example.com"
PLACES = (AUTHORIZATION_BEARER, Place(PlaceKind.QUERY, "access_token"), Place(PlaceKind.COOKIE, "session"))
ISSUERS = (
    Issuer("idp", ISSUER, KeySource(jwks=a_jwks()), ALGORITHMS, 30, PLACES),
    Issuer("partner", OTHER, KeySource(jwks=a_jwks(a_jwk(rsa_key("two"), kid="k2"))), ALGORITHMS, 30, PLACES[:1]),
)
KEY_SETS = tuple(
    ApiKeySet(name, (Reference(FILE, "", "keys.jsonl", "."),), places, (Text("keys.jsonl", credentials.texts()["keys.jsonl"]),))
    for name, places in (
        ("subs", (Place(PlaceKind.HEADER, "x-key"), Place(PlaceKind.QUERY, "key"))),
        ("more", (Place(PlaceKind.HEADER, "x-key"), Place(PlaceKind.COOKIE, "key"))),
    )
)
AUTHORITIES = tuple(
    CertificateAuthority(
        name,
        Reference(FILE, "", "ca.crt", "."),
        kind,
        crls_from=(Reference(FILE, "", "ca.crl", "."),),
        ca=credentials.texts()["ca.crt"],
        crls=(Text("crl", credentials.texts()["ca.crl"]),),
    )
    for name, kind in (("any", Revocation.PREFER), ("strict", Revocation.REQUIRE))
)
SETS = (IpSet("home", ("203.0.113.0/24",)),)
DEFINED = Definitions(
    {issuer.name: issuer for issuer in ISSUERS},
    {each.name: each for each in KEY_SETS},
    {each.name: each for each in AUTHORITIES},
    {each.name: each for each in SETS},
)
OPERATOR = Operator(ClientAddress(), client_certificate=ClientCertificate(CertificateSource.PEER))
PATHS = ["/", "/orders", "/orders/", "/orders/7", "/orders/7/items", "/%6frders", "/orders/%37", "/users/7", "/caf%c3%a9", "/a//b", "/x;y"]
METHODS = ["GET", "POST", "OPTIONS"]
PEERS = ["192.0.2.7", "203.0.113.7", "2001:db8::7", "", "unix"]


def _some(elements, *, least=0, most=3):
    return st.lists(elements, min_size=least, max_size=most).map(tuple)


def _named(items):
    return tuple(replace(item, name=f"{item.name}{at}") for at, item in enumerate(items))


PATH_MATCHES = st.sampled_from(
    [
        PathMatch(PathKind.EXACT, "/orders"),
        PathMatch(PathKind.EXACT, "/orders/7"),
        PathMatch(PathKind.PREFIX, "/orders"),
        PathMatch(PathKind.PREFIX, "/"),
        PathMatch(PathKind.TEMPLATE, "/{kind}/{id}"),
        PathMatch(PathKind.TEMPLATE, "/users/{id}"),
        PathMatch(PathKind.REGEX, "/orders/[0-9]+"),
        PathMatch(PathKind.REGEX, "/caf%C3%A9"),
    ]
)
MATCHES = st.builds(RequestMatch, PATH_MATCHES, _some(st.sampled_from(METHODS), most=2))
ADDRESSES = st.sampled_from(
    [AddressCondition(("192.0.2.0/24",)), AddressCondition(("203.0.113.0/24", "2001:db8::/32")), AddressCondition(sets=("home",))]
)
HEADERS = st.sampled_from(
    [HeaderCondition("x-tenant"), HeaderCondition("X-Tenant", ("blue",)), HeaderCondition("x-tenant", ("RED",), ignore_case=True)]
)
CLAIMS = st.builds(
    ClaimCondition,
    st.sampled_from([("roles",), ("realm", "roles")]),
    st.sampled_from(ClaimMatch),
    st.sampled_from([("reader",), ("reader", "admin")]),
)
JWTS = st.builds(
    JwtCondition,
    st.sampled_from([("idp",), ("partner",), ("idp", "partner")]),
    st.sampled_from([(), ("orders",), ("billing",)]),
    st.sampled_from([(), ("read",), ("read", "write")]),
    _some(CLAIMS, most=1),
)
API_KEYS = st.builds(ApiKeyCondition, st.sampled_from(["subs", "more"]), st.sampled_from([("orders",), ("billing", "orders")]))
CERTIFICATES = st.builds(
    CertificateCondition,
    st.sampled_from(["any", "strict"]),
    st.sampled_from(
        [(), (CertificateIdentity(common_name="client"),), (CertificateIdentity(dns_name="*.example.com", subject="CN=gone"),)]
    ),
)
# Of requests; then of each credential, in items that have it.
ANY_WHEN = ["request.method == 'GET'", "request.headers['x-tenant'] == 'blue'", "ip.inCidr(clientIP, '203.0.113.0/24')"]
ANY_WHEN += ["request.pathParams.id == '7' || request.path == '/orders'", "now.getDayOfWeek() == 5 || request.query.x == '1'"]
OWN_WHEN = {
    "jwt": ["'reader' in jwt.roles", "jwt.sub == 'alice' && jwt.aud == 'orders'", "jwt.scp.exists(s, s == 'read')"],
    "api_key": ["apiKey.labels.plan == 'gold'", "apiKey.id != 'k2'"],
    "certificate": ["clientCertificate.commonName == 'client'", "clientCertificate.uris.exists(u, u.startsWith('spiffe://example.com/'))"],
}
KINDS = {"jwt": JWTS, "api_key": API_KEYS, "certificate": CERTIFICATES}


@st.composite
def _items(draw, name, kinds, *, anonymous=False, most=3):
    chosen = draw(st.lists(st.sampled_from(kinds), unique=True, min_size=0 if most < 3 or not kinds else 1, max_size=most)) if kinds else []
    asked = {kind: draw(KINDS[kind]) for kind in chosen}
    whens = ["", "", *ANY_WHEN, *(text for kind in chosen for text in OWN_WHEN[kind])]
    return Item(
        name,
        anonymous,
        addresses=draw(st.none() | ADDRESSES),
        headers=draw(_some(HEADERS, most=1)),
        when=draw(st.sampled_from(whens)),
        **asked,
    )


ANONYMOUS = _items("anyone", [], anonymous=True)
CALLERS = _items("caller", list(KINDS))
ALLOWS = ANONYMOUS | CALLERS
DENIES = _items("blocked", list(KINDS), most=2).filter(
    lambda item: item.jwt or item.api_key or item.certificate or item.addresses or item.headers or item.when
)
FORWARDS = st.sampled_from(
    [
        (),
        (ForwardedHeader("x-auth-sub", claim=("sub",)),),
        (ForwardedHeader("x-auth-plan", value="gold"), ForwardedHeader("x-auth-roles", claim=("roles",))),
        (ForwardedHeader("x-auth-key", claim=("id",), credential="apiKey"),),
        (ForwardedHeader("x-auth-names", claim=("dnsNames",), credential="clientCertificate"),),
    ]
)


def _rules(mode=Mode.ENFORCE):
    return st.builds(
        Rule,
        st.just("rule"),
        st.just(mode),
        _some(MATCHES, most=2),
        _some(DENIES, most=1).map(_named),
        _some(ALLOWS).map(_named),
        FORWARDS,
        st.booleans(),
    )


def _policy(name, rules, *, mode=Mode.ENFORCE, deny=(), preflight=False, prefixes=()):
    return Policy(
        name=PolicyName("shop", name),
        generation=1,
        hosts=(HOST,),
        path_prefixes=prefixes,
        mode=mode,
        preflight=preflight,
        definitions_from=(),
        audiences=("orders", "billing"),
        issuers=ISSUERS,
        api_keys=KEY_SETS,
        certificate_authorities=AUTHORITIES,
        ip_sets=SETS,
        deny=_named(deny),
        rules=_named(rules),
    )


def _policies(name="orders", mode=Mode.ENFORCE):
    return st.builds(
        lambda rules, deny, preflight, prefixes: _policy(name, rules, mode=mode, deny=deny, preflight=preflight, prefixes=prefixes),
        _some(_rules(), least=1),
        _some(DENIES, most=1),
        st.booleans(),
        st.sampled_from([(), (), ("/orders",)]),
    )


# Requests.


@cache
def _tokens():
    claims = [
        {},
        {"scope": "read"},
        {"scp": ["read", "write"], "roles": ["reader"]},
        {"aud": "billing", "realm": {"roles": "admin"}},
        {"roles": ["admin"]},
    ]
    good = [a_token(**each) for each in claims]
    good += [a_token(rsa_key("two"), kid="k2", iss=OTHER, **each) for each in claims]
    bad = [
        a_token(rsa_key("stranger")),
        a_token(exp=int(NOON) - 60),
        a_token(aud="other"),
        a_token(iss="https://evil.example"),
        "not.a.token",
        "",
    ]
    return good + bad


@cache
def _told():
    nodes = [credentials.client(), credentials.client("gone"), credentials.client(by_another=True)]
    return ["", *(credentials.pem_of(each) for each in nodes), "rubbish"]


KEYS = [credentials.a_key(name) for name in ("k1", "k2", "k3", "unknown")]


def _put(headers, query, place, name, text):
    """Put a credential into the query, a cookie or a header."""
    if place == "query":
        query.append(f"{name}={text}")
    elif place == "cookie":
        headers["cookie"] = f"{headers.get('cookie', 'theme=dark')}; {name}={text}"
    else:
        headers[place] = text


@st.composite
def _requests(draw):
    headers, query = {}, []
    for place in draw(st.sampled_from([(), *[("authorization",)] * 3, ("query",), ("cookie",), ("authorization", "cookie")])):
        token = draw(st.sampled_from(_tokens()))
        scheme = f"{draw(st.sampled_from(['Bearer', 'bearer', 'Basic']))} " if place == "authorization" else ""
        _put(headers, query, place, "session" if place == "cookie" else "access%5Ftoken", scheme + token)
    for place in draw(st.sampled_from([(), ("x-key",), ("x-key",), ("query",), ("cookie",), ("x-key", "query")])):
        _put(headers, query, place, "key", draw(st.sampled_from(KEYS)))
    query += draw(st.sampled_from([[], ["x=1"], ["x=1", "x=2"]]))
    tenant = draw(st.sampled_from(["", "", "blue", "red", "blue,red"]))
    if tenant:
        headers["x-tenant"] = tenant
    if draw(st.booleans()):
        headers |= {"origin": "https://app.example", "access-control-request-method": "PUT"}
    target = draw(st.sampled_from(PATHS)) + ("?" + "&".join(query) if query else "")
    request = a_request(draw(st.sampled_from(METHODS)), target, headers=headers, peer=draw(st.sampled_from(PEERS)))
    request.certificate = draw(st.sampled_from(_told()))
    return request


REQUESTS = st.lists(_requests(), min_size=1, max_size=6)


RECORDS = KeyRecords()


class _Service:
    """The service with these policies in force as they are: that some rule is out of reach is no mistake here."""

    ring = KeyRing(FakeFetcher(), FakeClock(), Journal())

    def __init__(self, *policies, operator=None):
        memory = TokenMemory()
        enforced = [rule for policy in policies if policy.mode is Mode.ENFORCE for rule in policy.rules if rule.mode is Mode.ENFORCE]
        owned = all_variants(header.name for rule in enforced for header in rule.forward)

        compiled = [compile_policy(policy, DEFINED, owned, PolicyReaders(self.ring, memory, Sources(RECORDS))) for policy in policies]
        self.journal = Journal()
        store = SnapshotStore(Snapshot(compiled, owned, operator or OPERATOR))
        self.checker = Checker(store, self.ring, FakeClock(), self.journal)

    def decide(self, request):
        decision = self.checker.check(request, 1.0)
        assert not isinstance(decision, Awaitable), "the decision waits for keys"
        assert not self.journal.faults, self.journal.faults
        return decision


def _facts(decision, *, without=("shadows", "is_shared")):
    """Everything that a decision says, by name."""
    return type(decision), {each.name: getattr(decision, each.name) for each in fields(decision) if each.name not in without}


def _shadows(decision):
    return [(each.policy, each.rule, _facts(each.decision)) for each in decision.shadows]


# Explained is decided.


@given(_policies(), st.none() | _policies("tried", Mode.SHADOW), _rules(Mode.SHADOW), REQUESTS)
def test_what_is_explained_is_what_is_decided(policy, tried, shadow_rule, requests):
    policy = replace(policy, rules=_named((shadow_rule, *policy.rules)))
    installation = _Service(policy, *([tried] if tried else []))
    for request in requests:
        decided = installation.decide(request)
        explained, trace = installation.checker.explain(request)
        assert _facts(decided) == _facts(explained)
        assert _shadows(decided) == _shadows(explained)
        assert trace.steps
        # And once more: what was remembered of a token changes nothing.
        assert _facts(installation.decide(request)) == _facts(decided)


# No bytes open anything.

NOBODY = (
    _policy("nobody", (Rule("closed", Mode.ENFORCE, (), (), (), (), keep_credentials=False),)),
    _policy(
        "strict",
        (
            Rule(
                "staff",
                Mode.ENFORCE,
                (),
                (),
                (
                    Item("staff", jwt=JwtCondition(("idp",), scopes=("never",))),
                    Item("subscribers", api_key=ApiKeyCondition("subs", ("never",))),
                    Item("partners", certificate=CertificateCondition("strict", (CertificateIdentity(common_name="never"),))),
                    Item("nobody", anonymous=True, when="request.headers['x-tenant'] == 'never' && request.host == request.path"),
                ),
            ),
        ),
        prefixes=("/orders",),
    ),
)


def _check_request(request):
    message = pb.CheckRequest()
    http = message.attributes.request.http
    http.method, http.host, http.path = request.method, request.host, request.path + ("?" + request.query if request.query else "")
    for name, value in request.headers.items():
        http.headers[name] = value
    message.attributes.source.address.socket_address.address = request.peer
    message.attributes.source.certificate = request.certificate
    return message.SerializeToString()


@cache
def _closed():
    installation = _Service(*NOBODY)
    return installation, Endpoint(installation.checker, installation.journal)


def _answer(data):
    installation, endpoint = _closed()
    answer = endpoint(data, 1.0)
    assert not isinstance(answer, Awaitable)
    assert not installation.journal.faults, installation.journal.faults
    return pb.CheckResponse.FromString(answer)


def _assert_denies(answer):
    assert answer.status.code != 0
    assert answer.WhichOneof("http_response") == "denied_response"
    assert answer.denied_response.status.code in (400, 401, 403, 503)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff" * 10)
def test_no_bytes_are_allowed_where_nobody_is(data):
    _assert_denies(_answer(data))


@given(
    _requests(),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["set", "cut", "insert", "double"])), max_size=6),
)
def test_no_change_of_a_check_opens_anything_where_nobody_is_allowed(request, changes):
    data = bytearray(_check_request(request))
    for where, octet, how in changes:
        at = where % max(len(data), 1)
        if how == "set" and data:
            data[at] = octet
        elif how == "cut":
            del data[at:]
        elif how == "insert":
            data.insert(at, octet)
        else:
            data += data[at:]
    _assert_denies(_answer(bytes(data)))


TEXTS = st.text(max_size=12) | st.sampled_from([HOST, "/orders", "GET", "Bearer x", "shop/strict", "shop/nobody", "*", "//", "/%2e%2e"])


@given(
    st.tuples(TEXTS, TEXTS, TEXTS),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
    st.lists(st.tuples(TEXTS, st.binary(max_size=8)), max_size=3),
    TEXTS,
    TEXTS,
)
def test_no_field_of_a_check_opens_anything_where_nobody_is_allowed(line, headers, raw, peer, policy):
    message = pb.CheckRequest()
    http = message.attributes.request.http
    http.method, http.host, http.path = line
    for name, value in headers.items():
        http.headers[name] = value
    for name, value in raw:
        http.header_map.headers.add(key=name, raw_value=value)
    message.attributes.source.address.socket_address.address = peer
    message.attributes.source.certificate = peer
    message.attributes.context_extensions["policy"] = policy
    _assert_denies(_answer(message.SerializeToString()))


def test_the_policies_that_allow_nobody_do_decide():
    answer = _answer(_check_request(a_request(target="/billing")))
    assert (answer.denied_response.status.code, answer.dynamic_metadata["reason"]) == (403, "rule.deny")
    answer = _answer(_check_request(a_request(token=a_token())))
    assert (answer.denied_response.status.code, answer.dynamic_metadata["reason"]) == (403, "scope.insufficient")


def test_the_same_endpoint_allows_where_somebody_is():
    policy = _policy("open", (Rule("open", Mode.ENFORCE, (), (), (Item("anyone", anonymous=True),)),))
    installation = _Service(policy)
    answer = Endpoint(installation.checker, installation.journal)(_check_request(a_request()), 1.0)
    assert pb.CheckResponse.FromString(answer).status.code == 0


# What adding and taking away can do.


def _decisions(policy, requests):
    installation = _Service(policy)
    return [installation.decide(request) for request in requests]


def _is_of_what_was_sent(reason, item):
    """Whether a token or key that `anonymous` does not overlook can be to blame: it is told, unless an item that asks for more lacks that.

    A key is to blame, too, where it comes from an address that is not its own.
    """
    if item is not None and sum(each is not None for each in (item.jwt, item.api_key, item.certificate)) > 1:
        return True
    addresses = (Reason.IP_DENIED, Reason.IP_UNKNOWN)
    return reason in (Reason.CREDENTIALS_MULTIPLE, *addresses) or reason.value.startswith(("token.", "apikey."))


def _with_rule(policy, at, **changes):
    at %= len(policy.rules)
    rules = list(policy.rules)
    rules[at] = replace(rules[at], **{name: change(rules[at]) for name, change in changes.items()})
    return replace(policy, rules=tuple(rules)), policy.rules[at].name


@given(_policies(), DENIES, st.none() | st.integers(0, 5), REQUESTS)
def test_another_item_of_deny_never_allows_more(policy, item, at, requests):
    item = replace(item, name="added")
    if at is None:
        stricter = replace(policy, deny=(*policy.deny, item))
    else:
        stricter, _ = _with_rule(policy, at, deny=lambda rule: (*rule.deny, item))
    for before, after in zip(_decisions(policy, requests), _decisions(stricter, requests), strict=True):
        assert isinstance(after, Deny) or isinstance(before, Allow)


@given(_policies(), ALLOWS, st.integers(0, 5), st.integers(0, 3), REQUESTS)
def test_another_alternative_never_turns_an_allow_into_a_deny(policy, item, at, place, requests):
    item = replace(item, name="added")
    wider, name = _with_rule(policy, at, allow=lambda rule: (*rule.allow[:place], item, *rule.allow[place:]))
    for before, after in zip(_decisions(policy, requests), _decisions(wider, requests), strict=True):
        if isinstance(before, Allow) and isinstance(after, Deny):
            # But for one thing: from now on the rule reads tokens or keys, which `anonymous` does not overlook.
            assert item.jwt is not None or item.api_key is not None
            assert (before.rule, before.issuer, before.callers, after.rule) == (name, "", (), name)
            assert _is_of_what_was_sent(after.reason, item)


@given(_policies(), st.integers(0, 5), REQUESTS)
def test_a_rule_that_lost_its_last_alternative_lets_nobody_in(policy, at, requests):
    closed, name = _with_rule(policy, at, allow=lambda rule: ())
    for before, after in zip(_decisions(policy, requests), _decisions(closed, requests), strict=True):
        if before.rule == name:
            assert isinstance(after, Deny)
            assert after.rule == name
        else:
            assert _facts(after) == _facts(before)


@given(_policies(), st.integers(0, 5), st.integers(0, 5), REQUESTS)
def test_taking_an_alternative_of_callers_away_admits_no_caller(policy, at, place, requests):
    narrower, _ = _with_rule(policy, at, allow=lambda rule: rule.allow[:place] + rule.allow[place + 1 :])
    taken = policy.rules[at % len(policy.rules)].allow[place : place + 1]
    for before, after in zip(_decisions(policy, requests), _decisions(narrower, requests), strict=True):
        if isinstance(before, Deny) and isinstance(after, Allow):
            # The other side of the same thing: a rule that reads tokens or keys no more overlooks them.
            assert (after.issuer, after.callers) == ("", ())
            assert _is_of_what_was_sent(before.reason, taken[0] if taken else None)


# Shadow never changes an outcome.


@given(_policies(), _policies("tried", Mode.SHADOW), REQUESTS)
def test_a_policy_in_shadow_changes_no_outcome(policy, tried, requests):
    without, beside = _Service(policy), _Service(policy, tried)
    for request in requests:
        assert _facts(beside.decide(request)) == _facts(without.decide(request))


@given(_policies("tried", Mode.SHADOW), REQUESTS, st.booleans())
def test_a_policy_in_shadow_alone_is_not_there(tried, requests, unprotected):
    operator = Operator(ClientAddress(), unprotected_all=unprotected)
    without, alone = _Service(operator=operator), _Service(tried, operator=operator)
    for request in requests:
        assert _facts(alone.decide(request)) == _facts(without.decide(request))


def _beside_shadow_rule(policy, rule, at):
    rules = list(policy.rules)
    rules.insert(at % (len(rules) + 1), replace(rule, name="tried"))
    return _Service(policy), _Service(replace(policy, rules=tuple(rules)))


@given(_policies(), _rules(Mode.SHADOW), st.integers(0, 5), REQUESTS)
def test_a_rule_in_shadow_changes_no_outcome(policy, rule, at, requests):
    without, beside = _beside_shadow_rule(policy, rule, at)
    for request in requests:
        assert _facts(beside.decide(request)) == _facts(without.decide(request))


def test_a_rule_in_shadow_that_forwards_a_header_changes_no_outcome():
    opened = Rule("open", Mode.ENFORCE, (), (), (Item("anyone", anonymous=True),))
    tried = Rule("tried", Mode.SHADOW, (), (), (Item("anyone", anonymous=True),), (ForwardedHeader("x-auth-plan", value="gold"),))
    outcomes = []
    for rules in ((opened,), (tried, opened)):
        installation = Installation()
        policy = replace(_policy("orders", ()), rules=rules)
        (state,) = installation.updater.apply([Declared(policy.name, policy)]).states
        assert state.accepted
        outcomes.append(_facts(installation.decide(a_request())))
    assert outcomes[0] == outcomes[1]


# Waiting for keys changes who is asked, never what is decided.


@settings(max_examples=25)
@given(_policies(), REQUESTS)
def test_a_check_that_waited_decides_like_one_that_did_not(policy, requests):
    fetched = replace(policy, issuers=tuple(replace(issuer, keys=KeySource(jwks_url=f"{issuer.issuer}/keys")) for issuer in policy.issuers))
    inline, remote = Installation(operator=OPERATOR), Installation(operator=OPERATOR)
    for installation, declared in ((inline, policy), (remote, fetched)):
        report = installation.updater.apply([Declared(declared.name, declared)], credentials.beside())
        assume(report.states[0].accepted)
    for issuer in policy.issuers:
        remote.fetcher.answers[issuer.issuer] = FetchedKeys(issuer.keys.jwks.encode())

    async def decided(request):
        decision = remote.checker.check(request, 1.0)
        return await decision if isinstance(decision, Awaitable) else decision

    for request in requests:
        waited = asyncio.run(decided(request))
        known = inline.decide(request)
        assert _facts(waited, without=("shadows", "is_shared", "want", "got")) == _facts(
            known, without=("shadows", "is_shared", "want", "got")
        )
