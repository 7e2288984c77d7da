"""Through a real Envoy: expressions see the request as it was sent, and the caller as verified; named sets of addresses, lent."""

import time
from collections.abc import Iterator

import pytest

from tests.builders import a_manifest, a_token, issuer_yaml
from tests.e2e.gate import ANNOUNCED, RAW_HEADERS
from tests.e2e.house import Door, House, Kept, house, kept
from tests.e2e.stack import Plan
from tests.e2e.wire import Line

pytestmark = pytest.mark.envoy

ALLOWED, FALSE, ERROR = (200, ""), (403, "expression_false"), (403, "expression_error")
HOME, ELSEWHERE = b"PROXY TCP4 203.0.113.7 192.0.2.1 4000 443\r\n", b"PROXY TCP4 203.0.113.8 192.0.2.1 4000 443\r\n"
LENDER = a_manifest("ipSets: [{name: offices, cidrs: [203.0.113.7/32]}, {name: guests, cidrs: [198.51.100.0/24]}]", "networks", "platform")
EXPRESSIONS = {
    "own": "request.pathParams['id'] == jwt.sub",
    "tenant": "request.headers[?'x-tenant'].orValue('') == jwt.tenant",
    "page": "int(request.query.page) <= 10 && request.method == 'GET'",
    "office": "ip.inCidr(clientIP, '203.0.113.0/29') && !ip.inCidr(clientIP, '203.0.113.8/32')",
    "recent": "now - timestamp(jwt.iat) < duration('15m')",
    "place": "request.host == 'api.example' && request.path.startsWith('/place')",
}
TEMPLATES = {"own": "/users/{id}"}


def rule(name: str, expression: str) -> str:
    path = f"{{type: Template, value: '{TEMPLATES[name]}'}}" if name in TEMPLATES else f"{{type: PathPrefix, value: /{name}}}"
    caller = "jwt: {issuers: [idp]}" if "jwt" in expression else "anonymous: {}"
    return f'\n- {{name: {name}, matches: [{{path: {path}}}], allow: [{{name: a, {caller}, when: "{expression}"}}]}}'


POLICY = a_manifest(
    f"""
hosts: [api.example]
audiences: [orders]
definitionsFrom: [{{namespace: platform, name: networks}}]
issuers: [{issuer_yaml()}]
deny:
- {{name: guests, clientIP: {{sets: [guests]}}}}
- {{name: trial, when: "request.headers[?'x-plan'].orValue('') == 'trial'"}}
rules:
- name: set
  matches: [{{path: {{type: PathPrefix, value: /set}}}}]
  allow: [{{name: a, anonymous: {{}}, clientIP: {{sets: [offices]}}}}]
"""
    + "".join(rule(name, text) for name, text in EXPRESSIONS.items()).lstrip("\n")
)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept[House]]:
    policies = tmp_path_factory.mktemp("policies")
    (policies / "lender.yaml").write_text(LENDER)
    (policies / "p.yaml").write_text(POLICY)
    with kept(
        house(policies, {"usual": Plan()}, {"plain": Door("usual", ANNOUNCED), "raw": Door("usual", {**ANNOUNCED, **RAW_HEADERS})})
    ) as found:
        yield found


def bearer(**claims: object) -> Line:
    now = int(time.time())
    return b"authorization", f"Bearer {a_token(**{'iat': now, 'exp': now + 600, 'sub': 'alice', 'tenant': 'blue', **claims})}".encode()


BLUE, RED = (b"x-tenant", b"blue"), (b"x-tenant", b"red")
Case = tuple[str, tuple[Line, ...], bytes, tuple[int, str]]


def cases() -> list[Case]:
    """Target, lines, who the connection is announced for, and the outcome. Tokens are made when they are sent."""
    return [
        ("/users/alice", (bearer(),), HOME, ALLOWED),
        ("/users/bob", (bearer(),), HOME, FALSE),
        ("/users/alice?id=bob", (bearer(sub="bob"),), HOME, FALSE),
        ("/users/%61lice", (bearer(),), HOME, ALLOWED),
        ("/users/%61lice", (bearer(sub="%61lice"),), HOME, FALSE),
        ("/users/alice%2Fbob", (bearer(sub="alice/bob"),), HOME, (400, "path_ambiguous")),
        ("/users/alice", (bearer(sub=None),), HOME, ERROR),
        ("/users/alice", (), HOME, (401, "credentials_missing")),
        ("/tenant", (bearer(), BLUE), HOME, ALLOWED),
        ("/tenant", (bearer(), (b"X-Tenant", b"blue")), HOME, ALLOWED),
        ("/tenant", (bearer(), RED), HOME, FALSE),
        ("/tenant", (bearer(), BLUE, BLUE), HOME, FALSE),
        ("/tenant", (bearer(), (b"x_tenant", b"blue")), HOME, FALSE),
        ("/tenant", (bearer(),), HOME, FALSE),
        ("/tenant", (bearer(tenant=None), BLUE), HOME, ERROR),
        ("/page?page=10", (), HOME, ALLOWED),
        ("/page?pag%65=10", (), HOME, ALLOWED),
        ("/page?page=11", (), HOME, FALSE),
        ("/page?page=ten", (), HOME, ERROR),
        ("/page?page=10&page=10", (), HOME, ERROR),
        ("/page", (), HOME, ERROR),
        ("/office", (), HOME, ALLOWED),
        ("/office", ((b"x-forwarded-for", b"203.0.113.7"),), ELSEWHERE, FALSE),
        ("/recent", (bearer(),), HOME, ALLOWED),
        ("/recent", (bearer(iat=int(time.time()) - 1000),), HOME, FALSE),
        ("/place", (), HOME, ALLOWED),
        ("/set", (), HOME, ALLOWED),
        ("/set", (), ELSEWHERE, (403, "ip_denied")),
        ("/set", (), HOME.replace(b"203.0.113.7", b"198.51.100.3"), (403, "rule_deny")),
        ("/set", ((b"x-plan", b"trial"),), HOME, (403, "rule_deny")),
        ("/set", ((b"x-plan", b"gold"),), HOME, ALLOWED),
    ]


@pytest.mark.parametrize("door", ["plain", "raw"])
def test_an_expression_decides_by_what_was_sent_and_verified(at: Kept[House], door: str) -> None:
    asked = cases()

    async def story() -> list[tuple[int, str]]:
        return [(await at.value.ask(door, "api.example", target, lines, opening=by)).outcome for target, lines, by, _ in asked]

    assert list(enumerate(at.run(story()))) == list(enumerate(expected for *_, expected in asked))
