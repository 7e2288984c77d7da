"""The server over loopback: CPU of its process for one call, with the decision and with a constant answer."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import grpc

from authz.envoy.pb import ext_authz_pb2 as pb
from authz.envoy.server import SERVICE
from benchmarks import scene
from benchmarks.measure import cpu_of, fact, pin, ratio

POLICIES = 1_000
CALLS, ROUNDS, AT_ONCE = 1_000, 9, 16


def lines():
    """Yield the lines about the server."""
    minter = scene.Minter()
    same = scene.check_request(minter.token())
    several = [scene.check_request(minter.token(f"user-{at}")) for at in range(64)]
    asked = {"jwks": minter.jwks(), "policies": POLICIES}
    with ExitStack() as servers:
        constant = servers.enter_context(_server({}))
        remembering = servers.enter_context(_server({**asked, "remembered": 50_000}))
        # More tokens take turns than it remembers, so that each one is new to it.
        forgetful = servers.enter_context(_server({**asked, "remembered": 2}))
        variants = {"no-op": (constant, [same]), "same": (remembering, [same]), "unseen": (forgetful, several)}
        cores = pin(to_last=True)
        try:
            took = asyncio.run(_rounds(variants))
        finally:
            os.sched_setaffinity(0, cores)
    yield ratio(took["same"] / took["no-op"], "the server with decision, remembered token / the same gRPC server answering a constant")
    yield ratio(took["unseen"] / took["no-op"], "the server with decision, token never seen / the same gRPC server answering a constant")
    yield fact(f"{took['no-op'] * 1e6:.0f} µs", "CPU of a call to the gRPC server that answers a constant, for information")


@contextmanager
def _server(asked):
    """Run a server; give its process id and port."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        print(json.dumps(asked), file=process.stdin, flush=True)
        yield process.pid, int(process.stdout.readline())
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


async def _rounds(variants):
    best = dict.fromkeys(variants, float("inf"))
    for number in range(ROUNDS + 1):
        for name, ((pid, port), messages) in variants.items():
            began = cpu_of(pid)
            await _drive(port, messages)
            if number:  # The first round warms up.
                best[name] = min(best[name], (cpu_of(pid) - began) / CALLS)
    return best


async def _drive(port, messages):
    """Make CALLS calls, AT_ONCE at a time. Every answer must be an allow."""
    turns = iter(list(itertools.islice(itertools.cycle(messages), CALLS)))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary(f"/{SERVICE}/Check")

        async def caller():
            for message in turns:
                answer = pb.CheckResponse.FromString(await check(message, timeout=10))
                if not answer.HasField("status") or answer.status.code:
                    raise SystemExit(f"the benchmark's request is denied: {answer}")

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
