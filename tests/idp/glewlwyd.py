"""A real identity provider for tests: Glewlwyd (a Debian package) on loopback, in a folder of its own.

It knows one API, two scopes, a public client for people (`console`), a confidential one for programs (`daemon`) and one
user. Calls block: from a test's event loop go through `asyncio.to_thread`.
"""

import base64
import hashlib
import json
import random
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import httpx2
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests import canaries

API: Final = "https://orders.example.com"
SCOPES: Final = ("orders.read", "orders.write")
USER: Final = "alice"
CONSOLE: Final = "console"
DAEMON: Final = "daemon"
REMEDY: Final = "DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends glewlwyd (Debian or Ubuntu, as root)"

_TABLES: Final = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
_MODULES: Final = Path("/usr/lib/glewlwyd")
_START_SECONDS: Final = 15.0
_USER_PASSWORD: Final = "alice-password"
_DAEMON_SECRET: Final = "daemon-secret"
# Where the browser would go with the code; nobody listens there, and nothing is sent there.
_CALLBACK: Final = "http://127.0.0.1:9/callback"
_CONFIGURATION: Final = """\
port = {port}
bind_address = "127.0.0.1"
external_url = "{base}"
login_url = "login.html"
api_prefix = "api"
log_mode = "console"
log_level = "WARNING"
cookie_secure = 0
session_expiration = 3600
session_key = "GLEWLWYD2_SESSION_ID"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "{modules}/user"
client_module_path = "{modules}/client"
user_auth_scheme_module_path = "{modules}/scheme"
plugin_module_path = "{modules}/plugin"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{database}"; }};
"""


class GlewlwydError(Exception):
    """The provider does not start, or refuses what it is asked for; the message holds its words."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one grant gave; "" where it gives no such token."""

    access: str
    identity: str = ""


def is_installed() -> bool:
    """Whether the program, its modules and its tables are here."""
    return shutil.which("glewlwyd") is not None and (_MODULES / "plugin").is_dir() and _TABLES.is_file()


class Glewlwyd:
    """One provider. Use as `with Glewlwyd() as idp: idp.issuer`; keys can be rotated, and the process stopped and started."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="authz-idp-")
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # The first one signs: Glewlwyd 2.7.5 does not heed `default-kid`.
        self._keys: dict[str, dict[str, Any]] = {}
        self.origin = f"http://127.0.0.1:{self._port}"
        self.issuer = f"{self.origin}/api/oidc"
        self._admin = httpx2.Client(base_url=f"{self.origin}/api", trust_env=False)

    def __enter__(self) -> Self:
        """Start it and set the realm up. Raises GlewlwydError."""
        try:
            self._prepare()
            self.start()
            self._set_up()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """End it and remove its folder."""
        self._end()

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def kids(self) -> tuple[str, ...]:
        """The keys that are published; the first one signs."""
        return tuple(self._keys)

    def start(self) -> None:
        """Start the process, with what it knew before, and return once it answers. Raises GlewlwydError."""
        if self.is_running:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(["glewlwyd", "--config-file", self._path("glewlwyd.conf")], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        pause = threading.Event()
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise GlewlwydError(f"the provider does not answer:\n{self._last_words()}")
            # Another process has no event to wait for.
            pause.wait(0.02)

    def stop(self) -> None:
        """End the process: nobody listens on its port any more. `start` brings it back."""
        process, self._process = self._process, None
        if process is None:
            return
        # One that is paused would never see the signal.
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pause(self) -> None:
        """Let it hang: connections are accepted, nothing is answered. `resume` ends that."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        self._running.send_signal(signal.SIGCONT)

    def client_credentials(self, scope: str, resource: str = API) -> Tokens:
        """Return the tokens of a program on its own behalf (RFC 6749 §4.4)."""
        return self._tokens({"grant_type": "client_credentials", "scope": scope, "resource": resource})

    def password(self, scope: str) -> Tokens:
        """Return the tokens of the user's password (RFC 6749 §4.3). Here Glewlwyd knows no `resource`: the scope is the audience."""
        return self._tokens({"grant_type": "password", "username": USER, "password": _USER_PASSWORD, "scope": scope})

    def authorization_code(self, scope: str, resource: str = API) -> Tokens:
        """Return the tokens of a code with PKCE (RFC 7636): the user logs in and consents as the login page would have it."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        with httpx2.Client(base_url=f"{self.origin}/api", trust_env=False) as browser:
            _call(browser, "POST", "/auth/", {"username": USER, "password": _USER_PASSWORD})
            _call(browser, "PUT", f"/auth/grant/{CONSOLE}/", {"scope": scope})
            asked = {"response_type": "code", "client_id": CONSOLE, "redirect_uri": _CALLBACK, "scope": scope, "resource": resource}
            asked |= {"state": "s", "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256", "g_continue": ""}
            answer = browser.get("/oidc/auth", params=asked)
        code = parse_qs(urlsplit(answer.headers.get("location", "")).query).get("code")
        if not code:
            raise GlewlwydError(f"no code: {answer.status_code} {answer.headers.get('location', answer.text)[:300]}")
        form = {"grant_type": "authorization_code", "code": code[0], "redirect_uri": _CALLBACK, "code_verifier": verifier}
        return self._tokens({**form, "client_id": CONSOLE, "resource": resource}, by_program=False)

    def publish(self) -> str:
        """Publish one more key, which does not sign yet. Return its name."""
        kid, key = _new_key()
        self._put_keys({**self._keys, kid: key})
        return kid

    def sign_with(self, kid: str) -> None:
        """Sign with a published key from now on."""
        self._put_keys({kid: self._keys[kid], **self._keys})

    def sign_at_once(self) -> str:
        """Publish one more key that signs from the same moment on. Return its name."""
        kid, key = _new_key()
        self._put_keys({kid: key, **self._keys})
        return kid

    def retire(self, *kids: str) -> None:
        """Publish these keys no longer."""
        self._put_keys({kid: key for kid, key in self._keys.items() if kid not in kids})

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise GlewlwydError("the provider does not run")
        return self._process

    @property
    def _log(self) -> Path:
        return self._path("log")

    def _path(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def _prepare(self) -> None:
        database = self._path("glewlwyd.db")
        tables = sqlite3.connect(database)
        try:
            tables.executescript(_TABLES.read_text(encoding="utf-8"))
            tables.commit()
        finally:
            tables.close()
        text = _CONFIGURATION.format(port=self._port, base=self.origin, modules=_MODULES, database=database)
        self._path("glewlwyd.conf").write_text(text, encoding="utf-8")

    def _set_up(self) -> None:
        # The user and the password that every fresh database has.
        self._call("POST", "/auth/", {"username": "admin", "password": "password"})
        for scope in SCOPES:
            self._call("POST", "/scope/", {"name": scope, "display_name": scope, "password_required": True, "password_max_age": 0})
        self._keys = dict([_new_key()])
        self._call("POST", "/mod/plugin/", self._provider())
        user = {"username": USER, "name": "Alice", "password": _USER_PASSWORD, "enabled": True, "scope": ["openid", *SCOPES]}
        self._call("POST", "/user/", user)
        common = {"enabled": True, "redirect_uri": [_CALLBACK]}
        people = {"client_id": CONSOLE, "confidential": False, "authorization_type": ["code"]}
        self._call("POST", "/client/", {**common, **people})
        program = {"client_id": DAEMON, "confidential": True, "client_secret": _DAEMON_SECRET, "scope": list(SCOPES)}
        program["authorization_type"] = ["client_credentials", "password"]
        program["token_endpoint_auth_method"] = ["client_secret_basic"]
        self._call("POST", "/client/", {**common, **program})

    def _provider(self) -> dict[str, Any]:
        grants = ("code", "password", "client")
        parameters: dict[str, Any] = {f"auth-type-{grant}-enabled": True for grant in grants}
        others = ("token", "id-token", "none", "implicit", "device", "refresh")
        parameters |= {f"auth-type-{grant}-enabled": False for grant in others}
        parameters |= {"iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "jwks-show": True, "jwks-private": _jwks(self._keys)}
        parameters |= {"access-token-duration": 600, "refresh-token-duration": 3600, "code-duration": 60, "refresh-token-rolling": True}
        parameters |= {"allow-non-oidc": True, "pkce-allowed": True, "pkce-required": True, "pkce-method-plain-allowed": False}
        parameters |= {"secret-type": "all", "subject-type": "public", "session-management-allowed": False, "scope": []}
        # RFC 8707: with `resource` an access token is for the API; without, Glewlwyd writes the scope into `aud`.
        parameters |= {"resource-allowed": True, "resource-scope": {scope: [API] for scope in SCOPES}, "resource-client-property": ""}
        parameters |= {"resource-scope-and-client-property": False, "resource-change-allowed": False}
        return {"module": "oidc", "name": "oidc", "display_name": "OIDC", "enabled": True, "parameters": parameters}

    def _put_keys(self, keys: dict[str, dict[str, Any]]) -> None:
        provider = self._call("GET", "/mod/plugin/oidc").json()
        provider["parameters"]["jwks-private"] = _jwks(keys)
        self._call("PUT", "/mod/plugin/oidc", provider)
        self._call("PUT", "/mod/plugin/oidc/reset")
        self._keys = keys

    def _tokens(self, form: Mapping[str, str], *, by_program: bool = True) -> Tokens:
        auth = (DAEMON, _DAEMON_SECRET) if by_program else None
        answer = httpx2.post(f"{self.issuer}/token", data=dict(form), auth=auth, trust_env=False)
        if answer.status_code != 200:
            raise GlewlwydError(f"{form['grant_type']}: {answer.status_code} {answer.text[:300]}")
        given = answer.json()
        return Tokens(canaries.note(given["access_token"]), canaries.note(given.get("id_token", "")))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> httpx2.Response:
        return _call(self._admin, method, path, body)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.origin}/config", trust_env=False).status_code < 500
        except httpx2.HTTPError:
            return False

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])

    def _end(self) -> None:
        self.stop()
        self._admin.close()
        self._folder.cleanup()


def _call(client: httpx2.Client, method: str, path: str, body: Mapping[str, Any] | None) -> httpx2.Response:
    answer = client.request(method, path, json=body)
    if answer.status_code != 200:
        raise GlewlwydError(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
    return answer


def _new_key() -> tuple[str, dict[str, Any]]:
    kid = f"key-{secrets.token_hex(4)}"
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    key.pop("key_ops", None)
    return kid, {**key, "kid": kid, "alg": "RS256", "use": "sig"}


def _jwks(keys: Mapping[str, Mapping[str, Any]]) -> str:
    return json.dumps({"keys": list(keys.values())})


def _free_port() -> int:
    """Return a port below those that the system gives out by itself, so that it is still free after a stop."""
    for port in random.sample(range(20_000, 32_000), 50):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise GlewlwydError("no port is free between 20000 and 32000")
