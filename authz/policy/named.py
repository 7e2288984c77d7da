"""Definitions that the items of a policy name: issuers, key sets, certificate authorities, sets of addresses."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from authz.model.definitions import Definitions
from authz.model.policy import Item, Policy
from authz.model.problem import Problem

Path = tuple[str | int, ...]


def dangling(policy: Policy, definitions: Definitions) -> Iterator[Problem]:
    """Yield a problem for each definition that `policy` names and nobody defines. `definitions` are all that it may name."""
    known: dict[str, tuple[str, Mapping[str, object]]] = {
        "issuers": ("issuer", definitions.issuers),
        "apiKeys": ("key set", definitions.api_keys),
        "certificateAuthorities": ("certificate authority", definitions.certificate_authorities),
        "ipSets": ("set of addresses", definitions.ip_sets),
    }
    for path, item in policy.placed_items:
        for place, name, steps in _names(item):
            word, defined = known[place]
            if name not in defined:
                what = f"no {word} is called {name} here{did_you_mean(name, sorted(defined))}"
                yield Problem("AZ201", f"{what} (spec.{place} and definitionsFrom)", (*path, *steps))


def named(policy: Policy) -> dict[str, frozenset[str]]:
    """Return the names of the definitions that the policy's items use, by the field that defines them."""
    found: dict[str, set[str]] = {"issuers": set(), "apiKeys": set(), "certificateAuthorities": set(), "ipSets": set()}
    for _, item in policy.placed_items:
        for place, name, _ in _names(item):
            found[place].add(name)
    return {place: frozenset(names) for place, names in found.items()}


def _names(item: Item) -> Iterator[tuple[str, str, Path]]:
    """Yield each definition that an item names: where it is defined, its name, and where the item says so."""
    for at, name in enumerate(item.jwt.issuers if item.jwt is not None else ()):
        yield "issuers", name, ("jwt", "issuers", at)
    if item.api_key is not None:
        yield "apiKeys", item.api_key.key_set, ("apiKey", "from")
    if item.certificate is not None:
        yield "certificateAuthorities", item.certificate.authority, ("clientCertificate", "authority")
    for at, name in enumerate(item.addresses.sets if item.addresses is not None else ()):
        yield "ipSets", name, ("clientIP", "sets", at)


def did_you_mean(word: str, known: list[str]) -> str:
    """Return `; did you mean …?` with the closest known word, or ""."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
