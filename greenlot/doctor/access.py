"""Who may come in: certificates, tokens, and what is open without them."""

import stat
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from greenlot.clock import system_clock
from greenlot.doctor.findings import Finding, ok, warning, wrong
from greenlot.errors import CertificateError, StartError, TokenError
from greenlot.protection import host_of, is_loopback
from greenlot.security.certificates import TlsFiles, read_certificates, read_tls
from greenlot.security.token_file import read_tokens

SOON_DAYS = 30
SOON_MS = 14 * 86_400_000


def check_tls(files: TlsFiles) -> list[Finding]:
    """Whether the certificates are right, and for how long."""
    now = datetime.now(UTC)
    try:
        tls = read_tls(files, now)
    except CertificateError as error:
        return [wrong("certificate", str(error), "put right what it says; the server will refuse")]
    days = (tls.not_after - now).days
    names = ", ".join(_names(read_certificates(files.certificate)[0])) or "no name"
    says = f"{tls.subject} for {names}, {days} days left"
    if days < SOON_DAYS:
        found = [warning("certificate", says, "renew it; a server that runs takes it over")]
    elif names == "no name":
        found = [warning("certificate", says, "have it issued for the server's DNS name")]
    else:
        found = [ok("certificate", says)]
    if files.key.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        found.append(warning("key", f"{files.key} can be read by others", f"chmod 600 {files.key}"))
    if files.client_ca is not None:
        ends = min(item.not_valid_after_utc for item in read_certificates(files.client_ca))
        days = (ends - now).days
        says = f"clients need a certificate; their issuer's ends in {days} days"
        found.append(
            warning("client CA", says, "renew it") if days < SOON_DAYS else ok("client CA", says)
        )
    return found


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *names.get_values_for_type(x509.DNSName),
        *(str(item) for item in names.get_values_for_type(x509.IPAddress)),
    ]


def check_tokens(path: Path) -> list[Finding]:
    """Whether the file of the tokens is right, and who has some."""
    try:
        records = read_tokens(path).records
    except TokenError as error:
        return [wrong("tokens", str(error), "put it right, or restore it; the server will refuse")]
    if not records:
        return []
    now_ms = system_clock()
    valid = [record for record in records if record.is_valid(now_ms)]
    count = Counter(str(record.caller.role) for record in valid)
    shown = ", ".join(f"{number} {role}" for role, number in sorted(count.items())) or "none valid"
    found = [ok("tokens", f"{path}: {shown}")]
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        found.append(warning("tokens", f"{path} can be read by others", f"chmod 600 {path}"))
    ending = [
        f"{record.caller.name} ({record.id})"
        for record in valid
        if record.expires_ms is not None and record.expires_ms - now_ms < SOON_MS
    ]
    if ending:
        found.append(
            warning("tokens", f"end within 14 days: {', '.join(ending)}", "give new ones out")
        )
    return found


def check_exposure(
    listen: str, *, has_tls: bool, allows_plaintext: bool, tokens: Path, metrics: str | None
) -> list[Finding]:
    """Whether the server is open to anybody who should not come in."""
    try:
        is_local = is_loopback(host_of(listen))
    except StartError:
        return []  # the port's own check says it
    try:
        has_tokens = bool(read_tokens(tokens).records)
    except TokenError:
        return []  # the tokens' own check says it
    found = []
    if is_local:
        who = "a token is needed" if has_tokens else "whoever is on this machine may do everything"
        found.append(ok("access", f"only this machine reaches {listen}; {who}"))
    elif not has_tokens:
        found.append(
            wrong("access", f"{listen} can be reached and nobody has a token", "greenlot token add")
        )
    elif not has_tls and not allows_plaintext:
        found.append(
            wrong(
                "access",
                f"{listen} can be reached and tokens would go over the wire in the clear",
                "give --tls-certificate and --tls-key, or --plaintext behind a proxy with TLS",
            )
        )
    else:
        found.append(ok("access", f"{listen} needs a token{', over TLS' if has_tls else ''}"))
    if metrics is not None and ":" in metrics and not is_loopback(metrics.rpartition(":")[0]):
        found.append(
            warning(
                "metrics",
                f"{metrics} can be reached by others, without a token",
                "give only the PORT: then it is on loopback; or close it in the firewall",
            )
        )
    return found
