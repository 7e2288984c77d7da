"""Settings: what is accepted, and every mistake at once."""

import re
from pathlib import Path
from typing import Any

import pytest

from authz import settings
from authz.envoy.tls import TlsFiles
from authz.fetch.client import FetchLimits
from authz.model.operator import ClientAddress, HostGrant, ListedGateway, Operator
from authz.model.policy import PolicyName
from authz.settings import Address, ClusterSettings, Mistakes, Settings, SettingsError

ANY = Address("127.0.0.1", 0)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9001", "127.0.0.1", 9001),
        ("[::1]:0", "::1", 0),
        ("[::]:65535", "::", 65535),
        ("localhost:1", "localhost", 1),
        ("0.0.0.0:9001", "0.0.0.0", 9001),
    ],
)
def test_addresses_are_read_and_written(text: str, host: str, port: int) -> None:
    found = settings.address(text)
    assert found == Address(host, port)
    assert str(found) == text


NO_ADDRESSES = ["", ":9001", "127.0.0.1", "127.0.0.1:", "127.0.0.1:port", "127.0.0.1:65536", "127.0.0.1:-1", "9001"]
# Brackets around nothing, and digits that are none to people: a superscript, an Arabic one, too many.
NO_ADDRESSES += ["[]:9001", "[:9001", "[::1:9001", "]:9001", "127.0.0.1:²", "127.0.0.1:٣", "127.0.0.1:" + "9" * 5000]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_told_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="is no HOST:PORT, as in"):
        settings.address(text)


def said(how: str | None = None, trusted: tuple[str, ...] = (), hops: int | None = None, appended: bool = True) -> ClientAddress | None:
    return settings.client_address(how, trusted, hops, appended=appended)


def test_how_the_clients_address_is_found() -> None:
    assert said() is None
    assert said("peer") == ClientAddress()
    assert said("x-forwarded-for", ("10.0.0.0/8",), 1) == ClientAddress("x-forwarded-for", 1, appended=True, trusted=("10.0.0.0/8",))
    assert said("x-forwarded-for", ("10.0.0.0/8",), 2, appended=False) == ClientAddress("x-forwarded-for", 2, False, ("10.0.0.0/8",))
    assert said("header:X-Real-IP", ("10.0.0.1",)) == ClientAddress("x-real-ip", trusted=("10.0.0.1",))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"how": "peer", "trusted": ("10.0.0.0/8",)}, "peer takes no --trusted-proxy"),
        ({"how": "peer", "hops": 0}, "peer takes no --trusted-proxy"),
        ({"how": "x-forwarded-for", "trusted": ("10.0.0.0/8",)}, "needs --trusted-hops N"),
        ({"how": "x-forwarded-for", "trusted": ("10.0.0.0/8",), "hops": 17}, "0 to 16"),
        ({"how": "x-forwarded-for", "trusted": ("10.0.0.0/8",), "hops": -1}, "0 to 16"),
        ({"how": "x-forwarded-for", "hops": 1}, "needs --trusted-proxy CIDR"),
        ({"how": "x-forwarded-for", "trusted": ("10.0.0.0/8",), "hops": 0, "appended": False}, "nothing to trust; use peer"),
        ({"how": "header:x-real-ip"}, "anybody can send a header"),
        ({"how": "header:"}, "is none of peer, x-forwarded-for, header:NAME"),
        ({"how": "header:a b", "trusted": ("10.0.0.1",)}, "is none of"),
        ({"how": "header:x-forwarded-for", "trusted": ("10.0.0.1",)}, "is none of"),
        ({"how": "guess"}, "is none of"),
        ({"how": "peer", "trusted": ("10.0.0.1/8",)}, "did you mean 10.0.0.0/8"),
        ({"how": "x-forwarded-for", "trusted": ("all",), "hops": 1}, "is no IPv4 or IPv6 address"),
    ],
)
def test_what_cannot_find_the_clients_address_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        said(**given)


@pytest.mark.parametrize("given", [{"trusted": ("10.0.0.0/8",)}, {"hops": 1}])
def test_flags_that_go_with_another_are_a_mistake_without_it(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="--client-address"):
        said(**given)


def test_what_the_operator_says() -> None:
    found = settings.operator(None, ["all", "api.example.com", "*.shop.example.com"], ["X-User"])
    assert found == Operator(None, frozenset({"api.example.com", "*.shop.example.com"}), True, frozenset({"x-user"}))
    assert settings.operator(ClientAddress(), [], []) == Operator(ClientAddress())


@pytest.mark.parametrize("host", ["API.example.com", "api.example.com:443", "https://api.example.com", "*", "", "a b"])
def test_unprotected_hosts_are_hosts(host: str) -> None:
    with pytest.raises(ValueError, match="is no host; write"):
        settings.operator(None, [host], [])


@pytest.mark.parametrize("name", ["", "a b", "x:y", "é", "x" * 65])
def test_identity_headers_are_header_names(name: str) -> None:
    with pytest.raises(ValueError, match="is no header name"):
        settings.operator(None, [], [name])


def test_how_keys_are_fetched(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    found = settings.fetch_limits(file, ["http://127.0.0.1:8124", "https://IDP.internal/"])
    assert found.insecure_origins == {"http://127.0.0.1:8124", "https://idp.internal:443"}
    assert found.ca_file == file
    with pytest.raises(ValueError, match="no such file"):
        settings.fetch_limits(tmp_path / "none.pem", [])
    with pytest.raises(ValueError, match="is no origin; write"):
        settings.fetch_limits(None, ["127.0.0.1"])


def test_tls_files_go_together(tmp_path: Path) -> None:
    certificate, key, ca = (tmp_path / name for name in ("c", "k", "a"))
    for file in (certificate, key, ca):
        file.write_text("")
    assert settings.tls_files(None, None, None) is None
    assert settings.tls_files(certificate, key, None) == TlsFiles(certificate, key)
    assert settings.tls_files(certificate, key, ca) == TlsFiles(certificate, key, ca)
    for one, other in ((certificate, None), (None, key)):
        with pytest.raises(ValueError, match="go together"):
            settings.tls_files(one, other, None)
    with pytest.raises(ValueError, match="needs --tls-cert"):
        settings.tls_files(None, None, ca)
    for path in (certificate, key, ca):
        path.unlink()
        with pytest.raises(ValueError, match=f"{path.name}: no such file"):
            settings.tls_files(certificate, key, ca)
        path.write_text("")


def test_every_mistake_is_collected() -> None:
    mistakes = Mistakes()
    assert mistakes.take("--a", lambda: settings.address("x"), Address("fallback", 0)) == Address("fallback", 0)
    assert mistakes.take("--b", lambda: settings.address("127.0.0.1:1"), None) == Address("127.0.0.1", 1)
    mistakes.take("--c", lambda: settings.address("y"), None)
    assert [mistake[:4] for mistake in mistakes.found] == ["--a:", "--c:"]
    fault = SettingsError(mistakes.found)
    assert fault.mistakes == tuple(mistakes.found)
    assert str(fault).count("\n") == 1


def test_faults_that_are_no_mistakes_are_not_hidden() -> None:
    def broken() -> str:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError):
        Mistakes().take("--a", broken, "")


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator(), {"client_address": "not said: policies with clientIP are refused", "unprotected": "none"}),
        (Operator(ClientAddress()), {"client_address": "peer", "unprotected": "none"}),
        (
            Operator(ClientAddress("x-forwarded-for", 1), frozenset({"b.example", "a.example"})),
            {"client_address": "x-forwarded-for", "unprotected": "a.example, b.example"},
        ),
        (
            Operator(unprotected_all=True),
            {
                "client_address": "not said: policies with clientIP are refused",
                "unprotected": "every host (requests that no policy covers pass)",
            },
        ),
    ],
)
def test_what_is_said_at_the_start(tmp_path: Path, operator: Operator, expected: dict[str, str]) -> None:
    nowhere = Address("127.0.0.1", 0)
    described = dict(settings.described(Settings(tmp_path, nowhere, nowhere, operator)))
    assert expected.items() <= described.items()


# --- Gateways


def listed(*addressed: str, names: tuple[str, ...] = ("infra/public",)) -> tuple[ListedGateway, ...]:
    return settings.listed_gateways(names, addressed)


def test_gateways_are_listed_by_namespace_and_name() -> None:
    assert listed(names=("infra/public", "shop/own")) == (
        ListedGateway(PolicyName("infra", "public")),
        ListedGateway(PolicyName("shop", "own")),
    )


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("peer", ClientAddress()),
        (
            "x-forwarded-for;trusted=10.0.0.0/8,192.0.2.0/24;hops=1",
            ClientAddress("x-forwarded-for", 1, True, ("10.0.0.0/8", "192.0.2.0/24")),
        ),
        ("x-forwarded-for;hops=2;trusted=10.0.0.0/8;appends=no", ClientAddress("x-forwarded-for", 2, False, ("10.0.0.0/8",))),
        ("header:X-Real-IP;trusted=10.0.0.0/8", ClientAddress("x-real-ip", trusted=("10.0.0.0/8",))),
    ],
)
def test_a_gateway_may_have_its_own_way_to_the_clients_address(how: str, found: ClientAddress) -> None:
    assert listed(f"infra/public={how}") == (ListedGateway(PolicyName("infra", "public"), found),)


@pytest.mark.parametrize(
    ("names", "addressed", "told"),
    [
        (("public",), (), "public is not NAMESPACE/NAME"),
        (("Infra/public",), (), "Infra/public is not NAMESPACE/NAME"),
        (("infra/public",), ("infra/other=peer",), "infra/other is not listed; add --gateway infra/other"),
        (("infra/public",), ("infra/public=guess",), "is none of peer, x-forwarded-for, header:NAME"),
        (("infra/public",), ("infra/public=x-forwarded-for",), "x-forwarded-for needs ;hops=N"),
        (("infra/public",), ("infra/public=x-forwarded-for;hops=1",), "x-forwarded-for needs ;trusted=CIDR"),
        (("infra/public",), ("infra/public=header:x-ip",), "header:x-ip needs ;trusted=CIDR"),
        (("infra/public",), ("infra/public=peer;hop=1",), "after the first ; there may be trusted=CIDR,…, hops=N and appends=yes or no"),
        (("infra/public",), ("infra/public=x-forwarded-for;hops=one;trusted=10.0.0.0/8",), "hops is a number"),
        (("infra/public",), ("infra/public=x-forwarded-for;hops=²;trusted=10.0.0.0/8",), "hops is a number"),
        (("infra/public",), (f"infra/public=x-forwarded-for;hops={'9' * 5000};trusted=10.0.0.0/8",), "hops is a number"),
    ],
)
def test_a_mistake_in_a_listed_gateway_names_the_remedy(names: tuple[str, ...], addressed: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        listed(*addressed, names=names)


def test_the_routes_of_a_gateway_may_be_unprotected() -> None:
    found = settings.operator(None, ["gateway:infra/public", "open.example.com"], [])
    assert found.unprotected_gateways == {PolicyName("infra", "public")}
    assert found.unprotected == {"open.example.com"}
    with pytest.raises(ValueError, match="public is not NAMESPACE/NAME"):
        settings.operator(None, ["gateway:public"], [])


def test_what_is_said_at_the_start_names_gateways_and_who_writes_status() -> None:
    operator = Operator(gateways=listed("infra/public=peer"), unprotected_gateways=frozenset({PolicyName("infra", "public")}))
    told = settings.described(Settings(None, ANY, ANY, operator, cluster=ClusterSettings(namespace="authz")))
    assert told["gateways"] == "infra/public (client address: peer)"
    assert told["unprotected"] == "routes of the Gateway infra/public"
    assert told["status"] == "written by the holder of the Lease in authz"
    assert settings.described(Settings(None, ANY, ANY, Operator(), cluster=ClusterSettings()))["status"] == "not written"


def test_what_opens_most_is_said_at_the_start() -> None:
    grants = (HostGrant("shop", ("shop.example.com", "*.shop.example.com")), HostGrant("platform"))
    operator = Operator(host_grants=grants, identity_headers=frozenset({"x-user"}))
    fetch = FetchLimits(insecure_origins=frozenset({"http://127.0.0.1:8124"}))
    told = settings.described(Settings(None, ANY, ANY, operator, fetch=fetch, cluster=ClusterSettings()))
    assert told["hosts_from"] == "shop=shop.example.com,*.shop.example.com, platform"
    assert (told["identity_headers"], told["fetch_insecure"]) == ("x-user", "http://127.0.0.1:8124")
    assert not {"hosts_from", "identity_headers", "fetch_insecure"} & set(settings.described(Settings(None, ANY, ANY, Operator())))
