"""What each problem code means, and how to mend it: one table. docs/reference/problems.md is made from it."""

from typing import Final

from authz.api.document_codes import DOCUMENT_CODES
from authz.api.policy_codes import POLICY_CODES
from authz.api.problem_code import ProblemCode

CODES: Final[dict[str, ProblemCode]] = DOCUMENT_CODES | POLICY_CODES
