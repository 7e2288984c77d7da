"""The dashboard: what an operator of the service sees, from "is it well?" down to the process."""

import json
from typing import Final

from monitoring.control_plane import CONTROL_PLANE, DEPENDENCIES
from monitoring.panels import Choice, Dashboard, json_of
from monitoring.runtime import RUNTIME
from monitoring.signals import GOLDEN_SIGNALS, POLICIES

DASHBOARD: Final = Dashboard(
    uid="ingress-authz",
    title="ingress-authz",
    about="External authorization for Envoy: what it decides, by which policies, and how well it is. The alerts are in docs/runbook.md.",
    tags=("ingress-authz", "envoy", "authorization"),
    choices=(
        Choice("namespace", "Namespace", "label_values(authz_build_info, namespace)", all_as=".*"),
        # The list of jobs and not any job: process_* are everybody's names.
        Choice("job", "Job", 'label_values(authz_build_info{namespace=~"$namespace"}, job)'),
        Choice(
            "policy",
            "Policy",
            'label_values(authz_policy_checks_total{namespace=~"$namespace",job=~"$job"}, policy)',
            all_as=".*",
        ),
    ),
    rows=(GOLDEN_SIGNALS, POLICIES, CONTROL_PLANE, DEPENDENCIES, RUNTIME),
)


def dashboard_text() -> str:
    """Return the dashboard as the chart holds it."""
    return json.dumps(json_of(DASHBOARD), indent=2, ensure_ascii=False) + "\n"
