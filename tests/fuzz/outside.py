"""Seeds that others published, where they are at hand. They are read where they lie and never copied."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.corpora import folder


def outside(name: str) -> list[bytes]:
    """The seeds of others for a target; none where the corpora are not here, or none is of that kind."""
    root, made = folder(), PUBLISHED.get(name)
    return [each for each in made(root) if len(each) <= 4096] if made and root.is_dir() else []


def _read(root: Path, name: str) -> Any:
    return json.loads((root / name).read_text(encoding="utf-8"))


def _tokens(root: Path) -> Iterator[bytes]:
    for group in _read(root, "wycheproof/json_web_signature_test.json")["testGroups"]:
        yield from (test["jws"].encode() for test in group["tests"] if isinstance(test["jws"], str))
    for each in sorted((root / "istio").glob("*.jwt")):
        yield each.read_bytes().strip()


def _key_sets(root: Path) -> Iterator[bytes]:
    for group in _read(root, "wycheproof/json_web_signature_test.json")["testGroups"]:
        yield json.dumps({"keys": [group[half] for half in ("public", "private") if half in group]}).encode()
    for each in sorted((root / "jose-cookbook" / "jwk").glob("*.json")):
        yield b'{"keys":[' + each.read_bytes() + b"]}"
    yield (root / "istio" / "jwks.json").read_bytes()


def _json(root: Path) -> Iterator[bytes]:
    for each in sorted((root / "jsontestsuite").rglob("*.json")):
        yield each.read_bytes()


def _token_of_json(root: Path) -> Iterator[bytes]:
    yield from _tokens(root)
    for data in _json(root):
        header = urlsafe_b64encode(b'{"alg":"RS256"}').rstrip(b"=")
        yield b".".join((header, urlsafe_b64encode(data).rstrip(b"="), b"AAAA"))


def _texts(found: object) -> Iterator[bytes]:
    """Every text in a JSON value."""
    if isinstance(found, str):
        yield found.encode("utf-8", "replace")
    for each in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from _texts(each)


def _paths(root: Path) -> Iterable[bytes]:
    vectors = _read(root, "path-normalization/path_vectors.json")
    urls = [each.get("pathname") for each in _read(root, "wpt-url/urltestdata.json") if isinstance(each, dict)]
    return dict.fromkeys(text for text in (*_texts(vectors), *_texts(urls)) if text.startswith(b"/"))


def _hosts(root: Path) -> Iterable[bytes]:
    urls = [each for each in _read(root, "wpt-url/urltestdata.json") if isinstance(each, dict)]
    named = [each.get("host") for each in urls]
    written = [each["input"].partition("//")[2].partition("/")[0] for each in urls]
    return dict.fromkeys((*_texts(named), *_texts(written)))


def _addresses(root: Path) -> Iterable[bytes]:
    return dict.fromkeys(_texts(_read(root, "ip-parsing/ip_vectors.json")))


PUBLISHED: Mapping[str, Callable[[Path], Iterable[bytes]]] = {
    "address": _addresses,
    "host": _hosts,
    "json_text": _json,
    "key_set": _key_sets,
    "path": _paths,
    "token": _token_of_json,
}
