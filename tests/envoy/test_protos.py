"""protos/ext_authz.proto against Envoy's published descriptors: every field by name, number, type, label and message."""

import pytest
from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.service.auth.v3 import attribute_context_pb2, external_auth_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.rpc import status_pb2

from authz.envoy.pb import ext_authz_pb2

PUBLISHED = {
    message.DESCRIPTOR.name: message.DESCRIPTOR
    for message in (
        external_auth_pb2.CheckRequest,
        external_auth_pb2.CheckResponse,
        external_auth_pb2.DeniedHttpResponse,
        external_auth_pb2.OkHttpResponse,
        attribute_context_pb2.AttributeContext,
        address_pb2.Address,
        address_pb2.SocketAddress,
        base_pb2.HeaderMap,
        base_pb2.HeaderValue,
        base_pb2.HeaderValueOption,
        status_pb2.Status,
        http_status_pb2.HttpStatus,
    )
}
OURS = ext_authz_pb2.DESCRIPTOR
# An enum there, an integer here: one encoding, and no list of statuses to keep.
ENUM_AS_INTEGER = "HttpStatus.code"


def local(descriptor: Descriptor | EnumDescriptor) -> str:
    """Return the name of a message with those that it is nested in, without its package."""
    outer = descriptor.containing_type
    return f"{local(outer)}.{descriptor.name}" if outer is not None else descriptor.name


def theirs(name: str) -> Descriptor:
    head, *inner = name.split(".")
    found = PUBLISHED[head]
    for each in inner:
        found = found.nested_types_by_name[each]
    return found


def messages(found: list[Descriptor]) -> list[Descriptor]:
    return [each for message in found for each in (message, *messages(list(message.nested_types)))]


MESSAGES = messages(list(OURS.message_types_by_name.values()))
FIELDS = [pytest.param(field, id=f"{local(message)}.{field.name}") for message in MESSAGES for field in message.fields]
ENUMS = [enum for message in MESSAGES for enum in message.enum_types]


def shape(field: FieldDescriptor) -> tuple[object, ...]:
    """Return what decides how a field is written on the wire and read in code."""
    oneof = field.containing_oneof
    return (
        field.number,
        field.type,
        field.is_repeated,
        field.is_required,
        field.has_presence,
        oneof.name if oneof is not None else None,
        local(field.message_type) if field.message_type is not None else None,
        local(field.enum_type) if field.enum_type is not None else None,
    )


def test_our_messages_have_a_package_of_their_own() -> None:
    assert OURS.package == "ingress_authz.ext_authz.v3"
    assert not any(OURS.package == message.file.package for message in PUBLISHED.values())


@pytest.mark.parametrize("message", MESSAGES, ids=local)
def test_a_message_is_nested_as_the_published_one_is(message: Descriptor) -> None:
    assert local(theirs(local(message))) == local(message)
    assert message.GetOptions().map_entry == theirs(local(message)).GetOptions().map_entry


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_the_published_field(field: FieldDescriptor) -> None:
    name = local(field.containing_type)
    published = theirs(name).fields_by_name[field.name]
    if f"{name}.{field.name}" != ENUM_AS_INTEGER:
        assert shape(field) == shape(published)
        return
    assert (field.type, published.type) == (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM)
    assert (field.number, field.is_repeated) == (published.number, published.is_repeated)


@pytest.mark.parametrize("enum", ENUMS, ids=local)
def test_an_enum_has_the_published_values(enum: EnumDescriptor) -> None:
    published = theirs(local(enum.containing_type)).enum_types_by_name[enum.name]
    assert {value.name: value.number for value in enum.values} == {value.name: value.number for value in published.values}


def test_the_deprecated_append_is_not_ours_to_set() -> None:
    assert "append" in PUBLISHED["HeaderValueOption"].fields_by_name
    assert "append" not in OURS.message_types_by_name["HeaderValueOption"].fields_by_name


def test_a_status_is_read_by_envoys_own_code_as_it_was_written() -> None:
    ours = ext_authz_pb2.CheckResponse(
        status=ext_authz_pb2.Status(code=7),
        denied_response=ext_authz_pb2.DeniedHttpResponse(status=ext_authz_pb2.HttpStatus(code=403), body="no"),
    )
    read = external_auth_pb2.CheckResponse.FromString(ours.SerializeToString())
    assert (read.status.code, read.denied_response.status.code, read.denied_response.body) == (7, http_status_pb2.Forbidden, "no")
