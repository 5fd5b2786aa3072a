"""Between the band documents and the messages that carry them."""

from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from traffic.bandwidth import Corridor, Method, Network
from traffic.errors import InvalidInputError
from traffic.io.band_documents import question
from traffic.v1 import signal_timing_pb2 as pb

METHODS: dict[int, Method] = {
    pb.BAND_METHOD_UNSPECIFIED: "maxband",
    pb.BAND_METHOD_MAXBAND: "maxband",
    pb.BAND_METHOD_MULTIBAND: "multiband",
    pb.BAND_METHOD_AMBAND: "amband",
}


def question_from_proto(message: pb.OptimizeBandsRequest) -> Corridor | Network:
    """Read the question of a request.

    Raises
    ------
    InvalidInputError
        ``where`` is the field, such as ``question.signals[1].green_out``.
    """
    try:
        return question(document_from_struct(message.question))
    except InvalidInputError as error:
        where = f"question.{error.where}" if error.where else "question"
        raise InvalidInputError(error.message, where=where) from error


def method_from_proto(message: pb.OptimizeBandsRequest) -> Method:
    """Read the method of a request, or raise InvalidInputError."""
    if message.method not in METHODS:
        raise InvalidInputError(f"{message.method}; expected a BandMethod", where="method")
    return METHODS[message.method]


def document_from_struct(struct: Struct) -> dict[str, Any]:
    """Turn a Struct into a document; numbers that JSON does not know stay what they are."""
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return document_from_struct(value.struct_value)
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "number_value":
            return value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def struct_from_document(document: dict[str, Any]) -> Struct:
    """Turn a document into a Struct."""
    struct = Struct()
    struct.update(document)
    return struct
