"""Keeps the figures of simulated runs, so that a comparison that was broken off goes on."""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

from scenarios.measures import Measured
from scenarios.simulation import Inputs
from traffic.io.sumo_additional import write_whole


class RunStore:
    """Figures of runs below a directory, by what went into each run.

    A key covers the contents of all files, the window, the seed and SUMO's version: a run is found
    again wherever its files lie, and never after one of them has changed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._digests: dict[tuple[Path, int], str] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def key(self, inputs: Inputs, plan: Path | None, seed: int) -> str:
        """Return the key of a run."""
        return hashlib.sha256(
            f"{self.inputs_key(inputs)} {seed} {_plan(plan)}".encode()
        ).hexdigest()

    def inputs_key(self, inputs: Inputs) -> str:
        """Return a digest of a scenario's contents and of SUMO's version."""
        files = (inputs.net, *inputs.routes, *inputs.additional)
        parts = [version("eclipse-sumo"), str(len(inputs.routes))]
        parts += [str(inputs.begin_s), str(inputs.end_s), *map(self._contents, files)]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def find(self, key: str) -> Measured | None:
        """Return a run's figures, or None where there are none that can be read."""
        try:
            row = json.loads(self._path(key).read_text(encoding="utf-8"))
            return Measured(**{**row, "junctions": ()})
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, key: str, measured: Measured) -> None:
        """Write a run's figures, without its junctions, whole or not at all."""
        write_json(self._path(key), {**asdict(measured), "junctions": []})

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.json"

    def _contents(self, path: Path) -> str:
        stamp = (path, path.stat().st_mtime_ns)
        if stamp not in self._digests:
            self._digests[stamp] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[stamp]


def write_json(path: Path, document: object) -> None:
    """Write a JSON file whole or not at all."""
    write_whole(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _plan(plan: Path | None) -> str:
    """A plan's contents without comments: SUMO's tools write the time of day into one."""
    return "own" if plan is None else ET.canonicalize(from_file=str(plan), strip_text=True)
