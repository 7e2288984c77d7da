"""Client certificates: where the operator says they are told, verified by a policy's authority, and remembered."""

from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from authz.authn import crl_text
from authz.authn.certificates import Authority
from authz.authn.crl import Revocations, Standing, Status, distribution_points
from authz.authn.crl_text import Listed
from authz.authn.identities import identity_test
from authz.model.certificate import Certificate, CertificateIdentity, Chain
from authz.model.definitions import CertificateAuthority, Revocation
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.model.trace import Step
from authz.policy import hosts
from authz.policy.view import View
from authz.service.revocation_lists import RevocationLists
from authz.service.told_certificates import chain_of

# How many verified certificates a reader remembers; beyond, it begins anew.
MOST_REMEMBERED: Final = 4096

# Seconds that a chain which nobody vouches for is not verified again: saying no costs more than saying yes.
_REFUSED_FOR: Final = 5.0
# Sets of fetched lists of which a reader remembers how they are looked up.
_MOST_SETS: Final = 32


class _Verified(NamedTuple):
    """A certificate that the authority vouches for, and all that does not change as long as it does.

    `urls` are where the lists that it names may be fetched, `is_asked_for` is whether it is one of the identities.
    """

    caller: Caller
    certificate: Certificate
    urls: tuple[str, ...]
    is_asked_for: bool


class CertificateReader:
    """Reads the client certificates of one authority, with one of some identities where there are any."""

    __slots__ = (
        "_authority",
        "_hosts",
        "_identities",
        "_known",
        "_listed",
        "_lists",
        "_name",
        "_refused",
        "_revocation",
        "_revocations",
        "_want",
        "_with_fetched",
    )

    def __init__(
        self, authority: CertificateAuthority, identities: tuple[CertificateIdentity, ...], lists: RevocationLists | None = None
    ) -> None:
        self._name = authority.name
        # In files a Secret cannot be read: then nobody can be verified.
        self._authority = Authority(authority.ca) if authority.ca else None
        self._revocation = authority.revocation
        self._listed = tuple(listed for text in authority.crls for listed in lists_of(text.text)[0])
        self._revocations = Revocations((), self._listed)
        self._hosts = authority.crl_hosts
        self._lists = lists
        # By the fetched lists that are looked at beside: certificates may name different ones.
        self._with_fetched: dict[tuple[bytes, ...], Revocations] = {}
        self._refused: dict[bytes, tuple[float, Failure]] = {}
        self._identities = tuple(identity_test(each) for each in identities)
        self._want = " or ".join(_in_words(each) for each in identities)
        self._known: dict[bytes, _Verified] = {}

    def identify(self, view: View) -> Caller | Failure:
        """Return whose certificate the client presented, or why it counts for nothing."""
        chain = chain_of(view)
        if isinstance(chain, Failure):
            view.note(Step(3, "certificate", "", False, chain.got, chain.want))
            return chain
        found = self._known.get(chain.digest) if view.trace is None else None
        if found is None or not found.certificate.begins <= view.now <= found.certificate.expires:
            verified = self._verified(chain, view)
            if isinstance(verified, Failure):
                view.note(Step(3, "certificate", "", False, verified.got, verified.want))
                return verified
            found = verified
        revoked = self._revoked(found, view)
        if revoked is not None and not revoked.undecided:
            return revoked
        # One that is not asked for is refused whatever a list would say: this is certain, and no fault of ours.
        return self._other(found, view) or revoked or found.caller

    def _verified(self, chain: Chain, view: View) -> _Verified | Failure:
        if self._authority is None:
            return Failure(Reason.KEYS_UNAVAILABLE, Rank.NOT_VERIFIED, f"the certificates of {self._name}", "", undecided=True)
        refused = self._refused.get(chain.digest) if view.trace is None else None
        if refused is not None and 0 <= view.now - refused[0] < _REFUSED_FOR:
            return refused[1]
        certificate = self._authority.verify(chain, view.now)
        if isinstance(certificate, Failure):
            if len(self._refused) >= MOST_REMEMBERED:
                self._refused = {}
            self._refused[chain.digest] = view.now, certificate
            return certificate
        view.note(Step(3, "certificate", "", True, certificate.subject, f"one that {self._name} vouches for"))
        if len(self._known) >= MOST_REMEMBERED:
            self._known = {}
        caller = Caller(self._name, certificate.subject, certificate.facts)
        urls = tuple(url for url in distribution_points(certificate) if _is_at(url, self._hosts)) if self._hosts else ()
        is_asked_for = not self._identities or any(test(certificate) for test in self._identities)
        found = self._known[chain.digest] = _Verified(caller, certificate, urls, is_asked_for)
        return found

    def _revoked(self, found: _Verified, view: View) -> Failure | None:
        if self._revocation is Revocation.NONE:
            return None
        status, waits = self._revocations.status(found.certificate, view.now), False
        if found.urls and status.standing is not Standing.REVOKED:
            status, waits = self._with_named_lists(found, view)
        if view.trace is not None:
            view.note(Step(3, "revocation", "", status.standing is Standing.GOOD, status.got or status.standing.value, "not revoked"))
        # Where a list is preferred, a check waits for the first try of its fetch, and for no other.
        if status.standing is Standing.UNKNOWN and self._revocation is Revocation.PREFER and not waits:
            return None
        return status.failure

    def _with_named_lists(self, found: _Verified, view: View) -> tuple[Status, bool]:
        """Return how a certificate stands by the lists that it names too, where they may be fetched, and whether to wait for one."""
        states = self._lists.of(found.urls, view.now) if self._lists is not None else []
        fetched = tuple(listed for state in states for listed in state.lists or ())
        which = tuple(listed.digest for listed in fetched)
        known = self._with_fetched.get(which)
        if known is None:
            if len(self._with_fetched) >= _MOST_SETS:
                self._with_fetched = {}
            known = self._with_fetched[which] = Revocations((), (*self._listed, *fetched))
        status = known.status(found.certificate, view.now)
        if status.standing is not Standing.UNKNOWN:
            return status, False
        is_preferred = self._revocation is Revocation.PREFER
        wanted = [state for state in states if state.may_ask(view.now) and not (is_preferred and state.is_tried)]
        view.wanted += wanted
        return status, any(not state.is_tried for state in states)

    def _other(self, found: _Verified, view: View) -> Failure | None:
        subject = found.certificate.subject
        if self._identities and view.trace is not None:
            view.note(Step(3, "identity", "", found.is_asked_for, subject, self._want))
        return None if found.is_asked_for else Failure(Reason.CERT_NOT_ALLOWED, Rank.NOT_PERMITTED, self._want, subject)


@lru_cache(maxsize=32)
def lists_of(text: str) -> tuple[tuple[Listed, ...], tuple[str, ...]]:
    """Return the revocation lists of a text, and why others in it cannot be used. Read once: there may be a hundred thousand numbers."""
    lists, problems = crl_text.read((text,))
    return tuple(lists), problems


def _is_at(url: str, patterns: tuple[str, ...]) -> bool:
    try:
        host = hosts.canonical(urlsplit(url).netloc)
    except ValueError:
        return False
    return bool(host) and not frozenset((host, *hosts.wildcards(host))).isdisjoint(patterns)


def _in_words(identity: CertificateIdentity) -> str:
    given = ((name.replace("_", " "), getattr(identity, name)) for name in CertificateIdentity.__dataclass_fields__)
    return " and ".join(f"{name} {value}" for name, value in given if value)
