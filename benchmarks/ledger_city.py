"""A city for load: a small road network and many lots, so that space is never what is scarce."""

import json
import math
from pathlib import Path

from tests.conftest import lot_feature, write_city

LOTS = 60
SPACES = 400
CENTRE = (118.66, 37.43)
CITY = "cities/smallville"


def write_load_city(directory: Path) -> Path:
    """Write a city of 60 lots with 400 spaces each around one place; return its directory."""
    write_city(directory)
    features = []
    for k in range(LOTS):
        angle, away = 2.4 * k, 0.0012 * math.sqrt(k + 1)
        lon, lat = CENTRE[0] + away * math.cos(angle), CENTRE[1] + 0.8 * away * math.sin(angle)
        features.append(lot_feature(f"lot{k}", lon, lat, SPACES))
    document = {"type": "FeatureCollection", "features": features}
    (directory / "lots.geojson").write_text(json.dumps(document), encoding="utf-8")
    return directory
