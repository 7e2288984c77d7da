"""What the tests of fetching share."""

import pytest

from tests.fetch.hosts import Authority, an_authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """CAs and certificates for hosts of the test's own."""
    return an_authority(tmp_path_factory.mktemp("ca"))
