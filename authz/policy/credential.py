"""One credential that an item asks for: how it is found, how clients may present it, and what is asked of it once it is verified."""

from collections.abc import Callable
from typing import Final, NamedTuple

from authz.model.policy import ApiKeyCondition, CertificateCondition, ClaimCondition, JwtCondition
from authz.model.principal import Caller, Failure, Rank
from authz.model.reason import Reason
from authz.model.trace import Step
from authz.policy import conditions
from authz.policy.view import Reader, View

Path = tuple[str | int, ...]
Permit = Callable[[Caller, View], Failure | None]

JWT: Final = "jwt"
API_KEY: Final = "apiKey"
CERTIFICATE: Final = "clientCertificate"
EVERY_SCOPE: Final = "*"


class Challenge(NamedTuple):
    """One way of authentication that a 401 names: its scheme, further parameters, and whether RFC 6750's errors belong there."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()
    is_token: bool = True


class Credential(NamedTuple):
    """A credential, ready to be asked for.

    Attributes:
        kind: `jwt`, `apiKey` or `clientCertificate`.
        reader: finds and verifies it.
        permit: what the item asks of it.
        challenges: how clients may present it.
        path: where it stands in the policy.
    """

    kind: str
    reader: Reader
    permit: Permit
    challenges: tuple[Challenge, ...]
    path: Path

    def failure(self, view: View) -> Failure | None:
        """Return why the request does not have it, or None."""
        caller = view.identity(self.reader)
        return caller if isinstance(caller, Failure) else self.permit(caller, view)


def jwt_permit(jwt: JwtCondition, path: Path) -> Permit:
    """Return what is asked of a verified token."""
    checks = [_audience_check(jwt.audiences, path)] if jwt.audiences else []
    checks += [_scope_check(jwt.scopes, path)] if jwt.scopes else []
    checks += [_claim_check(each, (*path, "claims", at)) for at, each in enumerate(jwt.claims)]

    def permit(caller: Caller, view: View) -> Failure | None:
        for check in checks:
            failure = check(caller, view)
            if failure is not None:
                return failure
        return None

    return permit


def api_key_permit(key: ApiKeyCondition, path: Path) -> Permit:
    """Return what is asked of a key that is valid: one of the scopes, or every scope."""
    wanted, want = frozenset(key.scopes), " or ".join(key.scopes)

    def permit(caller: Caller, view: View) -> Failure | None:
        held: frozenset[str] = caller.claims["scopes"]
        holds = not wanted.isdisjoint(held) or EVERY_SCOPE in held
        step = Step(3, "scopes", "", holds, listed(held), want, (*path, "scopes"))
        return told(view, step, Reason.APIKEY_SCOPE, Rank.NOT_PERMITTED)

    return permit


def certificate_permit(certificate: CertificateCondition, path: Path) -> Permit:
    """Return what is asked of a certificate that is trusted: nothing more, its reader compares identities."""
    return lambda caller, view: None


def _audience_check(audiences: tuple[str, ...], path: Path) -> Permit:
    wanted, want = frozenset(audiences), ", ".join(audiences)

    def check(caller: Caller, view: View) -> Failure | None:
        held = conditions.claim_values(caller.claims, ("aud",))
        step = Step(3, "audience", "", not wanted.isdisjoint(held), listed(held), want, (*path, "audiences"))
        return told(view, step, Reason.TOKEN_AUDIENCE, Rank.NOT_VERIFIED)

    return check


def _scope_check(scopes: tuple[str, ...], path: Path) -> Permit:
    wanted, want = frozenset(scopes), " ".join(scopes)

    def check(caller: Caller, view: View) -> Failure | None:
        held = conditions.scopes_of(caller.claims)
        step = Step(3, "scopes", "", wanted <= held, listed(held), want, (*path, "scopes"))
        return told(view, step, Reason.SCOPE_INSUFFICIENT, Rank.NOT_PERMITTED)

    return check


def _claim_check(claim: ClaimCondition, path: Path) -> Permit:
    holds, name = conditions.claim_test(claim), ".".join(claim.path)
    want = f"{claim.match.lower()} of {', '.join(claim.values)}"

    def check(caller: Caller, view: View) -> Failure | None:
        held = conditions.claim_values(caller.claims, claim.path, claim.separator)
        step = Step(3, "claim", name, holds(caller.claims), listed(held), f"{name}: {want}", path)
        return told(view, step, Reason.CLAIMS_MISMATCH, Rank.NOT_PERMITTED)

    return check


def told(view: View, step: Step, reason: Reason, rank: Rank) -> Failure | None:
    """Record a step, and return the failure that it is, or None where it holds."""
    view.note(step)
    return None if step.holds else Failure(reason, rank, step.want, step.got)


def listed(values: frozenset[str]) -> str:
    """Return the first values in words, for explanations."""
    return ", ".join(sorted(values)[:8]) or "none"
