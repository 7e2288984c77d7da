"""One record of an API key, as written: its form, and what is wrong with one that cannot be used.

No message shows what stands in a record: where a digest belongs, somebody may have written a key.
"""

import re
from functools import lru_cache
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from authz.api.mistakes import problem_of
from authz.api.v1alpha1.words import Scope
from authz.model.api_key import Digest, DigestKind, KeyRecord, KeySlot, KeyState
from authz.model.problem import Problem

# RFC 3339 §5.6.
_TIME: Final = re.compile(r"[12]\d{3}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_CIDR: Final = re.compile(r"[0-9a-fA-F:.]{2,45}(/(0|[1-9][0-9]{0,2}))?")
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,23}")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
# Folded: no case, no `_` or `-`.
_KEYS_THEMSELVES: Final = frozenset(
    {"key", "keys", "value", "primarykey", "secondarykey", "secret", "apikey", "token", "password", "plaintext", "credential"}
)
_TOLD: Final = 3
_LABELS: Final = "labels: write names of 1 to 63 letters, digits and . _ / -, and values of up to 256 printable characters, 32 at most"
_DIGEST: Final = "digest: write sha256: or hmac-sha256: and 64 hexadecimal digits, as `authz apikey hash` prints them"


def _time(value: object) -> object:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise PydanticCustomError("no_time", "write a time as RFC 3339 has it, as 2027-01-01T00:00:00Z")
    return value


@lru_cache(maxsize=4096)
def _cidr(value: str) -> str:
    try:
        network = ip_network(value) if _CIDR.fullmatch(value) else None
    except ValueError:
        network = None
    if network is None or (isinstance(network, IPv6Network) and network.subnet_of(_MAPPED)):
        raise PydanticCustomError("no_cidr", "write a CIDR without bits after its prefix, as 192.0.2.0/24, and IPv4 as IPv4")
    return value


Id = Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
DigestText = Annotated[str, StringConstraints(pattern=r"^(hmac-)?sha256:[0-9a-fA-F]{64}$")]
# Both may be sent to upstreams, in headers.
Subscription = Annotated[str, StringConstraints(max_length=256, pattern=r"^[!-~]([ -~]*[!-~])?$")]
LabelValue = Annotated[str, StringConstraints(max_length=256, pattern=r"^[ -~]*$")]
LabelName = Annotated[str, StringConstraints(max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$")]
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_time)]
Cidr = Annotated[str, AfterValidator(_cidr)]


class Record(BaseModel):
    """One record, as written. Without the base of the other types: of a hundred thousand, each validator in Python takes its time."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    id: Id
    """Tells the key apart; a generated key begins with it."""
    digest: DigestText
    """The digest of the whole key."""
    slot: Literal["Primary", "Secondary"] = "Primary"
    """Which of the subscription's two keys it is."""
    subscription: Subscription
    """Who the key was given to."""
    state: Literal["Active", "Suspended", "Submitted", "Rejected", "Cancelled", "Expired"] = "Active"
    """Only `Active` opens anything."""
    scopes: Annotated[list[Scope], Field(max_length=64)] = []
    """What it opens; `*` is everything."""
    not_before: Moment | None = Field(None, alias="notBefore")
    """From when on it counts."""
    not_after: Moment | None = Field(None, alias="notAfter")
    """Until when it counts."""
    cidrs: Annotated[list[Cidr], Field(max_length=64)] = []
    """From where it may be used. None: from everywhere."""
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=32)] = {}
    """What else the operator wants to know of it."""

    @model_validator(mode="after")
    def _some_time(self) -> Self:
        if self.not_before is not None and self.not_after is not None and self.not_before > self.not_after:
            raise ValueError("notBefore is after notAfter, so that it would never count; exchange them")
        return self


_FIELDS: Final = tuple(field.alias or name for name, field in Record.model_fields.items())


def record_of(value: Any) -> KeyRecord | Problem:  # noqa: ANN401 - arbitrary JSON
    """Return the record that a value is, or why it cannot be used; the problem's path leads into the value, and is not to be shown."""
    if not isinstance(value, dict):
        return Problem("AZ214", "a record is an object with id, digest and subscription")
    for name in value:
        if name not in _FIELDS and re.sub("[_-]", "", name.lower()) in _KEYS_THEMSELVES:
            return Problem("AZ214", f"never write a key: `authz apikey hash` gives its digest; remove {name}, and replace the key")
    for name in _FIELDS:
        if name in value and value[name] is None:
            # A text that was cut after `notAfter:` must not be taken for a key without an end.
            return Problem("AZ214", f"{name} has no value; leave it out, or give it one", (name,))
    try:
        return _converted(Record.model_validate(value))
    except ValidationError as fault:
        return _problem(fault.errors(include_url=False))


def _converted(written: Record) -> KeyRecord:
    kind, _, digits = written.digest.partition(":")
    return KeyRecord(
        id=written.id,
        digest=Digest(DigestKind(kind), bytes.fromhex(digits)),
        slot=KeySlot(written.slot),
        subscription=written.subscription,
        state=KeyState(written.state),
        scopes=tuple(written.scopes),
        not_before=written.not_before.timestamp() if written.not_before else None,
        not_after=written.not_after.timestamp() if written.not_after else None,
        cidrs=tuple(written.cidrs),
        labels=tuple(written.labels.items()),
    )


def _problem(errors: list[ErrorDetails]) -> Problem:
    sentences = dict.fromkeys(_sentence(error) for error in errors[:_TOLD])
    more = f"; and {len(errors) - _TOLD} more mistakes" if len(errors) > _TOLD else ""
    return Problem("AZ214", "; ".join(sentences) + more, tuple(errors[0]["loc"]))


def _sentence(error: ErrorDetails) -> str:
    path, kind, given = tuple(error["loc"]), error["type"], error["input"]
    field = path[0] if path else ""
    if kind == "extra_forbidden" and not _FIELD.fullmatch(str(field)):
        return f"a field of another name than {', '.join(_FIELDS)}; remove it"
    if field == "digest" and kind != "missing":
        return _DIGEST
    if field == "labels":
        return _LABELS
    # Of the input only what resembles a known word is told.
    told = given if kind == "literal_error" and isinstance(given, str) and len(given) <= 32 else None
    return problem_of({**error, "input": told}, Record).what
