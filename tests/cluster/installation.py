"""A release of the chart whose service runs in this process, with the release's rights and token alone."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from authz.envoy.pb import ext_authz_pb2 as pb
from authz.envoy.server import SERVICE
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, HostGrant, Operator
from authz.settings import ClusterSettings, Settings
from tests import canaries
from tests.cluster.control_plane import TOKEN, ControlPlane
from tests.cluster.objects import POLICIES, applied, policy
from tests.cluster.release import Release
from tests.cluster.serving import ANY, Replica, eventually, running_service
from tests.envoy.messages import check_request, reason_of

SECRETS, CONFIG_MAPS = "/api/v1/namespaces/{}/secrets", "/api/v1/namespaces/{}/configmaps"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{}/events"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
LABELS = {"ingress-authz.dev/keys": "orders"}


@dataclass
class Installation:
    """A release of the chart, and a namespace with policies whose hosts are `*.NAMESPACE.example`."""

    cluster: ControlPlane
    release: Release
    shop: str
    folder: Path
    secrets: list[str] = field(default_factory=list)

    def grants(self, **values: Any) -> None:
        """Change what the chart's values let the service read."""
        self.release.values |= values
        result = self.release.apply("upgrade")
        assert result.returncode == 0, result.stderr

    def secret(self, name: str, labels: dict[str, str] | None = None, **data: str) -> None:
        """Put a Secret; what it holds must be told nowhere."""
        encoded = {key.replace("_", "."): b64encode(value.encode()).decode() for key, value in data.items()}
        self.secrets += [each for each in (*data.values(), *encoded.values()) if len(each) >= 32]
        metadata = {"name": name, "labels": LABELS if labels is None else labels}
        applied(self.cluster, SECRETS, self.shop, name, {"kind": "Secret", "metadata": metadata, "data": encoded})

    def config_map(self, name: str, **data: str) -> None:
        held = {key.replace("_", "."): value for key, value in data.items()}
        applied(self.cluster, CONFIG_MAPS, self.shop, name, {"kind": "ConfigMap", "data": held})

    def policy(self, name: str, rules: Any, namespace: str = "", **spec: Any) -> None:
        policy(self.cluster, namespace or self.shop, name, rules, hosts=[self.host(name)], **spec)

    def host(self, name: str) -> str:
        return f"{name}.{self.shop}.example"

    def conditions(self, name: str, namespace: str = "") -> dict[str, tuple[str, str, str]]:
        """Status, reason and message by type."""
        found = self.cluster.ask("GET", f"{POLICIES.format(namespace or self.shop)}/{name}").body.get("status", {}).get("conditions", [])
        return {each["type"]: (each["status"], each["reason"], each["message"]) for each in found}

    @property
    def snapshot(self) -> Path:
        return self.folder / "snapshot.json"

    @asynccontextmanager
    async def serving(self, namespace: str = "") -> AsyncIterator["Asked"]:
        """The service, by the chart's token; policies of this namespace may decide for hosts."""
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_text(self.cluster.kubeconfig.read_text().replace(TOKEN, self.release.token()))
        said = Operator(
            ClientAddress(), host_grants=(HostGrant(namespace or self.shop),), client_certificate=ClientCertificate(CertificateSource.PEER)
        )
        how = ClusterSettings(kubeconfig, self.release.namespace, "one", self.snapshot)
        async with running_service(Settings(None, ANY, ANY, said, drain_seconds=0, grace_seconds=1, cluster=how)) as one:
            yield Asked(self, one)

    def keeps_secrets(self, log: str) -> None:
        """No Secret is in what was written: to the snapshot, to the server, to the log."""
        for where, text in {"snapshot": self.snapshot.read_text(), "server": self._told(), "log": log}.items():
            assert [each[:12] for each in self.secrets if each in text or json.dumps(each)[1:-1] in text] == [], where
            assert list(canaries.found_in(text)) == [], where

    def _told(self) -> str:
        namespaces = (self.shop, self.release.namespace)
        kinds = (POLICIES, EVENTS, LEASES)
        return json.dumps([self.cluster.ask("GET", kind.format(each)).body for kind in kinds for each in namespaces])


@dataclass
class Asked:
    """The service that runs."""

    installation: Installation
    replica: Replica

    async def reason(self, name: str, *, key: str = "", certificate: str = "", peer: str = "203.0.113.7") -> str:
        """The reason of a decision on a request to the host of a policy."""
        asked = check_request(host=self.installation.host(name), headers={"x-key": key} if key else {}, peer=peer)
        request = pb.CheckRequest.FromString(asked)
        if certificate:
            request.attributes.source.certificate = quote(certificate, safe="")
        check = self.replica.channel.unary_unary(f"/{SERVICE}/Check")
        return reason_of(await check(request.SerializeToString(), timeout=5))

    async def becomes(self, reason: str, name: str, within: float = 10.0, **how: Any) -> None:
        last = ""
        try:
            async with asyncio.timeout(within):
                while (last := await self.reason(name, **how)) != reason:  # noqa: ASYNC110 - a decision has no event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{name}: {last} instead of {reason}") from None

    async def does(self, work: Callable[..., Any], *given: Any, **more: Any) -> None:
        """Do something on the server, beside the loop."""
        await asyncio.to_thread(partial(work, *given, **more))

    async def condition(self, name: str, kind: str, *wanted: str) -> str:
        """The message of a condition, once it has this status and reason, and these words."""
        here = self.installation

        def holds() -> str:
            status, reason, message = here.conditions(name).get(kind, ("", "", ""))
            return message if (status, reason) == wanted[:2] and all(word in message for word in wanted[2:]) else ""

        try:
            return str(await eventually(holds))
        except TimeoutError:
            raise AssertionError(f"{name}: {here.conditions(name).get(kind)} instead of {wanted}") from None
