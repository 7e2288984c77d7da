"""Vectors that others published. They are read where they lie and never copied."""

import json
import os
from pathlib import Path
from typing import Any

from tests.conftest import unavailable


def corpus(name: str) -> Any:
    """The JSON of a corpus file; the test is skipped, or fails where CI=true, where the corpora are absent."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "corpora"
    root = Path(os.environ.get("AUTHZ_CORPORA") or beside)
    file = root / name
    if not file.is_file():
        unavailable(f"the corpus {name}", "set AUTHZ_CORPORA to the folder of the corpora, or lay it at ../shared/corpora")
    return json.loads(file.read_text(encoding="utf-8"))
