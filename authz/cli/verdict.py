"""A decision in words, for people and as JSON."""

from collections.abc import Iterator
from typing import Any

import click

from authz.cli import exits
from authz.cli.question import Answered
from authz.model.advice import ADVICE
from authz.model.decision import Allow, Decision
from authz.model.declared import Declared
from authz.model.problem import written
from authz.model.reason import Reason
from authz.model.trace import Step
from authz.telemetry.terminal import plain

_MARKS = {True: click.style("✓", fg="green"), False: click.style("✗", fg="red"), None: "·"}


def exit_code(answered: Answered) -> int:
    """Return the exit code: an issuer that cannot be reached is neither an allow nor a deny."""
    if isinstance(answered.decision, Allow):
        return exits.OK
    unreachable = answered.decision.reason is Reason.KEYS_UNAVAILABLE and answered.bench.heard.fetch_failures
    return exits.UNREACHABLE if unreachable else exits.NEGATIVE


def headline(decision: Decision) -> str:
    """Return the verdict: `ALLOW` or `DENY <status>`, and the reason."""
    if isinstance(decision, Allow):
        return click.style("ALLOW", fg="green", bold=True) + f"  {decision.reason}"
    return click.style(f"DENY {decision.status}", fg="red", bold=True) + f"  {decision.reason}"


def summary(answered: Answered) -> Iterator[str]:
    """Yield the verdict and what somebody needs to act on it."""
    decision = answered.decision
    yield headline(decision)
    for name, word in (("policy", decision.policy), ("rule", decision.rule), ("item", decision.alternative)):
        if word:
            yield _field(name, word, place_of(answered, decision, name))
    if isinstance(decision, Allow):
        yield from (_field("upstream", f"{name}: {value}") for name, value in decision.set_headers)
    else:
        yield from (_field(name, told) for name, told in (("wanted", decision.want), ("got", decision.got)) if told)
        yield _field("hint", ADVICE[decision.reason])
    yield from (_field("fetch", why) for why in answered.bench.heard.fetch_failures)
    for shadow in decision.shadows:
        would = click.unstyle(headline(shadow.decision))
        yield _field("shadow", f"{shadow.policy} {shadow.rule}".strip() + f" would have said {would}")


def steps(answered: Answered) -> Iterator[str]:
    """Yield every step that led to the decision."""
    policy = ""
    for step in answered.trace.steps:
        policy = step.name if step.what == "policy" else policy
        yield _step(step, located(answered, policy, step.path))


def client(decision: Decision) -> Iterator[str]:
    """Yield what the client of a denied request gets."""
    if not isinstance(decision, Allow):
        yield f"the client gets {decision.status}"
        yield from (f"  {name}: {value}" for name, value in decision.headers)
        yield f"  {decision.body}"


def as_json(answered: Answered, *, with_steps: bool) -> dict[str, Any]:
    """Return everything as one JSON object."""
    decision = answered.decision
    allowed = isinstance(decision, Allow)
    found: dict[str, Any] = {
        "apiVersion": "cli.ingress-authz.dev/v1",
        "kind": "Decision",
        "decision": "allow" if allowed else "deny",
        "status": decision.reason.status if isinstance(decision, Allow) else decision.status,
        "reason": decision.reason.value,
        "policy": decision.policy,
        "rule": decision.rule,
        "alternative": decision.alternative,
        "at": place_of(answered, decision, "item"),
    }
    if isinstance(decision, Allow):
        found["upstream"] = {
            "set": dict(decision.set_headers),
            "remove": list(decision.remove_headers),
            "removeQuery": list(decision.remove_query),
        }
    else:
        found |= {"want": decision.want, "got": decision.got, "hint": ADVICE[decision.reason]}
        found["client"] = {"status": decision.status, "headers": dict(decision.headers), "body": decision.body}
    found["shadows"] = [{"policy": s.policy, "rule": s.rule, "reason": s.decision.reason.value} for s in decision.shadows]
    if with_steps:
        found["steps"] = [_step_json(step) for step in answered.trace.steps]
    return found


def place_of(answered: Answered, decision: Decision, what: str) -> str:
    """Return `FILE:LINE` (in a cluster the field) of the policy, rule or item that decided, or ""."""
    declared = answered.bench.declared(decision.policy)
    if declared is None or declared.policy is None:
        return ""
    path: tuple[str | int, ...] = ()
    for at, rule in enumerate(declared.policy.rules):
        if rule.name == decision.rule and what != "policy":
            path = ("spec", "rules", at)
            if what == "item":
                path = _item_path(path, rule, decision)
    if what == "item" and not decision.rule:
        path = _item_path(("spec",), declared.policy, decision)
    return _where(declared, path) if path or what == "policy" else ""


def _where(declared: Declared, path: tuple[str | int, ...]) -> str:
    return f"{declared.file}:{declared.place(path)[0]}" if declared.file else written(path)


def _item_path(path: tuple[str | int, ...], owner: Any, decision: Decision) -> tuple[str | int, ...]:  # noqa: ANN401 - a Rule or Policy
    for word in ("deny", "allow"):
        for at, item in enumerate(getattr(owner, word, ())):
            if item.name == decision.alternative:
                return (*path, word, at)
    return path


def located(answered: Answered, policy: str, path: tuple[str | int, ...]) -> str:
    """Return `FILE:LINE` (in a cluster the field) of something in a policy, or ""."""
    declared = answered.bench.declared(policy)
    return "" if declared is None or not path else _where(declared, path)


def _field(name: str, text: str, place: str = "") -> str:
    return f"  {name:<8} {plain(text):<28} {place}".rstrip()


def _step(step: Step, place: str) -> str:
    said = " ".join(filter(None, (step.what, step.name)))
    told = f"got {step.got}" if step.got and step.holds is False else step.got
    want = f"want {step.want}" if step.want and not step.holds else ""
    text = plain(", ".join(filter(None, (told, want))))
    return f"  {'  ' * step.depth}{_MARKS[step.holds]} {said:<{26 - 2 * step.depth}} {text:<44} {place}".rstrip()


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "depth": step.depth,
        "what": step.what,
        "name": step.name,
        "holds": step.holds,
        "got": step.got,
        "want": step.want,
        "path": written(step.path),
    }
