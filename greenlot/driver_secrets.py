"""The secrets behind the drivers' digests: from the environment, else from a file of the server."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from greenlot.errors import StartError
from parking.errors import InvalidInputError
from parking.privacy import Secrets

CURRENT = "GREENLOT_DRIVER_SECRET"
PREVIOUS = "GREENLOT_DRIVER_SECRET_PREVIOUS"


def driver_secrets(
    data: Path, city_id: str, *, shared: bool, environment: Mapping[str, str] | None = None
) -> Secrets | None:
    """Return the secrets of a city's drivers.

    Parameters
    ----------
    data, city_id
        Where a server with a store of its own keeps the secret that it makes by itself.
    shared
        Several servers share the store: then they must share the secret, too, and only the
        environment can give it.
    environment
        None = the process's.

    Returns
    -------
    Secrets or None
        None where servers share a store and were given none: calls with a plate are refused.

    Raises
    ------
    StartError
        A secret is too short, or its file cannot be read or made.
    """
    environment = os.environ if environment is None else environment
    try:
        if environment.get(CURRENT):
            previous = environment.get(PREVIOUS)
            return Secrets(environment[CURRENT].encode(), previous.encode() if previous else None)
        if shared:
            return None
        return Secrets(_kept(data / f"{city_id}-driver-secret"))
    except InvalidInputError as error:
        raise StartError(f"{CURRENT}: {error.message}") from None
    except ValueError:
        raise StartError(f"--data {data}: the drivers' secret is damaged") from None
    except OSError as error:
        raise StartError(f"--data {data}: the drivers' secret: {error.strerror}") from error


def _kept(path: Path) -> bytes:
    """Return the secret of a file that only its owner can read; made at the first time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text(encoding="ascii").strip())
    with os.fdopen(made, "w", encoding="ascii") as stream:
        stream.write(f"{secrets.token_hex(32)}\n")
        stream.flush()
        os.fsync(stream.fileno())
    return bytes.fromhex(path.read_text(encoding="ascii").strip())
