"""A process that asks for more than a service can do: `python -m tests.e2e.saturating PORT SECONDS AT_ONCE` prints what it got."""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack

import grpc

from authz.envoy.server import SERVICE
from tests.envoy.messages import check_request, check_response

CHANNELS = 4
ASKED = {"open": check_request(path="/open", host="localhost"), "closed": check_request(path="/closed", host="localhost")}


async def asking(call: grpc.aio.UnaryUnaryMultiCallable, what: str, until: float, counts: Counter[str], times: list[float]) -> None:
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            status = check_response(await call(ASKED[what], timeout=2)).status.code
        except grpc.aio.AioRpcError as fault:
            counts[f"{what} {fault.code().name}"] += 1
        else:
            counts[f"{what} {'denied' if status else 'allowed'}"] += 1
            times.append(time.monotonic() - began)


async def main(port: int, seconds: float, at_once: int) -> None:
    counts: Counter[str] = Counter()
    times: list[float] = []
    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)) for _ in range(CHANNELS)]
        calls = [channel.unary_unary(f"/{SERVICE}/Check") for channel in channels]
        until = time.monotonic() + seconds
        whats = ("open", "closed")
        await asyncio.gather(*(asking(calls[n % CHANNELS], whats[n // CHANNELS % 2], until, counts, times) for n in range(at_once)))
    times.sort()
    sys.stdout.write(json.dumps({"counts": counts, "p50": times[len(times) // 2], "p99": times[int(len(times) * 0.99)]}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
