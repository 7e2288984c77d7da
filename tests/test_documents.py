"""Documents that run: their policies load, their commands print what they show, a real Envoy takes their configuration."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from authz.api.decode import API_VERSION, read
from authz.cli.main import cli
from authz.model.declared import Declared
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from authz.service.references import own_problems
from tests.e2e.stack import envoy

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```([a-z]+)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: Path, language: str) -> Iterator[tuple[str, str]]:
    for found in _BLOCK.finditer(document.read_text(encoding="utf-8")):
        if found.group(1) == language:
            yield found.group(2) or "", found.group(3)


def policies() -> list[Any]:
    found = [(path, text) for path in DOCUMENTS for _, text in blocks(path, "yaml") if f"apiVersion: {API_VERSION}" in text]
    return [pytest.param(text, id=f"{path.name}-{at}") for at, (path, text) in enumerate(found)]


@pytest.mark.parametrize("text", policies())
def test_every_policy_in_a_document_loads(text: str) -> None:
    for each in read(text):
        assert isinstance(each, Declared)
        assert not each.problems
        assert each.policy is not None
        operator = Operator(ClientAddress(), client_certificate=ClientCertificate(CertificateSource.PEER))
        assert not own_problems(each.policy, operator)


def test_the_first_steps_print_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = ROOT / "docs" / "first-steps.md"
    monkeypatch.chdir(tmp_path)
    for said, text in blocks(document, "yaml"):
        file = Path(said.removeprefix("file="))
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    ran = 0
    for _, text in blocks(document, "console"):
        for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, shown = session.partition("\n")
            words = shlex.split(command)
            assert words[0] == "authz"
            result = CliRunner().invoke(cli, words[1:])
            assert result.exit_code in (0, 1), result.output
            assert result.output == shown
            ran += 1
    assert ran >= 6


def test_a_real_envoy_takes_the_configuration_shown(tmp_path: Path) -> None:
    parts = {said: yaml.safe_load(text) for said, text in blocks(ROOT / "docs" / "envoy.md", "yaml")}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "docs",
        "route_config": {
            "virtual_hosts": [{"name": "a", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]}]
        },
        "http_filters": [
            parts["envoy=filter"],
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            },
        ],
    }
    listener = {
        "name": "docs",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    file = tmp_path / "envoy.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [parts["envoy=cluster"]]}}))
    result = subprocess.run([envoy(), "--mode", "validate", "-c", file], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr[-2000:]


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 120
    assert "make demo" in text
    assert "make test" in text


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [*DOCUMENTS, *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"))]:
        for target in re.findall(r"\]\(([\w./:-]+)(?:#[\w-]*)?\)", document.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")):
                assert (document.parent / target).exists(), f"{document.name}: {target}"
