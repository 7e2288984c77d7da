"""API keys, authorities and sets of addresses on a real API server: `authz serve --kube` with the chart's rights and token alone."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from authz.authn.api_keys import digest_of
from tests import canaries
from tests.certificates import Authority, an_authority
from tests.cluster.control_plane import ControlPlane
from tests.cluster.installation import LABELS, SECRETS, Asked, Installation
from tests.cluster.objects import GRANTS, POLICIES, another_namespace, applied, deleted
from tests.cluster.release import Release

pytestmark = pytest.mark.cluster

KEYS = {"name": "keys", "from": {"secretSelector": {"matchLabels": LABELS}}, "in": [{"header": "x-key"}]}
SUBSCRIBERS = [{"name": "all", "allow": [{"name": "subscribers", "apiKey": {"from": "keys", "scopes": ["orders"]}}]}]


def a_key(name: str) -> str:
    return canaries.note(f"{name}.{name * 20}0123456789abcdef0123456789ABCDEF")


def record(key: str, **fields: Any) -> str:
    digest = digest_of(key)
    held = {
        "id": key.partition(".")[0],
        "digest": f"{digest.kind}:{digest.value.hex()}",
        "subscription": "acme",
        "scopes": ["orders"],
        **fields,
    }
    return json.dumps(held) + "\n"


@pytest.fixture
def here(cluster: ControlPlane, namespace: str, tmp_path: Path) -> Installation:
    """The chart, installed with rights on no Secret at all."""
    shop = another_namespace(cluster, namespace)
    release = Release(cluster, "keys", namespace, tmp_path, {"crds": {"enabled": False}})
    release.install()
    return Installation(cluster, release, shop, tmp_path)


async def keys_come_and_go(one: Asked, first: str, second: str) -> None:
    here = one.installation
    await one.does(here.secret, "acme", keys_jsonl=record(first, state="Suspended"))
    await one.becomes("apikey.disabled", "orders", key=first)
    await one.does(here.secret, "acme", keys_jsonl=record(first, notAfter="2020-01-01T00:00:00Z"))
    await one.becomes("apikey.expired", "orders", key=first)
    await one.does(here.secret, "acme", keys_jsonl=record(first, scopes=["invoices"]))
    await one.becomes("apikey.scope", "orders", key=first)
    await one.does(here.secret, "acme", keys_jsonl=record(first))
    await one.becomes("rule.allow", "orders", key=first)
    await one.does(here.secret, "acme", {"ingress-authz.dev/keys": "invoices"}, keys_jsonl=record(first))
    await one.becomes("apikey.unknown", "orders", key=first)
    await one.condition("orders", "ResolvedRefs", "True", "ResolvedRefs", "there are no Secrets of", "correct the labels")
    await one.does(here.secret, "more", keys_jsonl=record(second) + '{"id": "k3"}\n')
    await one.becomes("rule.allow", "orders", key=second)
    await one.condition("orders", "ResolvedRefs", "True", "ResolvedRefs", f"Secret {here.shop}/more (key keys.jsonl), line 2: digest")
    await one.does(deleted, here.cluster, SECRETS, here.shop, "more")
    await one.becomes("apikey.unknown", "orders", key=second)
    await one.does(here.secret, "acme", keys_jsonl=record(first))
    await one.becomes("rule.allow", "orders", key=first)


async def an_older_version_in_force_is_followed(one: Asked, key: str) -> None:
    here = one.installation
    broken = [{"name": "broken", "matches": [{"path": {"type": "RegularExpression", "value": "("}}], "allow": []}]
    await one.does(here.policy, "orders", broken)
    await one.condition("orders", "Accepted", "False", "Invalid", "stays in force")
    assert await one.reason("orders", key=key) == "rule.allow"
    await one.does(here.secret, "acme", keys_jsonl=record(key, state="Cancelled"))
    await one.becomes("apikey.disabled", "orders", key=key)
    await one.does(deleted, here.cluster, SECRETS, here.shop, "acme")
    await one.becomes("apikey.unknown", "orders", key=key)


def test_a_key_counts_as_long_as_its_secret_says_so(here: Installation) -> None:
    first, second = a_key("k1"), a_key("k2")
    here.secret("acme", keys_jsonl=record(first))
    here.policy("orders", SUBSCRIBERS, apiKeys=[KEYS])

    async def story() -> str:
        async with here.serving() as one:
            # Without the right nothing is known, and the status says whom to ask for what.
            await one.condition("orders", "ResolvedRefs", "False", "ReferenceNotFound", "may not read Secrets", "keySecrets.namespaces")
            await one.becomes("policy.invalid", "orders", key=first)
            await one.does(here.grants, keySecrets={"namespaces": [here.shop]})
            await one.becomes("rule.allow", "orders", within=30, key=first)
            assert await one.reason("orders") == "credentials.missing"
            assert await one.reason("orders", key=second) == "apikey.unknown"
            await one.condition("orders", "ResolvedRefs", "True", "ResolvedRefs", "everything that it refers to is there")
            await keys_come_and_go(one, first, second)
            await an_older_version_in_force_is_followed(one, first)
            return one.replica.log.getvalue()

    here.keeps_secrets(asyncio.run(story()))


def a_list(authority: Authority, *serials: int) -> str:
    """A revocation list, PEM."""
    now = datetime.now(UTC)
    built = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    built = built.last_update(now - timedelta(hours=1)).next_update(now + timedelta(hours=1))
    for serial in serials:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(hours=1))
        built = built.add_revoked_certificate(one.build())
    return built.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def partners(authority: str = "partners", **identity: str) -> list[dict[str, Any]]:
    certificate: dict[str, Any] = {"authority": authority} | ({"identities": [identity]} if identity else {})
    return [{"name": "all", "allow": [{"name": "partners", "clientCertificate": certificate}]}]


def authority_from(source: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return [{"name": "partners", "from": source, "revocation": "None", **fields}]


async def what_is_broken_costs_its_own_policy_alone(one: Asked, good: str) -> None:
    here = one.installation
    await one.becomes("policy.invalid", "broken", certificate=good)
    place = f"spec.certificateAuthorities[0].from: ConfigMap {here.shop}/broken-ca (key ca.crt): "
    await one.condition("broken", "ResolvedRefs", "False", "ReferenceNotFound", place, "answered 503")
    await one.becomes("policy.invalid", "unread", certificate=good)
    await one.condition("unread", "ResolvedRefs", "False", "ReferenceNotFound", "may not read the Secret", "chart: references")


async def what_changes_counts(one: Asked, good: str, stranger: str, authority: Authority, other: Authority) -> None:
    here = one.installation
    serial = x509.load_pem_x509_certificate(good.encode()).serial_number
    await one.does(here.secret, "partner-crl", {}, ca_crl=a_list(authority, serial))
    await one.becomes("cert.revoked", "secret", certificate=good)
    assert await one.reason("map", certificate=good) == "rule.allow", "this one looks at no list"
    await one.does(here.config_map, "partner-ca", ca_crt=other.file.read_text())
    await one.becomes("rule.allow", "map", certificate=stranger)
    assert await one.reason("map", certificate=good) == "cert.untrusted"
    await one.does(here.config_map, "broken-ca", ca_crt=authority.file.read_text())
    await one.becomes("rule.allow", "broken", certificate=good)
    await one.does(deleted, here.cluster, SECRETS, here.shop, "partner-crl")
    await one.becomes("policy.invalid", "secret", certificate=good)


def test_certificates_are_verified_by_authorities_and_lists_of_the_cluster(here: Installation, tmp_path: Path) -> None:
    authority, other = an_authority(tmp_path, "partner-ca"), an_authority(tmp_path, "other-ca")
    good = authority.issue(tmp_path, "a.partner.example").certificate.read_text()
    stranger = other.issue(tmp_path, "b.partner.example").certificate.read_text()
    here.config_map("partner-ca", ca_crt=authority.file.read_text())
    # The same certificate is in a ConfigMap, which is no secret: what stands before it is.
    here.secret("partner-ca", {}, ca_crt=f"{canaries.note('b' * 40)}\n{authority.file.read_text()}")
    here.secret("partner-crl", {}, ca_crl=a_list(authority))
    here.config_map("broken-ca", ca_crt="no certificate")
    here.grants(references=[
        {"namespace": here.shop, "secrets": ["partner-ca", "partner-crl"], "configMaps": ["partner-ca", "broken-ca"]},
    ])  # fmt: skip
    here.policy("map", partners(), certificateAuthorities=authority_from({"configMapRef": {"name": "partner-ca"}}))
    revoking = authority_from({"secretRef": {"name": "partner-ca"}}, revocation="Require", crls=[{"secretRef": {"name": "partner-crl"}}])
    here.policy("secret", partners(dnsName="*.partner.example"), certificateAuthorities=revoking)
    here.policy("broken", partners(), certificateAuthorities=authority_from({"configMapRef": {"name": "broken-ca"}}))
    here.policy("unread", partners(), certificateAuthorities=authority_from({"secretRef": {"name": "elsewhere"}}))

    async def story() -> str:
        async with here.serving() as one:
            for name in ("map", "secret"):
                await one.becomes("rule.allow", name, certificate=good)
                assert await one.reason(name, certificate=stranger) == "cert.untrusted"
                assert await one.reason(name) == "cert.missing"
                await one.condition(name, "ResolvedRefs", "True", "ResolvedRefs")
            await what_is_broken_costs_its_own_policy_alone(one, good)
            await what_changes_counts(one, good, stranger, authority, other)
            return one.replica.log.getvalue()

    here.keeps_secrets(asyncio.run(story()))


def test_a_definer_of_another_namespace_lends_keys_authorities_and_addresses_by_grant(here: Installation, tmp_path: Path) -> None:
    authority, key = an_authority(tmp_path, "partner-ca"), a_key("k5")
    good = authority.issue(tmp_path, "a.partner.example").certificate.read_text()
    user = another_namespace(here.cluster, here.shop)
    here.secret("acme", keys_jsonl=record(key))
    here.config_map("partner-ca", ca_crt=authority.file.read_text())
    here.grants(keySecrets={"namespaces": [here.shop]}, references=[{"namespace": here.shop, "configMaps": ["partner-ca"]}])
    definitions = {
        "apiKeys": [KEYS],
        "certificateAuthorities": authority_from({"configMapRef": {"name": "partner-ca"}}),
        "ipSets": [{"name": "offices", "cidrs": ["198.51.100.0/24"]}],
    }
    applied(here.cluster, POLICIES, here.shop, "lender", {"kind": "AuthPolicy", "spec": definitions})
    everyone = [{"name": "all", "allow": [{"name": "office", "anonymous": {}, "clientIP": {"sets": ["offices"]}}]}]
    lent = {"definitionsFrom": [{"namespace": here.shop, "name": "lender"}]}
    for name, rules in (("keys", SUBSCRIBERS), ("certificates", partners()), ("addresses", everyone)):
        here.policy(name, rules, user, **lent)
    asking: dict[str, dict[str, Any]] = {"keys": {"key": key}, "certificates": {"certificate": good}, "addresses": {"peer": "198.51.100.7"}}
    grant = {
        "from": [{"group": "ingress-authz.dev", "kind": "AuthPolicy", "namespace": user}],
        "to": [{"group": "ingress-authz.dev", "kind": "AuthPolicy"}],
    }

    async def story() -> None:
        async with here.serving(user) as one:
            for name, how in asking.items():
                await one.becomes("policy.invalid", name, **how)
            await one.does(applied, here.cluster, GRANTS, here.shop, "user", {"kind": "ReferenceGrant", "spec": grant})
            for name, how in asking.items():
                await one.becomes("rule.allow", name, **how)
            assert await one.reason("keys", key=a_key("k6")) == "apikey.unknown"
            assert await one.reason("addresses") == "ip.denied"
            await one.does(deleted, here.cluster, SECRETS, here.shop, "acme")
            await one.becomes("apikey.unknown", "keys", key=key)
            await one.does(deleted, here.cluster, GRANTS, here.shop, "user")
            for name, how in asking.items():
                await one.becomes("policy.invalid", name, **how)

    asyncio.run(story())
