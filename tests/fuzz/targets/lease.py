"""A replica's Lease: whatever is written in it, it speaks of a replica; and what we write in it is read again.

The data are lines: the Lease's name, its holder, when it was renewed, its annotations.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from authz.kube import replica
from authz.kube.pacing import unix_time, whole_seconds
from authz.kube.programmed import Replica, Roll, programmed
from authz.model.policy import PolicyName

FOUND: Mapping[str, bytes] = {
    "more digits than Python reads": b"a\nb\n2027-01-15T08:00:00Z\n" + b"9" * 5000,
    "a year of three digits": b"a\nb\n0939-01-15T08:00:00Z\n7",
    "the last microsecond that can be written": b"a\nb\n9999-12-31T23:59:59.999999Z\n7",
}
ANNOTATIONS = ("ingress-authz.dev/loaded-version", "ingress-authz.dev/not-in-use")
_OBJECT_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def fuzz(data: bytes) -> None:
    # The API server holds text, and each of these as text or not at all.
    name, holder, renewed, *values = (data.decode("utf-8", "replace") + "\n\n").split("\n")
    lease = {"metadata": {"name": name, "annotations": dict(zip(ANNOTATIONS, values, strict=False))}, "spec": {"holderIdentity": holder}}
    found = replace(replica.replica_of(lease), silent_since=whole_seconds(unix_time(renewed)))
    assert found.name == (holder or name.removeprefix("ingress-authz-replica-"))
    assert found.version >= 0
    assert unix_time(found.silent_since) == pytest.approx(max(unix_time(renewed), unix_time("0001-01-01T00:00:00Z")), abs=1)
    for policy in (PolicyName("shop", "orders"), *found.not_in_use):
        condition = programmed(Roll([found]).loaded(policy, 7))
        assert condition.status == ("True" if found.version >= 7 and policy not in found.not_in_use else "False")
    if holder:
        _assert_written(found)
    assert replica.replica_of({"metadata": {"name": name, "annotations": None}, "spec": None}).version == 0


def _assert_written(found: Replica) -> None:
    lease_name = replica.lease_name(found.name)
    assert len(lease_name) <= 253
    assert _OBJECT_NAME.fullmatch(lease_name)
    if len(found.not_in_use) <= replica.MOST_NAMES:
        read = replica.replica_of(replica.lease_of(found, 15, "2027-01-15T08:00:00Z"))
        assert replace(read, silent_since=found.silent_since) == found


def seeds() -> Iterable[bytes]:
    yield b"ingress-authz-replica-authz-6d5f-x2\nauthz-6d5f-x2\n2027-01-15T08:00:00.250000Z\n1234\nshop/orders,shop/users"
    many = ",".join(f"n/p{at}" for at in range(120))
    yield f"ingress-authz-replica-my-laptop\nMy_Laptop..-\n2027-01-15T08:00:00Z\n0007\n{many}".encode()
    yield "a\n\nnow\nx\n/,a/,/b,a/b/c,…".encode()
