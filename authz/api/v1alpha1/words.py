"""The words that every type of v1alpha1 is made of: names, texts, and the base of the types."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator
from pydantic_core import PydanticCustomError

GROUP = "ingress-authz.dev"
VERSION = "v1alpha1"
KIND = "AuthPolicy"

Name = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
# A key in the data of a ConfigMap or Secret.
DataKey = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
HeaderName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
Path = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=r"^/")]
PathValue = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
# A path into nested claims: the order counts, and a name may come again.
ClaimPath = Annotated[list[Text], Field(min_length=1, max_length=8, json_schema_extra={"x-kubernetes-list-type": "atomic"})]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[!#-\[\]-~]+$")]
Method = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Z][A-Z_-]*$")]
# The `typ` of a token: a media type, of which "application/" may be left out (RFC 7515 §4.1.9).
TokenType = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^(application/)?[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$")]
Url = Annotated[str, StringConstraints(min_length=8, max_length=2048, pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$")]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"]
ModeName = Literal["Enforce", "Shadow"]


class Object(BaseModel):
    """The base of every type here: unknown fields are mistakes, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
    # What CEL on the API server checks: (rule, message). The validators below say the same.
    cel: ClassVar[tuple[tuple[str, str], ...]] = ()
    # The fields that tell apart the items of a list of this type.
    list_keys: ClassVar[tuple[str, ...]] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:  # noqa: ANN401 - arbitrary YAML
        """Refuse a field without a value: a file that was cut after `rules:` must not be taken for one without rules."""
        if value is None:
            raise PydanticCustomError("no_value", "it has no value")
        return value


def exactly_one(self: Object, *names: str) -> None:
    """Raise ValueError unless exactly one of the fields is given."""
    given = [name for name in names if getattr(self, name) is not None]
    if len(given) != 1:
        raise ValueError(one_of(*(type(self).model_fields[name].alias or name for name in names)))


def one_of(*names: str) -> str:
    """Return the message for a choice of which exactly one must be given."""
    return f"exactly one of {', '.join(names)} must be given"


def one_rule(*names: str) -> tuple[str, str]:
    """Return the CEL rule and message for a choice of which exactly one must be given."""
    return " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in names) + " == 1", one_of(*names)


def every_item(test: str) -> str:
    """Return the CEL of a spec: every item of every `deny` and `allow` meets `test`."""
    deny = "(!has({0}.deny) || {0}.deny.all(item, {1}))".format
    return f"{deny('self', test)} && (!has(self.rules) || self.rules.all(rule, {deny('rule', test)} && rule.allow.all(item, {test})))"


PRINTABLE = "self.value.matches('^[!-~]([ -~]*[!-~])?$')"
PRINTABLE_MESSAGE = "a header value is 1 to 4096 printable ASCII characters without spaces around them"
# Each label has at most 63 characters. No escapes: the text passes through CEL's quotes and YAML's.
HOST = "^([*][.])?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"
