"""Where a check's time goes, step by step: `python -m benchmarks.steps`. For profiling; each step runs alone, with warm caches."""

from hashlib import sha256

from authz.envoy.codec import request_of, response_of
from authz.envoy.pb import ext_authz_pb2 as pb
from authz.policy import paths
from authz.policy.decide import decide, view_of
from authz.policy.snapshot import find
from authz.service.reader import TokenReader
from benchmarks import scene
from benchmarks.decisions import FEW, parse_and_read
from benchmarks.measure import interleaved


def steps(site, data):
    """Return the steps of one check, in order, and what several of them make together. Nested ones are indented."""
    request, snapshot = scene.request(data), site.updater.store.current
    view = view_of(snapshot, request, site.clock.time())
    decision = decide(snapshot, view)
    tables = snapshot.site(request.host)
    policy = find(tables, view.path)
    rule = policy.rule_for(request.method, view.path)
    (alternative,) = rule.alternatives
    item = alternative.item
    address, header = item.members
    reader: TokenReader = item.only.reader
    presented = reader._finder.find(request)
    salt, memory = reader._salt, reader._memory
    text = presented.token.reveal().encode()
    digest = sha256(salt + presented.mark + b"." + text).digest()
    principal = memory.get(digest)
    last = object()

    def fresh_identity():
        view._reader = last  # Forgets what was found, as a new view would.
        return view.identity(reader)

    def fresh_address():
        view._address = None
        return address(view)

    # Private parts are taken apart here on purpose: this is a profile, not an interface.
    return {
        "(calling an empty function, subtracted below)": lambda: None,
        "parse the protobuf": lambda: pb.CheckRequest.FromString(data),
        "parse it and read five fields: the yardstick": lambda: parse_and_read(data),
        "bytes to Request": lambda: request_of(data),
        "decision": lambda: site.checker.check(request, scene.BUDGET),
        "  clock": site.clock.time,
        "  view, with the path's canonical form": lambda: view_of(snapshot, request, 0.0),
        "    the path's canonical form": lambda: paths.canonical(request.path),
        "  decide": lambda: decide(snapshot, _fresh(view)),
        "    host to tables": lambda: snapshot.site(request.host),
        "    path to policy": lambda: find(tables, view.path),
        "    method and path to rule": lambda: policy.rule_for(request.method, view.path),
        "    token": fresh_identity,
        "      presented token": lambda: reader._finder.find(request),
        "      encode it": lambda: presented.token.reveal().encode("utf-8", "surrogatepass"),
        "      digest": lambda: sha256(salt + presented.mark + b"." + text).digest(),
        "      memory": lambda: memory.get(digest),
        "    what the alternative made of the claims": lambda: principal.answers.get(alternative),
        "    clientIP": fresh_address,
        "    header": lambda: header(view),
        "answer to bytes": lambda: response_of(decision, request),
        "count and log": lambda: site.audit.decided(request, decision, 0.00001),
        "bytes in to bytes out": lambda: site.endpoint(data, scene.BUDGET),
    }


def _fresh(view):
    view._address = view._reader = None
    return view


def main():
    """Print the table."""
    minter = scene.Minter()
    site = scene.Site(scene.policies(FEW, minter.jwks()))
    took = interleaved(steps(site, scene.check_request(minter.token())), calls=5_000)
    (nothing, *names) = took
    whole = took[names[-1]] - took[nothing]
    print(f"{took[nothing] * 1e6:6.2f} µs        {nothing}")
    for name in names:
        cost = took[name] - took[nothing]
        print(f"{cost * 1e6:6.2f} µs {cost / whole:5.0%}  {name}")


if __name__ == "__main__":
    main()
