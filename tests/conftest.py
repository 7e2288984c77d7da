"""Only what everybody uses."""

import os

import pytest
from hypothesis import settings

from tests import canaries

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


def unavailable(what: str, remedy: str) -> None:
    """Skip loudly; where CI=true nothing may be skipped, so fail."""
    message = f"{what} is not here; {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


_told_secrets: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look at what tests, and the code in them, printed and logged."""
    for name, text in report.sections:
        _told_secrets.extend(f"{name} of {report.nodeid}: {credential}" for credential in canaries.found_in(text))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look at the logs that processes wrote, and fail the session where a credential was found anywhere."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is not None:
        _told_secrets.extend(canaries.found_in_logs(factory.getbasetemp()))
    if _told_secrets:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where, and of how many credentials none was found."""
    for each in _told_secrets:
        terminalreporter.write_line(f"SECRET {each}", red=True)
    terminalreporter.write_line(f"{canaries.count()} credentials were made; found in what was printed or logged: {len(_told_secrets)}")
