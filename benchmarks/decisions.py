"""Decisions in process: against reading the request, among more policies, with a token never seen, and as bytes."""

import gc
import itertools
import time

from authz.envoy.pb import ext_authz_pb2 as pb
from authz.model.decision import Allow
from authz.service.tokens import TokenMemory
from benchmarks import scene
from benchmarks.measure import fact, interleaved, ratio

FEW, MANY = 1_000, 100_000
_read = pb.CheckRequest.FromString


def parse_and_read(data):
    """Read from a CheckRequest what any decision needs: the yardstick."""
    attributes = _read(data).attributes
    http = attributes.request.http
    return http.method, http.host, http.path, http.headers.get("authorization"), attributes.source.address.socket_address.address


def of_one_request():
    """Yield the lines that need no more than FEW policies."""
    minter = scene.Minter()
    data = scene.check_request(minter.token())
    declared = list(scene.policies(FEW, minter.jwks()))
    site, request = scene.Site(declared), scene.request(data)
    unseen = _never_seen(minter, declared)
    _must_allow(site.checker.check(request, scene.BUDGET))
    took = interleaved(
        {
            "yardstick": lambda: parse_and_read(data),
            "decision": lambda: site.checker.check(request, scene.BUDGET),
            "bytes": lambda: site.endpoint(data, scene.BUDGET),
        },
        calls=4_000,
    )
    slow = interleaved({"decision": lambda: site.checker.check(request, scene.BUDGET), "unseen": unseen}, calls=400)
    yield ratio(
        took["decision"] / took["yardstick"],
        f"a decision, remembered token, {FEW:,} policies / parsing and reading its CheckRequest ({len(data):,} bytes)",
        2.5,
    )
    yield ratio(took["bytes"] / took["decision"], "bytes in to bytes out, counted and logged / the decision alone")
    yield ratio(slow["unseen"] / slow["decision"], "a decision with a token never seen (RS256) / with a remembered one")
    yield _of_long_paths(site)
    yield fact(f"{took['yardstick'] * 1e6:.2f} µs", "the yardstick, for information")


def _never_seen(minter, declared):
    """Return a check whose token is never remembered: more tokens take turns than the memory holds."""
    site = scene.Site(declared, TokenMemory(max_count=2))
    requests = [scene.request(scene.check_request(minter.token(f"user-{at}"))) for at in range(16)]
    for request in requests:
        _must_allow(site.checker.check(request, scene.BUDGET))
    turns = itertools.cycle(requests)
    return lambda: site.checker.check(next(turns), scene.BUDGET)


def _of_long_paths(site):
    """Return the line about what a client can make a check cost by its path alone: nobody has to be let in for that."""
    plain, split = (scene.plain_request("none", path) for path in ("/orders/" + "a" * 8_000, "/orders" + "/a" * 4_000))
    took = interleaved(
        {
            "plain": lambda: site.checker.check(plain, scene.BUDGET),
            "split": lambda: site.checker.check(split, scene.BUDGET),
        },
        calls=20,
    )
    return ratio(took["split"] / took["plain"], f"a path of 4,000 segments / of the same length with two ({len(split.path):,} characters)")


def among_many():
    """Yield the lines that compare MANY policies with FEW."""
    minter = scene.Minter()
    jwks, token = minter.jwks(), minter.token()
    request = scene.request(scene.check_request(token))
    few = scene.Site(scene.policies(FEW, jwks))
    declared = list(scene.policies(MANY, jwks))
    # Collections while a million objects are made would be most of the time.
    gc.disable()
    began = time.process_time()
    many = scene.Site(declared)
    compiled = time.process_time() - began
    began = time.process_time()
    many.updater.apply(declared)
    again = time.process_time() - began
    gc.freeze()
    gc.enable()
    took = interleaved(
        {
            "few": lambda: few.checker.check(request, scene.BUDGET),
            "many": lambda: many.checker.check(request, scene.BUDGET),
            "few in turn": _in_turn(few, token),
            "many in turn": _in_turn(many, token),
        },
        calls=4_000,
    )
    yield ratio(took["many"] / took["few"], f"a decision among {MANY:,} policies / among {FEW:,}", 1.1)
    yield ratio(took["many in turn"] / took["few in turn"], f"the same, {FEW:,} policies asked in turn")
    yield fact(f"{compiled / MANY * 1e6:.0f} µs", f"to judge, resolve and compile one policy of {MANY:,} (no garbage collection)")
    yield fact(f"{again / MANY * 1e6:.0f} µs", "a policy, to apply the same ones once more")


def _in_turn(site, token):
    """Return a check that asks another policy each time, FEW of them, spread over all."""
    policies = list(site.updater.store.current.policies.values())
    hosts = [policy.hosts[0] for policy in policies[:: len(policies) // FEW] if policy.hosts][:FEW]
    requests = [scene.request(scene.check_request(token, host)) for host in hosts]
    for request in requests:
        _must_allow(site.checker.check(request, scene.BUDGET))
    turns = itertools.cycle(requests)
    return lambda: site.checker.check(next(turns), scene.BUDGET)


def _must_allow(decision):
    if not isinstance(decision, Allow):
        raise SystemExit(f"the benchmark's request is denied: {decision}")
