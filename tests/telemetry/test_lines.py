"""Lines of the log: one JSON object each, and no credential in any."""

import asyncio
import io
import json
from contextlib import suppress
from typing import Any

import pytest

from authz.model.decision import Allow, Deny, Shadow
from authz.model.operator import ClientAddress
from authz.model.reason import Reason
from authz.model.request import Request
from authz.telemetry import lines as lines_module
from authz.telemetry.lines import MAX_FIELD, Lines
from tests.builders import Installation, a_manifest, a_request, a_token, issuer_yaml, rsa_key
from tests.fakes import NOON
from tests.service.waiting import until

PEER = ClientAddress()
ALLOW = Allow(Reason.RULE_ALLOW, "shop/orders", "read", "any", issuer="idp", subject="alice")
DENY = Deny(Reason.TOKEN_AUDIENCE, 401, "shop/orders", "read", "any", want="orders", got="billing")


class Log:
    """Lines, and what they wrote."""

    def __init__(self, sample: float = 1.0, address: ClientAddress | None = PEER, rate: int = 1000) -> None:
        self.stream = io.StringIO()
        self.now = NOON
        self.lines = Lines(self.stream, lambda: self.now, sample, address, rate)

    @property
    def text(self) -> str:
        self.lines.flush()
        return self.stream.getvalue()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def object(self) -> dict[str, Any]:
        (found,) = self.objects
        return found


def test_a_denial_says_everything_that_an_operator_needs() -> None:
    log = Log()
    log.lines.decision(a_request("POST", "/orders/7?secret=1", headers={"x-request-id": "abc"}), DENY, 0.0012346)
    assert log.object == {
        "ts": "2027-01-15T08:00:00.000Z",
        "level": "info",
        "decision": "deny",
        "mode": "enforce",
        "reason": "token.audience",
        "policy": "shop/orders",
        "rule": "read",
        "alternative": "any",
        "status": 401,
        "want": "orders",
        "got": "billing",
        "method": "POST",
        "host": "api.example.com",
        "path": "/orders/7",
        "client_ip": "203.0.113.7",
        "client_ip_source": "peer",
        "request_id": "abc",
        "duration_us": 1235,
    }


def test_an_allow_says_who() -> None:
    log = Log()
    log.lines.decision(a_request(), ALLOW, 0)
    found = log.object
    assert (found["decision"], found["issuer"], found["sub"], found["duration_us"]) == ("allow", "idp", "alice", 0)
    assert "status" not in found
    assert "request_id" not in found


def test_a_request_that_could_not_be_read_is_a_line_too() -> None:
    log = Log()
    log.lines.decision(None, Deny(Reason.REQUEST_MALFORMED, 400), 0.001)
    assert log.object["reason"] == "request.malformed"
    assert "path" not in log.object


def test_denials_are_always_written_and_allows_by_the_sample() -> None:
    for sample, expected in ((0.0, 0), (1.0, 200)):
        log = Log(sample)
        for _ in range(200):
            log.lines.decision(a_request(), ALLOW, 0)
        assert len(log.objects) == expected
    some = Log(0.5)
    for _ in range(400):
        some.lines.decision(a_request(), ALLOW, 0)
        some.lines.decision(a_request(), DENY, 0)
    words = [found["decision"] for found in some.objects]
    assert words.count("deny") == 400
    assert 100 < words.count("allow") < 300


def test_a_shadow_is_written_where_it_would_have_decided_otherwise() -> None:
    log = Log(sample=0)
    shadows = (Shadow("shop/trial", "", DENY), Shadow("shop/same", "", ALLOW))
    log.lines.decision(a_request(), Allow(Reason.RULE_ALLOW, shadows=shadows), 0)
    found = log.object
    assert (found["mode"], found["decision"], found["policy"]) == ("shadow", "deny", "shop/orders")


@pytest.mark.parametrize(
    ("address", "headers", "ip", "source"),
    [
        (None, {}, "unknown", None),
        (ClientAddress(), {}, "203.0.113.7", "peer"),
        (
            ClientAddress("x-forwarded-for", 1, appended=False, trusted=("203.0.113.0/24",)),
            {"x-forwarded-for": "198.51.100.9"},
            "198.51.100.9",
            "x-forwarded-for",
        ),
        (ClientAddress("x-real-ip", trusted=("203.0.113.0/24",)), {"x-real-ip": "<script>"}, "unknown", "x-real-ip"),
    ],
)
def test_the_address_is_the_one_that_decided(address: ClientAddress | None, headers: dict[str, str], ip: str, source: str | None) -> None:
    log = Log(address=address)
    log.lines.decision(a_request(headers=headers), DENY, 0)
    assert log.object["client_ip"] == ip
    assert log.object.get("client_ip_source") == source


NASTY = "a\r\nb\x00\x1b[2J\x7f\x85\u2028\u202e\udcff é"


def test_control_characters_never_reach_the_stream() -> None:
    log = Log()
    request = Request(NASTY, NASTY, f"/{NASTY}", {"x-request-id": NASTY}, NASTY)
    decision = Deny(Reason.RULE_NONE, 403, NASTY, NASTY, NASTY, want=NASTY, got=NASTY)
    log.lines.decision(request, decision, 0)
    log.lines.event("info", NASTY, what=NASTY, many=[NASTY], **{NASTY: NASTY})
    assert log.text.count("\n") == 2
    assert log.text.isascii()
    assert all(character == "\n" or character >= " " for character in log.text)
    assert "\x7f" not in log.text
    assert log.objects[1]["what"] == NASTY


def test_a_field_has_an_end() -> None:
    log = Log()
    long = "x" * 100_000
    log.lines.decision(Request(long, long, f"/{long}", {"x-request-id": long}, long), DENY, 0)
    assert len(log.text) < 10 * MAX_FIELD
    assert log.object["host"] == "x" * MAX_FIELD


def test_an_event_says_what_happened() -> None:
    log = Log()
    log.lines.event("warning", "keys.fetched", keys=2, dropped=["one"])
    assert log.object == {"ts": "2027-01-15T08:00:00.000Z", "level": "warning", "event": "keys.fetched", "keys": 2, "dropped": ["one"]}


PLACES = "{header: Authorization, scheme: Bearer}, {header: x-token}, {query: token}, {cookie: session}"
POLICY = a_manifest(f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{issuer_yaml(more=f", tokenFrom: [{PLACES}]")}]
rules:
- name: scoped
  matches: [{{path: {{type: PathPrefix, value: /scoped}}}}]
  allow: [{{name: any, jwt: {{issuers: [idp], scopes: [a.b], claims: [{{path: [roles], match: Any, values: [x]}}]}}}}]
- name: keyed
  matches: [{{path: {{type: PathPrefix, value: /keyed}}}}]
  allow: [{{name: any, anonymous: {{}}, headers: [{{name: x-key, values: [right]}}]}}]
- name: all
  allow: [{{name: any, jwt: {{issuers: [idp]}}}}]
""")

TOKENS = {
    "good": a_token(),
    "forged": a_token(rsa_key("two")),
    "stranger": a_token(iss="https://stranger.example.com"),
    "expired": a_token(exp=int(NOON) - 1000),
    "audience": a_token(aud="billing"),
    "kid": a_token(kid="k9"),
    "opaque": "opaque-secret-value-of-a-reference-token",
    "pieces": "secret-one.secret-two.secret-three.secret-four.secret-five",
    "padded": a_token() + "==",
    "long": "s3cret" * 5000,
}


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("target", ["/orders", "/scoped/a", "/keyed"])
def test_no_credential_is_in_any_line(name: str, target: str) -> None:
    token = TOKENS[name]
    installation, log = Installation(POLICY), Log()
    requests = [
        a_request(target=target, token=token),
        a_request(target=target, headers={"x-token": token}),
        a_request(target=f"{target}?a=b&token={token}"),
        a_request(target=target, headers={"cookie": f"a=b; session={token}"}),
        a_request(target=target, token=token, headers={"x-token": TOKENS["forged"]}),
        a_request(target=f"{target}?token={token}&token=x", headers={"x-key": "wrong-password"}),
        a_request(target=target, headers={"authorization": token}),
        a_request(target=target, headers={"authorization": f"Basic {token}"}),
    ]
    for request in requests:
        log.lines.decision(request, installation.decide(request), 0.001)
    assert len(log.objects) == len(requests)
    for part in (*token.split("."), "wrong-password"):
        assert len(part) < 8 or part not in log.text, part


def test_nothing_is_written_before_it_is_flushed() -> None:
    log = Log()
    log.lines.event("info", "x")
    assert log.stream.getvalue() == ""
    log.lines.flush()
    log.lines.flush()
    assert len(log.objects) == 1


def test_lines_that_nobody_takes_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "MAX_WAITING", 3)
    log = Log()
    for number in range(10):
        log.lines.event("info", str(number))
    assert log.lines.dropped == 7
    assert [found["event"] for found in log.objects] == ["0", "1", "2"]
    log.lines.event("info", "again")
    assert log.objects[-1]["event"] == "again"


def test_lines_are_written_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "EVERY", 0.01)

    async def story() -> None:
        log = Log()
        running = asyncio.create_task(log.lines.run())
        for number in range(3):
            log.lines.event("info", "x")
            await until(lambda: log.stream.getvalue().count("\n") > number)  # noqa: B023 - awaited here
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(story())


class Closed(io.StringIO):
    """A stream whose other end is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_stream_that_is_gone_raises_nothing_where_decisions_are_made() -> None:
    lines = Lines(Closed(), lambda: NOON, 1.0, None)
    lines.decision(a_request(), DENY, 0)
    lines.event("info", "x")
    lines.flush()
    assert lines.dropped == 2


def test_a_flood_of_denials_is_a_few_lines_a_second_and_a_sum_and_hides_no_other() -> None:
    log = Log(rate=5)
    for second in range(10):
        log.now = NOON + second
        for _ in range(1000):
            log.lines.decision(a_request(), DENY, 0)
        log.lines.decision(a_request(), Deny(Reason.IP_DENIED, 403, "shop/orders"), 0)
    log.lines.end()
    reasons = [each.get("reason", each.get("event")) for each in log.objects]
    assert (reasons.count("token.audience"), reasons.count("ip.denied")) == (50, 10)
    told = [each for each in log.objects if each.get("event") == "decisions.not_logged"]
    assert sum(each["lines"] for each in told) == 10 * 995
    assert told[0]["most"] == [{"policy": "shop/orders", "reason": "token.audience", "lines": sum(each["lines"] for each in told)}]


def test_a_fault_that_clients_provoke_is_written_a_few_times_a_second() -> None:
    log = Log(rate=3)
    for _ in range(100):
        log.lines.fault(kind="ValueError", where="read:7")
    assert [each["event"] for each in log.objects] == ["fault"] * 3


def test_what_was_left_out_is_told_while_the_flood_goes_on() -> None:
    async def story() -> None:
        log = Log(rate=1)
        running = asyncio.create_task(log.lines.run())
        for _ in range(7):
            log.lines.decision(a_request(), DENY, 0)
        log.now += 1
        log.lines.decision(a_request(), DENY, 0)
        await until(lambda: "decisions.not_logged" in log.stream.getvalue())
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        told = json.loads(next(line for line in log.text.splitlines() if "decisions.not_logged" in line))
        assert (told["level"], told["lines"]) == ("warning", 6)

    asyncio.run(story())
