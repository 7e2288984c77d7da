"""The demo's policies: written once, kept when edited, and never for another issuer than the one that runs."""

from pathlib import Path

import pytest

from authz.demo.policies import OtherIssuerError, write

ONE, OTHER = "http://127.0.0.1:8124", "http://127.0.0.1:9000"


def test_they_are_written_once_and_edits_are_kept(tmp_path: Path) -> None:
    assert write(tmp_path, ONE)
    (tmp_path / "orders.yaml").write_text("# edited\n")
    assert not write(tmp_path, ONE)
    assert (tmp_path / "orders.yaml").read_text() == "# edited\n"


def test_untouched_definitions_follow_the_issuer(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    assert write(tmp_path, OTHER)
    assert OTHER in (tmp_path / "idps.yaml").read_text()


def test_edited_definitions_for_another_issuer_are_told_with_the_way_out(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    idps = tmp_path / "idps.yaml"
    idps.write_text(idps.read_text() + "# mine\n")
    with pytest.raises(OtherIssuerError, match="--issuer-port 8124"):
        write(tmp_path, OTHER)
