"""Expressions of `when`: what they mean, case by case, and that nothing a caller sends breaks or delays one."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authz.policy.expressions import MOST_OCTETS, Expression, ExpressionMistake, compile_expression

CASES = yaml.load((Path(__file__).parent / "expressions.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
GUIDE = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text(encoding="utf-8")
GIVES = {True: True, False: False, "error": None}
CLAIMS: dict[str, Any] = {
    "sub": "u1",
    "roles": ["Reader", "Writer"],
    "scp": "Files.Read openid",
    "realm": {"roles": [{"name": "admin", "active": True}, {"name": "guest"}]},
    "https://example.com/tier": "gold",
    "admin": True,
    "level": 3,
    "share": 0.5,
    "empty": [],
    "mixed": [3, "x"],
    "nothing": None,
    "name": "Zo\u00eb",
    "fullwidth": "\uff41\uff44\uff4d\uff49\uff4e",
    "cyrillic": "\u0430dmin",
    "emoji": "\U0001f600",
    "ip": "203.0.113.9",
    "network": "192.0.2.0/28",
    "exp": 1795545000,
    "auth_time": 1795541000,
    "department": "sales",
}


@dataclass(frozen=True)
class Given:
    """What is known of one request."""

    method: str = "GET"
    host: str = "api.example.com"
    path: str = "/orders/users/u1"
    path_params: Mapping[str, str] = field(default_factory=lambda: {"id": "u1"})
    query: Mapping[str, str | None] = field(default_factory=lambda: {"page": "2"})
    headers: Mapping[str, str] = field(default_factory=lambda: {"x-tenant": "blue", "x-request-id": "r1"})
    jwt: Mapping[str, Any] | None = field(default_factory=lambda: CLAIMS)
    api_key: Mapping[str, Any] | None = field(
        default_factory=lambda: {"id": "k7", "subscription": "acme", "labels": {"tier": "gold", "region": "eu"}}
    )
    client_certificate: Mapping[str, Any] | None = field(
        default_factory=lambda: {
            "subject": "CN=svc,O=Partner",
            "commonName": "svc",
            "issuer": "CN=Partner CA",
            "serial": "0a",
            "sha256": "9f",
            "dnsNames": ["svc.partner.example"],
            "uris": ["spiffe://partner/svc"],
            "emails": [],
        }
    )
    client_ip: str = "192.0.2.7"
    now: float = 1795541400.25


USUAL = Given()


def evaluated(text: str, **facts: Any) -> bool | None:
    return compile_expression(text).evaluate(replace(USUAL, **facts))


@pytest.mark.parametrize("case", CASES, ids=[f"{at}-{case['when'][:50]!r}" for at, case in enumerate(CASES)])
def test_an_expression_means_what_the_table_says(case: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    if "gives" in case:
        assert evaluated(case["when"], **case.get("facts", {})) is GIVES[case["gives"]]
    else:
        with pytest.raises(ExpressionMistake) as caught:
            compile_expression(case["when"])
        mistake = caught.value
        assert case["mistake"] in mistake.what
        assert [mistake.line, mistake.column] == case["at"], mistake.what
        assert_readable(mistake)
    assert capfd.readouterr() == ("", "")


def assert_readable(mistake: ExpressionMistake) -> None:
    assert mistake.what.isprintable()
    assert len(mistake.what) < 250
    assert not re.search(r"INVALID_ARGUMENT|ERROR|<input>|\^|expecting", mistake.what)
    assert mistake.line >= 1
    assert mistake.column >= 1


def test_the_table_is_long_and_no_case_stands_twice() -> None:
    assert len(CASES) >= 120
    assert len({(case["when"], str(case.get("facts"))) for case in CASES}) == len(CASES)


def test_the_size_is_counted_in_octets() -> None:
    fits = "'" + "é" * 2036 + "' != jwt.sub"
    assert len((fits + "  ").encode()) <= MOST_OCTETS
    assert evaluated(fits) is True
    with pytest.raises(ExpressionMistake, match=r"^1:1: the expression has 4097 octets, and 4096 are the most; split it"):
        compile_expression(fits + " " * (4097 - len(fits.encode())))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 2000,
        "[" * 2000,
        "(" * 40 + "true" + ")" * 40,
        "jwt" + ".a" * 1500,
        "jwt" + ".?a" * 1000,
        "+".join("1" * 1000) + " == 1",
        "true?true:" * 300 + "true",
        "[1]" + ".map(x, x)" * 300 + " == [1]",
        "optional.of('a')" + ".optMap(v, v)" * 150 + ".hasValue()",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_nested_too_deeply_is_a_mistake_and_found_soon(text: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(ExpressionMistake) as caught:
        compile_expression(text)
    assert_readable(caught.value)
    assert time.perf_counter() - begun < 1


def test_half_of_a_surrogate_pair_in_an_expression_is_a_mistake_with_its_place() -> None:
    with pytest.raises(ExpressionMistake, match=r"^2:7: half of a surrogate pair"):
        compile_expression("true &&\n 'abcd\ud800' == ''")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("true", set()),
        ("request.method == 'GET'", {"request.method"}),
        ("request.pathParams.id == jwt.sub", {"request.pathParams", "jwt"}),
        ("apiKey.labels.x == 'y' && apiKey.id == 'z'", {"apiKey"}),
        ("'x' in clientCertificate.dnsNames", {"clientCertificate"}),
        ("ip.inCidr(clientIP, '192.0.2.0/24')", {"clientIP"}),
        ("now > timestamp(jwt.exp)", {"now", "jwt"}),
        ("'jwt.sub' == request.host", {"request.host"}),
        ("[1].exists(x, jwt.a == x)", {"jwt"}),
        ("{'a': request.query.b}['a'] == 'c'", {"request.query"}),
        ("[1].exists(x, x == 1) ? .jwt.a : request.headers['b'] == 'c'", {"jwt", "request.headers"}),
    ],
)
def test_the_names_are_what_an_expression_reads(text: str, names: set[str]) -> None:
    assert compile_expression(text).names == names


class Counting:
    """Facts that tell what they were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(USUAL, name)


def test_only_what_an_expression_names_is_asked_for() -> None:
    facts = Counting()
    assert compile_expression("request.pathParams.id == jwt.sub").evaluate(facts) is True  # type: ignore[arg-type]
    assert sorted(facts.asked) == ["jwt", "path_params"]


def test_facts_that_fail_are_an_expression_that_fails() -> None:
    class Broken:
        @property
        def jwt(self) -> Any:
            raise KeyError("jwt")

    assert compile_expression("jwt.sub == 'a'").evaluate(Broken()) is None  # type: ignore[arg-type]
    assert compile_expression("jwt.sub == 'a' || true").evaluate(Broken()) is None  # type: ignore[arg-type]


def nested(depth: int) -> Any:
    value: Any = "end"
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "claim",
    ["\ud800", "a\udfffb", "\0", 10**30, -(10**30), nested(200), nested(100_000), ["x"] * 100_000, {"\ud800": 1}, {1: 2}, {1}, b"x"],
)
@pytest.mark.parametrize(
    "text", ["jwt.x == 'a'", "jwt.x != 'a'", "jwt == jwt", "'a' in jwt.x", "jwt.x.exists(k, k == 'a')", "!has(jwt.x.a)"]
)
def test_an_odd_claim_is_an_error_and_never_an_answer(claim: Any, text: str) -> None:
    assert evaluated(text, jwt={"x": claim, "sub": "u1"}) is None
    assert evaluated("jwt.sub == 'u1'", jwt={"x": claim, "sub": "u1"}) is True


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("jwt.a.exists(x, x == 'none')", False),
        ("jwt.a.exists(x, jwt.a.exists(y, x == 'none' && y == x))", None),
        ("jwt.a.exists(x, x in jwt.b)", False),
        ("jwt.a.all(x, jwt == jwt)", True),
        ("jwt.a.map(x, x) == jwt.a", True),
        ("jwt.a.exists(x, x.matches('(a?){20}b'))", False),
        ("jwt.a.exists(x, jwt.a.exists(y, jwt.a.exists(z, z == 'none')))", None),
    ],
)
def test_the_largest_claims_do_not_hold_a_check_up(text: str, answer: bool | None) -> None:
    claims = {"a": [f"a{each}" for each in range(2000)], "b": [f"b{each}" for each in range(2000)]}
    expression = compile_expression(text)
    begun = time.process_time()
    assert expression.evaluate(replace(USUAL, jwt=claims)) is answer
    assert time.process_time() - begun < 2


def test_a_list_beyond_the_limit_costs_nearly_nothing() -> None:
    expression = compile_expression("jwt.a.exists(x, x == 'none')")
    begun = time.process_time()
    assert expression.evaluate(replace(USUAL, jwt={"a": ["x"] * 1_000_000})) is None
    assert time.process_time() - begun < 0.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=4),
    max_leaves=10,
)
SOME = [compile_expression(case["when"]) for case in CASES if "gives" in case]


@given(
    expression=st.sampled_from(SOME),
    jwt=st.dictionaries(st.sampled_from([*CLAIMS, "none"]), JSON),
    texts=st.dictionaries(st.text(), st.text()),
)
def test_evaluating_never_raises(expression: Expression, jwt: dict[str, Any], texts: dict[str, str]) -> None:
    facts = replace(USUAL, jwt=jwt, headers=texts, query=texts, path_params=texts, path="".join(texts))
    assert expression.evaluate(facts) in (True, False, None)


@given(one=st.text(st.characters()), other=st.text(st.characters()))
def test_texts_are_equal_only_where_they_are_the_same(one: str, other: str) -> None:
    same = compile_expression("jwt.a == request.pathParams.b")
    assert same.evaluate(replace(USUAL, jwt={"a": one}, path_params={"b": other})) in (one == other, None)
    assert same.evaluate(replace(USUAL, jwt={"a": one}, path_params={"b": one})) in (True, None)


@given(
    text=st.text(st.characters(), max_size=40)
    | st.lists(st.sampled_from([*"().[]{}'!,ax1", "jwt", "==", "&&", "exists", "request.path"])).map("".join)
)
def test_compiling_raises_nothing_but_a_mistake(text: str) -> None:
    try:
        expression = compile_expression(text)
    except ExpressionMistake as mistake:
        assert_readable(mistake)
    else:
        assert expression.text == text
        assert expression.evaluate(USUAL) in (True, False, None)


def guide_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", guide_blocks("cel"))
def test_every_example_of_the_guide_holds_for_the_usual_request(text: str) -> None:
    assert evaluated(text) is True


def test_the_guide_names_every_variable_and_has_enough_examples() -> None:
    from authz.policy.facts import VARIABLES

    assert len(guide_blocks("cel")) >= 10
    assert not [name for name in VARIABLES if f"`{name}`" not in GUIDE]
