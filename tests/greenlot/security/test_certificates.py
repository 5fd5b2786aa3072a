"""Certificates: read, checked, followed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from greenlot.errors import CertificateError
from greenlot.security.certificates import ServerCertificate, TlsFiles, read_tls
from tests.greenlot.security.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def read(certificate: Path, key: Path, ca: Path | None = None) -> None:
    read_tls(TlsFiles(certificate, key, ca), datetime.now(UTC))


def test_good_files_are_read(authority: Authority) -> None:
    pair = authority.issue("good", days=(-1, 30))
    tls = read_tls(TlsFiles(pair.certificate, pair.key, authority.ca), datetime.now(UTC))
    assert tls.subject == "CN=good"
    assert 29 <= (tls.not_after - datetime.now(UTC)).days + 1 <= 30
    assert tls.client_ca == authority.ca.read_bytes()


def test_what_a_client_would_find_wrong_is_refused(authority: Authority, tmp_path: Path) -> None:
    good, other = authority.issue("one"), authority.issue("two")
    past, future = authority.issue("past", days=(-9, -1)), authority.issue("future", days=(1, 9))
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")
    for certificate, key, ca, words in (
        (good.certificate, other.key, None, "is not the key of"),
        (past.certificate, past.key, None, "expired on"),
        (future.certificate, future.key, None, "not valid before"),
        (text, good.key, None, "no certificate in PEM"),
        (good.certificate, text, None, "not a private key"),
        (tmp_path / "none", good.key, None, "No such file"),
        (good.certificate, tmp_path / "none", None, "No such file"),
        (good.certificate, good.key, past.certificate, "expired on"),
        (good.certificate, good.key, text, "no certificate in PEM"),
    ):
        with pytest.raises(CertificateError, match=words):
            read(certificate, key, ca)


def test_an_expired_issuer_in_the_chain_is_refused(authority: Authority, tmp_path: Path) -> None:
    good, past = authority.issue("leaf"), authority.issue("middle", days=(-9, -1))
    chain = tmp_path / "chain.pem"
    chain.write_bytes(good.certificate.read_bytes() + past.certificate.read_bytes())
    with pytest.raises(CertificateError, match="certificate 2: expired"):
        read(chain, good.key)


def test_a_followed_certificate_is_taken_over_only_when_it_fits(authority: Authority) -> None:
    pair = authority.issue("server", into="followed")
    followed = ServerCertificate(TlsFiles(pair.certificate, pair.key))
    first = followed.tls
    followed.follow()
    assert followed.tls is first
    kept_key = pair.key.read_bytes()
    authority.issue("renewed", into="followed")
    renewed_key = pair.key.read_bytes()
    pair.key.write_bytes(kept_key)  # only half of it is there yet
    followed.follow()
    assert (followed.tls, followed.failures) == (first, 1)
    pair.key.write_bytes(renewed_key)
    followed.follow()
    assert followed.tls.subject == "CN=renewed"
    assert followed.reloads == 1
    pair.certificate.unlink()
    followed.follow()
    assert followed.tls.subject == "CN=renewed"
    assert x509.load_pem_x509_certificate(followed.tls.certificate).subject.rfc4514_string() == (
        "CN=renewed"
    )
