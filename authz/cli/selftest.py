"""The command `authz selftest`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click
import httpx2

from authz import settings
from authz.cli import exits
from authz.envoy.asking import Asker, AskError, ClientTls, Told
from authz.model.advice import ADVICE
from authz.model.reason import Reason
from authz.settings import Mistakes, SettingsError

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
# RFC 6761: a name that nobody can own, so no policy names it.
_NOBODY: Final = "https://selftest.invalid/"
_HEALTHY: Final = "SERVING"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of one request; `reason` is "" where any will do."""

    allows: bool
    reason: str
    method: str
    url: str


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one step: its name, what was found, and the remedy where that is wrong."""

    name: str
    found: str
    remedy: str = ""


@click.command()
@click.argument("target", metavar="HOST:PORT")
@click.option("--admin", metavar="URL", help="Ask /livez and /readyz of this admin address too, as http://127.0.0.1:9002.")
@click.option("--tls", is_flag=True, help="Speak TLS, trusting the system's CAs. The options below imply it.")
@click.option("--tls-ca", type=_FILE, metavar="FILE", help="CAs to trust (PEM).")
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate to show where the service asks for one (PEM).")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="Its private key.")
@click.option("--tls-name", metavar="NAME", default="", help="The name that the service's certificate must be for, where not HOST.")
@click.option(
    "--expect",
    multiple=True,
    metavar="'allow|deny [REASON] METHOD URL'",
    help="Check one request more, as 'deny credentials.missing GET https://api.example.com/orders'. Repeat for more.",
)
@click.option("--timeout", type=click.FloatRange(0.1, 60), default=5.0, show_default=True, help="Longest wait for one answer, in seconds.")
@exits.coded
def selftest(  # noqa: PLR0913 - one for each option
    *,
    target: str,
    admin: str | None,
    tls: bool,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_name: str,
    expect: tuple[str, ...],
    timeout: float,
) -> int:
    """Ask a running service as Envoy does, and say whether it answers as it should.

    Exits with 0 where every step is well, 1 where one is not, 4 where the service cannot be reached.
    """
    mistakes = Mistakes()
    mistakes.take("HOST:PORT", lambda: settings.address(target), None)
    client = ClientTls(tls_ca, tls_cert, tls_key, tls_name)
    secure = client if tls or client != ClientTls() else None
    if (tls_cert is None) is not (tls_key is None):
        mistakes.found.append("--tls-cert and --tls-key go together")
    if admin is not None and urlsplit(admin).scheme not in ("http", "https"):
        mistakes.found.append(f"--admin: {admin!r} is no URL; write http://HOST:PORT")
    none: list[Expectation] = []
    wanted = mistakes.take("--expect", lambda: [_expectation(text) for text in expect], none)
    if mistakes.found:
        raise SettingsError(mistakes.found)
    try:
        with Asker(target, secure, timeout) as asker:
            steps = [_said(step) for step in (*_admin(admin, timeout), *_asked(asker, wanted))]
    except AskError as fault:
        exits.fail(str(fault), exits.UNREACHABLE)
    return exits.NEGATIVE if any(step.remedy for step in steps) else exits.OK


def _expectation(text: str) -> Expectation:
    words = text.split()
    reason = words.pop(1) if len(words) == 4 else ""
    problem = f"{text!r} is not 'allow METHOD URL' or 'deny METHOD URL', with a reason before the method where one is expected"
    if len(words) != 3 or words[0] not in ("allow", "deny"):
        raise ValueError(problem)
    word, method, url = words
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r}: {url} is no URL; write https://HOST/PATH")
    if reason and reason not in list(Reason):
        raise ValueError(f"{text!r}: {reason} is no reason; they are listed in docs/reference/reasons.md")
    return Expectation(word == "allow", reason, method.upper(), url)


def _said(step: Step) -> Step:
    """Print a step as it is done, and return it."""
    click.echo(f"{'FAIL' if step.remedy else 'ok':<5} {step.name}: {step.found}")
    if step.remedy:
        click.echo(f"      {step.remedy}")
    return step


def _admin(url: str | None, seconds: float) -> Iterator[Step]:
    for path in ("/livez", "/readyz") if url is not None else ():
        try:
            answer = httpx2.get(f"{str(url).rstrip('/')}{path}", timeout=seconds, trust_env=False)
        except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
            raise AskError(f"{url}{path}: {fault or type(fault).__name__}; --admin names the address of --admin-listen") from fault
        said = answer.text.strip().splitlines()
        remedy = "" if answer.status_code == 200 else "what it waits for is said above; its log has the details"
        yield Step(path, f"{answer.status_code} {said[0][:200] if said else ''}".rstrip(), remedy)


def _asked(asker: Asker, wanted: Sequence[Expectation]) -> Iterator[Step]:
    yield _health(asker.health())
    yield _step("a check without a request", asker.nothing(), lambda told: not told.allows and told.reason == Reason.REQUEST_MALFORMED)
    nobody = asker.check("GET", _NOBODY)
    yield _step("a host that no policy names", nobody, lambda told: told.reason == _reason_of_nobody(told))
    for each in wanted:
        yield _expected(each, asker.check(each.method, each.url))


def _health(status: str) -> Step:
    remedy = (
        ""
        if status == _HEALTHY
        else "it is starting or being stopped, or has not loaded its policies; /readyz of the admin port says which"
    )
    return Step("grpc.health.v1", status, remedy)


def _reason_of_nobody(told: Told) -> Reason:
    return Reason.POLICY_UNPROTECTED if told.allows else Reason.POLICY_NONE


def _step(name: str, told: Told, is_right: Callable[[Told], bool]) -> Step:
    remedy = "" if is_right(told) else "no ingress-authz answers like this: is HOST:PORT its gRPC port (--listen)?"
    note = " (unprotected: a request that no policy covers passes)" if told.allows and not remedy else ""
    return Step(name, f"{_words(told)}{note}", remedy)


def _expected(wanted: Expectation, told: Told) -> Step:
    name = f"{wanted.method} {wanted.url}"
    if told.allows is wanted.allows and wanted.reason in ("", told.reason):
        return Step(name, _words(told))
    advice = next((ADVICE[each] for each in Reason if each == told.reason), "It tells no reason that is known here.")
    word = "allow" if wanted.allows else "deny"
    return Step(name, _words(told), f"expected {word}{' ' if wanted.reason else ''}{wanted.reason}. {advice}")


def _words(told: Told) -> str:
    parts = [
        "allow" if told.allows else f"deny {told.status}",
        told.reason or "(no reason told)",
        f"by {told.policy}" if told.policy else "",
    ]
    return " ".join(filter(None, parts))
