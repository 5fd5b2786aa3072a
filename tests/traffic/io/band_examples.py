"""Questions about bands that the tests of documents, command line and service share."""

import random
from typing import Any

ALL_PATTERNS = ["lead-lag", "lag-lead", "lead-lead", "lag-lag"]


def street(**top: Any) -> dict[str, Any]:
    """Five signals with lefts that differ, volumes and speeds to choose."""
    lefts = ((0.10, 0.10), (0.12, 0.08), (0.08, 0.14), (0.0, 0.0), (0.10, 0.12))
    signals = [
        {
            "id": f"s{k}",
            "name": f"第{k}路口",
            "position_m": x,
            "green_out": 0.40 + max(0.0, out - back),
            "green_in": 0.40 + max(0.0, back - out),
            "left_out": out,
            "left_in": back,
            "patterns": ALL_PATTERNS,
        }
        for k, (x, (out, back)) in enumerate(zip((0, 420, 790, 1330, 1700), lefts, strict=True))
    ]
    links = [
        {"volume_out_vph": 900 + 50 * k, "volume_in_vph": 600, "saturation_vph": 3600}
        for k in range(4)
    ]
    document = {"cycle_s": [60, 100], "speed_mps": [12, 15], "links": links, "signals": signals}
    return document | top


def plain(*spots_m: float, green: float = 0.5, **top: Any) -> dict[str, Any]:
    """Signals without lefts, green alike in both directions; 10 m/s, 100 s."""
    signals = [
        {"id": "abcdefgh"[k], "position_m": x, "green_out": green, "green_in": green}
        for k, x in enumerate(spots_m)
    ]
    return {"cycle_s": 100, "speed_mps": 10, "signals": signals} | top


def no_band() -> dict[str, Any]:
    """A quarter of a cycle apart, greens of a fifth: no two neighbours go together."""
    return plain(0, 250, 500, green=0.2)


def hard(n: int = 60) -> dict[str, Any]:
    """Many signals at a fixed speed: no search for link bands ends soon."""
    rng = random.Random(7)
    signals, position_m = [], 0.0
    for k in range(n):
        position_m += rng.uniform(200, 800)
        green, out, back = rng.uniform(0.35, 0.5), rng.uniform(0.08, 0.16), rng.uniform(0.08, 0.16)
        signals.append(
            {
                "id": f"h{k}",
                "position_m": position_m,
                "green_out": green + max(0.0, out - back),
                "green_in": green + max(0.0, back - out),
                "left_out": out,
                "left_in": back,
                "patterns": ALL_PATTERNS,
            }
        )
    return {"cycle_s": [60, 120], "speed_mps": 13.9, "signals": signals}


def crossing(**top: Any) -> dict[str, Any]:
    """Two roads that share a junction, where the other road's block begins half a cycle later."""

    def road(key: str, name: str, ids: str, *spots_m: float) -> dict[str, Any]:
        signals = [
            {
                "id": signal_id,
                "position_m": x,
                "green_out": 0.35,
                "green_in": 0.35,
                "left_out": 0.1,
                "left_in": 0.1,
                "patterns": ALL_PATTERNS,
            }
            for signal_id, x in zip(ids, spots_m, strict=True)
        ]
        return {"id": key, "name": name, "speed_mps": 12, "signals": signals}

    blocks = [{"corridor": "EW", "start_share": 0}, {"corridor": "NS", "start_share": 0.5}]
    document = {
        "cycle_s": [60, 90],
        "corridors": [
            road("EW", "东西路", "axb", 0, 400, 900),
            road("NS", "南北路", "cxd", 0, 350, 800) | {"weight": 2},
        ],
        "junctions": [{"id": "x", "blocks": blocks}],
    }
    return document | top
