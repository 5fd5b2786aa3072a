"""What is refused is told, however much there is to tell: trailers have little room."""

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import parking.errors
import traffic.errors
from greenlot.statuses import MOST_REFUSALS, end_of_call, to_status
from traffic.street.door import Refusal, RefusedPlanError

HEADERS_BYTES = 8192
"""What clients let in, by default: name, value and 32 bytes of each header."""
CLUSTER = "cluster_" + "_".join(f"{10_000_000_000 + k}" for k in range(40))
"""Of a large crossing, as SUMO joins its nodes: 487 characters."""


def refused(signal: str, value: str, count: int = 30) -> RefusedPlanError:
    return RefusedPlanError(
        [Refusal(signal, "conflict", "阶段3", value, f"plans[{k}]") for k in range(count)]
    )


ERRORS = [
    refused("B1", "links 3 and 12 green together"),
    refused(CLUSTER, "links 3 and 12 green together; one yields as the network says"),
    refused("东二路与黄河路交叉口" * 12, "绿灯" * 400),
    refused("100%" * 200, "%" * 900),
    refused("a", "b", count=1),
    traffic.errors.InvalidInputError("绿灯" * 2000, where="plans[3].stages[1].state"),
    traffic.errors.InvalidInputError("x" * 9000, where="字" * 900),
    parking.errors.NotFoundError(f"no lot {'停' * 5000!r}", where="name"),
]


def call_that_ends_with(error: Exception) -> Any:
    """Let a server end a call with an error, and return what its client sees."""

    async def act() -> grpc.aio.AioRpcError:
        async def fail(request: bytes, context: Any) -> bytes:
            more = (("greenlot-request-id", "x" * 128),)
            await context.abort(*end_of_call(error, to_status(error), more))
            raise AssertionError

        handler: Any = grpc.unary_unary_rpc_method_handler(fail)
        server = grpc.aio.server()
        server.add_registered_method_handlers("a.B", {"C": handler})
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("a.B", {"C": handler})]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                call: Any = channel.unary_unary("/a.B/C")
                await call(b"", timeout=20)
        except grpc.aio.AioRpcError as found:
            return found
        finally:
            await server.stop(None)
        raise AssertionError("the call did not fail")

    return asyncio.run(act())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20])
def test_every_refusal_gets_through(error: Exception) -> None:
    wanted = to_status(error)
    found = call_that_ends_with(error)
    code, details, _ = end_of_call(error, wanted, ())
    assert (found.code(), found.details()) == (code, details)
    status = rpc_status.from_call(found)
    assert status == wanted
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error)[:20])
def test_even_in_base64_there_is_room_for_the_other_headers(error: Exception) -> None:
    _, details, trailing = end_of_call(error, to_status(error), ())
    raw = details.encode()
    total = len("grpc-message") + 32 + sum(1 if 32 <= b < 127 and b != 37 else 3 for b in raw)
    for name, value in trailing:
        total += len(name) + 32 + -(-len(value) // 3) * 4
    assert total <= HEADERS_BYTES - 512


def violations(error: RefusedPlanError) -> list[Any]:
    found = error_details_pb2.PreconditionFailure()
    assert to_status(error).details[1].Unpack(found)
    return list(found.violations)


def test_as_many_refusals_are_listed_as_have_room() -> None:
    assert len(violations(refused("B1", "links 3 and 12 green together"))) == MOST_REFUSALS
    assert len(violations(refused("B1", "x", count=7))) == 7
    some = violations(refused(CLUSTER, "links 3 and 12 green together"))
    assert 3 <= len(some) < MOST_REFUSALS
    assert [row.subject for row in some] == [
        f"plans[{k}], {CLUSTER}, 阶段3" for k in range(len(some))
    ]


def test_what_is_cut_says_so() -> None:
    message = to_status(traffic.errors.InvalidInputError("字" * 5000)).message
    assert message.endswith("字…")
    assert set(message[:-1]) == {"字"}
    assert to_status(traffic.errors.InvalidInputError("x" * 1200)).message == "x" * 1200
    assert to_status(traffic.errors.InvalidInputError("x" * 1201)).message == "x" * 1191 + "…"
