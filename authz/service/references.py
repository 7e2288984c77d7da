"""What a policy refers to: the definitions of others, its own key sets, and texts in Secrets and ConfigMaps."""

from collections.abc import Mapping
from dataclasses import replace

from cryptography import x509

from authz.authn.keys import KeySetError, key_set
from authz.model.cluster import Cluster
from authz.model.declared import Declared
from authz.model.issuer import Issuer
from authz.model.operator import Operator
from authz.model.policy import Policy, PolicyName
from authz.model.problem import Problem, Severity
from authz.model.reference import Missing, Reference
from authz.policy.problems import did_you_mean, problems

Path = tuple[str | int, ...]


def own_problems(policy: Policy, operator: Operator) -> list[Problem]:
    """Return every problem of a policy itself, its inline key sets included."""
    found = problems(policy, operator)
    for at, issuer in enumerate(policy.issuers):
        if issuer.keys.jwks and (why := _jwks_problem(issuer)):
            found.append(Problem("AZ202", why, ("spec", "issuers", at, "jwks")))
    return found


class References:
    """Everything that policies may refer to, at one moment."""

    def __init__(self, definers: Mapping[PolicyName, Policy], listed: Mapping[PolicyName, Declared], cluster: Cluster) -> None:
        self._definers = definers
        self._listed = listed
        self._cluster = cluster

    def resolve(self, policy: Policy) -> tuple[dict[str, Issuer], list[Problem]]:
        """Return every issuer that `policy` may name, ready for use, and what is wrong with its references. A local name wins."""
        found: list[Problem] = []
        issuers: dict[str, Issuer] = {}
        origin: dict[str, PolicyName] = {}
        local: dict[str, Issuer] = {}
        named = _named(policy)
        for at, issuer in enumerate(policy.issuers):
            told = found if not named or issuer.name in named else []
            local[issuer.name] = self._with_texts(issuer, policy.name, ("spec", "issuers", at), told)
        for at, name in enumerate(policy.definitions_from):
            path = ("spec", "definitionsFrom", at)
            definer = self._definer(policy.name, name, path, found)
            for issuer in definer.issuers if definer is not None else ():
                if issuer.name in local:
                    continue
                whole = self._with_texts(issuer, name, path, found if issuer.name in named else [])
                if issuers.setdefault(issuer.name, whole) != whole:
                    what = f"the issuer {issuer.name} is defined by {origin[issuer.name]} and by {name}; define it here, or take one"
                    found.append(Problem("AZ204", what, path))
                origin.setdefault(issuer.name, name)
        return issuers | local, found

    def _definer(self, policy: PolicyName, name: PolicyName, path: Path, found: list[Problem]) -> Policy | None:
        if not self._cluster.permits(policy.namespace, "AuthPolicy", name.namespace, name.name):
            found.append(_not_permitted(policy, "AuthPolicy", name.namespace, name.name, path))
            return None
        definer = self._definers.get(name)
        if definer is None:
            what = f"the AuthPolicy {name} has mistakes itself; see its status" if name in self._listed else self._no_such(name, policy)
            found.append(Problem("AZ203", what, path))
        return definer

    def _no_such(self, name: PolicyName, policy: PolicyName) -> str:
        permitted = [
            str(each)
            for each in self._definers
            if each != policy and self._cluster.permits(policy.namespace, "AuthPolicy", each.namespace, each.name)
        ]
        return f"there is no AuthPolicy {name}{did_you_mean(str(name), sorted(permitted)) or '; create it, or correct the name'}"

    def _with_texts(self, issuer: Issuer, owner: PolicyName, path: Path, found: list[Problem]) -> Issuer:
        """Return an issuer with the texts that it refers to. References resolve in the namespace of the policy that defines it."""
        keys = issuer.keys
        if keys.jwks_from is not None:
            text = self._text(keys.jwks_from, owner, (*path, "jwksFrom"), found)
            resolved = replace(issuer, keys=replace(keys, jwks=text, jwks_from=None))
            if text and (why := _jwks_problem(resolved)):
                found.append(Problem("AZ212", f"{keys.jwks_from}: {why}", (*path, "jwksFrom")))
            issuer = resolved if text else issuer
        if issuer.ca_from is not None:
            text = self._text(issuer.ca_from, owner, (*path, "caRef"), found)
            if text and not _holds_certificates(text):
                found.append(Problem("AZ212", f"{issuer.ca_from}: no PEM certificates are in it; put a CA there", (*path, "caRef")))
            issuer = replace(issuer, ca=text, ca_from=None) if text else issuer
        return issuer

    def _text(self, reference: Reference, owner: PolicyName, path: Path, found: list[Problem]) -> str:
        if not self._cluster.permits(owner.namespace, reference.kind, reference.namespace, reference.name):
            found.append(_not_permitted(owner, reference.kind, reference.namespace, reference.name, path))
            return ""
        if self._cluster.grants is None:
            what = f"{reference} can be read in a cluster only; here no token of this issuer can be verified"
            found.append(Problem("AZ212", what, path, severity=Severity.WARNING))
            return ""
        text = self._cluster.texts.get(reference, Missing(f"{reference} has not been read yet; wait a moment"))
        if isinstance(text, Missing):
            found.append(Problem("AZ212", text.why, path))
            return ""
        if not text.strip():
            found.append(Problem("AZ212", f"{reference}: it is empty; write the text into it", path))
            return ""
        return text


def _named(policy: Policy) -> frozenset[str]:
    """Return the names of the issuers whose tokens the policy reads. What the others lack hurts nobody."""
    items = [*policy.deny, *(item for rule in policy.rules for item in (*rule.deny, *rule.allow))]
    return frozenset(name for item in items if item.jwt is not None for name in item.jwt.issuers)


def _not_permitted(policy: PolicyName, kind: str, namespace: str, name: str, path: Path) -> Problem:
    what = f"the {kind} {namespace}/{name} is of another namespace, and no ReferenceGrant there permits it"
    remedy = f"from AuthPolicy of {policy.namespace} to {kind} {name}"
    return Problem("AZ211", f"{what}; its owner can write one: {remedy}", path)


def _jwks_problem(issuer: Issuer) -> str:
    try:
        keys = key_set(issuer.keys.jwks.encode(), issuer.algorithms)
    except KeySetError as fault:
        return str(fault)
    return f"a key cannot be used: {keys.dropped[0]}" if keys.dropped else ""


def _holds_certificates(text: str) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(text.encode()))
    except Exception:  # noqa: BLE001 - parsing what somebody wrote raises more than it says (an unknown version, for one)
        return False
