"""What goes on by itself goes on: a mistake in one round does not stop the ledger's time."""

import asyncio

from parking.ledger import Hold, ReservationState, SetCapacity
from parking.service import ParkingService
from parking.store import MemoryStore

NOW = 1_795_390_000_000
HOUR = 3_600_000


async def test_time_goes_on_after_a_mistake(monkeypatch, caplog):
    monkeypatch.setattr("parking.service.TICK_S", 0.01)
    now = [NOW]
    service = ParkingService(city_id="x", lots=[], store=MemoryStore(), clock=lambda: now[0])
    await service.start()
    writer, mistakes = service.desk.writer, []
    await writer.carry_out(SetCapacity("P", "L", 3))
    await writer.carry_out(Hold("r", "d", "L", "P", NOW, NOW + HOUR, 500))
    tick = writer.tick

    async def mistaken():
        if len(mistakes) < 3:
            mistakes.append(1)
            raise ZeroDivisionError("a mistake")
        await tick()

    monkeypatch.setattr(writer, "tick", mistaken)
    now[0] += HOUR
    for _ in range(500):
        await asyncio.sleep(0.01)
        if writer.reservation("r").state is ReservationState.EXPIRED:
            break
    assert writer.reservation("r").state is ReservationState.EXPIRED
    assert len(mistakes) == 3
    assert caplog.text.count("it begins anew") == 3
    await service.stop()
