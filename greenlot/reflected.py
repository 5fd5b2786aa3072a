"""Calls by reflection: what a server offers is asked of the server itself."""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from greenlot.connection import Connection
from greenlot.errors import StartError

NOT_OURS = "grpc."


class ReflectedServer:
    """What a server offers, and how to call it with JSON.

    Parameters
    ----------
    connection
        Where it is.

    Raises
    ------
    grpc.RpcError
        It does not answer, or does not say what it offers.
    """

    def __init__(self, connection: Connection) -> None:
        self._channel = connection.channel()
        database = ProtoReflectionDescriptorDatabase(self._channel)
        self._pool = DescriptorPool(database)
        self._services = [
            self._pool.FindServiceByName(name)
            for name in database.get_services()
            if not name.startswith(NOT_OURS)
        ]

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def methods(self) -> Iterator[MethodDescriptor]:
        """All calls of the server's own services."""
        for service in self._services:
            yield from service.methods

    def find(self, name: str) -> MethodDescriptor:
        """Return a call by its own or its full name, with ``.`` or ``/`` before its own.

        Raises
        ------
        StartError
            There is none, or more than one.
        """
        full = name.strip("/").replace("/", ".")
        found = [m for m in self.methods() if full in (m.name, m.full_name)]
        if len(found) != 1:
            raise StartError(f"{name}: {len(found)} such calls; see greenlot call --list")
        return found[0]

    def call(
        self, method: MethodDescriptor, requests: Iterable[str], *, timeout_s: float | None
    ) -> Iterator[str]:
        """Make a call: JSON in, JSON out.

        Parameters
        ----------
        method
            Of ``methods``.
        requests
            One, or several where the call takes a stream.
        timeout_s
            None = as long as it takes.

        Raises
        ------
        StartError
            A request is not one of this call.
        grpc.RpcError
            As the server answers.
        """
        kind, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        messages = [self._request(kind, text) for text in requests]
        arity = ("stream" if method.client_streaming else "unary") + (
            "_stream" if method.server_streaming else "_unary"
        )
        assert method.containing_service is not None
        make: Any = getattr(self._channel, arity)(
            f"/{method.containing_service.full_name}/{method.name}",
            kind.SerializeToString,
            answer.FromString,
        )
        if not method.client_streaming and len(messages) != 1:
            raise StartError(f"{method.name}: {len(messages)} requests; expected one")
        asked = iter(messages) if method.client_streaming else messages[0]
        answered = make(asked, timeout=timeout_s)
        for message in answered if method.server_streaming else [answered]:
            yield json_format.MessageToJson(
                message,
                ensure_ascii=False,
                preserving_proto_field_name=True,
                descriptor_pool=self._pool,
            )

    def _request(self, kind: type[Any], text: str) -> Any:
        try:
            return json_format.Parse(text, kind(), descriptor_pool=self._pool)
        except json_format.ParseError as error:
            # One line, whatever the library makes of it.
            raise StartError(f"request: {' '.join(str(error).split())}") from error
