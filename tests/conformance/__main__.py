"""Writes docs/conformance.md; exits with 1 where a vector came out wrong, and with 2 where the corpora are not there."""

import sys

import pytest

from tests.conformance.page import PAGE, failures, page


def main() -> int:
    try:
        wrong, text = failures(), page()
    except (pytest.skip.Exception, pytest.fail.Exception) as absent:
        sys.stderr.write(f"{absent.msg}\n")
        return 2
    PAGE.write_text(text, encoding="utf-8")
    sys.stderr.write("".join(f"{each}\n" for each in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
