"""Options that several commands share, and what becomes of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from authz import settings
from authz.fetch.client import FetchLimits
from authz.model.operator import Operator
from authz.settings import Mistakes, SettingsError

F = TypeVar("F", bound=Callable[..., Any])

_OPERATOR = (
    click.option("--client-address", metavar="HOW", help="How the client's address is found: peer, x-forwarded-for or header:NAME."),
    click.option("--trusted-proxy", multiple=True, metavar="CIDR", help="From where --client-address's header counts. Repeat for more."),
    click.option("--trusted-hops", type=int, metavar="N", help="For x-forwarded-for: how many trusted proxies stand before Envoy."),
    click.option(
        "--envoy-appends-peer/--no-envoy-appends-peer",
        default=True,
        show_default=True,
        help="For x-forwarded-for: whether Envoy appends its peer (use_remote_address).",
    ),
    click.option(
        "--client-certificate",
        metavar="HOW",
        help="Where the client's certificate is told: peer, xfcc, client-cert or header:NAME; headers with ;trusted=CIDR,….",
    ),
    click.option(
        "--unprotected",
        multiple=True,
        metavar="HOST|all",
        help="Let requests pass that no policy covers (gateway:NAMESPACE/NAME: those of its routes). Repeat for more.",
    ),
    click.option("--identity-header", multiple=True, metavar="NAME", help="A header besides x-auth-* that policies may forward."),
)
_FETCH = (
    click.option(
        "--fetch-ca",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="CAs to trust for issuers, instead of the system's.",
    ),
    click.option(
        "--fetch-insecure",
        multiple=True,
        metavar="ORIGIN",
        help="Allow plain http or a private address for this origin alone, as http://127.0.0.1:8124. Repeat for more.",
    ),
    click.option(
        "--api-key-digest-key",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The secret under which API keys with a keyed digest (hmac-sha256) were recorded.",
    ),
)


def operator_options(command: F) -> F:
    """Add the options that the operator sets for the whole installation."""
    for option in reversed((*_OPERATOR, *_FETCH)):
        command = option(command)
    return command


def take_operator(mistakes: Mistakes, given: dict[str, Any]) -> Operator:
    """Return the operator's settings out of the options given, and take those out."""
    how, trusted, hops = given.pop("client_address"), given.pop("trusted_proxy"), given.pop("trusted_hops")
    appended = given.pop("envoy_appends_peer")
    client = mistakes.take("--client-address", lambda: settings.client_address(how, trusted, hops, appended=appended), None)
    told = given.pop("client_certificate")
    certificate = mistakes.take("--client-certificate", lambda: settings.client_certificate(told), None)
    unprotected, names = given.pop("unprotected"), given.pop("identity_header")
    said = mistakes.take("--unprotected, --identity-header", lambda: settings.operator(client, unprotected, names), Operator(client))
    return replace(said, client_certificate=certificate)


def take_fetch(mistakes: Mistakes, given: dict[str, Any]) -> FetchLimits:
    """Return how keys are fetched out of the options given, and take those out."""
    ca_file, insecure = given.pop("fetch_ca"), given.pop("fetch_insecure")
    return mistakes.take("--fetch-ca, --fetch-insecure", lambda: settings.fetch_limits(ca_file, insecure), FetchLimits())


def take_digest_key(mistakes: Mistakes, given: dict[str, Any]) -> bytes:
    """Return the key of keyed digests out of the options given, and take it out."""
    file = given.pop("api_key_digest_key")
    return mistakes.take("--api-key-digest-key", lambda: settings.digest_key(file), b"")


def raise_mistakes(mistakes: Mistakes) -> None:
    """Raise SettingsError where anything is wrong."""
    if mistakes.found:
        raise SettingsError(mistakes.found)
