"""API keys: what a look-up costs among few and among many, by id and by digest; and how long reading their records takes."""

import json
import time

from authz.api.key_records import read_records
from authz.authn.api_keys import ApiKeys, digest_of
from benchmarks.measure import fact, interleaved, ratio

FEW, MANY = 10, 100_000
UNDER = b"d" * 32
NOBODY = "k0." + "x" * 43


def lines():
    """Yield the lines about API keys."""
    text = _text(MANY)
    began = time.process_time()
    records, problems = read_records(text, "keys.jsonl")
    took = time.process_time() - began
    if len(records) != MANY or problems:
        raise SystemExit(f"the benchmark's records cannot be read: {problems[:3]}")
    few, many = ApiKeys(records[:FEW], UNDER), ApiKeys(records, UNDER)
    # The same keys of both, spread over the few, so that caches help both alike.
    variants = {
        f"{what} {size}": _asking(keys, [_key(at) for at in range(FEW) if at % 2 == odd], found=True)
        for what, odd in (("id", 0), ("digest", 1))
        for size, keys in (("few", few), ("many", many))
    }
    variants |= {f"none {size}": _asking(keys, [NOBODY], found=False) for size, keys in (("few", few), ("many", many))}
    cost = interleaved(variants, calls=20_000)
    for what, told in (("id", "found by its id"), ("digest", "found by its keyed digest"), ("none", "that nobody has")):
        yield ratio(cost[f"{what} many"] / cost[f"{what} few"], f"an API key {told}, among {MANY:,} / among {FEW}", 1.3)
    yield fact(f"{cost['id many'] * 1e6:.1f} µs", f"finding an API key by its id among {MANY:,}, with both digests")
    yield fact(f"{took:.1f} s", f"reading {MANY:,} records of API keys ({len(text) / 1e6:.0f} MB of JSON Lines)")


def _asking(keys, texts, *, found):
    turns = [texts[at % len(texts)] for at in range(1_000)]
    if any((keys.find(text) is not None) != found for text in texts):
        raise SystemExit("the benchmark's keys are not found")
    every = iter(())

    def ask():
        nonlocal every
        text = next(every, None)
        if text is None:
            every = iter(turns)
            text = next(every)
        keys.find(text)

    return ask


def _key(at):
    return f"k{at:06}.{'s' * 36}{at:07}" if at % 2 == 0 else f"{at:032x}"


def _text(count):
    return "\n".join(json.dumps(_record(at)) for at in range(count))


def _record(at):
    digest = digest_of(_key(at), b"" if at % 2 == 0 else UNDER)
    return {
        "id": f"k{at:06}",
        "digest": f"{digest.kind}:{digest.value.hex()}",
        "slot": "Primary",
        "subscription": f"subscription-{at // 2}",
        "state": "Active",
        "scopes": ["orders"],
        "notAfter": "2027-01-01T00:00:00Z",
        "cidrs": ["192.0.2.0/24"],
        "labels": {"team": "blue"},
    }
