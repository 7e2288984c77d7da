"""Installations of small words, so that policies, rules and conditions meet each other."""

from typing import Any

from tests.differential.words import Hand, given

Raw = dict[str, Any]

BEARER = {"header": "Authorization", "scheme": "Bearer"}
X_TOKEN = {"header": "X-Token"}
PLACES = [*[None] * 7, [BEARER, {"cookie": "s"}], [X_TOKEN], [BEARER, {"query": "t"}], [{"cookie": "s"}, X_TOKEN], [{"query": "t"}, BEARER]]
KEYS: dict[str, Raw] = {
    "idp": {"jwks": "@JWKS:idp@"},
    "partner": {"jwks": "@JWKS:partner@", "clockSkewSeconds": 0},
    "down": {"jwksURL": "https://down.example.com/jwks"},
    "far": {"jwksURL": "https://far.example.com/jwks", "algorithms": ["RS256"]},
}
ISSUERS = [
    *[["idp"]] * 3,
    ["idp", "partner"],
    ["partner", "idp"],
    *[["idp", "down"], ["down", "idp"]] * 2,
    ["down", "partner"],
    ["far", "partner", "idp"],
]
HELD_TO: list[Raw] = [
    *[{}] * 9,
    {"tokenTypes": ["at+jwt"]},
    {"tokenTypes": ["application/JWT"]},
    {"maxLifetimeSeconds": 600},
    {"maxAgeSeconds": 900},
]
HOSTS = [["api.example.com"]] * 6 + [
    ["*.example.com"],
    ["*.example.com", "*.shop.example.com"],
    ["shop.example.com", "api.example.com"],
    ["*.shop.example.com"],
]
PREFIXES = ["/", "/a", "/a", "/a/b", "/a/", "/b", "/caf%c3%a9"]
MATCHES: list[Raw] = [
    {"path": {"type": "PathPrefix", "value": "/a"}},
    {"path": {"type": "Exact", "value": "/a"}},
    {"path": {"type": "Exact", "value": "/a/b/"}},
    {"path": {"type": "PathPrefix", "value": "/a/b"}},
    {"path": {"type": "PathPrefix", "value": "/%62"}},
    {"path": {"type": "Template", "value": "/{x}"}},
    {"path": {"type": "Template", "value": "/a/{x}"}},
    {"path": {"type": "Template", "value": "/{x}/b"}},
    {"path": {"type": "RegularExpression", "value": "/a/[a-c]+"}},
    {"path": {"type": "RegularExpression", "value": "/caf%C3%A9/?"}},
]
METHODS = [["GET"], ["POST"], ["GET", "OPTIONS"], ["OPTIONS"]]
ADDRESSES: list[Raw] = [
    {"cidrs": ["203.0.113.0/24", "2001:db8::/32"]},
    {"cidrs": ["192.0.2.0/24"]},
    {"ranges": [{"from": "203.0.113.5", "to": "203.0.113.9"}]},
    {"cidrs": ["203.0.113.7"], "ranges": [{"from": "2001:db8::1", "to": "2001:db8::7"}]},
]
IP_SETS: list[Raw] = [
    {"name": "home", "cidrs": ["203.0.113.0/24", "2001:db8::/32"]},
    {"name": "home", "ranges": [{"from": "192.0.2.1", "to": "192.0.2.10"}]},
    {"name": "far", "cidrs": ["198.51.100.1"], "ranges": [{"from": "203.0.113.9", "to": "203.0.113.12"}]},
]
X_KEY = {"header": "X-Key"}
ONE, TWO = {"file": "one.jsonl"}, {"file": "two.jsonl"}
KEY_SETS: list[Raw] = [
    *[{"name": "subs", "from": ONE, "in": [X_KEY]}] * 4,
    {"name": "subs", "from": ONE, "in": [X_KEY, {"query": "k"}]},
    {"name": "subs", "from": ONE, "in": [{"cookie": "k"}, X_KEY]},
    {"name": "more", "from": TWO, "in": [{"header": "Authorization", "scheme": "ApiKey"}]},
    {"name": "more", "from": TWO, "in": [{"query": "k"}]},
    {"name": "more", "from": TWO, "in": [X_KEY]},
]
AUTHORITIES: list[Raw] = [
    {"name": "partners", "from": {"file": "one.crt"}, "revocation": "None"},
    *[{"name": "partners", "from": {"file": "one.crt"}, "revocation": "Require", "crls": [{"file": "one.crl"}]}] * 3,
    {"name": "partners", "from": {"file": "one.crt"}, "revocation": "Prefer", "crls": [{"file": "old.crl"}, {"file": "one.crl"}]},
    {"name": "partners", "from": {"file": "one.crt"}, "revocation": "Require", "crls": [{"file": "old.crl"}]},
    {"name": "partners", "from": {"file": "one.crt"}, "revocation": "Prefer", "crls": [{"file": "old.crl"}]},
    {"name": "others", "from": {"file": "two.crt"}, "revocation": "Prefer"},
]
IDENTITIES: list[Raw] = [
    {"dnsName": "*.partner.example"},
    {"dnsName": "c.example"},
    {"uri": "spiffe://partner/ns/*", "issuer": "CN=one"},
    {"email": "a@partner.example", "commonName": "good"},
    {"subject": "CN=other"},
    {"serial": "03:E8"},
]
ATOMS = {
    "": [
        "request.method == 'GET'",
        "request.method != 'POST'",
        "request.headers['x-t'] == 'blue'",
        "'x-u' in request.headers",
        "request.query['x'] == '1'",
        "request.pathParams['x'] == 'b'",
        "request.path == '/a/b'",
        "ip.inCidr(clientIP, '203.0.113.0/24')",
    ],
    "jwt": ["jwt.sub == 'alice'", "jwt.plan == 'gold'", "jwt.plan != 'gold'", "'reader' in jwt.roles", "'admin' in jwt.realm.roles"],
    "apiKey": ["apiKey.subscription == 'acme'", "apiKey.labels.region == 'eu'", "apiKey.id != 'acme'", "'region' in apiKey.labels"],
    "clientCertificate": ["clientCertificate.commonName == 'good'", "'a.partner.example' in clientCertificate.dnsNames"],
}
HEADERS: list[Raw] = [
    {"name": "x-t", "values": ["blue"]},
    {"name": "X-T"},
    {"name": "X-T", "values": ["BLUE", "green"], "ignoreCase": True},
    {"name": "x-u", "values": ["1"]},
]
CLAIMS = [["roles"], ["roles"], ["realm", "roles"], ["plan"], ["sub"]]
VALUES = [["reader"], ["reader", "admin"], ["7", "true"], ["alice"]]
FORWARDED: list[Raw] = [
    {"name": "X-Auth-Plan", "value": "gold"},
    {"name": "X-Auth-Plan", "value": "free"},
    {"name": "x-auth-plan", "from": {"claim": ["plan"]}},
    {"name": "X-Auth-Sub", "from": {"claim": ["sub"]}},
    {"name": "x-auth-roles", "from": {"claim": ["roles"]}},
    {"name": "X-Auth-Plan", "from": {"apiKey": ["subscription"]}},
    {"name": "x-auth-region", "from": {"apiKey": ["labels", "region"]}},
    {"name": "X-Auth-Sub", "from": {"clientCertificate": ["commonName"]}},
    {"name": "x-auth-names", "from": {"clientCertificate": ["dnsNames"]}},
]
DENIED: list[Raw] = [
    {"forbidden": {"statusCode": 404}},
    {"unauthenticated": {"statusCode": 302, "headers": [{"name": "Location", "value": "https://login.example.com/"}]}},
    {"unauthenticated": {"statusCode": 403}, "forbidden": {"statusCode": 401, "message": "No"}},
    {"forbidden": {"message": "No"}},
]


def _jwt(hand: Hand, names: list[str]) -> Raw:
    claims = [
        {
            "path": hand.one(CLAIMS),
            "match": hand.one(["Any", "All", "None"]),
            "values": hand.one(VALUES),
            **hand.one([{}, {}, {"separator": ","}]),
        }
        for _ in range(hand.one([0, 0, 1, 2]))
    ]
    audiences, scopes = hand.maybe(6, [["one"], ["two"]]), hand.maybe(3, [["read"], ["read", "write"]])
    return given(issuers=hand.some(names, 2), audiences=audiences, scopes=scopes, claims=claims)


Names = dict[str, list[str]]


def _when(hand: Hand, kinds: list[str]) -> str:
    """An expression of comparisons; the credentials that it names are those of the item."""
    atoms = [each for kind in ["", *kinds, *kinds] for each in ATOMS[kind]] + ["nobody.x == '1'"] * hand.rarely(60)
    drawn = [hand.one(atoms) for _ in range(hand.one([1, 1, 2, 3]))]
    joints = [hand.one([" && ", " || "]) for _ in drawn[1:]]
    return "".join(part for pair in zip(drawn, [*joints, ""], strict=True) for part in pair)


def _callers(hand: Hand, names: Names, *, often: bool) -> Raw:
    """What an item asks the caller to present: mostly one thing, now and then several, or nothing."""
    makers = {
        "jwt": lambda: _jwt(hand, names["issuers"]),
        "apiKey": lambda: given(**{"from": hand.one(names["apiKeys"])}, scopes=hand.maybe(3, [["x"], ["y", "z"], ["w"]])),
        "clientCertificate": lambda: given(
            authority=hand.one(names["certificateAuthorities"]), identities=hand.some(IDENTITIES, 2) if hand.rarely(3) else None
        ),
    }
    there = {"jwt": names["issuers"], "apiKey": names["apiKeys"], "clientCertificate": names["certificateAuthorities"]}
    kinds = [each for each in ["jwt", "apiKey", "clientCertificate"] if there[each]]
    if not kinds or hand.rarely(4 if often else 2):
        return {}
    return {kind: makers[kind]() for kind in hand.some(kinds, hand.one([1, 1, 1, 2, 3]))}


def _item(hand: Hand, at: int, names: Names, *, allows: bool) -> Raw:
    callers = _callers(hand, names, often=allows)
    often = 4 if allows else 2
    headers = hand.some(HEADERS, 2) if hand.rarely(often) else []
    when = _when(hand, list(callers)) if hand.rarely(3) else None
    members = given(**callers, clientIP=_addresses(hand, names) if hand.rarely(often) else None, headers=headers, when=when)
    if allows and not callers:
        members["anonymous"] = {}
    return {"name": f"i{at}", **(members or {"headers": [HEADERS[0]]})}


def _addresses(hand: Hand, names: Names) -> Raw:
    sets = hand.some(names["ipSets"], 2) if names["ipSets"] and hand.rarely(2) else None
    return {**(hand.one(ADDRESSES) if not sets or hand.rarely(2) else {}), **given(sets=sets)}


def _items(hand: Hand, names: Names, most: int, *, allows: bool) -> list[Raw]:
    return [_item(hand, at, names, allows=allows) for at in range(hand.number(1, most))]


def _forward(hand: Hand) -> Raw:
    drawn = {each["name"].lower(): each for each in hand.some(FORWARDED, 3)} if hand.rarely(2) else {}
    return given(headers=list(drawn.values()), credentials=hand.maybe(4, ["Keep", "Remove"]))


def _rule(hand: Hand, at: int, names: Names, *, last: bool) -> Raw:
    matches = None
    if not last or hand.rarely(4):
        matches = [{**each, **given(methods=hand.maybe(4, METHODS))} for each in hand.some(MATCHES, 2)]
    mode, denied, forward = hand.maybe(8, ["Shadow"]), hand.maybe(4, DENIED), _forward(hand) or None
    deny = _items(hand, names, 1, allows=False) if hand.rarely(4) else None
    allow = [] if hand.rarely(12) else _items(hand, names, 3, allows=True)
    return {**given(name=f"r{at}", mode=mode, matches=matches, deny=deny, forward=forward, denied=denied), "allow": allow}


def _issuers(hand: Hand) -> list[Raw]:
    return [
        {**given(name=name, issuer=f"https://{name}.example.com", tokenFrom=hand.one(PLACES)), **KEYS[name], **hand.one(HELD_TO)}
        for name in hand.one(ISSUERS)
    ]


def _defined(hand: Hand, *, issuers: bool) -> dict[str, list[Raw]]:
    """What a policy defines, each name once."""

    def some(options: list[Raw], most: int) -> list[Raw]:
        return list({each["name"]: each for each in hand.some(options, most)}.values())

    return {
        "issuers": _issuers(hand) if issuers else [],
        "apiKeys": [] if hand.rarely(3) else some(KEY_SETS, 2),
        "certificateAuthorities": some(AUTHORITIES, 2) if hand.rarely(2) else [],
        "ipSets": some(IP_SETS, 2) if hand.rarely(3) else [],
    }


def _open(hand: Hand) -> Raw:
    """A rule that lets everybody in, and forwards something."""
    return {"name": "open", "allow": [{"name": "anyone", "anonymous": {}}], "forward": {"headers": [hand.one(FORWARDED[:3])]}}


def _spec(hand: Hand, at: int, lent: dict[str, list[Raw]]) -> Raw:
    defined = _defined(hand, issuers=not hand.rarely(8))
    takes = bool(lent) and hand.rarely(2)
    names = {kind: sorted({each["name"] for each in (*own, *(lent[kind] if takes else ()))}) for kind, own in defined.items()}
    # Now and then a name that nobody defines.
    names[hand.one(["issuers", *names])] += ["nobody"] * hand.rarely(40)
    count = hand.number(1, 3)
    rules = [_rule(hand, at, names, last=at == count - 1) for at in range(count)]
    if hand.rarely(4):
        rules[-1:] = [_open(hand)]
    return given(
        hosts=hand.one(HOSTS[at:]),
        pathPrefixes=hand.some(PREFIXES, 2) if hand.rarely(5) else None,
        mode=hand.maybe(8 if at else 16, ["Shadow"]),
        preflight=hand.maybe(3, ["Allow"]),
        definitionsFrom=[{"namespace": "defs", "name": "idps"}] if takes else None,
        audiences=["one", "two"] if names["issuers"] else None,
        **defined,
        deny=_items(hand, names, 2, allows=False) if hand.rarely(5) else None,
        denied=hand.maybe(4, DENIED),
        rules=rules,
    )


NAMES = [("a", "x"), ("a-b", "x"), ("a", "y"), ("b", "x")]
CLIENTS: list[Raw | None] = [
    {},
    {"header": "x-forwarded-for", "hops": 1, "trusted": ["192.0.2.0/24"]},
    {"header": "x-forwarded-for", "hops": 1, "appended": False, "trusted": ["192.0.2.0/24"]},
    {"header": "x-real-ip", "trusted": ["192.0.2.0/24"]},
]
CERTIFICATES: list[Raw | None] = [{}, {}, {"header": "x-cert"}, {"header": "x-cert", "trusted": ["192.0.2.0/24"]}]
UNPROTECTED = [["all"], ["api.example.com"], ["*.example.com", "free.test"]]


def installation(hand: Hand) -> Raw:
    lent = _defined(hand, issuers=True) if hand.rarely(2) else {}
    policies = [{"metadata": {"namespace": "defs", "name": "idps"}, "spec": given(**lent)}] if lent else []
    # Policies that let everybody in and forward different values are hardly ever drawn by chance.
    bare = hand.rarely(8)
    for at, (namespace, name) in enumerate(hand.some(NAMES, 3)):
        spec = {"hosts": HOSTS[0], "rules": [_open(hand)]} if bare else _spec(hand, at, lent)
        policies.append({"metadata": {"namespace": namespace, "name": name}, "spec": spec})
    # A client that is {} is the peer.
    client, told = None if hand.rarely(24) else hand.one(CLIENTS), None if hand.rarely(24) else hand.one(CERTIFICATES)
    operator = {"clientAddress": client, "clientCertificate": told, **given(unprotected=hand.maybe(4, UNPROTECTED))}
    return {"operator": operator, "policies": policies}
