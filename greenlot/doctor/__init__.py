"""Whether a server could run as it is set up here, and what is wrong.

- ``findings``: what a check says.
- ``machine``: ports, open files, the clock.
- ``access``: certificates, tokens, what is open to whom.
- ``keeping``: the stores, the disk, the drivers' secret.
"""

from greenlot.doctor.access import check_exposure, check_tls, check_tokens
from greenlot.doctor.findings import Finding, Verdict
from greenlot.doctor.keeping import check_directory, check_secret, check_store
from greenlot.doctor.machine import check_clock, check_listen, check_open_files

__all__ = [
    "Finding",
    "Verdict",
    "check_clock",
    "check_directory",
    "check_exposure",
    "check_listen",
    "check_open_files",
    "check_secret",
    "check_store",
    "check_tls",
    "check_tokens",
]
