"""Memory, each measurement in a process of its own: `python -m benchmarks.memory policies|tokens` prints bytes apiece."""

import subprocess
import sys
from typing import Any

from authz.authn.keys import Key, KeySet
from authz.model.decision import Allow
from authz.service.tokens import TokenMemory
from benchmarks import scene
from benchmarks.measure import fact, resident

POLICIES, TOKENS = 10_000, 50_000


def lines():
    """Yield the lines about memory."""
    policy, token = _bytes_of("policies"), _bytes_of("tokens")
    yield fact(
        f"{policy:,.0f} B", f"a policy in force, of {POLICIES:,} ({policy * POLICIES / 1e6:.0f} MB): declared, compiled, found by host"
    )
    yield fact(f"{token:,.0f} B", f"a remembered token, of {TOKENS:,} ({token * TOKENS / 1e6:.0f} MB)")


def _bytes_of(what):
    command = [sys.executable, "-m", "benchmarks.memory", what]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)


def of_policies():
    """Return the bytes of one policy."""
    jwks = scene.Minter().jwks()
    scene.Site(scene.policies(10, jwks))
    before = resident()
    site = scene.Site(scene.policies(POLICIES, jwks))
    after = resident()
    return (after - before) / len(site.report.states)


class _Trusting:
    """Stands in for RSA, so that no token has to be signed."""

    def verify(self, signed: bytes, material: Any, signature: bytes):
        return True


def of_tokens():
    """Return the bytes of one remembered token, by way of real checks of that many different ones."""
    minter = scene.Minter()
    site = scene.Site(scene.policies(10, minter.jwks()), TokenMemory(4 * TOKENS, 1 << 40))
    (state,) = site.ring.all()
    state.keys = KeySet([Key(scene.KID, "RS256", _Trusting(), None)], (), b"")
    text = minter.token()
    for at in range(100):
        _check(site, text, f"warm-{at}")
    before = resident()
    for at in range(TOKENS):
        _check(site, text, f"subject-{at:09}")
    return (resident() - before) / TOKENS


def _check(site, text, subject):
    header, _, _ = text.split(".")
    payload = scene.base64url(scene.claims_for(subject.ljust(36, "x")))
    signature = text.rpartition(".")[2]
    decision = site.checker.check(scene.plain_request(f"{header}.{payload}.{signature}"), scene.BUDGET)
    if not isinstance(decision, Allow):
        raise SystemExit(f"the benchmark's request is denied: {decision}")


if __name__ == "__main__":
    print({"policies": of_policies, "tokens": of_tokens}[sys.argv[1]]())
