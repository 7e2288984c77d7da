"""References to texts that stand beside policies: in other objects of a cluster, or in files."""

from dataclasses import dataclass, field
from typing import Final

FILE: Final = "File"


@dataclass(frozen=True, slots=True)
class Reference:
    """A text in a Secret or ConfigMap: which object, and which key of its data.

    For a file (kind `File`) the namespace is empty, `name` is the file as written, relative to the policy's, and `key` is the directory
    of the policy's file.
    """

    kind: str
    namespace: str
    name: str
    key: str

    def __str__(self) -> str:
        """`Secret shop/idp (key jwks.json)`, or `the file keys/acme.jsonl`."""
        if self.kind == FILE:
            return f"the file {self.name}"
        return f"{self.kind} {self.namespace}/{self.name} (key {self.key})"


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of Secrets of one namespace: those that have all of these labels with these values. `labels` is sorted."""

    namespace: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """`Secrets of shop with ingress-authz.dev/keys=orders`."""
        return f"Secrets of {self.namespace} with {', '.join(f'{key}={value}' for key, value in self.labels)}"


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a choice; `origin` says where it stands, as `Secret shop/acme (key keys.jsonl)`. Its repr does not tell the text."""

    origin: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a referenced text is not there: a sentence that ends with what to do."""

    why: str
