"""The texts of the Secrets that a choice by labels comes to. Pure, but for what it remembers."""

import base64
from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

from authz.kube.api import Object
from authz.model.reference import Reference, Selection, Text
from authz.service.slices import Steps

_NOTHING: Final[Mapping[str, Any]] = {}


class Chosen:
    """Remembers what was read out of each Secret of one choice."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._read: dict[str, tuple[Object, tuple[Text, ...]]] = {}
        self._texts: tuple[Text, ...] = ()

    def texts(self, store: Mapping[str, Object]) -> Steps[tuple[Text, ...]]:
        """Return the steps that come to every entry of every chosen Secret, sorted by origin; the very same tuple where nothing changed."""
        read: dict[str, tuple[Object, tuple[Text, ...]]] = {}
        for key, each in list(store.items()):
            # The server has chosen; who holds a label is looked at once more, for what it chose by is a text that somebody wrote.
            if _is_chosen(each, self._selection):
                known = self._read.get(key)
                read[key] = known if known is not None and known[0] is each else (each, _texts(each))
            yield
        if read != self._read:
            texts = tuple(sorted(chain.from_iterable(found for _, found in read.values()), key=lambda text: text.origin))
            self._read, self._texts = read, texts if texts != self._texts else self._texts
        return self._texts


def _is_chosen(secret: Object, selection: Selection) -> bool:
    metadata = secret["metadata"]
    labels = metadata.get("labels") or _NOTHING
    return metadata.get("namespace") == selection.namespace and all(labels.get(key) == value for key, value in selection.labels)


def _texts(secret: Object) -> tuple[Text, ...]:
    metadata, data = secret["metadata"], secret.get("data") or _NOTHING
    origins = {key: str(Reference("Secret", metadata["namespace"], metadata["name"], key)) for key in data}
    return tuple(Text(origins[key], _decoded(value)) for key, value in data.items())


def _decoded(value: Any) -> str:  # noqa: ANN401 - whatever the server tells
    """Return the text of one entry; "" where it is none: whoever reads it finds it empty, and says so with its origin."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (ValueError, TypeError):
        return ""
