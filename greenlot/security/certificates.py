"""TLS: certificates read, checked, and taken anew when their files change."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog
from cryptography import x509

from greenlot.errors import CertificateError
from greenlot.security.files import file_stamp

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the server's certificate is.

    Parameters
    ----------
    certificate
        PEM: the server's certificate first, then those that it is signed with.
    key
        PEM, without a password: its private key.
    client_ca
        PEM: who may sign clients' certificates. None = clients need none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """All files."""
        return (self.certificate, self.key, *((self.client_ca,) if self.client_ca else ()))


@dataclass(frozen=True, slots=True)
class Tls:
    """What the files held, checked.

    Parameters
    ----------
    certificate, key, client_ca
        PEM.
    subject
        For people.
    not_after
        When the first of the chain ends.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    subject: str
    not_after: datetime


def read_tls(files: TlsFiles, now: datetime) -> Tls:
    """Read the files and check what a client would find wrong.

    Raises
    ------
    CertificateError
        A file cannot be read, is no PEM, the key is another's, or a certificate is not valid now.
    """
    texts = [_bytes(path) for path in files.all]
    chain = read_certificates(files.certificate)
    for k, certificate in enumerate(chain):
        check_validity(certificate, now, f"{files.certificate}: certificate {k + 1}")
    if files.client_ca is not None:
        for k, certificate in enumerate(read_certificates(files.client_ca)):
            check_validity(certificate, now, f"{files.client_ca}: certificate {k + 1}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A password would be asked for on the terminal; there is nobody.
        context.load_cert_chain(files.certificate, files.key, password="")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", "") or ""
        if "VALUES_MISMATCH" in reason:
            raise CertificateError(f"{files.key}: is not the key of {files.certificate}") from error
        raise CertificateError(
            f"{files.key}: not a private key in PEM without a password"
        ) from error
    return Tls(
        certificate=texts[0],
        key=texts[1],
        client_ca=texts[2] if files.client_ca else None,
        subject=chain[0].subject.rfc4514_string(),
        not_after=min(item.not_valid_after_utc for item in chain),
    )


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Read a PEM file of certificates, or raise CertificateError."""
    try:
        return x509.load_pem_x509_certificates(_bytes(path))
    except ValueError as error:
        raise CertificateError(f"{path}: no certificate in PEM") from error


def check_validity(certificate: x509.Certificate, now: datetime, what: str) -> None:
    """Raise CertificateError unless a certificate is valid at a time."""
    if now >= certificate.not_valid_after_utc:
        raise CertificateError(f"{what}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    if now < certificate.not_valid_before_utc:
        raise CertificateError(
            f"{what}: not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from error


class ServerCertificate:
    """The server's certificate, followed: new connections get what the files hold now.

    Connections that are there go on with what they began with. Files that do not fit, as when only
    one of two is written yet, change nothing.

    Raises
    ------
    CertificateError
        At the beginning, the files cannot be used.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamps = self._look()
        self.tls = read_tls(files, datetime.now(UTC))
        self._given = self.tls
        self.reloads = 0
        self.failures = 0

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a gRPC server listens with."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self.tls),
            self._fresh,  # type: ignore[arg-type]  # the stubs do not know of None
            require_client_authentication=self.tls.client_ca is not None,
        )

    def follow(self) -> None:
        """Look whether the files have changed, and take them over if they can be used."""
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self.tls = read_tls(self._files, datetime.now(UTC))
        except CertificateError as error:
            self.failures += 1
            log.error("the new certificate cannot be used; the old one stays", why=str(error))
            return
        self.reloads += 1
        log.info(
            "certificate taken over",
            subject=self.tls.subject,
            not_after=self.tls.not_after.isoformat(),
        )

    def _fresh(self) -> grpc.ServerCertificateConfiguration | None:
        """Asked by gRPC at each new connection, on a thread of its own; None = as before."""
        tls = self.tls
        if tls is self._given:
            return None
        self._given = tls
        return _configuration(tls)

    def _look(self) -> Sequence[tuple[int, int, int] | None]:
        return [file_stamp(path) for path in self._files.all]


def _configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(tls.key, tls.certificate)], root_certificates=tls.client_ca
    )
