"""A server that goes on from an older backup, and controllers that know of what came after it."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from greenlot.city import City, load_city
from greenlot.clock import SimulatedClock
from greenlot.plan_backups import renew_log
from greenlot.server import ServerThread
from greenlot.stores import plans_file
from tests.greenlot.test_server import CITY, Clients
from tests.greenlot.test_server_street import NOW_MS, activate, approved, create, plans
from traffic.client.held_file import read_held
from traffic.client.link import Link, Rhythm
from traffic.controller.controller import Controller
from traffic.io.protobuf import timestamp_from_ms
from traffic.street.switching import SwitchState
from traffic.v1 import signal_timing_pb2 as st

KEY = "A0"
A0 = f"{CITY}/signals/{KEY}"


@pytest.fixture(scope="module")
def city(small_city: Path, tmp_path_factory: pytest.TempPathFactory) -> City:
    return load_city(small_city, cache=tmp_path_factory.mktemp("cache"))


class Time:
    """The server's clock, and sleeps cut short."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock()

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.1))


@asynccontextmanager
async def linked(
    controller: Controller, address: str, clock: SimulatedClock, path: Path
) -> AsyncIterator[None]:
    async with grpc.aio.insecure_channel(address) as channel:
        link = Link(
            controller,
            channel,
            city_id="smallville",
            time=Time(clock),
            rhythm=Rhythm(acknowledge_s=0.1),
            path=path,
        )
        running = asyncio.create_task(link.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not found():  # noqa: ASYNC110  (what a controller holds sets no event)
            await asyncio.sleep(0.05)


def wanted_offset_s(controller: Controller, clock: SimulatedClock) -> int:
    controller.step(clock())
    return controller.plan.offset_s


@pytest.mark.parametrize("has_caught_up", [False, True])
def test_controllers_forget_what_came_after_the_backup(
    city: City, tmp_path: Path, has_caught_up: bool
) -> None:
    clock = SimulatedClock(NOW_MS)
    data, copy, path = tmp_path / "data", tmp_path / "copy.sqlite", tmp_path / "held.json"
    controller = Controller(city.graph.signals[KEY])

    async def lost() -> None:
        """What the backup does not know: other plans in force, and more to come."""
        with ServerThread(city, data=data, clock=clock) as server:
            clients = Clients(server.address, clock)
            async with linked(controller, server.address, clock, path):
                await until(lambda: len(controller.held.switches) == 1)
                for count, offset_s, ahead_ms in ((2, 20, 200_000), (3, 30, 86_400_000)):
                    await asyncio.to_thread(
                        activate,
                        clients,
                        plan_set=(
                            await asyncio.to_thread(approved, clients, plans(city, offset_s))
                        ).name,
                        groups=[KEY],
                        activate_at=timestamp_from_ms(NOW_MS + ahead_ms),
                    )
                    await until(
                        lambda count=count: (
                            [s.state for s in controller.held.switches]
                            == [SwitchState.COMMITTED] * count
                        )
                    )
            clients.channel.close()

    async def found() -> None:
        with ServerThread(city, data=data, clock=clock) as server:
            clients = Clients(server.address, clock)
            while has_caught_up and revision(clients) <= controller.held.revision:
                await asyncio.to_thread(create, clients, plans(city, 40))
            async with linked(controller, server.address, clock, path):
                await until(lambda: controller.held.revision < held.revision or has_caught_up)
                await until(lambda: controller.held.log_id != held.log_id)
            clients.channel.close()

    with ServerThread(city, data=data, clock=clock) as server:
        clients = Clients(server.address, clock)
        activate(clients, plan_set=approved(clients, plans(city, 7)).name)
        clients.channel.close()
    shutil.copy(plans_file(data, "smallville"), copy)
    asyncio.run(lost())
    clock.advance_to(NOW_MS + 300_000)
    assert wanted_offset_s(controller, clock) == 20
    held = controller.held
    assert len(held.switches) == 3
    for beside in data.glob("plans*"):
        beside.unlink()
    shutil.copy(copy, plans_file(data, "smallville"))
    renew_log(plans_file(data, "smallville"))
    asyncio.run(found())
    assert wanted_offset_s(controller, clock) == 7
    assert [s.program is not None for s in controller.held.switches] == [True]
    kept = read_held(path, city_id="smallville", signal_id=KEY)
    assert kept == controller.held


def revision(clients: Clients) -> int:
    watch = clients.signals.WatchPlans(st.WatchPlansRequest(parent=CITY, signals=[A0]), timeout=10)
    found = next(watch).revision
    watch.cancel()
    return int(found)


def test_a_watch_begins_anew_where_its_log_is_another_or_behind(city: City, tmp_path: Path) -> None:
    clock = SimulatedClock(NOW_MS)
    with ServerThread(city, data=tmp_path / "data", clock=clock) as server:
        clients = Clients(server.address, clock)
        activate(clients, plan_set=approved(clients, plans(city, 7)).name)

        def first(revision: int, log_id: str, programs: bool = True) -> st.WatchPlansResponse:
            asked = st.WatchPlansRequest(
                parent=CITY, signals=[A0], revision=revision, log_id=log_id, programs=programs
            )
            watch = clients.signals.WatchPlans(asked, timeout=10)
            message = next(watch)
            watch.cancel()
            return message

        new = first(0, "")
        assert new.log_id
        assert not new.starts_anew
        same = first(new.revision, new.log_id)
        assert (same.starts_anew, len(same.switches)) == (False, 0)
        for revision_, log_id in ((new.revision, "another"), (10**6, new.log_id), (10**6, "")):
            for programs in (True, False):
                again = first(revision_, log_id, programs)
                assert again.starts_anew
                assert again.revision == new.revision
                assert len(again.switches if programs else again.plans) == 1
        clients.channel.close()
