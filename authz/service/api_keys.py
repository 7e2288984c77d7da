"""API keys: records read once, and the reader that finds out whose key a request presents."""

from dataclasses import dataclass

from authz.api.key_records import reading
from authz.authn.api_keys import ApiKeys, failure_of
from authz.authn.presented import Finder
from authz.model.api_key import KeyRecord
from authz.model.cluster import Cluster
from authz.model.definitions import ApiKeySet
from authz.model.principal import Caller, Failure, Rank
from authz.model.problem import Problem
from authz.model.reason import Reason
from authz.model.reference import FILE, Missing, Reference, Selection, Text
from authz.model.trace import Step
from authz.policy import addresses
from authz.policy.view import View
from authz.service.slices import Steps, at_once


@dataclass(frozen=True, slots=True)
class ReadRecords:
    """The records of a text, and what is wrong with others in it."""

    records: tuple[KeyRecord, ...]
    problems: tuple[Problem, ...]


class KeyRecords:
    """Records of texts, and sets of keys made of them, each read and made once as long as it is in use."""

    def __init__(self, digest_key: bytes = b"") -> None:
        self._digest_key = digest_key
        self._read: dict[Text, ReadRecords] = {}
        self._made: dict[tuple[Text, ...], ApiKeys] = {}

    def of(self, text: Text) -> ReadRecords:
        """Return the records of a text."""
        known = self._read.get(text)
        if known is None:
            known = at_once(self._reading(text))
        return known

    def _reading(self, text: Text) -> Steps[ReadRecords]:
        records, problems = yield from reading(text.text, text.origin)
        read = self._read[text] = ReadRecords(records, problems)
        return read

    def keys(self, texts: tuple[Text, ...]) -> ApiKeys:
        """Return the keys whose records stand in these texts."""
        known = self._made.get(texts)
        if known is None:
            known = at_once(self._making(texts))
        return known

    def _making(self, texts: tuple[Text, ...]) -> Steps[ApiKeys]:
        keys = yield from ApiKeys.steps((record for text in texts for record in self.of(text).records), self._digest_key)
        self._made[texts] = keys
        return keys

    def preparing(self, key_set: ApiKeySet, cluster: Cluster) -> Steps[None]:
        """Return the steps that read and make what a set will be asked for, so that it is there when it is."""
        texts = tuple(dict.fromkeys(text for source in key_set.sources for text in texts_at(source, cluster)))
        for text in texts:
            if text not in self._read:
                yield from self._reading(text)
        if texts not in self._made:
            yield from self._making(texts)

    def retain(self, used: set[Text]) -> None:
        """Forget every other text."""
        self._read = {text: read for text, read in self._read.items() if text in used}
        self._made = {texts: made for texts, made in self._made.items() if used.issuperset(texts)}


def texts_at(source: Reference | Selection, cluster: Cluster) -> tuple[Text, ...]:
    """Return the texts that a source of records stands for, as far as they are there."""
    if isinstance(source, Selection):
        selected = cluster.selected.get(source, ())
        return () if isinstance(selected, Missing) else selected
    text = cluster.texts.get(source)
    if not isinstance(text, str) or not text.strip():
        return ()
    return (Text(f"{source.key}/{source.name}".removeprefix("./") if source.kind == FILE else str(source), text),)


class ApiKeyReader:
    """Reads the keys of one set."""

    __slots__ = ("_callers", "_finder", "_keys", "_name")

    def __init__(self, key_set: ApiKeySet, keys: ApiKeys) -> None:
        self._name = key_set.name
        self._finder = Finder(key_set.places, "one API key")
        self._keys = keys
        self._callers: dict[str, Caller] = {}

    def identify(self, view: View) -> Caller | Failure:
        """Return whose key the request presents, or why it counts for nothing."""
        presented = self._finder.find(view.request)
        if isinstance(presented, Failure):
            view.note(Step(3, "key", "", False, presented.got, presented.want))
            return presented
        view.unasked = presented.unasked
        found = self._judged(self._keys.find(presented.token), view)
        if isinstance(found, Failure):
            found.unasked = presented.unasked
            view.note(Step(3, "key", "", False, found.got, found.want))
        elif view.trace is not None:
            place = " and ".join(map(str, presented.places))
            view.note(Step(3, "key", "", True, f"{found.subject} of {found.claims['subscription']}, {place}"))
        return found

    def _judged(self, record: KeyRecord | None, view: View) -> Caller | Failure:
        if record is None:
            return Failure(Reason.APIKEY_UNKNOWN, Rank.NOT_VERIFIED, f"a key of {self._name}", "another")
        return self._failure(record, view) or self._caller(record)

    def _failure(self, record: KeyRecord, view: View) -> Failure | None:
        failure = failure_of(record, view.now, view.address if record.cidrs else addresses.UNKNOWN, addresses.of_cidrs)
        if failure is not None and not failure.got:
            failure.got = f"{record.id} from {addresses.text(view.address)}"
        return failure

    def _caller(self, record: KeyRecord) -> Caller:
        known = self._callers.get(record.id)
        if known is None:
            claims = {
                "id": record.id,
                "subscription": record.subscription,
                "labels": dict(record.labels),
                "scopes": frozenset(record.scopes),
            }
            known = self._callers[record.id] = Caller(self._name, record.id, claims)
        return known
