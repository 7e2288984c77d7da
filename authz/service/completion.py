"""Definitions with the texts that they refer to: key sets, records of API keys, CA certificates, revocation lists."""

from dataclasses import replace
from functools import lru_cache
from typing import Final

from cryptography import x509

from authz.authn.authorities import AuthorityError
from authz.authn.certificates import Authority
from authz.authn.hmac_keys import hmac_keys
from authz.authn.keys import KeySetError, key_set
from authz.model.cluster import Cluster
from authz.model.definitions import ApiKeySet, CertificateAuthority, IpSet
from authz.model.issuer import Issuer
from authz.model.policy import PolicyName
from authz.model.problem import Problem, Severity
from authz.model.reference import FILE, Missing, Reference, Selection, Text
from authz.service.api_keys import KeyRecords, texts_at
from authz.service.certificates import lists_of

Path = tuple[str | int, ...]
# Bad records of one text that are told; the rest is like them.
MOST_TOLD: Final = 8


def keys_problem(issuer: Issuer) -> str:
    """Return what is wrong with the key set or the secrets that an issuer holds as text, or ""."""
    try:
        if issuer.keys.hmac:
            hmac_keys(issuer.keys.hmac, issuer.algorithms)
            return ""
        keys = key_set(issuer.keys.jwks.encode(), issuer.algorithms)
    except KeySetError as fault:
        return str(fault)
    return f"a key cannot be used: {keys.dropped[0]}" if keys.dropped else ""


class Completion:
    """Puts texts into definitions. References resolve in the namespace of the policy that defines; what is missing is told."""

    def __init__(self, cluster: Cluster, records: KeyRecords) -> None:
        self._cluster = cluster
        self._records = records

    def issuer(self, issuer: Issuer, owner: PolicyName, path: Path, found: list[Problem]) -> Issuer:
        """Return an issuer with its key set or secrets, and its CAs."""
        issuer = self._with_keys(issuer, owner, path, found)
        if issuer.ca_from is not None:
            text = self._text(issuer.ca_from, owner, (*path, "caRef"), found)
            if text and not _holds_certificates(text):
                found.append(Problem("AZ212", f"{issuer.ca_from}: no PEM certificates are in it; put a CA there", (*path, "caRef")))
            issuer = replace(issuer, ca=text, ca_from=None) if text else issuer
        return issuer

    def _with_keys(self, issuer: Issuer, owner: PolicyName, path: Path, found: list[Problem]) -> Issuer:
        keys = issuer.keys
        reference, place = (keys.jwks_from, "jwksFrom") if keys.hmac_from is None else (keys.hmac_from, "hmacFrom")
        text = self._text(reference, owner, (*path, place), found) if reference is not None else ""
        if not text:
            return issuer
        read = replace(keys, jwks=text, jwks_from=None) if keys.hmac_from is None else replace(keys, hmac=text, hmac_from=None)
        resolved = replace(issuer, keys=read)
        if why := keys_problem(resolved):
            found.append(Problem("AZ212", f"{reference}: {why}", (*path, place)))
        return resolved

    def api_keys(self, keys: ApiKeySet, owner: PolicyName, path: Path, found: list[Problem]) -> ApiKeySet:
        """Return a key set with its records. One that cannot be read is told, and left out with whatever is in that text."""
        texts: list[Text] = []
        here = (*path, "from")
        for source in keys.sources:
            if isinstance(source, Selection):
                read = self._selected(source, here, found)
            else:
                read = texts_at(source, self._cluster) if self._text(source, owner, here, found) else ()
            texts += read
            for each in read:
                # One bad record, or one bad Secret of several, must not take the other keys away.
                is_alone = not isinstance(source, Selection)
                found += (_of_record(problem, here, is_alone=is_alone) for problem in self._records.of(each).problems[:MOST_TOLD])
        whole = tuple(dict.fromkeys(texts))
        dropped = self._records.keys(whole).dropped[:MOST_TOLD]
        found += (Problem("AZ214", each, here, severity=Severity.WARNING) for each in dropped)
        return replace(keys, texts=whole)

    def certificate_authority(
        self, authority: CertificateAuthority, owner: PolicyName, path: Path, found: list[Problem]
    ) -> CertificateAuthority:  # fmt: skip
        """Return an authority with its certificates and revocation lists."""
        ca = self._text(authority.ca_from, owner, (*path, "from"), found)
        if ca and (why := _authority_problem(ca)):
            found.append(Problem("AZ212", f"{authority.ca_from}: {why}", (*path, "from")))
        crls = []
        for at, reference in enumerate(authority.crls_from):
            here = (*path, "crls", at)
            if text := self._text(reference, owner, here, found):
                crls.append(Text(str(reference), text))
                if why := _crl_problem(text):
                    found.append(Problem("AZ212", f"{reference}: {why}", here))
        return replace(authority, ca=ca, crls=tuple(crls))

    def ip_set(self, addresses: IpSet, owner: PolicyName, path: Path, found: list[Problem]) -> IpSet:
        """Return a set of addresses as it is: it refers to nothing."""
        return addresses

    def _text(self, reference: Reference, owner: PolicyName, path: Path, found: list[Problem]) -> str:
        in_files = self._cluster.grants is None
        if reference.kind == FILE and not in_files:
            what = f"{reference} is beside no policy of a cluster; put it into a Secret or ConfigMap, and name that"
            found.append(Problem("AZ212", what, path))
            return ""
        if reference.kind != FILE and not self._cluster.permits(owner.namespace, reference.kind, reference.namespace, reference.name):
            found.append(not_permitted(owner, reference.kind, reference.namespace, reference.name, path))
            return ""
        if reference.kind != FILE and in_files:
            what = f"{reference} can be read in a cluster only; here no credential can be verified by it"
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

    def _selected(self, selection: Selection, path: Path, found: list[Problem]) -> tuple[Text, ...]:
        if self._cluster.grants is None:
            what = f"{selection} can be read in a cluster only; here no key of them is known"
            found.append(Problem("AZ212", what, path, severity=Severity.WARNING))
            return ()
        texts = self._cluster.selected.get(selection, Missing(f"{selection} have not been read yet; wait a moment"))
        if isinstance(texts, Missing):
            found.append(Problem("AZ212", texts.why, path))
            return ()
        if not texts:
            what = f"there are no {selection}, so no key is known; create one, or correct the labels"
            found.append(Problem("AZ216", what, path, severity=Severity.WARNING))
        return texts


def _of_record(problem: Problem, path: Path, *, is_alone: bool) -> Problem:
    """Return a problem of a record as one of the policy: with its own place where it stands in a file, else told in words."""
    severity = Severity.ERROR if is_alone and problem.code == "AZ215" else Severity.WARNING
    if " (key " not in problem.file:
        return replace(problem, path=path, severity=severity)
    return Problem(problem.code, f"{problem.file}, line {problem.line}: {problem.what}", path, severity=severity)


def not_permitted(policy: PolicyName, kind: str, namespace: str, name: str, path: Path) -> Problem:
    """Return the problem of a reference into another namespace that nothing there permits."""
    what = f"the {kind} {namespace}/{name} is of another namespace, and no ReferenceGrant there permits it"
    remedy = f"from AuthPolicy of {policy.namespace} to {kind} {name}"
    return Problem("AZ211", f"{what}; its owner can write one: {remedy}", path)


def _holds_certificates(text: str) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(text.encode()))
    except Exception:  # noqa: BLE001 - parsing what somebody wrote raises more than it says (an unknown version, for one)
        return False


@lru_cache(maxsize=256)
def _authority_problem(pem: str) -> str:
    try:
        Authority(pem)
    except AuthorityError as fault:
        return str(fault)
    return ""


def _crl_problem(text: str) -> str:
    _, problems = lists_of(text)
    return problems[0] if problems else ""
