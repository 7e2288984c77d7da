"""Policies that are attached to Gateways and routes: which of them decides for a route, and whose `deny` counts before."""

from collections.abc import Iterable

from authz.model.policy import PolicyName, TargetKind
from authz.policy.compiled import CompiledPolicy

_Key = tuple[TargetKind, PolicyName]


class Attached:
    """What decides for one route at one Gateway.

    Attributes:
        decider: the policy whose rules decide; None where no policy in force is attached.
        before: policies whose `deny` counts before the decider's.
        shadows: policies in Shadow that would decide if they were enforced.
        shadow_denies: policies in Shadow of which, if they were enforced, only `deny` would count.
    """

    __slots__ = ("before", "decider", "shadow_denies", "shadows")

    def __init__(
        self,
        decider: CompiledPolicy | None,
        before: tuple[CompiledPolicy, ...] = (),
        shadows: tuple[CompiledPolicy, ...] = (),
        shadow_denies: tuple[CompiledPolicy, ...] = (),
    ) -> None:
        self.decider = decider
        self.before = before
        self.shadows = shadows
        self.shadow_denies = shadow_denies


class Attachments:
    """The policies of each target. Of several on one target the first in order of age decides."""

    def __init__(self) -> None:
        self._in_force: dict[_Key, CompiledPolicy] = {}
        self._shadows: dict[_Key, list[CompiledPolicy]] = {}

    def enter(self, policy: CompiledPolicy) -> Iterable[tuple[CompiledPolicy, str]]:
        """Attach a policy, older ones first; yield each policy that decides already, and for what."""
        for target in policy.targets:
            key = target.kind, PolicyName(policy.namespace, target.name)
            if policy.is_shadow:
                self._shadows.setdefault(key, []).append(policy)
                continue
            winner = self._in_force.setdefault(key, policy)
            if winner is not policy:
                yield winner, f"{target.kind} {key[1]}"

    def of(self, route: PolicyName, gateway: PolicyName) -> Attached:
        """Return what decides for a route at a Gateway: the route's policy, else the Gateway's; `Override` keeps the Gateway's."""
        above, own = self._in_force.get((TargetKind.GATEWAY, gateway)), self._in_force.get((TargetKind.HTTP_ROUTE, route))
        shadows, shadow_denies = self._shadowed(route, gateway, above, own)
        if above is None or own is None or above is own:
            return Attached(own or above, (), shadows, shadow_denies)
        return Attached(above if above.override else own, (above, own) if above.override else (above,), shadows, shadow_denies)

    def _shadowed(
        self, route: PolicyName, gateway: PolicyName, above: CompiledPolicy | None, own: CompiledPolicy | None
    ) -> tuple[tuple[CompiledPolicy, ...], tuple[CompiledPolicy, ...]]:
        of_route, of_gateway = self._shadows.get((TargetKind.HTTP_ROUTE, route), []), self._shadows.get((TargetKind.GATEWAY, gateway), [])
        kept = above is not None and above.override
        decide = [each for each in of_gateway if own is None or each.override] + ([] if kept else of_route)
        deny = [each for each in of_gateway if own is not None and not each.override] + (of_route if kept else [])
        return tuple(decide), tuple(deny)
