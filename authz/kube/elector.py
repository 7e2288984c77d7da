"""Which replica leads: one Lease that the leader renews, and the others watch go stale. The ways of Kubernetes' own client.

Whoever holds the Lease counts its time from before it asked, the others from after they saw: between the leader's giving up
(`deadline`) and the others' taking over (`lease`) nobody leads. Clocks of two machines are never compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from authz.kube.api import Api, ApiError, Object, Patience
from authz.kube.pacing import micro_time, since_boot, spread
from authz.service.ports import Clock

LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class LeasePace:
    """Seconds, but for `jitter`.

    Attributes:
        lease: how long the others leave the leader alone after they saw it renew; whole seconds.
        deadline: how long a leader believes in itself after it last asked with success.
        retry: between two tries.
        request: how long a try waits for its answer.
        jitter: by how many times `retry` the wait of those who do not lead is drawn out at most.
    """

    lease: int = 15
    deadline: float = 10.0
    retry: float = 2.0
    request: float = 5.0
    jitter: float = 1.2

    def __post_init__(self) -> None:
        """Refuse what could make two leaders."""
        if not self.request <= self.deadline < self.lease or self.retry * 2 > self.deadline:
            raise ValueError(f"{self}: request ≤ deadline < lease and 2·retry ≤ deadline must hold; choose other seconds")


class Elector:
    """Takes part in the election. `identity` must be this process's alone, not only the pod's or machine's.

    Attributes:
        leader: who holds the Lease, as far as is known; "" for nobody.
        failure: why the last try had no answer, and what to do; "" where it had one.
    """

    def __init__(  # noqa: PLR0913 - what it asks, what for, who it is, and its time
        self, api: Api, namespace: str, lease_name: str, identity: str, clock: Clock,
        pace: LeasePace | None = None, *, monotonic: Callable[[], float] = since_boot,
    ) -> None:  # fmt: skip
        self._api = api
        self._collection = LEASES.format(namespace)
        self._name = lease_name
        self._identity = identity
        self._clock = clock
        self._pace: Final = pace or LeasePace()
        self._monotonic = monotonic
        self._observed: Object = {}
        self._observed_at = _NEVER
        self._renewed = _NEVER
        self._is_closed = False
        self.leader = ""
        self.failure = ""

    @property
    def is_leader(self) -> bool:
        """Whether this process leads now. Look before each write: it ends by itself when renewals fail."""
        return not self._is_closed and self._monotonic() < self._renewed + self._pace.deadline

    async def run(self) -> None:
        """Take part until closed."""
        while not self._is_closed:
            await self._try()
            leads = self.is_leader
            await self._clock.sleep(self._pace.retry if leads else spread(self._pace.retry, self._pace.jitter))

    async def close(self) -> None:
        """Take part no more, and free the Lease where it is ours, so that another need not wait for its end."""
        self._is_closed = True
        self._renewed = _NEVER
        try:
            for _ in range(2):
                if _holder(self._observed) != self._identity or await self._freed():
                    return
                self._observe(await self._api.get(self._path, {}, self._patience))
        except ApiError as fault:
            self._fail(fault)  # It ends by itself after `lease` seconds.

    async def _freed(self) -> bool:
        """Free the Lease, and return whether it was still the one that we know."""
        now = micro_time(self._clock.time())
        spec = {**self._observed["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now, "acquireTime": now}
        try:
            self._observe(await self._api.replace(self._path, {**self._observed, "spec": spec}, self._patience))
        except ApiError as fault:
            if fault.status != 409:
                raise
            return False
        return True

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"

    @property
    def _patience(self) -> Patience:
        return Patience(self._pace.request, self._pace.request)

    async def _try(self) -> None:
        """Renew, take or watch the Lease, once."""
        try:
            # Who leads knows the Lease as it wrote it, and need not read it first; a conflict is cleared up by reading.
            if not (self.is_leader and await self._written()):
                await self._read_and_written()
            self.failure = ""
        except ApiError as fault:
            self._fail(fault)

    async def _read_and_written(self) -> None:
        try:
            self._observe(await self._api.get(self._path, {}, self._patience))
        except ApiError as fault:
            if fault.status != 404:
                raise
            self._observed = {}
        holder = _holder(self._observed)
        if holder and holder != self._identity:
            self._renewed = _NEVER
            if self._monotonic() < self._observed_at + _seconds(self._observed):
                return
        if not self._is_closed:
            await self._written()

    async def _written(self) -> bool:
        """Write the Lease as ours, and return whether nobody was faster."""
        began = self._monotonic()
        try:
            if self._observed:
                written = await self._api.replace(self._path, {**self._observed, "spec": self._spec()}, self._patience)
            else:
                body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self._name}, "spec": self._spec()}
                written = await self._api.create(self._collection, body, self._patience)
        except ApiError as fault:
            if fault.status not in (404, 409):
                raise
            return False
        self._observe(written)
        self._renewed = began
        return True

    def _spec(self) -> dict[str, Any]:
        now = micro_time(self._clock.time())
        earlier = self._observed.get("spec") or {}
        is_ours = earlier.get("holderIdentity") == self._identity
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._pace.lease,
            "acquireTime": earlier.get("acquireTime", now) if is_ours else now,
            "renewTime": now,
            "leaseTransitions": (earlier.get("leaseTransitions") or 0) + (0 if is_ours or not earlier else 1),
        }

    def _observe(self, found: Object) -> None:
        if found.get("spec") != self._observed.get("spec"):
            self._observed_at = self._monotonic()
        self._observed = found
        self.leader = _holder(found)

    def _fail(self, fault: ApiError) -> None:
        namespace = self._collection.split("/")[-2]
        self.failure = f"Lease {self._name}: {fault.told(f'get, create and update on leases in {namespace}')}"


def _holder(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _seconds(lease: Object) -> float:
    return float((lease.get("spec") or {}).get("leaseDurationSeconds") or 0)
