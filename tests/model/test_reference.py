"""References in words, and what they do not tell."""

from authz.model.cluster import ALONE, Cluster
from authz.model.reference import Missing, Reference, Selection, Text


def test_references_and_choices_say_where_a_text_stands() -> None:
    assert str(Reference("Secret", "shop", "idp", "jwks.json")) == "Secret shop/idp (key jwks.json)"
    assert str(Reference("File", "", "keys/acme.jsonl", "/policies")) == "the file keys/acme.jsonl"
    assert str(Selection("shop", (("ingress-authz.dev/keys", "orders"),))) == "Secrets of shop with ingress-authz.dev/keys=orders"
    assert str(Selection("shop", (("a", "1"), ("b", "")))) == "Secrets of shop with a=1, b="


def test_no_repr_tells_a_text() -> None:
    text = Text("Secret shop/acme (key keys.jsonl)", "TOP-SECRET")
    selection = Selection("shop", (("a", "1"),))
    cluster = Cluster(texts={Reference("File", "", "a", "b"): "TOP-SECRET"}, selected={selection: (text,)})
    assert repr(text) == "Text(origin='Secret shop/acme (key keys.jsonl)')"
    assert "TOP-SECRET" not in repr(cluster)
    assert cluster != ALONE
    assert ALONE.selected == {}
    assert Cluster(selected={selection: Missing("why")}) != cluster
