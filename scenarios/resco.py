"""The eight scenarios of the RESCO benchmark, as the ``sumo-rl`` wheel carries them.

Source: Ault & Sharon, "Reinforcement Learning Benchmarks for Traffic Signal Control", NeurIPS
Datasets and Benchmarks 2021.
"""

from importlib.util import find_spec
from pathlib import Path

from scenarios.simulation import Inputs
from traffic.errors import NotFoundError

# Each scenario's window in s, and its route file.
WINDOWS_S = {
    "cologne1": (25200, 28800),
    "cologne3": (25200, 28800),
    "cologne8": (25200, 28800),
    "ingolstadt1": (57600, 61200),
    "ingolstadt7": (57600, 61200),
    "ingolstadt21": (57600, 61200),
    "grid4x4": (0, 3600),
    "arterial4x4": (0, 3600),
}
NAMES = tuple(WINDOWS_S)
_ROUTES = {"grid4x4": "grid4x4_1", "arterial4x4": "arterial4x4_1"}


def resco_inputs(name: str) -> Inputs:
    """Return a scenario by its name.

    Raises
    ------
    NotFoundError
        No such scenario, or the ``sumo-rl`` package is not installed.
    """
    if name not in WINDOWS_S:
        raise NotFoundError(f"no scenario {name!r}; there are {', '.join(NAMES)}", where="RESCO")
    folder = _data() / name
    net, routes = folder / f"{name}.net.xml", folder / f"{_ROUTES.get(name, name)}.rou.xml"
    return Inputs(net, (routes,), (), *WINDOWS_S[name]).require_files()


def _data() -> Path:
    # Found, not imported: the package pulls in libraries that nothing here needs.
    spec = find_spec("sumo_rl")
    if spec is None or spec.origin is None:
        raise NotFoundError(
            "the scenarios come with the package sumo-rl: pip install 'greenlot[bench]'",
            where="RESCO",
        )
    return Path(spec.origin).parent / "nets" / "RESCO"
