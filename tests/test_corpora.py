"""What happens where the corpora are absent."""

import pytest

from tests.corpora import corpus


def test_an_absent_corpus_is_a_loud_skip(monkeypatch, tmp_path):
    monkeypatch.setenv("AUTHZ_CORPORA", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="AUTHZ_CORPORA"):
        corpus("ip-parsing/ip_vectors.json")


def test_an_absent_corpus_is_a_failure_where_nothing_may_be_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("AUTHZ_CORPORA", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not here"):
        corpus("ip-parsing/ip_vectors.json")
