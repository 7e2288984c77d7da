"""Every credential that the suite makes is a canary: where it is found in what the service tells, something tells secrets.

Credentials are noted where tests make them. What the service tells is looked at by `tests/test_secrets.py`, and at the end of each
session by `tests/conftest.py`: what tests printed, and the logs that processes wrote.
"""

import re
from collections.abc import Iterator
from pathlib import Path

# What is found in a text must be long enough to be no coincidence: the signature of a token, a secret.
_RUN = re.compile(r"[A-Za-z0-9_-]{32,}")
_noted: set[str] = set()


def note(credential: str) -> str:
    """Return the credential, from now on looked for: of a token its signature, whatever else stands around it."""
    last = credential.rpartition(".")[2]
    if _RUN.fullmatch(last):
        _noted.add(last)
    return credential


def note_pem(text: str) -> str:
    """Return the PEM of a private key; from now on each of its lines is looked for, as it is and URL-encoded."""
    for line in text.splitlines():
        # A line may hold `+` and `/`, between which runs are found.
        _noted.update(run for run in _RUN.findall(line) if "-----" not in line)
    return text


def count() -> int:
    """How many credentials have been noted."""
    return len(_noted)


def found_in(text: str) -> Iterator[str]:
    """Yield each credential that a text holds, shortened."""
    for run in _RUN.findall(text):
        if run in _noted:
            yield f"…{run[-12:]}"


def found_in_logs(folder: Path) -> Iterator[str]:
    """Yield each log below a folder that holds a credential, and which."""
    for path in folder.rglob("*"):
        if path.is_file() and (path.name == "log" or path.suffix in (".log", ".out", ".err")):
            for credential in found_in(path.read_text(encoding="utf-8", errors="replace")):
                yield f"{path.name} of {path.parent.name}: {credential}"
