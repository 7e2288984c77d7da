"""What is wrong with the expression of an item: mistakes in itself, and credentials that the item does not ask for."""

from collections.abc import Iterator
from typing import Final

from authz.model.operator import Operator
from authz.model.policy import Item
from authz.model.problem import Problem
from authz.policy.expressions import ExpressionMistake, compile_expression

Path = tuple[str | int, ...]

UNSETTLED_ADDRESS: Final = (
    "how the client's address is found has not been said, and guessing could open this to everyone: "
    "start with --client-address peer (or x-forwarded-for, or header:NAME; chart: clientAddress), or say it for one Gateway"
)


def expression_problems(item: Item, path: Path, operator: Operator, *, attached: bool) -> Iterator[Problem]:
    """Yield what is wrong with `when` of an item; `attached`: whether its policy has targets, so that a Gateway may say more."""
    try:
        expression = compile_expression(item.when)
    except ExpressionMistake as mistake:
        yield Problem("AZ327", f"line {mistake.line}, column {mistake.column} of the expression: {mistake.what}", path)
        return
    asked = {"jwt": item.jwt, "apiKey": item.api_key, "clientCertificate": item.certificate}
    for name in sorted(expression.names & {name for name, member in asked.items() if member is None}):
        yield Problem("AZ328", f"the expression names {name}, and the item does not ask for it; add {name} to the item", path)
    if "clientIP" in expression.names and not (operator.says_addresses if attached else operator.client_address):
        yield Problem("AZ307", UNSETTLED_ADDRESS, path)
