"""A controller's link: nothing is said that is not on the disk, and nothing ends it for good."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import grpc
import pytest

from tests.traffic.controller.test_controller import MIDNIGHT_MS, ONE, PLAN, program, switch
from traffic.client.held_file import read_held
from traffic.client.link import Link, Rhythm
from traffic.controller.controller import Controller
from traffic.controller.held import HeldSwitch
from traffic.io.street_messages import program_to_proto, signal_switch_to_proto
from traffic.street.switching import SwitchState
from traffic.v1 import signal_timing_pb2 as pb
from traffic.v1 import signal_timing_pb2_grpc

BEGUN_S = time.monotonic()
RHYTHM = Rhythm(report_s=2.0, retry_s=2.0, acknowledge_s=0.5)
PROPOSED = switch(3, 80_000, program(PLAN), SwitchState.PROPOSED)


def told(what: HeldSwitch) -> pb.WatchPlansResponse:
    """What a server says of a switch."""
    body = None if what.program is None else program_to_proto(what.program, "x")
    message = signal_switch_to_proto(what, ONE.id, body, "x")
    return pb.WatchPlansResponse(revision=what.revision, switches=[message])


class Server(signal_timing_pb2_grpc.SignalTimingServiceServicer):
    """Says what it is given to say to each watch, and takes note of what it hears."""

    def __init__(self, *watches: list[pb.WatchPlansResponse]) -> None:
        self.watches = list(watches)
        self.asked: list[pb.WatchPlansRequest] = []
        self.answers: list[pb.AcknowledgeSwitchRequest] = []
        self.reports: list[pb.ReportStatusRequest] = []

    async def WatchPlans(
        self, request: pb.WatchPlansRequest, context: object
    ) -> AsyncIterator[pb.WatchPlansResponse]:
        self.asked.append(request)
        yield pb.WatchPlansResponse(revision=request.revision)
        if self.watches:
            for message in self.watches.pop(0):
                yield message
        if not self.watches:
            await asyncio.Event().wait()
        # Long enough to be heard as up, and then it is gone.
        await asyncio.sleep(0.3)

    async def AcknowledgeSwitch(
        self, request: pb.AcknowledgeSwitchRequest, context: object
    ) -> pb.AcknowledgeSwitchResponse:
        self.answers.append(request)
        return pb.AcknowledgeSwitchResponse()

    async def ReportStatus(
        self, request: pb.ReportStatusRequest, context: object
    ) -> pb.ReportStatusResponse:
        self.reports.append(request)
        return pb.ReportStatusResponse()


class FastTime:
    """Ten seconds of the link's in one; ``set_by_ms`` is by how much its clock has been set."""

    def __init__(self) -> None:
        self.set_by_ms = 0

    def now_ms(self) -> int:
        return MIDNIGHT_MS + round(1000 * self.monotonic_s()) + self.set_by_ms

    def monotonic_s(self) -> float:
        return 10 * (time.monotonic() - BEGUN_S)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 10)


class Scene:
    """A server, a controller and its link, while it goes on."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server, self.path = server, path
        self.controller = Controller(ONE)
        self.time = FastTime()
        self.troubles: list[str] = []

    async def play(self, act: Callable[["Scene"], Awaitable[None]]) -> None:
        """Run the link beside what is acted."""
        own = grpc.aio.server()
        signal_timing_pb2_grpc.add_SignalTimingServiceServicer_to_server(self.server, own)
        port = own.add_insecure_port("127.0.0.1:0")
        await own.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            self.link = Link(
                self.controller,
                channel,
                city_id="x",
                time=self.time,
                rhythm=RHYTHM,
                path=self.path,
                on_trouble=self.troubles.append,
            )
            running = asyncio.create_task(self.link.run())
            try:
                await act(self)
                assert not running.done()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await own.stop(None)


async def until(what: Callable[[], bool]) -> None:
    """Wait for something that is to happen."""
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110  (what a server has heard sets no event)
            await asyncio.sleep(0.02)


def test_a_proposal_is_kept_and_then_acknowledged(tmp_path: Path) -> None:
    server = Server([told(PROPOSED)])

    async def act(scene: Scene) -> None:
        await until(lambda: bool(server.answers))
        assert (server.answers[0].switch, server.answers[0].refusal) == ("cities/x/switches/3", "")
        assert read_held(scene.path, city_id="x", signal_id=ONE.id) == scene.controller.held

    scene = Scene(server, tmp_path / "held.json")
    asyncio.run(scene.play(act))


def test_what_cannot_be_written_is_neither_acknowledged_nor_followed(tmp_path: Path) -> None:
    # The first watch breaks off; the second says what the first did, as the log does.
    server = Server([told(PROPOSED)], [told(PROPOSED)])
    folder = tmp_path / "gone"

    def faults() -> set[str]:
        return {fault for report in server.reports for fault in report.faults}

    async def act(scene: Scene) -> None:
        await until(lambda: len(server.asked) == 2 and bool(faults()))
        reported = len(server.reports)
        await until(lambda: len(server.reports) > reported + 1)
        assert server.answers == []
        assert faults() == {"cannot keep plans: No such file or directory"}
        assert scene.controller.held.switches == ()
        assert server.asked[1].revision == 0, "the server is to say it again"
        folder.mkdir()
        await until(lambda: bool(server.answers))
        assert read_held(scene.path, city_id="x", signal_id=ONE.id) == scene.controller.held
        reported = len(server.reports)
        await until(lambda: len(server.reports) > reported + 1)
        assert not server.reports[-1].faults

    asyncio.run(Scene(server, folder / "held.json").play(act))


def test_an_error_that_nobody_thought_of_does_not_end_the_link(tmp_path: Path) -> None:
    server = Server([told(PROPOSED)], [told(PROPOSED)])

    async def act(scene: Scene) -> None:
        considered = scene.controller.considered
        calls: list[int] = []

        def fails_once(*given: object) -> object:
            calls.append(1)
            if len(calls) == 1:
                raise RuntimeError("a mistake")
            return considered(*given)  # type: ignore[arg-type]

        scene.controller.considered = fails_once  # type: ignore[assignment, method-assign]
        await until(lambda: bool(server.answers))
        assert any("unexpected: RuntimeError a mistake" in word for word in scene.troubles)

    asyncio.run(Scene(server, tmp_path / "held.json").play(act))


@pytest.mark.parametrize("by_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_is_set_during_a_report_silences_nobody(tmp_path: Path, by_ms: int) -> None:
    class SetsClock(Server):
        """Sets the controller's clock while it answers; refuses what the real server does."""

        async def ReportStatus(
            self, request: pb.ReportStatusRequest, context: Any
        ) -> pb.ReportStatusResponse:
            if not 0 <= request.round_trip_s <= 60:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "round_trip_s")
            if len(self.reports) == 0:
                scene.time.set_by_ms = by_ms
            return await super().ReportStatus(request, context)

    server = SetsClock([], [told(PROPOSED)])
    scene = Scene(server, tmp_path / "held.json")

    async def act(scene: Scene) -> None:
        await until(lambda: len(server.reports) >= 4 and bool(server.answers))
        assert max(report.round_trip_s for report in server.reports) < 30
        assert not [word for word in scene.troubles if word.startswith("report")]

    asyncio.run(scene.play(act))


def test_a_report_that_is_refused_is_told_and_tried_again_in_a_while(tmp_path: Path) -> None:
    class Refuses(Server):
        tried_s: ClassVar[list[float]] = []

        async def ReportStatus(
            self, request: pb.ReportStatusRequest, context: Any
        ) -> pb.ReportStatusResponse:
            self.tried_s.append(scene.time.monotonic_s())
            if len(self.tried_s) <= 3:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
            return await super().ReportStatus(request, context)

    server = Refuses()
    scene = Scene(server, tmp_path / "held.json")

    async def act(scene: Scene) -> None:
        await until(lambda: bool(server.reports))
        assert scene.troubles == ["report: INVALID_ARGUMENT"] * 3
        assert all(b - a >= RHYTHM.retry_s for a, b in pairwise(server.tried_s))

    asyncio.run(scene.play(act))


def test_nothing_is_said_at_greater_length_than_the_server_takes(tmp_path: Path) -> None:
    server = Server([told(PROPOSED)])

    async def act(scene: Scene) -> None:
        considered, status = scene.controller.considered, scene.controller.status
        scene.controller.considered = lambda *given: (  # type: ignore[method-assign]
            considered(*given)[0],
            "x" * 3000,
        )
        scene.controller.status = lambda: replace(  # type: ignore[method-assign]
            status(), faults=("y" * 600,) * 20
        )
        await until(lambda: bool(server.answers) and bool(server.reports))
        assert server.answers[0].refusal == "x" * 2000
        assert list(server.reports[-1].faults) == ["y" * 500] * 16
        await asyncio.sleep(0.5)
        assert len(server.answers) == 1, "it has been said"

    asyncio.run(Scene(server, tmp_path / "held.json").play(act))
