"""The share served by district."""

from parking.districts import DistrictShare, served_by_district
from parking.requests import ParkingRequest
from tests.parking.day.days import DEGREE_M, HOUR_MS, LAT, LON, MORNING_MS, lot


def bound_for(key, away_m):
    """Return a driver to a point so many metres north of the middle."""
    lat = LAT + away_m / DEGREE_M
    return ParkingRequest(key, LON, LAT, LON, lat, MORNING_MS, MORNING_MS + HOUR_MS)


def test_a_destination_lies_in_the_district_of_its_nearest_lot():
    """Two for the south, one for the north, nobody for the far lot."""
    lots = [lot("south", 1), lot("north", 1, away_m=1000.0), lot("far", 1, away_m=9000.0)]
    asked = [bound_for("a", 0.0), bound_for("b", 450.0), bound_for("c", 700.0)]
    found = served_by_district(asked, lots, {"b", "c"})
    assert found == (DistrictShare("north", 1, 1), DistrictShare("south", 2, 1))
    assert found[1].share == 0.5
    assert served_by_district([], lots, set()) == served_by_district(asked, [], set()) == ()
