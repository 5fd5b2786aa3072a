"""A bare grpc.aio server beside the ledger: the same calls, answers as large, nothing behind them.

``python -m benchmarks.ledger_echo`` prints its address and serves until killed. It neither reads
the requests nor makes the answers: whatever it is asked, it sends the same bytes, those of a
reservation as the ledger answers it. What it reaches is what a server in Python could at most.
"""

import asyncio

import grpc

from benchmarks.ledger_city import CENTRE, CITY
from benchmarks.ledger_clients import STEPS
from parking.v1 import parking_pb2 as pk


def typical_answer() -> bytes:
    """Return a reservation as the ledger answers it in the load city, as bytes."""
    message = pk.Reservation(
        name=f"{CITY}/reservations/{'5' * 32}",
        state=pk.Reservation.STATE_HELD,
        lot=f"{CITY}/lots/lot17",
        lot_display_name="停车场 lot17",
        lot_location=pk.LatLng(latitude=CENTRE[1], longitude=CENTRE[0]),
        entrance_edge="A0A1",
        pool_id="lot17-s",
        price_fen=500,
        drive_s=331,
        walk_s=140,
        cost_fen=1112,
        revision=100_000,
    )
    message.arrive_at.FromMilliseconds(1_795_390_000_123)
    message.leave_at.FromMilliseconds(1_795_393_600_123)
    message.hold_expires_at.FromMilliseconds(1_795_390_900_123)
    return message.SerializeToString()


async def serve() -> None:
    answer = typical_answer()

    async def say(request: bytes, context: object) -> bytes:
        return answer

    calls = ("RequestAssignment", *STEPS)
    handler = grpc.method_handlers_generic_handler(
        "parking.v1.ParkingService",
        {call: grpc.unary_unary_rpc_method_handler(say) for call in calls},
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
