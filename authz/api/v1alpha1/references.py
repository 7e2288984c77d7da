"""References to texts that stand elsewhere: in Secrets and ConfigMaps, or in files beside a policy."""

import re
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, StringConstraints, model_validator

from authz.api.v1alpha1.words import DataKey, Object, ObjectName, exactly_one, one_rule

FilePath = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")
]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
T = TypeVar("T", bound=Object)
NO_LABEL = "one of matchLabels is no label: write it as Kubernetes does, as in ingress-authz.dev/keys"
_LABEL_NAME = r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"


_ONE_PLACE = "give kind and name of an object, or file"
_OBJECT_OR_FILE = (
    "has(self.file) ? !(has(self.kind) || has(self.namespace) || has(self.name)) : has(self.kind) && has(self.name)",
    _ONE_PLACE,
)


def _object_or_file(self: T, file: str | None, namespace: str | None, both: tuple[str | None, str | None]) -> T:
    """Return `self`. Raises ValueError unless it names an object whole, or a file."""
    named = [each is not None for each in both]
    if any((*named, namespace)) if file is not None else not all(named):
        raise ValueError(_ONE_PLACE)
    return self


class JwksRef(Object):
    """A key set in a ConfigMap or Secret, or in a file."""

    cel = (_OBJECT_OR_FILE,)
    kind: Literal["ConfigMap", "Secret"] | None = None
    """What holds it."""
    namespace: ObjectName | None = None
    """Its namespace; the default is the policy's. Another one takes a ReferenceGrant there."""
    name: ObjectName | None = None
    """Its name."""
    key: DataKey = "jwks.json"
    """Which key of its data."""
    file: FilePath | None = None
    """Instead of an object, a file, for policies that are files themselves: its path from the directory of the policy's file."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        return _object_or_file(self, self.file, self.namespace, (self.kind, self.name))


class CaRef(Object):
    """CA certificates in a ConfigMap or Secret, or in a file."""

    cel = (_OBJECT_OR_FILE,)
    kind: Literal["ConfigMap", "Secret"] | None = None
    """What holds them."""
    namespace: ObjectName | None = None
    """Its namespace; the default is the policy's. Another one takes a ReferenceGrant there."""
    name: ObjectName | None = None
    """Its name."""
    key: DataKey = "ca.crt"
    """Which key of its data: PEM, one certificate or several."""
    file: FilePath | None = None
    """Instead of an object, a file, for policies that are files themselves: its path from the directory of the policy's file."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        return _object_or_file(self, self.file, self.namespace, (self.kind, self.name))


class ObjectRef(Object):
    """One entry of the data of a Secret or ConfigMap."""

    namespace: ObjectName | None = None
    """Its namespace; the default is the policy's. Another one takes a ReferenceGrant there."""
    name: ObjectName
    """Its name."""
    key: DataKey | None = None
    """Which key of its data. The default is `ca.crt` for certificates, `ca.crl` for revocation lists, `keys.jsonl` for API keys,
    `hmac` for shared secrets."""


class TextSource(Object):
    """Where a text stands."""

    cel = (one_rule("secretRef", "configMapRef", "file"),)
    secret_ref: ObjectRef | None = Field(None, alias="secretRef")
    """In a Secret."""
    config_map_ref: ObjectRef | None = Field(None, alias="configMapRef")
    """In a ConfigMap."""
    file: FilePath | None = None
    """In a file, for policies that are files themselves: its path from the directory of the policy's file, or below it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "secret_ref", "config_map_ref", "file")
        return self


class HmacSource(Object):
    """Where secrets stand that an issuer shares with this service, to sign with HMAC. Whoever reads them can sign tokens."""

    cel = (one_rule("secretRef", "file"),)
    secret_ref: ObjectRef | None = Field(None, alias="secretRef")
    """In a Secret."""
    file: FilePath | None = None
    """In a file, for policies that are files themselves: its path from the directory of the policy's file, or below it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "secret_ref", "file")
        return self


class SecretSelector(Object):
    """A choice of Secrets in the namespace of the policy."""

    cel = (
        (
            "self.matchLabels.all(name, name.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))",
            NO_LABEL,
        ),
    )
    match_labels: Annotated[dict[str, Label], Field(min_length=1, max_length=8)] = Field(alias="matchLabels")
    """Labels that they have, all of them. The operator lets the service read Secrets of the namespace (chart: `keySecrets`)."""

    @model_validator(mode="after")
    def _labels(self) -> Self:
        if not all(re.fullmatch(_LABEL_NAME, name) for name in self.match_labels):
            raise ValueError(NO_LABEL)
        return self


class KeySource(Object):
    """Where records of API keys stand."""

    cel = (one_rule("secretSelector", "secretRef", "file"),)
    secret_selector: SecretSelector | None = Field(None, alias="secretSelector")
    """In Secrets with these labels: every entry of their data holds records."""
    secret_ref: ObjectRef | None = Field(None, alias="secretRef")
    """In one entry of one Secret."""
    file: FilePath | None = None
    """In a file, for policies that are files themselves: its path from the directory of the policy's file, or below it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "secret_selector", "secret_ref", "file")
        return self
