"""A server of checks on loopback, in a process of its own: `python -m benchmarks.server`.

Reads one line of JSON, `{"jwks": …, "policies": …, "remembered": …}` or `{}` for a server that allows everything unread,
and prints its port. Ends when its input does.
"""

import asyncio
import json
import sys

from authz.envoy.codec import response_of
from authz.envoy.server import CheckServer, ServerLimits
from authz.model.decision import Allow
from authz.model.reason import Reason
from authz.service.tokens import TokenMemory
from benchmarks import scene
from benchmarks.measure import pin


def answers(asked):
    """Return what answers checks: the whole decision, or a constant."""
    if not asked:
        constant = response_of(Allow(Reason.RULE_ALLOW), None)
        return lambda data, deadline: constant
    return scene.Site(scene.policies(asked["policies"], asked["jwks"]), TokenMemory(asked["remembered"])).endpoint


async def _main():
    server = CheckServer(answers(json.loads(sys.stdin.readline())), ServerLimits())
    print(await server.start("127.0.0.1:0"), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(0)


if __name__ == "__main__":
    pin(to_last=False)
    asyncio.run(_main())
