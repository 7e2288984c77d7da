"""An expression of `when`: a mistake with a place in words of ours, or one that is true, false or fails for whatever is sent.

The data are lines: the method, the path, the claims as JSON, headers as `name: value` up to an empty line, then the expression.
"""

import json
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from authz.policy.expressions import ExpressionMistake, compile_expression
from tests.fuzz.lines import headers_of, text_of

FOUND: Mapping[str, bytes] = {
    "a claim that the library would read up to its NUL": b'GET\n/\n{"sub":"admin\\u0000x"}\n\njwt.sub == \'admin\'',
    "a claim with half of a surrogate pair": b'GET\n/\n{"sub":"\\ud800"}\n\njwt.sub == \'admin\'',
    "a value that doubles with each step": b"GET\n/\n{}\n\n['a']" + b".map(x, x + x)" * 28 + b" == ['b']",
    "a pattern that a caller chooses": b'GET\n/\n{"p":"("}\n\nrequest.path.matches(jwt.p)',
}


def fuzz(data: bytes) -> None:
    head, _, text = text_of(data).partition("\n\n")
    method, path, claims, *headers = [*head.split("\n"), "", "", ""]
    try:
        expression = compile_expression(text)
    except ExpressionMistake as mistake:
        _assert_told(mistake, text.split("\n"))
        return
    known = _known(method, path, _claims(claims), headers_of(headers))
    answer = expression.evaluate(known)
    assert answer in (True, False, None)
    assert expression.evaluate(known) is answer
    if "jwt" not in expression.names:
        assert expression.evaluate(_known(method, path, None, headers_of(headers))) is answer


def _assert_told(mistake: ExpressionMistake, lines: list[str]) -> None:
    assert 1 <= mistake.line <= len(lines)
    assert 1 <= mistake.column <= len(lines[mistake.line - 1]) + 1
    assert mistake.what.isprintable()
    assert "<input>" not in mistake.what


def _claims(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _known(method: str, path: str, claims: dict[str, Any] | None, headers: dict[str, str]) -> Any:
    return SimpleNamespace(
        method=method,
        host="api.example.com",
        path=path,
        path_params={"id": path.rpartition("/")[2]},
        query={"page": "2", "twice": None},
        headers=headers,
        jwt=claims,
        api_key={"id": "k7", "subscription": "acme", "labels": {"tier": method}},
        client_certificate=None,
        client_ip=headers.get("x-real-ip", ""),
        now=1795541400.0,
    )


def seeds() -> Iterable[bytes]:
    yield b'GET\n/users/u1\n{"sub":"u1","roles":["a","b"]}\nx-tenant: blue\n\nrequest.pathParams[\'id\'] == jwt.sub'
    yield b"PUT\n/\n{\"scp\":\"a b\"}\nx-tenant: blue\n\njwt.?scp.orValue('').split(' ').exists(s, s == 'a')"
    yield b"GET\n/\n{}\nx-real-ip: 192.0.2.7\n\nip.inCidr(clientIP, '192.0.2.0/24') && request.headers.all(n, n != 'x')"
    yield b'GET\n/\n{"exp":1795545000,"big":99999999999999999999}\n\ntimestamp(jwt.exp) > now || jwt.big > 1.5'
    yield b"GET\n/a/b\n{}\n\nrequest.path.matches('^/a(/[a-z]+)*$') && apiKey.labels.tier in ['GET', 'PUT']"
    yield b'GET\n/\n{"a":[{"b":[1,2]}]}\n\njwt.a.map(x, x.b).filter(y, y.size() == 2).size() == 1 ? has(jwt.a) : has(request.query.b)'
