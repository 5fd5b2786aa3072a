"""``greenlot serve`` as an operator runs it: one line, SIGTERM, SIGKILL and restart."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.greenlot.test_cli_signals import greenlot

GREENLOT = str(Path(sys.executable).with_name("greenlot"))
CITY = "cities/smallville"


@contextmanager
def serving(city: Path, data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    process = subprocess.Popen(
        [GREENLOT, "serve", "--city", str(city), "--data", str(data), "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), process.communicate()[1]
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


def confirmed(address: str) -> str:
    """Book and confirm a space; return the reservation's name."""
    with grpc.insecure_channel(address) as channel:
        stub = parking_pb2_grpc.ParkingServiceStub(channel)
        request = pk.RequestAssignmentRequest(
            parent=CITY,
            request_id=str(uuid.uuid4()),
            driver_id="d1",
            origin=pk.LatLng(latitude=37.42, longitude=118.64),
            destination=pk.LatLng(latitude=37.43, longitude=118.66),
        )
        request.duration.FromSeconds(3600)
        held = stub.RequestAssignment(request, timeout=20)
        confirm = pk.ConfirmReservationRequest(name=held.name, request_id=str(uuid.uuid4()))
        return stub.ConfirmReservation(confirm, timeout=20).name


def test_a_confirmed_reservation_survives_sigkill(small_city: Path, tmp_path: Path) -> None:
    with serving(small_city, tmp_path / "data") as (process, address):
        name = confirmed(address)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)
    with (
        serving(small_city, tmp_path / "data") as (_, address),
        grpc.insecure_channel(address) as channel,
    ):
        stub = parking_pb2_grpc.ParkingServiceStub(channel)
        found = stub.GetReservation(pk.GetReservationRequest(name=name), timeout=20)
    assert found.state == pk.Reservation.STATE_CONFIRMED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_gracefully_and_prints_exactly_one_line(
    small_city: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with serving(small_city, tmp_path / "data") as (process, address):
        with grpc.insecure_channel(address) as channel:
            watch = parking_pb2_grpc.ParkingServiceStub(channel).WatchReservation(
                pk.WatchReservationRequest(name=confirmed(address)), timeout=30
            )
            next(watch)
            process.send_signal(number)
            with pytest.raises(grpc.RpcError) as ended:
                next(watch)
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "revision" in ended.value.details()
        out, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert out == "", "nothing after the line that was read"
        assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "nonsense"], "--listen nonsense: expected HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], "expected HOST:PORT, port 0 to 65535"),
        (["--city", "/no/such/city"], "/no/such/city/city.json: No such file"),
    ],
)
def test_a_wrong_set_up_is_one_line_and_exit_2(
    small_city: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    options = ["--city", small_city, "--data", tmp_path / "data", *arguments]
    done = greenlot("serve", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_city_with_a_broken_lots_file_is_refused(small_city: Path, tmp_path: Path) -> None:
    city = tmp_path / "city"
    city.mkdir()
    for path in small_city.iterdir():
        (city / path.name).write_bytes(path.read_bytes())
    lots = (city / "lots.geojson").read_text()
    (city / "lots.geojson").write_text(lots.replace('"capacity": 5', '"capacity": -5'))
    done = greenlot("serve", "--city", city, "--data", tmp_path / "data")
    assert done.returncode == 2
    assert "feature 1 (far): pools[0].capacity: -5; expected 0 to" in done.stderr
    assert not (tmp_path / "data").exists()
