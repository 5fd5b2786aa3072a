"""TLS over the wire: plain text, expired and foreign certificates, mutual TLS, renewal."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from greenlot.connection import Connection
from greenlot.errors import CertificateError
from greenlot.security.certificates import TlsFiles
from parking.v1 import parking_pb2 as pk
from parking.v1 import parking_pb2_grpc
from tests.greenlot import wire
from tests.greenlot.secured import Secured, code_of, secured
from tests.greenlot.security.authority import Authority, Pair
from tests.greenlot.test_cli_signals import greenlot
from tests.greenlot.test_server import CITY
from traffic.controller.controller import fixed_plan
from traffic.io.street_csv import read_street_csv, write_street_csv
from traffic.io.sumo_net import read_network
from traffic.street.exchange import Exchange, SetFacts
from traffic.street.records import Origin, all_week

CODE = grpc.StatusCode
LOTS = pk.ListLotsRequest(parent=CITY)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("server")


@pytest.fixture(scope="module")
def mutual(
    small_city: Path,
    tmp_path_factory: pytest.TempPathFactory,
    authority: Authority,
    pair: Pair,
) -> Iterator[Secured]:
    """A server that asks its clients for a certificate, too."""
    tls = TlsFiles(pair.certificate, pair.key, authority.ca)
    with secured(small_city, tmp_path_factory.mktemp("mutual"), tls=tls) as found:
        yield found


def code_with(server: Secured, ca: Path | None, own: Pair | None = None) -> grpc.StatusCode:
    """Call once, with the app's token, over a fresh connection."""
    connection = Connection(
        server.address.replace("127.0.0.1", "localhost"),
        ca=ca,
        certificate=own.certificate if own else None,
        key=own.key if own else None,
        token=server.tokens["app"],
    )
    with connection.channel() as channel:
        return code_of(parking_pb2_grpc.ParkingServiceStub(channel).ListLots, LOTS)


def test_a_client_with_a_certificate_and_a_token_is_let_in(
    mutual: Secured, authority: Authority
) -> None:
    assert code_with(mutual, authority.ca, authority.issue("client")) is CODE.OK


def test_schedules_go_out_and_come_in_through_mutual_tls(
    mutual: Secured, authority: Authority, small_city: Path, tmp_path: Path
) -> None:
    """``signals submit`` and ``export`` take a certificate and a token, and lose nothing."""
    own = authority.issue("engineer")
    token = tmp_path / "token"
    token.write_text(mutual.tokens["engineer"])
    graph = read_network(small_city / "network.net.xml")
    plans = {key: fixed_plan(graph.signals[key]) for key in ("A1", "B1")}
    facts = SetFacts(1_795_017_600_123, 1_895_017_600_000, {"status": 1, "value": 0.5, "seed": 7})
    given = Exchange(all_week("1", "1", Origin("", "", 0)), {"1": plans}, {"1": facts})
    write_street_csv(given, tmp_path / "in")
    server = [
        *("--server", mutual.address.replace("127.0.0.1", "localhost")),
        *("--ca", str(authority.ca), "--certificate", str(own.certificate)),
        *("--key", str(own.key), "--token-file", str(token)),
    ]
    done = greenlot("signals", "submit", str(tmp_path / "in"), "--city", str(small_city), *server)
    assert done.returncode == 0, done.stderr
    made, schedule = done.stdout.split()
    done = greenlot(
        "signals", "export", schedule, "--format", "csv", "-o", str(tmp_path / "out"), *server
    )
    assert done.returncode == 0, done.stderr
    back = read_street_csv(tmp_path / "out")
    assert back.plan_sets == {made.rpartition("/")[2]: plans}
    assert list(back.facts.values()) == [facts]
    done = greenlot("signals", "export", schedule, "-o", str(tmp_path / "x.xml"), *server[:4])
    assert done.returncode == 2
    assert "UNAVAILABLE" in done.stderr or "UNAUTHENTICATED" in done.stderr


def test_plain_text_to_a_tls_port_is_refused(mutual: Secured) -> None:
    assert code_with(mutual, None) is CODE.UNAVAILABLE
    with wire.Peer(mutual.address).hello() as peer:
        token = f"Bearer {mutual.tokens['app']}".encode()
        peer.call("/parking.v1.ParkingService/ListLots", wire.message(b""), authorization=token)
        assert b"grpc-status" not in peer.answered()


def test_clients_without_a_good_certificate_are_refused(
    mutual: Secured, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger", "somebody else").issue("client")
    expired = authority.issue("was-client", days=(-9, -1))
    early = authority.issue("will-be-client", days=(1, 9))
    for own in (None, stranger, expired, early):
        assert code_with(mutual, authority.ca, own) is CODE.UNAVAILABLE
    assert code_with(mutual, authority.ca, authority.issue("good")) is CODE.OK


def test_a_server_that_is_not_whom_it_should_be_is_refused_by_its_clients(
    mutual: Secured, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "another")
    assert code_with(mutual, other.ca, authority.issue("client2")) is CODE.UNAVAILABLE


def test_a_certificate_does_not_stand_in_for_a_token(mutual: Secured, authority: Authority) -> None:
    own = authority.issue("no-token")
    connection = Connection(mutual.address, authority.ca, own.certificate, own.key)
    with connection.channel() as channel:
        code = code_of(parking_pb2_grpc.ParkingServiceStub(channel).ListLots, LOTS)
    assert code is CODE.UNAUTHENTICATED


def test_old_protocols_are_refused(mutual: Secured, authority: Authority) -> None:
    own = authority.issue("old")
    host, _, port = mutual.address.rpartition(":")
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.load_cert_chain(own.certificate, own.key)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert _shaken(context, host, int(port)) == "TLSv1.2"
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        _shaken(context, host, int(port))


def _shaken(context: ssl.SSLContext, host: str, port: int) -> str | None:
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as shaken,
    ):
        return shaken.version()


def test_an_expired_certificate_does_not_start_a_server(
    small_city: Path, tmp_path: Path, authority: Authority
) -> None:
    past = authority.issue("past", days=(-9, -1))
    with (
        pytest.raises(CertificateError, match="expired on"),
        secured(small_city, tmp_path, tls=TlsFiles(past.certificate, past.key)),
    ):
        pass


def test_a_renewed_certificate_is_taken_over_while_calls_go_on(
    small_city: Path, tmp_path: Path, authority: Authority
) -> None:
    files = authority.issue("first", into="renewed")
    with secured(small_city, tmp_path, tls=TlsFiles(files.certificate, files.key)) as server:
        connection = Connection(server.address, authority.ca, token=server.tokens["app"])
        with connection.channel() as channel:
            stub = parking_pb2_grpc.ParkingServiceStub(channel)
            watch = stub.WatchReservations(
                pk.WatchReservationsRequest(parent=CITY, driver_id="d-1"), timeout=60
            )
            assert _shown(server) == "first"
            authority.issue("second", into="renewed")
            deadline = time.monotonic() + 10
            while _shown(server) != "second":
                assert time.monotonic() < deadline
                time.sleep(0.1)
                assert code_of(stub.ListLots, LOTS) is CODE.OK
            assert watch.is_active(), "what is connected goes on"
            watch.cancel()
            authority.issue("third", days=(-9, -1), into="renewed")
            time.sleep(1.3)
            assert _shown(server) == "second", "one that has expired is not taken"


def _shown(server: Secured) -> str:
    """Return the name in the certificate that a new connection is shown."""
    host, _, port = server.address.rpartition(":")
    text = _certificate(host, int(port))
    return str(x509.load_pem_x509_certificate(text.encode()).subject.rfc4514_string())[3:]


def _certificate(host: str, port: int) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, port), timeout=5) as raw,
        context.wrap_socket(raw) as shaken,
    ):
        shown = shaken.getpeercert(binary_form=True)
    assert shown is not None
    return ssl.DER_cert_to_PEM_cert(shown)
