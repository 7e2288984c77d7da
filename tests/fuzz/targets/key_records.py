"""Records of API keys: records that can be found by, or problems that have their place and show nothing."""

import json
from collections.abc import Iterable, Mapping

from authz.api.key_records import read_records
from authz.api.problem_codes import CODES
from authz.authn.api_keys import ApiKeys, failure_of, scope_holds
from authz.model.policy import AddressCondition
from authz.model.problem import Problem
from authz.policy import addresses
from authz.policy.addresses import set_of

FOUND: Mapping[str, bytes] = {}
DIGEST = "5e" * 32


def fuzz(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # A file is UTF-8, or its reader says so.
    records, problems = read_records(text, "keys")
    lines = 2 + sum(map(text.count, "\n\r\u0085\u2028\u2029"))
    for problem in problems:
        _assert_told(problem, lines)
    keys = ApiKeys(records, b"d" * 32)
    assert len(keys) <= len(records)
    assert keys.find(text[:600]) is None
    for record in records:
        assert DIGEST not in repr(record)
        assert all(not addresses.cidr_problem(cidr) for cidr in record.cidrs)
        failure_of(record, 1.8e9, addresses.parse("192.0.2.1"), lambda cidrs: set_of(AddressCondition(cidrs)))
        assert not scope_holds(record, frozenset())


def _assert_told(problem: Problem, lines: int) -> None:
    assert problem.code in CODES
    assert problem.what.encode()
    assert problem.what.isprintable()
    assert DIGEST not in problem.what
    assert (problem.file, problem.path) == ("keys", ())
    assert 1 <= problem.line <= lines
    assert problem.column >= 1


def seeds() -> Iterable[bytes]:
    least = {"id": "k1", "digest": f"sha256:{DIGEST}", "subscription": "acme"}
    times = {"notBefore": "2026-01-01T00:00:00Z", "notAfter": "2027-01-01T00:00:00.5+01:00"}
    most = {**least, "id": "k2", "slot": "Secondary", "state": "Suspended", "scopes": ["orders", "*"], **times}
    most |= {"digest": f"hmac-sha256:{DIGEST}", "cidrs": ["192.0.2.0/24", "2001:db8::/32"], "labels": {"team": "blue", "a/b.c": ""}}
    yield f"# keys\n{json.dumps(least)}\n\n{json.dumps(most)}\r\n".encode()
    yield json.dumps([least, most]).encode()
    yield json.dumps(most, indent=2).encode()
    yield "\n".join(f"{name}: {json.dumps(value)}" for name, value in most.items()).encode()
    yield f"- &a {json.dumps(least)}\n- *a\n- {{id: 7, key: x, {DIGEST}: 1}}\n- !!str x\n---\nid: k\nid: l\n".encode()
    odd = f'{{"id": "k1", "id": "k2"}}\n{{"primaryKey": "{DIGEST}"}}\n{{"digest": "{DIGEST}", "notAfter": null}}'
    yield f"{json.dumps(least)}\n{odd}".encode()
