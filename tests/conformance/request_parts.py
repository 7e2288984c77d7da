"""Spellings of paths and addresses: what proxies' own tests say of them."""

from collections.abc import Iterator
from typing import Any

from authz.model.policy import AddressCondition
from authz.policy import addresses, paths
from tests.conformance.outcomes import Corpus, Outcome
from tests.corpora import corpus

PATHS = "path-normalization"
ADDRESSES = "ip-parsing"
AMBIGUOUS = "a proxy serves it; a backend could read it otherwise, so it is denied"
NEVER_ARRIVES = "the proxy refuses it itself, so how it is decided does not matter"


def _pairs() -> Iterator[tuple[str, str, str | None]]:
    """A name, the path sent, and the path that the proxy serves; none where it refuses."""
    vectors = corpus(f"{PATHS}/path_vectors.json")
    groups = {f"istio {mode}": pairs for mode, pairs in vectors["istio"]["cases"].items()}
    groups["istio percent-encoded"] = vectors["istio"]["percent_encoded_DECODE_AND_MERGE_SLASHES"]
    groups |= {f"envoy {function}": pairs for function, pairs in vectors["envoy"]["cases"].items()}
    groups["nginx"] = vectors["nginx"]["cases"]
    for group, pairs in groups.items():
        for at, (sent, served) in enumerate(pairs, 1):
            yield f"{group} {at}", sent, None if served == "400" else served


def _decided_on(sent: str) -> str:
    path = sent.partition("?")[0]
    return paths.canonical(path) if path.startswith("/") else ""


def path_outcomes() -> Iterator[Outcome]:
    for name, sent, served in _pairs():
        ours = _decided_on(sent)
        if served is None:
            yield Outcome(name, ours, ours, NEVER_ARRIVES if ours else "")
        elif not ours:
            yield Outcome(name, "", ours, AMBIGUOUS)
        else:
            yield Outcome(name, _decided_on(served), ours)


def _read(text: str) -> str:
    return addresses.text(addresses.parse(text))


def _listed(vectors: dict[str, Any], beginning: str) -> list[Any]:
    """The vectors of the list whose name begins so; the rest of the name is a remark."""
    (found,) = (listed for name, listed in vectors.items() if name.startswith(beginning))
    return list(found)


def address_outcomes() -> Iterator[Outcome]:
    vectors = corpus(f"{ADDRESSES}/ip_vectors.json")
    for at, (text, canonical) in enumerate(vectors["valid"], 1):
        yield Outcome(f"valid {at}", "read", "read" if _read(text) == _read(canonical or text) != "unknown" else _read(text))
    for beginning in ("valid_with_zone", "accepted_by_netaddr", "invalid"):
        for at, text in enumerate(_listed(vectors, beginning), 1):
            yield Outcome(f"{beginning} {at}", "unknown", _read(text))
    for at, (cidr, address, inside) in enumerate(_listed(vectors, "match_cases"), 1):
        found = addresses.parse(address) in addresses.set_of(AddressCondition((cidr,)))
        yield Outcome(f"match_cases {at}", str(inside), str(found))


PATH_NORMALIZATION = Corpus(
    PATHS,
    "istio/istio, envoyproxy/envoy, nginx/nginx-tests",
    "Apache-2.0, BSD-2-Clause",
    "A path is decided on as the proxy serves it, or is denied; never as another one.",
    path_outcomes,
)
IP_PARSING = Corpus(
    ADDRESSES,
    "inetaf/netaddr",
    "BSD-3-Clause",
    "What is no plain address is unknown; an address of IPv4 within IPv6 counts as the one of IPv4.",
    address_outcomes,
)
