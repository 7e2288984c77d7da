"""What a source holds, compared and looked through."""

from collections.abc import Iterable

from authz.model.cluster import Cluster
from authz.model.declared import Contents, Declared
from authz.model.reference import Reference
from authz.service.slices import Steps
from authz.service.standing import WatchState


def permitted(declared: Iterable[Declared], cluster: Cluster) -> Steps[set[Reference]]:
    """Return the steps that come to what policies refer to and may: nothing else is even looked at."""
    found: set[Reference] = set()
    for each in declared:
        for issuer in each.policy.issuers if each.policy is not None else ():
            for ref in issuer.references:
                if cluster.permits(each.name.namespace, ref.kind, ref.namespace, ref.name):
                    found.add(ref)
        yield
    return found


def is_same(one: Contents, other: Contents) -> bool:
    """Return whether nothing changed that a decision could depend on: the very same objects, and the same around them."""
    return (
        len(one.declared) == len(other.declared)
        and all(each is known for each, known in zip(one.declared, other.declared, strict=True))
        and one.strays == other.strays
        and one.cluster == other.cluster
    )


def by_kind(states: Iterable[WatchState]) -> tuple[WatchState, ...]:
    """Return one state for each kind of object: of several watches of one kind all together."""
    found: dict[str, WatchState] = {}
    for each in states:
        known = found.get(each.resource)
        found[each.resource] = each if known is None else known.with_another(each)
    return tuple(found.values())
