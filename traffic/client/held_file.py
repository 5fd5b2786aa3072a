"""What a controller holds, on its disk: it survives a power cut, and a server that is away."""

import json
import os
from pathlib import Path
from typing import Any

from traffic.client.programs import held_switch
from traffic.controller.held import Held, HeldSwitch
from traffic.errors import InvalidInputError, TrafficError
from traffic.io.street_messages import program_to_proto, record_name, signal_switch_to_proto
from traffic.v1 import signal_timing_pb2 as pb

VERSION = 1


def write_held(held: Held, path: Path, *, city_id: str, signal_id: str) -> None:
    """Write what is held; the file is on the disk, whole or not at all, when this returns."""
    rows: list[dict[str, Any]] = []
    for switch in held.switches:
        program = None if switch.program is None else program_to_proto(switch.program, city_id)
        message = signal_switch_to_proto(switch, signal_id, program, city_id)
        rows.append({"switch": message.SerializeToString().hex(), "refusal": switch.refusal})
    document = {
        "version": VERSION,
        "signal": record_name(city_id, "signals", signal_id),
        "log_id": held.log_id,
        "revision": held.revision,
        "switches": rows,
    }
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_held(path: Path, *, city_id: str, signal_id: str) -> Held:
    """Read what was held; nothing where there is no file.

    Raises
    ------
    InvalidInputError
        The file is another signal's, or broken.
    """
    if not path.exists():
        return Held()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["version"] != VERSION:
            raise InvalidInputError(f"version {document['version']}; expected {VERSION}")
        name = record_name(city_id, "signals", signal_id)
        if document["signal"] != name:
            raise InvalidInputError(f"is of {document['signal']}; expected {name}")
        switches: list[HeldSwitch] = []
        for row in document["switches"]:
            message = pb.SignalSwitch.FromString(bytes.fromhex(row["switch"]))
            switches.append(held_switch(message, city_id, refusal=row["refusal"]))
        # Written by a version that knew of one log only, it has none.
        log_id = str(document.get("log_id", ""))
        return Held(int(document["revision"]), tuple(switches), log_id)
    except TrafficError as error:
        raise InvalidInputError(str(error), where=str(path)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(f"not what a controller holds: {error}", where=str(path)) from error
