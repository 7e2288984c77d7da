"""The backend of the routes: the demo's, which echoes what reached it. Usage: python -m tests.gateways.upstream HOST PORT."""

import sys

import uvicorn

from authz.demo.upstream import upstream_app

if __name__ == "__main__":
    uvicorn.run(upstream_app(), host=sys.argv[1], port=int(sys.argv[2]), log_level="warning", lifespan="off")
