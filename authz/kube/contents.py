"""What a source holds, compared and looked through."""

from collections.abc import Iterable

from authz.model.cluster import Cluster
from authz.model.declared import Contents, Declared
from authz.model.reference import Reference, Selection
from authz.service.slices import Steps
from authz.service.standing import WatchState


def permitted(declared: Iterable[Declared], cluster: Cluster) -> Steps[set[Reference | Selection]]:
    """Return the steps that come to what policies refer to and may: nothing else is even looked at. Secrets are chosen at home."""
    found: set[Reference | Selection] = set()
    for each in declared:
        own = each.name.namespace
        if each.policy is not None:
            found.update(ref for ref in each.policy.references if cluster.permits(own, ref.kind, ref.namespace, ref.name))
            found.update(one for one in each.policy.selections if one.namespace == own)
        yield
    return found


def divided(wanted: Iterable[Reference | Selection]) -> tuple[set[Reference], set[Selection]]:
    """Return the references, and the choices."""
    references, selections = set[Reference](), set[Selection]()
    for each in wanted:
        if isinstance(each, Reference):
            references.add(each)
        else:
            selections.add(each)
    return references, selections


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
