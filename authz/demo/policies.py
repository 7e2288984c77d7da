"""The demo's policies: commented, to be read and edited."""

import re
from pathlib import Path
from typing import Final

IDPS: Final = """\
# Definitions: who may vouch for a token. A policy without hosts and rules decides nothing;
# others take these definitions by `definitionsFrom`.
apiVersion: ingress-authz.dev/v1alpha1
kind: AuthPolicy
metadata: {name: idps, namespace: platform}
spec:
  issuers:
  - name: demo
    issuer: @ISSUER@              # must equal the token's `iss`; its keys are found by discovery
    algorithms: [RS256]
"""

ORDERS: Final = """\
# The orders API. Edit this file while the demo runs: a change is in force in less than a second.
apiVersion: ingress-authz.dev/v1alpha1
kind: AuthPolicy
metadata: {name: orders, namespace: shop}
spec:
  hosts: [127.0.0.1, localhost]
  pathPrefixes: [/orders]         # other paths on these hosts are denied: no policy covers them
  definitionsFrom: [{namespace: platform, name: idps}]
  audiences: [orders]             # a token for anybody else is refused

  deny:                           # before every rule
  - name: blocked
    clientIP: {cidrs: [127.0.0.2/32]}

  rules:                          # the first rule that matches decides; none: denied
  - name: health
    matches:
    - {path: {type: Exact, value: /orders/healthz}, methods: [GET, HEAD]}
    allow:
    - {name: anyone, anonymous: {}}

  - name: read
    matches:
    - {path: {type: PathPrefix, value: /orders}, methods: [GET, HEAD]}
    allow:                        # alternatives: one of them must hold
    - name: readers
      jwt: {issuers: [demo], scopes: [orders.read]}
    forward:
      headers:                    # what the upstream gets to know; what a client sends in these names is overwritten
      - {name: x-auth-subject, from: {claim: [sub]}}

  - name: write
    matches:
    - {path: {type: PathPrefix, value: /orders}, methods: [POST, PUT, DELETE]}
    allow:
    - name: writers
      jwt: {issuers: [demo], scopes: [orders.write]}
"""


class OtherIssuerError(Exception):
    """The folder holds edited policies for another issuer; the message says what to do."""


def write(folder: Path, issuer: str) -> bool:
    """Write the policies for an issuer's URL and return whether that was needed; edited ones are kept.

    Raises OtherIssuerError where they are for another issuer: every token would be refused.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("*.yaml")):
        (folder / "orders.yaml").write_text(ORDERS, encoding="utf-8")
        (folder / "idps.yaml").write_text(IDPS.replace("@ISSUER@", issuer), encoding="utf-8")
        return True
    idps = folder / "idps.yaml"
    text = idps.read_text(encoding="utf-8") if idps.exists() else ""
    known = re.search(r"issuer: (http://127\.0\.0\.1:\d+)", text)
    if known is None or known.group(1) == issuer:
        return False
    if text != IDPS.replace("@ISSUER@", known.group(1)):
        port = known.group(1).rpartition(":")[2]
        raise OtherIssuerError(
            f"the policies in {folder} are for the issuer {known.group(1)}: start with --issuer-port {port}, "
            "or with --policies NEW for fresh ones"
        )
    idps.write_text(IDPS.replace("@ISSUER@", issuer), encoding="utf-8")
    return True
