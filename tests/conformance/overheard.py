"""Decides tokens that name places, and says what the process reached for meanwhile. Run in a process of its own: a hook stays.

Prints one JSON object: what was heard while deciding, the reasons, the fetches, and what is heard of something that does reach out.
"""

import json
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.builders import ISSUER, a_jwk, a_request, rsa_key
from tests.conformance.presenting import HEADER, a_service, signed

WATCHED = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request", "subprocess.Popen"}


class Overheard:
    """The events that an audit hook hears between `begin` and `end`; of opened files only those of one folder."""

    def __init__(self, folder: str) -> None:
        self.events: list[str] = []
        self._folder = folder
        self._listens = False
        sys.addaudithook(self._heard)

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if self._listens and (event in WATCHED or (event == "open" and str(args[0]).startswith(self._folder))):
            self.events.append(event)

    def begin(self) -> None:
        self.events, self._listens = [], True

    def end(self) -> list[str]:
        self._listens = False
        return self.events


def headers(file: Path, port: int) -> list[dict[str, Any]]:
    """What a token's header may say of where its key is."""
    places = [f"http://127.0.0.1:{port}/keys", f"https://localhost:{port}/keys", file.as_uri(), str(file), f"../../../../{file}"]
    named = [{name: place} for name in ("jku", "x5u", "kid", "iss") for place in places]
    stranger = a_jwk(rsa_key("stranger"))
    return [*named, {"jwk": stranger}, {"x5c": ["MIIB"]}, {"jwk": stranger, "kid": "k9"}, {"x5t": "AA", "x5t#S256": "AA"}]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        file, port = Path(folder) / "keys.json", listener.getsockname()[1]
        file.write_text("{}", encoding="utf-8")
        service, heard = a_service(a_jwk()), Overheard(folder)
        tokens = [signed({**HEADER, **header}, key=key) for header in headers(file, port) for key in (rsa_key(), rsa_key("stranger"))]
        said: list[str] = []
        heard.begin()
        said += [str(service.decide(a_request(token=token)).reason.value) for token in tokens]
        while_deciding = heard.end()
        heard.begin()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        file.read_text(encoding="utf-8")
        control = heard.end()
    print(  # noqa: T201 - what the parent reads
        json.dumps({"heard": while_deciding, "control": control, "reasons": said, "fetched": service.fetcher.asked, "issuer": ISSUER})
    )


if __name__ == "__main__":
    main()
