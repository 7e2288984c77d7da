"""No credential is in a log line, a metric, an answer, a repr, an explanation or a traceback, whatever happens."""

import asyncio
import gc
import io
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from authz.authn.presented import Finder
from authz.envoy import codec
from authz.envoy.endpoint import Endpoint
from authz.model.issuer import AUTHORIZATION_BEARER, Place, PlaceKind
from authz.model.operator import ClientAddress
from authz.service.check import Checker
from authz.telemetry.audit import Auditor
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import Metrics
from tests import canaries, corpus_runner, credentials
from tests.builders import a_request, a_token, rsa_key
from tests.cli.command import AT, URL, USUAL, authz, policies
from tests.corpus_runner import Setting, World, check_request, request_of, sent
from tests.credentials import a_key, client, pem_of, private_pem
from tests.envoy.messages import check_request as asked_with
from tests.envoy.messages import reason_of
from tests.fakes import NOON
from tests.test_fail_closed import EVERY, KEYS, KINDS, SCENARIOS, WITH_CREDENTIALS, Calls, each_step
from tests.test_fail_closed import World as Whole


class Told:
    """A world of the corpus, with everything that it tells kept."""

    def __init__(self, setting: Setting) -> None:
        self.world = World(setting)
        self.stream = io.StringIO()
        self.lines = Lines(self.stream, lambda: NOON, 1.0, ClientAddress(), 1_000_000)
        self.metrics = Metrics(self.world.ring.all, lambda: 0)
        self.endpoint = Endpoint(self.world.checker, Auditor(self.metrics, self.lines))

    async def texts(self, data: bytes, setting: Setting, case: corpus_runner.CaseOf) -> tuple[str, ...]:
        """Ask, and return everything that is told of it."""
        answer = self.endpoint(data, 1.0)
        told = answer if isinstance(answer, bytes) else await answer
        request = request_of(sent(case.request, setting.given))
        decision, trace = self.world.checker.explain(request)
        self.lines.flush()
        shown = repr((request, decision, trace, trace.steps))
        return told.decode("latin-1"), shown, str(decision), self.stream.getvalue(), self.metrics.text().decode()


@pytest.mark.parametrize("setting", corpus_runner.settings(), ids=lambda setting: setting.name)
def test_nothing_that_is_told_of_a_case_of_the_corpus_holds_a_credential(setting: Setting) -> None:
    async def story() -> None:
        told = Told(setting)
        await told.world.ring.first_tries()
        for case in setting.cases:
            for raw in (False, True):
                data = check_request(sent(case.request, setting.given), raw=raw)
                for text in await told.texts(data, setting, case):
                    assert list(canaries.found_in(text)) == [], case.name

    asyncio.run(story())


def _listened_to() -> tuple[Whole, io.StringIO, Lines, Metrics]:
    """A world with everything that it tells kept."""
    world = Whole()
    stream, there = io.StringIO(), world.installation
    lines = Lines(stream, lambda: NOON, 1.0, ClientAddress(), 1_000_000)
    metrics = Metrics(there.ring.all, lambda: 0)
    auditor = Auditor(metrics, lines)
    world.endpoint = Endpoint(Checker(there.updater.store, there.ring, there.clock, auditor), auditor)
    return world, stream, lines, metrics


def _told_of(world: Whole, data: bytes) -> str:
    """The answer to a check, and what an explanation of it tells."""
    answer = world.asked(data, Calls()).decode("latin-1")
    request = codec.request_of(data)
    assert request is not None
    decision, trace = world.installation.checker.explain(request)
    return f"{answer} {decision} {decision!r} {request!r} {trace!r} {trace.steps!r}"


@pytest.mark.parametrize("name", WITH_CREDENTIALS)
def test_nothing_that_is_told_of_keys_and_certificates_holds_one(name: str) -> None:
    world, stream, lines, metrics = _listened_to()
    told = _told_of(world, EVERY[name][0](canaries.note(world.new(name))))
    lines.flush()
    for text in (told, stream.getvalue(), metrics.text().decode()):
        assert list(canaries.found_in(text)) == []
    # It was heard: who it was is told.
    assert reason_of(world.asked(EVERY[name][0](world.new(name)), Calls())) in stream.getvalue()


def test_a_private_key_that_was_sent_is_nowhere_told() -> None:
    world, stream, lines, metrics = _listened_to()
    secret = private_pem(client())
    assert len(list(canaries.found_in(secret))) >= 1
    for certificate in (quote(secret, safe=""), pem_of(client()) + quote(secret, safe=""), secret):
        for headers in ({}, {"x-key": secret.replace("\n", "")}, {"authorization": f"Bearer {quote(secret, safe='')}"}):
            for path in ("/certificate", "/key", f"/key?key={quote(secret, safe='')}", "/bound"):
                data = asked_with(path=path, host=KEYS, headers=headers, certificate=certificate)
                told = _told_of(world, data)
                lines.flush()
                assert list(canaries.found_in(told)) == [], path
    for text in (stream.getvalue(), metrics.text().decode()):
        assert list(canaries.found_in(text)) == []


@pytest.mark.parametrize("name", ["a token in a header", "all at once"])
def test_a_fault_at_any_step_tells_no_credential_though_its_message_has_it(name: str) -> None:
    world, stream, lines, _ = _listened_to()
    ask, _ = EVERY[name]
    token = canaries.note(world.new(name))

    def raising(at: int):  # type: ignore[no-untyped-def]
        def act() -> None:
            raise KINDS[at % len(KINDS)](f"cannot read {token} and {a_key()}")

        return act

    steps = 0
    for calls, answer in each_step(lambda calls: world.asked(ask(token), calls), raising):
        steps += 1
        assert list(canaries.found_in(answer.decode("latin-1"))) == [], calls.where
    lines.flush()
    assert stream.getvalue().count('"event":"fault"') > steps / 2
    assert list(canaries.found_in(stream.getvalue())) == []


def test_no_object_of_the_package_shows_a_credential() -> None:
    token = canaries.note(a_token())
    request = a_request(token=token)
    presented = Finder((AUTHORIZATION_BEARER,)).find(request)
    world = Whole()
    world.asked(SCENARIOS["a token in a header"][0](token), Calls())
    world.asked(WITH_CREDENTIALS["all at once"][0](world.new("all at once")), Calls())
    key = Finder((Place(PlaceKind.HEADER, "x-key"),), "one API key").find(a_request(headers={"x-key": a_key()}))
    assert list(canaries.found_in(f"{key!r} {key!s}")) == []
    shown = 0
    for each in gc.get_objects():
        module = getattr(type(each), "__module__", "")
        if isinstance(module, str) and module.startswith("authz.") and not isinstance(each, type):
            shown += 1
            assert list(canaries.found_in(f"{each!r} {each!s}")) == [], type(each).__name__
    assert shown > 100
    assert "Presented" in repr(presented)


def test_a_traceback_with_locals_shows_no_credential() -> None:
    token = canaries.note(a_token())
    presented = Finder((AUTHORIZATION_BEARER,)).find(a_request(token=token))
    try:
        raise ValueError(presented)
    except ValueError as fault:
        shown = "".join(traceback.TracebackException.from_exception(fault, capture_locals=True).format())
    # The test's own variable is the only place.
    assert len(list(canaries.found_in(shown))) == 1


@pytest.mark.parametrize("words", [("check",), ("check", "-o", "json"), ("explain",), ("explain", "-v"), ("explain", "-o", "json")])
def test_what_a_command_prints_holds_no_credential(words: tuple[str, ...], tmp_path: Path) -> None:
    for token in (a_token(scope="orders.read"), a_token(aud="other"), a_token(rsa_key("two"))):
        result = authz(words[0], policies(tmp_path), "GET", URL, *USUAL, *words[1:], "--token", token)
        assert result.exit_code in (0, 1)
        assert list(canaries.found_in(result.output)) == []


OF_KEYS = """
hosts: [api.example.com]
apiKeys: [{name: subs, from: {file: keys.jsonl}, in: [{header: X-Key}, {query: key}]}]
certificateAuthorities: [{name: ca, from: {file: ca.crt}, revocation: None}]
rules:
- {name: read, allow: [{name: subscribers, apiKey: {from: subs, scopes: [orders]}, when: "apiKey.labels.plan == 'gold'"}]}
"""


@pytest.mark.parametrize(
    "words", [("check",), ("check", "-o", "json"), ("explain",), ("explain", "-v"), ("explain", "-v", "-v"), ("explain", "-o", "json")]
)
def test_what_a_command_prints_of_an_api_key_does_not_hold_it(words: tuple[str, ...], tmp_path: Path) -> None:
    place = policies(tmp_path, OF_KEYS)
    for name, text in credentials.texts().items():
        (place / name).write_text(text)
    usual = ("--from", "203.0.113.7", "--at", AT)
    told = []
    for key in (a_key(), a_key("k2"), a_key("k3"), a_key("unknown"), f"{a_key()},{a_key('k2')}", a_key().replace("k1.", "k2.")):
        for asked in ((URL, "-H", f"x-key: {key}"), (f"{URL}?key={key}",), (URL, "-H", f"X-Key: {a_key()}", "-H", f"x-key: {key}")):
            result = authz(words[0], place, "GET", *asked, *usual, *words[1:])
            assert result.exit_code in (0, 1), result.output
            assert list(canaries.found_in(result.output)) == []
            told.append(result.output)
    assert any("subscribers" in each for each in told)


def test_a_record_that_holds_a_key_is_told_without_it(tmp_path: Path) -> None:
    place = policies(tmp_path, OF_KEYS)
    for name, text in credentials.texts().items():
        (place / name).write_text(text)
    key = a_key("written")
    bad = [f'{{"id": "{key}", "subscription": "a"}}', f'{{"id": "k9", "digest": "{key}", "subscription": "a"}}', key, f'{{"key": "{key}"}}']
    (place / "keys.jsonl").write_text("\n".join(bad))
    for words in (("validate", place), ("apikey", "list", place / "keys.jsonl"), ("explain", place, "GET", URL, *USUAL)):
        assert list(canaries.found_in(authz(*words).output)) == []
    # A private key where certificates belong.
    (place / "ca.crt").write_text(private_pem(client()))
    assert list(canaries.found_in(authz("validate", place).output)) == []


def test_the_canaries_sing() -> None:
    token = canaries.note(a_token(jti="canary"))
    assert list(canaries.found_in(f"Authorization: Bearer {token}")) == [f"…{token[-12:]}"]
    assert list(canaries.found_in(token.rpartition(".")[0])) == []
