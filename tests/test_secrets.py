"""No credential is in a log line, a metric, an answer, a repr, an explanation or a traceback, whatever happens."""

import asyncio
import gc
import io
import traceback
from pathlib import Path

import pytest

from authz.authn.presented import Finder
from authz.envoy.endpoint import Endpoint
from authz.model.issuer import AUTHORIZATION_BEARER
from authz.model.operator import ClientAddress
from authz.service.check import Checker
from authz.telemetry.audit import Auditor
from authz.telemetry.lines import Lines
from authz.telemetry.metrics import Metrics
from tests import canaries, corpus_runner
from tests.builders import a_request, a_token, rsa_key
from tests.cli.command import URL, USUAL, authz, policies
from tests.corpus_runner import Setting, World, check_request, request_of, sent
from tests.fakes import NOON
from tests.test_fail_closed import KINDS, SCENARIOS, Calls, each_step
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


def test_a_fault_at_any_step_tells_no_credential_though_its_message_has_it() -> None:
    world = Whole()
    stream = io.StringIO()
    lines = Lines(stream, lambda: NOON, 1.0, ClientAddress(), 1_000_000)
    there = world.installation
    auditor = Auditor(Metrics(there.ring.all, lambda: 0), lines)
    world.endpoint = Endpoint(Checker(there.updater.store, there.ring, there.clock, auditor), auditor)
    ask, _ = SCENARIOS["a token in a header"]
    token = canaries.note(world.token())

    def raising(at: int):  # type: ignore[no-untyped-def]
        def act() -> None:
            raise KINDS[at % len(KINDS)](f"cannot read {token}")

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


def test_the_canaries_sing() -> None:
    token = canaries.note(a_token(jti="canary"))
    assert list(canaries.found_in(f"Authorization: Bearer {token}")) == [f"…{token[-12:]}"]
    assert list(canaries.found_in(token.rpartition(".")[0])) == []
