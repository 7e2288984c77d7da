"""What is made from the code is what the code makes now."""

import json
import re
import runpy
from pathlib import Path

import pytest
import yaml

from authz.api import v1alpha1
from authz.api.decode import read
from authz.model.declared import Declared
from authz.model.operator import CertificateSource, ClientAddress, ClientCertificate, Operator
from authz.policy.problems import problems

ROOT = Path(__file__).parents[2]
GENERATOR = runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize("name", GENERATOR["GENERATED"])
def test_a_generated_file_is_up_to_date(name: str) -> None:
    assert not GENERATOR["is_stale"](name), f"{name} is stale: run {GENERATOR['COMMAND']}"


@pytest.mark.parametrize("path", GENERATOR["EXAMPLES"])
def test_an_example_is_a_part_of_a_policy_without_mistakes(path: str) -> None:
    # The first example is a whole policy: the others take the place of what it says of the same fields.
    spec = yaml.safe_load(GENERATOR["EXAMPLES"]["spec"]) | yaml.safe_load(GENERATOR["EXAMPLES"][path])
    kind = {"apiVersion": f"{v1alpha1.GROUP}/{v1alpha1.VERSION}", "kind": v1alpha1.KIND}
    (declared,) = read(json.dumps({**kind, "metadata": {"name": "example"}, "spec": spec}))
    assert isinstance(declared, Declared)
    assert declared.problems == ()
    assert declared.policy is not None
    operator = Operator(ClientAddress(), client_certificate=ClientCertificate(CertificateSource.PEER))
    assert problems(declared.policy, operator) == []


@pytest.mark.parametrize("path", GENERATOR["EXAMPLES"])
def test_an_example_is_shown_on_the_page(path: str) -> None:
    assert GENERATOR["EXAMPLES"][path] in GENERATOR["authpolicy"]()


def test_every_link_within_a_page_leads_to_a_heading() -> None:
    page = GENERATOR["authpolicy"]()
    headings = ["".join(filter(str.isalnum, title.lower())) for title in re.findall(r"(?m)^## (.*)$", page)]
    assert len(set(headings)) == len(headings)
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= set(headings)
