"""Vectors that others published. They are read where they lie and never copied."""

import json
import os
from pathlib import Path
from typing import Any

from tests.conftest import unavailable

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "corpora"


def folder() -> Path:
    """Where the corpora are, if they are at hand."""
    return Path(os.environ.get("AUTHZ_CORPORA") or _BESIDE)


def corpus_path(name: str) -> Path:
    """Where a corpus file or folder lies; the test is skipped, or fails where CI=true, where the corpora are absent."""
    path = folder() / name
    if not path.exists():
        unavailable(f"the corpus {name}", "set AUTHZ_CORPORA to the folder of the corpora, or lay it at ../shared/corpora")
    return path


def corpus(name: str) -> Any:
    """The JSON of a corpus file."""
    return json.loads(corpus_path(name).read_text(encoding="utf-8"))
