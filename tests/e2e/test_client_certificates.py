"""Through a real Envoy, over real TLS: client certificates count where the operator says, for what this service makes of them."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import product

import httpx2
import pytest

from tests.authn.pki import cn
from tests.builders import a_token
from tests.certificates import an_authority
from tests.e2e.holders import Holder, Nobody, a_list, asking_for_certificates, days, holder
from tests.e2e.house import house, kept
from tests.e2e.town import (
    ALLOWED,
    ANOTHER,
    EXPIRED,
    MISSING,
    NAMED,
    PLANS,
    PROXY,
    REVOKED,
    STRANGER,
    UNKNOWN,
    UNTRUSTED,
    WORKLOAD,
    Town,
    doors,
    files,
    identities,
    people,
    policy,
)
from tests.e2e.wire import Asked, Http1, Line

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    authority = an_authority(folder)
    server = authority.issue(folder, "gateway")
    known = people(authority.file)
    policies = folder / "policies"
    policies.mkdir()
    for name, text in files(known).items():
        (policies / name).write_text(text)
    tls = asking_for_certificates(server.certificate, server.key, authority.file)
    with kept(house(policies, PLANS, doors(tls))) as at:
        yield Town(at, known)


TOLD_BY_ENVOY = ("peer", "set", "append")


def test_envoy_hands_over_whatever_certificate_was_shown_and_the_service_judges_it(town: Town) -> None:
    known = town.known
    outcomes = {
        known.good: ALLOWED,
        known.nobody: MISSING,
        known.rogue: UNTRUSTED,
        known.self_signed: UNTRUSTED,
        known.expired: EXPIRED,
        known.early: EXPIRED,
        known.for_servers: UNTRUSTED,
        known.unlisted: UNTRUSTED,
    }
    for door in TOLD_BY_ENVOY:
        assert {who: town.knock(who, door=door) for who in outcomes} == outcomes, door


def test_intermediates_are_told_by_the_header_or_stand_with_the_authority(town: Town) -> None:
    behind = town.known.behind
    assert town.knock(behind, "plain.example", door="peer") == UNTRUSTED
    for door in TOLD_BY_ENVOY:
        assert town.knock(behind, "whole.example", door=door) == ALLOWED
    for door in ("set", "append"):
        assert town.knock(behind, "plain.example", door=door) == ALLOWED
        alone = Holder(behind.node, behind.server, behind.folder)
        assert town.knock(alone, "plain.example", door=door) == UNTRUSTED


def test_an_element_that_a_client_wrote_is_nobodys_certificate(town: Town) -> None:
    known = town.known
    for door in (*TOLD_BY_ENVOY, "forward only"):
        assert town.knock(known.nobody, "plain.example", "/", known.good.element, door=door) == MISSING, door
    for door in TOLD_BY_ENVOY:
        assert town.knock(known.rogue, "plain.example", "/", known.good.element, door=door) == UNTRUSTED, door
        # The own certificate counts, and not what else is written; a broken header is no way around it.
        for forged in (known.rogue.element, known.behind.element):
            assert town.knock(known.good, "plain.example", "/", forged, door=door) == ALLOWED, door
            assert town.forwarded(b"x-auth-name") == [b"orders"]


def test_what_cannot_be_read_before_the_last_element_is_refused(town: Town) -> None:
    broken = (b"x-forwarded-client-cert", b'Cert="')
    assert town.knock(town.known.good, "plain.example", "/", broken, door="append") == UNTRUSTED
    assert town.knock(town.known.good, "plain.example", "/", broken, door="set") == ALLOWED


def test_a_hash_alone_proves_nothing(town: Town) -> None:
    assert town.knock(town.known.good, door="hash only") == MISSING


def test_an_envoy_that_forwards_what_clients_write_is_believed_by_nobody_who_names_the_proxies(town: Town) -> None:
    forged = town.known.good.element
    # The guide says why never to ask so: the certificate is public, and this Envoy lets anybody tell it.
    assert town.told(b"", "plain.example", forged, door="always") == ALLOWED
    assert town.told(STRANGER, "plain.example", forged, door="xfcc-told") == MISSING
    assert town.told(PROXY, "plain.example", forged, door="xfcc-told") == ALLOWED
    assert town.told(PROXY, "plain.example", door="xfcc-told") == MISSING
    assert town.told(PROXY, "plain.example", town.known.rogue.element, door="xfcc-told") == UNTRUSTED


def test_the_headers_of_rfc_9440_count_from_the_proxies_alone(town: Town) -> None:
    known = town.known
    assert town.told(PROXY, "plain.example", *known.good.rfc_9440, door="rfc-9440") == ALLOWED
    assert town.forwarded(b"x-auth-name") == [b"orders"]
    assert town.told(PROXY, "plain.example", *known.behind.rfc_9440, door="rfc-9440") == ALLOWED
    assert town.told(PROXY, "plain.example", known.behind.rfc_9440[0], door="rfc-9440") == UNTRUSTED
    assert town.told(PROXY, "plain.example", known.behind.rfc_9440[1], door="rfc-9440") == MISSING
    assert town.told(PROXY, "plain.example", *known.expired.rfc_9440, door="rfc-9440") == EXPIRED
    assert town.told(PROXY, "plain.example", *known.good.rfc_9440, *known.rogue.rfc_9440, door="rfc-9440") == UNTRUSTED
    assert town.told(PROXY, "plain.example", (b"client-cert", known.good.url_encoded.encode()), door="rfc-9440") == UNTRUSTED
    assert town.told(STRANGER, "plain.example", *known.good.rfc_9440, door="rfc-9440") == MISSING
    assert (
        town.told(PROXY, "plain.example", (NAMED.encode(), known.good.url_encoded.encode()), known.good.element, door="rfc-9440") == MISSING
    )


def test_a_named_header_counts_from_the_proxies_alone(town: Town) -> None:
    known = town.known

    def named(who: Holder) -> Line:
        return NAMED.encode(), who.url_encoded.encode()

    assert town.told(PROXY, "plain.example", named(known.good), door="named") == ALLOWED
    assert town.told(PROXY, "plain.example", named(known.rogue), door="named") == UNTRUSTED
    assert town.told(PROXY, "plain.example", named(known.expired), door="named") == EXPIRED
    assert town.told(PROXY, "plain.example", named(known.rogue), named(known.good), door="named") == UNTRUSTED
    assert town.told(PROXY, "plain.example", (NAMED.replace("-", "_").encode(), named(known.good)[1]), door="named") == MISSING
    assert town.told(STRANGER, "plain.example", named(known.good), door="named") == MISSING
    assert town.told(PROXY, "plain.example", *known.good.rfc_9440, known.good.element, door="named") == MISSING


def test_identities_hold_as_a_whole_and_any_of_them_is_enough(town: Town) -> None:
    asked = identities(town.known)
    found = [town.knock(town.known.good, "identities.example", f"/{at}") for at in range(len(asked))]
    assert found == [ALLOWED if holds else ANOTHER for _, holds in asked]
    # What says the same in another authority's name is not the same.
    assert {town.knock(town.known.rogue, "identities.example", f"/{at}") for at in range(len(asked))} == {UNTRUSTED}


def test_revocation_counts_as_the_policy_says(town: Town) -> None:
    known = town.known
    outcomes = {
        "require.example": (ALLOWED, REVOKED, UNKNOWN),
        "prefer.example": (ALLOWED, REVOKED, ALLOWED),
        "none.example": (ALLOWED, ALLOWED, ALLOWED),
    }
    everybody = (known.good, known.revoked, known.unlisted)
    assert {host: tuple(town.knock(who, host) for who in everybody) for host in outcomes} == outcomes


def test_a_denial_by_certificate_takes_the_one_that_was_verified_and_no_other(town: Town) -> None:
    known, host = town.known, "deny.example"
    assert town.knock(known.good, host) == (403, "rule_deny")
    # These are certainly not the one that is meant: of another name, or nobody whom the authority vouches for.
    for who in (known.unlisted, known.nobody, known.rogue, known.expired, known.revoked):
        assert town.knock(who, host) == ALLOWED


def test_a_list_that_changes_counts_at_the_next_request_of_the_same_connection(town: Town) -> None:
    known, who, host = town.known, holder(town.known.root, town.known.good.server, subject=cn("to be revoked")), "changing.example"
    town.write("changing.crl", a_list(known.root))
    town.write("changing.yaml", policy(host, "from: {file: root.pem}, crls: [{file: changing.crl}], revocation: Require"))
    town.changed(who, host, ALLOWED)
    client = Http1(town.at.value.ports["peer"], who.tls)

    async def again() -> tuple[int, str]:
        return (await client(Asked(host=host.encode()))).outcome

    assert town.at.run(again()) == ALLOWED
    town.write("changing.crl", a_list(known.root, who.serial))
    town.changed(who, host, REVOKED)
    assert town.at.run(again()) == REVOKED
    assert town.knock(known.good, host) == ALLOWED
    town.write("changing.crl", a_list(known.root, days=days(-1, -0.5)))
    town.changed(who, host, UNKNOWN)
    assert town.at.run(again()) == UNKNOWN
    assert client.opened == 1
    client.close()


def test_http_2_is_judged_alike(town: Town) -> None:
    async def status(who: Holder | Nobody, door: str) -> tuple[str, int]:
        # A client of HTTP/2 says so in the context that it is given.
        async with httpx2.AsyncClient(trust_env=False, verify=replace(who).tls, http1=False, http2=True) as client:
            answered = await client.get(f"https://localhost:{town.at.value.ports[door]}/", headers={"host": "plain.example"})
        return answered.http_version, answered.status_code

    outcomes = {town.known.good: 200, town.known.rogue: 403, town.known.expired: 403, town.known.nobody: 403}
    for door, (who, expected) in product(TOLD_BY_ENVOY, outcomes.items()):
        assert town.at.run(status(who, door)) == ("HTTP/2", expected)


def test_an_authority_that_changes_counts_at_the_next_request(town: Town) -> None:
    known = town.known
    town.write("moving.pem", known.root.pem)
    town.write("moving.yaml", policy("moving.example", "from: {file: moving.pem}, revocation: None"))
    town.changed(known.good, "moving.example", ALLOWED)
    town.write("moving.pem", known.listing.pem)
    town.changed(known.good, "moving.example", UNTRUSTED)
    assert town.knock(known.unlisted, "moving.example") == ALLOWED


UNREADABLE = [None, b"", b"no PEM at all\n", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]


@pytest.mark.parametrize("name", ["breaking.pem", "breaking.crl"])
def test_what_an_authority_needs_and_cannot_be_read_denies_its_own_policy_alone(town: Town, name: str) -> None:
    known, host = town.known, "breaking.example"
    whole = {"breaking.pem": known.root.pem, "breaking.crl": a_list(known.root)}
    for each, text in whole.items():
        town.write(each, text)
    town.write("breaking.yaml", policy(host, "from: {file: breaking.pem}, crls: [{file: breaking.crl}], revocation: Require"))
    town.changed(known.good, host, ALLOWED)
    for content in UNREADABLE:
        if content is None:
            (town.at.value.policies / name).unlink()
        else:
            town.write(name, content)
        town.changed(known.good, host, (503, "policy_invalid"))
        assert town.knock(known.good, "plain.example") == ALLOWED
        town.write(name, whole[name])
        town.changed(known.good, host, ALLOWED)


def bound(der: bytes, **claims: object) -> Line:
    now = int(time.time())
    thumbprint = urlsafe_b64encode(sha256(der).digest()).rstrip(b"=").decode()
    token = a_token(iat=now, exp=now + 600, **{"cnf": {"x5t#S256": thumbprint}, **claims})
    return b"authorization", f"Bearer {token}".encode()


def test_a_token_that_is_bound_to_a_certificate_is_its_holders_alone(town: Town) -> None:
    known, unbound = town.known, (401, "token_binding")
    for door in TOLD_BY_ENVOY:
        for who in (known.good, known.rogue):
            # RFC 8705 §3: the thumbprint binds, whoever issued the certificate.
            assert town.knock(who, "bound.example", "/", bound(who.node.der), door=door) == ALLOWED
        assert town.knock(known.good, "bound.example", "/", bound(known.rogue.node.der), door=door) == unbound
        assert town.knock(known.nobody, "bound.example", "/", bound(known.good.node.der), door=door) == unbound
        assert town.knock(known.nobody, "bound.example", "/", bound(known.good.node.der), known.good.element, door=door) == unbound
        assert town.knock(known.nobody, "bound.example", "/", bound(b"", cnf=None), door=door) == ALLOWED
        assert town.knock(known.good, "bound.example", "/", bound(known.good.node.der, cnf={"jkt": "x" * 43}), door=door) == unbound


def test_the_backend_is_told_of_the_certificate_and_of_no_other(town: Town) -> None:
    known = town.known
    forged = [(name, b"root") for name in (b"x-auth-name", b"x_auth_name", b"X-Auth-URIs", b"x-auth_sha256")]
    for door in TOLD_BY_ENVOY:
        assert town.knock(known.good, "plain.example", "/", *forged, door=door) == ALLOWED
        assert town.forwarded(b"x-auth-name") == [b"orders"]
        assert town.forwarded(b"x-auth-uris") == [WORKLOAD.encode()]
        assert town.forwarded(b"x-auth-sha256") == [sha256(known.good.node.der).hexdigest().encode()]
        assert not town.forwarded(b"x_auth_name")
        assert not town.forwarded(b"x-auth_sha256")
        # A name that the certificate does not have is not the client's to say.
        assert town.knock(known.revoked, "plain.example", "/", *forged, door=door) == ALLOWED
        assert town.forwarded(b"x-auth-uris") == []
