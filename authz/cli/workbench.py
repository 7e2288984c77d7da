"""The service without its wires: policies from files, decided here. What `validate`, `check` and `explain` share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from authz.cli import exits
from authz.fetch.client import FetchLimits, origin_of
from authz.fetch.keys import HttpsKeys
from authz.fetch.lists import HttpsLists
from authz.files.directory import Reader
from authz.model.decision import Decision
from authz.model.declared import Contents, Declared
from authz.model.operator import Operator
from authz.model.problem import Problem, Severity
from authz.model.request import Request
from authz.service.api_keys import KeyRecords
from authz.service.check import Checker
from authz.service.keyring import KeyRing
from authz.service.ports import Clock, SourceError
from authz.service.readers import Sources
from authz.service.revocation_lists import RevocationLists
from authz.service.tokens import TokenMemory
from authz.service.update import Updater


class Silence:
    """Hears everything and says nothing: a command prints its own result."""

    def __init__(self) -> None:
        self.faults: list[BaseException] = []
        self.fetch_failures: list[str] = []

    def decided(self, request: Request | None, decision: Decision, seconds: float) -> None:
        """Take no note."""

    def failed(self, fault: BaseException) -> None:
        """Keep the fault: the command reports it."""
        self.faults.append(fault)

    def fetched(self, issuer: str, kids: tuple[str, ...], dropped: tuple[str, ...]) -> None:
        """Take no note."""

    def fetch_failed(self, issuer: str, why: str, *, keeps: bool) -> None:
        """Keep the reason: the command reports it."""
        self.fetch_failures.append(why)

    def event(self, level: str, message: str, **fields: object) -> None:
        """Keep why a revocation list could not be fetched."""
        if message == "crl.fetch_failed":
            self.fetch_failures.append(str(fields["why"]))


@dataclass(frozen=True, slots=True)
class Workbench:
    """Loaded policies, and what was found wrong with them."""

    contents: Contents
    problems: tuple[Problem, ...]
    checker: Checker
    heard: Silence

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep a policy from being used."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    def declared(self, policy: str) -> Declared | None:
        """Return the object of this `namespace/name`, or None."""
        return next((each for each in self.contents.declared if str(each.name) == policy), None)


def _unfetchable(each: Declared, fetch: FetchLimits) -> list[Problem]:
    """Return a warning for each issuer whose keys `serve` would refuse to fetch, for all that can be told without asking."""
    found = []
    for at, issuer in enumerate(each.policy.issuers if each.policy is not None else ()):
        url = issuer.keys.jwks_url or issuer.keys.discovery_url or issuer.issuer
        is_fetched = not issuer.keys.jwks and issuer.keys.jwks_from is None and issuer.keys.hmac_from is None
        if is_fetched and url.startswith("http://") and origin_of(url) not in fetch.insecure_origins:
            what = f"keys are fetched over https only; for this origin alone: --fetch-insecure {origin_of(url)}"
            found.append(each.located(Problem("AZ321", what, ("spec", "issuers", at), severity=Severity.WARNING)))
    return found


def load(paths: Sequence[Path], operator: Operator, fetch: FetchLimits, clock: Clock, digest_key: bytes = b"") -> Workbench:
    """Return the policies of some files and directories, loaded as `authz serve` loads them."""
    try:
        contents = Reader(paths).read()
    except SourceError as fault:
        exits.fail(str(fault), exits.UNREADABLE)
    return with_contents(contents, operator, fetch, clock, digest_key)


def with_contents(
    contents: Contents, operator: Operator, fetch: FetchLimits, clock: Clock, digest_key: bytes = b""
) -> Workbench:  # fmt: skip
    """Return the policies that a source holds, loaded as `authz serve` loads them."""
    heard = Silence()
    ring = KeyRing(HttpsKeys(fetch), clock, heard)
    lists = RevocationLists(HttpsLists(fetch), clock, heard)
    updater = Updater(operator, ring, TokenMemory(), sources=Sources(KeyRecords(digest_key), lists))
    report = updater.apply(contents.declared, contents.cluster)
    found = [problem for stray in contents.strays for problem in stray.problems]
    found += [problem for state in report.states for problem in state.problems]
    found += [problem for each in contents.declared for problem in _unfetchable(each, fetch)]
    found.sort(key=lambda problem: (problem.file, problem.line, problem.column))
    return Workbench(contents, tuple(found), Checker(updater.store, ring, clock, heard), heard)
