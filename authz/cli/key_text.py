"""Records of API keys as people and clusters read them: a table, and a Secret."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from authz.model.api_key import KeyRecord

_TITLES = ("ID", "SLOT", "SUBSCRIPTION", "STATE", "SCOPES", "UNTIL")


def columns(records: Sequence[KeyRecord]) -> Iterator[str]:
    """Yield the lines of a table of records."""
    rows = [
        _TITLES,
        *(
            (
                each.id,
                each.slot,
                each.subscription,
                each.state,
                " ".join(each.scopes) or "-",
                "-" if each.not_after is None else moment(each.not_after),
            )
            for each in records
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def moment(seconds: float) -> str:
    """Return a Unix time as RFC 3339 has it, in whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def secret_manifest(name: str, namespace: str, keys: str, line: str) -> str:
    """Return a Kubernetes Secret that holds a record and has the label by which a policy selects it."""
    # What is quoted as JSON is YAML, too.
    return f"""\
---
apiVersion: v1
kind: Secret
metadata:
  name: {json.dumps(name)}
  namespace: {json.dumps(namespace)}
  labels: {{ingress-authz.dev/keys: {json.dumps(keys)}}}
stringData:
  keys.jsonl: {json.dumps(line + chr(10))}
"""
