"""What finds and verifies the credentials of one policy, as long as it is in force."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

from authz.model.certificate import CertificateIdentity
from authz.model.cluster import Cluster
from authz.model.definitions import ApiKeySet, CertificateAuthority
from authz.model.issuer import Issuer
from authz.model.policy import Policy
from authz.policy.view import Reader
from authz.service.api_keys import ApiKeyReader, KeyRecords
from authz.service.certificates import CertificateReader
from authz.service.keyring import IssuerKeys, KeyRing
from authz.service.reader import TokenReader
from authz.service.revocation_lists import RevocationLists
from authz.service.slices import Steps
from authz.service.tokens import TokenMemory


@dataclass(frozen=True, slots=True)
class Sources:
    """What readers of several policies share beside issuers' keys: records of API keys, and revocation lists where they are fetched."""

    records: KeyRecords
    lists: RevocationLists | None = None

    def prepared(self, policies: Iterable[Policy], cluster: Cluster) -> Steps[None]:
        """Return the steps that read the records that policies need, so that nothing else has to read many at once."""
        for policy in policies:
            for key_set in policy.api_keys:
                yield from self.records.preparing(key_set, cluster)


class PolicyReaders:
    """Makes readers, or takes those of an earlier form of the policy, which remember what they verified. Satisfies policy.view.Readers."""

    def __init__(self, ring: KeyRing, memory: TokenMemory, sources: Sources, earlier: "PolicyReaders | None" = None) -> None:
        self._ring = ring
        self._memory = memory
        self._sources = sources
        self._earlier = earlier._made if earlier is not None else {}
        self._made: dict[Hashable, Reader] = {}

    def tokens(self, issuers: tuple[Issuer, ...], audiences: tuple[str, ...]) -> Reader:
        """Return the reader of the tokens of some issuers for some audiences."""
        return self._one((issuers, audiences), lambda: TokenReader(issuers, audiences, self._ring, self._memory))

    def api_keys(self, key_set: ApiKeySet) -> Reader:
        """Return the reader of the keys of a set."""
        return self._one(key_set, lambda: ApiKeyReader(key_set, self._sources.records.keys(key_set.texts)))

    def certificates(self, authority: CertificateAuthority, identities: tuple[CertificateIdentity, ...]) -> Reader:
        """Return the reader of the client certificates of an authority that have one of the identities, where there are any."""
        return self._one((authority, identities), lambda: CertificateReader(authority, identities, self._sources.lists))

    def _one(self, key: Hashable, make: Callable[[], Reader]) -> Reader:
        if key not in self._made:
            self._made[key] = self._earlier.get(key) or make()
        return self._made[key]

    @property
    def states(self) -> Iterable[IssuerKeys]:
        """What is known of the keys of the issuers whose tokens are read."""
        return (state for reader in self._made.values() if isinstance(reader, TokenReader) for state in reader.states)
