"""References to texts that stand in other objects of a cluster."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """A text in a Secret or ConfigMap: which object, and which key of its data."""

    kind: str
    namespace: str
    name: str
    key: str

    def __str__(self) -> str:
        """`Secret shop/idp (key jwks.json)`."""
        return f"{self.kind} {self.namespace}/{self.name} (key {self.key})"


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a referenced text is not there: a sentence that ends with what to do."""

    why: str
