"""The `authz` command, run in this process."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from authz.cli.main import cli
from tests import canaries
from tests.builders import a_manifest, issuer_yaml

RULES = f"""
hosts: [api.example.com]
audiences: [orders]
issuers: [{issuer_yaml()}]
deny: [{{name: blocked, clientIP: {{cidrs: [192.0.2.0/24]}}}}]
rules:
- name: health
  matches: [{{path: {{type: Exact, value: /healthz}}}}]
  allow: [{{name: anyone, anonymous: {{}}}}]
- name: read
  matches: [{{methods: [GET]}}]
  allow: [{{name: staff, jwt: {{issuers: [idp], scopes: [orders.read]}}}}]
  forward: {{headers: [{{name: x-auth-subject, from: {{claim: [sub]}}}}]}}
"""
AT = "2027-01-15T08:00:00Z"  # tests.fakes.NOON
URL = "https://api.example.com/orders/7"
# Somebody, some time: what a word of the test itself comes after, and so overrules.
USUAL = ("--from", "198.51.100.7", "--at", AT)


def authz(*words: str | Path, stdin: str | None = None, env: dict[str, str] | None = None, color: bool = False) -> Result:
    """What came of `authz` with these words."""
    result = CliRunner().invoke(cli, [str(word) for word in words], input=stdin, env=env, color=color, prog_name="authz")
    assert list(canaries.found_in(result.output)) == []
    return result


def policies(folder: Path, spec: str = RULES, name: str = "orders", **more: Any) -> Path:
    """A directory with one policy."""
    place = folder / "policies"
    place.mkdir(exist_ok=True)
    (place / f"{name}.yaml").write_text(a_manifest(spec, name, **more))
    return place
