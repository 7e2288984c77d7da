"""Every vector of every corpus comes out as it must, and none is left out."""

import json

import pytest

from tests.conformance import json_suite, wycheproof
from tests.conformance.cookbook import COOKBOOK
from tests.conformance.identity_model import IDENTITY_MODEL
from tests.conformance.json_suite import JSON_SUITE
from tests.conformance.outcomes import Corpus, as_far_as_the_claims
from tests.conformance.page import CORPORA, PAGE, page
from tests.conformance.request_parts import IP_PARSING, PATH_NORMALIZATION
from tests.conformance.wycheproof import WRONG_LABELS, WYCHEPROOF
from tests.corpora import corpus, corpus_path


@pytest.mark.parametrize("each", CORPORA, ids=lambda each: each.folder)
def test_every_vector_comes_out_as_it_must(each: Corpus) -> None:
    assert [one for one in each.outcomes if not one.holds] == []
    names = [one.vector for one in each.outcomes]
    assert len(set(names)) == len(names)


def test_the_page_is_current() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "docs/conformance.md is stale: run make conformance"


def test_393_of_393_signatures_are_judged_as_their_label_says_and_the_8_wrong_labels_are_the_known_ones() -> None:
    assert len(WYCHEPROOF.outcomes) == corpus("wycheproof/json_web_signature_test.json")["numberOfTests"] == 401
    assert sum(one.holds and not one.why for one in WYCHEPROOF.outcomes) == 393
    assert WRONG_LABELS.keys() == corpus("wycheproof/errata.json")["json_web_signature_test"].keys()


def test_a_wrong_label_is_corrected_as_its_erratum_says() -> None:
    errata = corpus("wycheproof/errata.json")["json_web_signature_test"]
    tokens = {str(vector["tcId"]): vector["jws"] for _, vector in wycheproof.vectors()}
    verdicts = {one.vector: one.found for one in WYCHEPROOF.outcomes}
    for name, text in errata.items():
        # "same as 346" stands for the words of 346.
        said = errata[text.split()[2]] if text.startswith("same as") else text
        assert verdicts[name] == ("valid" if said.endswith("accept") else "invalid"), name
    assert tokens["367"] == tokens["370"] == tokens["357"]


def test_each_symmetric_signature_is_judged_by_the_secrets_of_an_issuer_and_by_no_public_key() -> None:
    symmetric = [(group, vector) for group, vector in wycheproof.vectors() if "public" not in group]
    found = {one.vector: one.found for one in WYCHEPROOF.outcomes}
    assert len(symmetric) == 40
    assert sum(found[str(vector["tcId"])] == "valid" for _, vector in symmetric) == 8 + 2  # 367 and 370 are 357 again
    assert {as_far_as_the_claims(vector["jws"], group["private"]) for group, vector in symmetric}.isdisjoint({"verified"})


def test_each_text_of_the_json_suite_is_tried_in_both_places() -> None:
    files = {path.name for path in corpus_path("jsontestsuite").rglob("*.json")}
    assert {path.name for path in json_suite.files()} == files
    assert len(JSON_SUITE.outcomes) == 2 * len(files) == 680


def test_every_path_and_address_is_tried() -> None:
    assert (len(PATH_NORMALIZATION.outcomes), len(IP_PARSING.outcomes)) == (394, 49)


def test_every_example_of_the_cookbook_is_tried() -> None:
    tried = {one.vector for one in COOKBOOK.outcomes}
    root = corpus_path("jose-cookbook")
    for path in root.rglob("*.json"):
        name = path.relative_to(root).as_posix().removesuffix(".json")
        assert any(one == name or one.startswith(f"{name} ") for one in tried), name
    assert sum(one.endswith("private JWK") for one in tried) == 5


def test_every_case_of_identity_model_is_named() -> None:
    tried = {one.vector.split()[0] for one in IDENTITY_MODEL.outcomes}
    for path in corpus_path("identity-model-spec/spec/conformance").glob("*.json"):
        assert {case["id"] for case in json.loads(path.read_text(encoding="utf-8"))["tests"]} <= tried
