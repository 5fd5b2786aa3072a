"""Lots as GeoJSON: read, refused, and written so that a round trip changes nothing."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parking.errors import InvalidInputError
from parking.inventory import Connector, Lot, Pool, SpaceClass
from parking.io.lots import read_lots, write_lots
from parking.opening import OpeningWindow
from parking.tariff import FREE, Night, Tariff

FULL: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [118.66, 37.43]},
            "properties": {
                "id": "lot-1",
                "name": "东城机关停车场",
                "operator": "assumed",
                "kind": "government",
                "district": "东城",
                "entrance_edge": "E1",
                "max_height_cm": 210,
                "permits": ["staff", "visitor"],
                "tariff": {
                    "free_minutes": 30,
                    "steps": [{"upto_minutes": 60, "fen": 500}],
                    "per_started_minutes": 30,
                    "fen": 200,
                    "day_cap_fen": 4000,
                    "night": {"from": "22:00", "to": "07:00", "cap_fen": 500},
                },
                "opening": [{"days": [1, 2, 3, 4, 5], "from": "07:00", "to": "24:00"}],
                "closed": False,
                "pools": [
                    {
                        "id": "lot-1-s",
                        "class": "standard",
                        "capacity": 50,
                        "quota": 40,
                        "walk_in_buffer": 3,
                        "free": 12,
                        "seen_at": "2026-11-23T06:00:00+08:00",
                    },
                    {
                        "id": "lot-1-c",
                        "class": "charging",
                        "capacity": 5,
                        "connector": "gbt_dc",
                        "power_kw": 60,
                    },
                ],
                "label": "assumed",
            },
        },
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [118.6, 37.4]},
            "properties": {"id": "lot-2", "pools": [{"id": "lot-2-s", "capacity": 1}]},
        },
    ],
}


def write(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "lots.geojson"
    text = document if isinstance(document, str) else json.dumps(document)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_property_is_read(tmp_path: Path) -> None:
    first, second = read_lots(write(tmp_path, FULL))
    assert first == Lot(
        id="lot-1",
        name="东城机关停车场",
        lon=118.66,
        lat=37.43,
        operator="assumed",
        kind="government",
        district="东城",
        entrance_edge="E1",
        max_height_cm=210,
        permits=frozenset({"staff", "visitor"}),
        tariff=Tariff(30, 200, 30, ((60, 500),), 4000, Night(1320, 420, 500)),
        opening=(OpeningWindow(frozenset({1, 2, 3, 4, 5}), 420, 1440),),
        pools=(
            Pool("lot-1-s", SpaceClass.STANDARD, 50, 40, 3, 12, 1_795_384_800_000),
            Pool("lot-1-c", SpaceClass.CHARGING, 5, 5, 0, 5, None, Connector.GBT_DC, 60.0),
        ),
    )
    # Absent: no limit, the capacity, or 0.
    pools = (Pool("lot-2-s", SpaceClass.STANDARD, 1, 1, 0, 1),)
    assert second == Lot("lot-2", "", 118.6, 37.4, pools)
    assert [pool.bookable for pool in first.pools] == [9, 5]


def test_null_is_absent(tmp_path: Path) -> None:
    document = copy.deepcopy(FULL)
    properties = document["features"][1]["properties"]
    for key in document["features"][0]["properties"]:
        properties.setdefault(key, None)
    for key in document["features"][0]["properties"]["pools"][0]:
        properties["pools"][0].setdefault(key, None)
    assert read_lots(write(tmp_path, document))[1] == read_lots(write(tmp_path, FULL))[1]


@pytest.mark.parametrize(
    ("tariff", "minutes", "fen"),
    [
        ({"fen_per_hour": 500}, 61, 1000),
        ({"fen_per_hour": 500, "day_cap_fen": 700, "free_minutes": 15}, 61, 700),
        ({"steps": [{"upto_minutes": 60, "fen": 300}]}, 600, 300),
        ({"per_started_minutes": 15, "fen": 100}, 61, 500),
        ({}, 600, 0),
        (None, 600, 0),
    ],
)
def test_tariffs(tmp_path: Path, tariff: object, minutes: int, fen: int) -> None:
    document = copy.deepcopy(FULL)
    document["features"][0]["properties"]["tariff"] = tariff
    assert read_lots(write(tmp_path, document))[0].tariff.price_fen(0, minutes * 60_000) == fen


Change = Callable[[dict[str, Any]], None]


def lot(**changes: Any) -> Change:
    return lambda document: document["features"][0]["properties"].update(changes)


def pool(**changes: Any) -> Change:
    return lambda document: document["features"][0]["properties"]["pools"][0].update(changes)


def tariff(**changes: Any) -> Change:
    return lambda document: document["features"][0]["properties"]["tariff"].update(changes)


def opening(**changes: Any) -> Change:
    return lambda document: document["features"][0]["properties"]["opening"][0].update(changes)


def feature(**changes: Any) -> Change:
    return lambda document: document["features"][0].update(changes)


def point(*coordinates: Any) -> Change:
    return feature(geometry={"type": "Point", "coordinates": list(coordinates)})


MISTAKES: list[tuple[Change, str]] = [
    (lot(id=None), "feature 0 (None): id: is missing"),
    (lot(id=""), "id: is empty"),
    (lot(id=7), "id: 7; expected text"),
    (lot(id="a\nb"), "id: 'a\\nb'; expected no control characters"),
    (lot(name="\ud800"), "name: '\\ud800'; expected Unicode text"),
    (lot(name=["x"]), "name: ['x']; expected text"),
    (lot(max_height_cm=0), "max_height_cm: 0; expected 1 to 10000"),
    (lot(max_height_cm=True), "max_height_cm: True; expected a number"),
    (lot(max_height_cm="210"), "max_height_cm: '210'; expected a number"),
    (lot(max_height_cm=210.5), "max_height_cm: 210.5; expected a whole number"),
    (lot(max_height_cm=10**400), "expected a smaller number"),
    (lot(permits="staff"), "permits: 'staff'; expected a list"),
    (lot(permits=["staff", 3]), "permits[1]: 3; expected a word"),
    (lot(permits=[""]), "permits[0]: ''; expected a word"),
    (lot(closed="no"), "closed: 'no'; expected true or false"),
    (lot(closed=0), "closed: 0; expected true or false"),
    (lot(pools={}), "pools: {}; expected a list"),
    (lot(pools=[None]), "pools[0]: None; expected an object"),
    (pool(id=""), "pools[0].id: is empty"),
    (pool(id="lot-1-c"), "pool id 'lot-1-c' stands twice"),
    (pool(id="lot-2-s"), "feature 1 (lot-2): pool id 'lot-2-s' stands twice, also in feature 0"),
    (pool(**{"class": "disabled"}), "pools[0].class: 'disabled'; expected one of standard"),
    (pool(**{"class": 1}), "pools[0].class: 1; expected one of"),
    (pool(capacity=None), "pools[0].capacity: is missing"),
    (pool(capacity=-1), "pools[0].capacity: -1; expected 0 to 1000000"),
    (pool(capacity=10**12), "pools[0].capacity: 1000000000000; expected 0 to 1000000"),
    (pool(quota=51), "pools[0].quota: 51; expected 0 to the capacity, 50"),
    (pool(free=41), "pools[0].free: 41; expected 0 to the quota, 40"),
    (pool(free=1e300), "expected a smaller number"),
    (pool(walk_in_buffer=-1), "pools[0].walk_in_buffer: -1; expected 0 to 1000000"),
    (
        pool(seen_at="2026-11-23T06:00:00"),
        "pools[0].seen_at: '2026-11-23T06:00:00'; expected a time",
    ),
    (pool(seen_at=1_795_384_800), "pools[0].seen_at: 1795384800; expected text"),
    (pool(connector="ccs"), "pools[0].connector: 'ccs'; expected one of gbt_ac"),
    (pool(power_kw=0), "pools[0].power_kw: 0.0; expected more than 0"),
    (pool(bays=["1"]), "pools[0].bays: "),
    (pool(bays="1-50"), "pools[0].bays: '1-50'; expected a list"),
    (pool(bays=[7]), "pools[0].bays[0]: 7; expected text"),
    (pool(kw=7), "pools[0].kw: unknown; expected id, class"),
    (pool(capcity=7), "pools[0].capcity: unknown; did you mean 'capacity'?"),
    (lot(tariff=500), "tariff: 500; expected an object"),
    (tariff(fen_per_hour=500), "tariff.fen_per_hour: stands beside fen"),
    (tariff(per_started_minutes=None), "tariff.per_started_minutes: is missing"),
    (tariff(per_started_minutes=0), "tariff.per_started_minutes: 0; expected 1"),
    (tariff(fen=-5), "tariff.fen: -5; expected 0"),
    (tariff(day_cap="4000"), "tariff.day_cap: unknown; did you mean 'day_cap_fen'?"),
    (tariff(day_cap_fen="4000"), "tariff.day_cap_fen: '4000'; expected a number"),
    (tariff(steps=[{"upto_minutes": 60}]), "tariff.steps[0].fen: is missing"),
    (tariff(steps=[[60, 500]]), "tariff.steps[0]: [60, 500]; expected an object"),
    (
        tariff(steps=[{"upto_minutes": 60, "fen": 1}, {"upto_minutes": 30, "fen": 2}]),
        "tariff.steps[1].upto_minutes: 30; expected more than 60",
    ),
    (tariff(night={"from": "22:00", "to": "07:00"}), "tariff.night.cap_fen: is missing"),
    (
        tariff(night={"from": "24:00", "to": "07:00", "cap_fen": 1}),
        "tariff.night.from: 1440 to 420 min; expected a begin of 00:00",
    ),
    (lot(opening={}), "opening: {}; expected a list"),
    (opening(days=None), "opening[0].days: is missing"),
    (opening(days=[]), "opening[0].days: []; expected days 1 to 7"),
    (opening(days=[0]), "opening[0].days: [0]; expected days 1 to 7"),
    (opening(days=[True]), "opening[0].days: True; expected a number"),
    (opening(days=["Mo"]), "opening[0].days: 'Mo'; expected a number"),
    (opening(days=[None]), "opening[0].days: null; expected days 1 to 7"),
    (opening(to="24:30"), "opening[0].to: '24:30'; expected HH:MM"),
    (opening(to=19), "opening[0].to: 19; expected text"),
    (opening(**{"from": "24:00"}), "opening[0].from: 1440 to 1440 min; expected a begin"),
    (opening(day=[1]), "opening[0].day: unknown; did you mean 'days'?"),
    (point(37.43, 118.66), "location.latitude: 118.66; expected -90 to 90"),
    (point(181, 0), "location.longitude: 181.0; expected -180 to 180"),
    (point(118.66), "geometry.coordinates: [118.66]; expected [longitude, latitude]"),
    (point("118.66", 37.43), "geometry.coordinates: '118.66'; expected a number"),
    (point(True, 37.43), "geometry.coordinates: True; expected a number"),
    (point(10**400, 37.43), "expected a number"),
    (feature(geometry=None), "geometry: None; expected a Point"),
    (feature(geometry={"type": "Polygon"}), "geometry: 'Polygon'; expected a Point"),
    (feature(type="Lot"), "expected a Feature"),
    (feature(properties=None), "properties: None; expected an object"),
    (lambda document: document.update(features=None), "features: None; expected a list"),
    (lambda document: document["features"].append(3), "feature 2 (?): 3; expected a Feature"),
    (
        lambda document: document.update(crs={"properties": {"name": "EPSG:3857"}}),
        "crs: 'EPSG:3857'; expected WGS84 degrees",
    ),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_feature_and_property(
    tmp_path: Path, change: Change, message: str
) -> None:
    document = copy.deepcopy(FULL)
    change(document)
    path = write(tmp_path, document)
    with pytest.raises(InvalidInputError) as caught:
        read_lots(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("key", "meant"),
    [("max_hight_cm", "max_height_cm"), ("permit", "permits"), ("Closed", "closed")],
)
def test_a_slip_of_the_pen_is_no_other_property(tmp_path: Path, key: str, meant: str) -> None:
    document = copy.deepcopy(FULL)
    properties = document["features"][1]["properties"]
    properties[key] = None
    with pytest.raises(InvalidInputError, match=f"{key}: unknown; did you mean '{meant}'"):
        read_lots(write(tmp_path, document))
    # Beside the property itself it is somebody else's.
    properties[meant] = None
    assert len(read_lots(write(tmp_path, document))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: not JSON: Expecting value"),
        ('{"type":\n "FeatureCollection",}', ":2: not JSON: "),
        ('{"features": [NaN]}', "NaN is not a number"),
        ('{"features": [-Infinity]}', "-Infinity is not a number"),
        ("[" * 100_000, "not usable JSON"),
        ("9" * 5000, "not usable JSON"),
        ('{"features": [{"a": 1}, {"b": {"c": 1, "d": 2, "c": 3}}]}', "features[1].b: 'c' stands"),
        ("[]", "[]; expected an object"),
        ('{"type": "Feature"}', "expected a GeoJSON FeatureCollection or a ParkAPI list"),
    ],
)
def test_a_file_that_is_no_such_document(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidInputError) as caught:
        read_lots(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_encodings(tmp_path: Path) -> None:
    path = tmp_path / "lots.geojson"
    text = json.dumps(FULL, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(read_lots(path)) == 2
    for encoding in ("utf-16", "gb18030"):
        path.write_bytes(text.encode(encoding))
        with pytest.raises(InvalidInputError, match=":1: not UTF-8"):
            read_lots(path)
    with pytest.raises(InvalidInputError, match="cannot be read: No such file"):
        read_lots(tmp_path / "nowhere.geojson")


minutes = st.integers(0, 1439)
amounts = st.integers(0, 10**8)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
ids = words.filter(lambda text: bool(text.strip()))
nights = st.builds(Night, minutes, st.integers(0, 1440), amounts)
steps = st.dictionaries(st.integers(1, 2000), amounts, max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
tariffs = st.just(FREE) | st.builds(
    Tariff,
    per_started_minutes=st.just(60) | st.integers(1, 500),
    fen=amounts,
    free_minutes=st.integers(0, 100),
    steps=steps,
    day_cap_fen=st.none() | amounts,
    night=st.none() | nights,
)
hours = st.builds(
    OpeningWindow, st.frozensets(st.integers(1, 7), min_size=1), minutes, st.integers(0, 1440)
)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    capacity = draw(st.integers(0, 4) | st.integers(0, 10**6))
    quota = draw(st.integers(0, capacity))
    return Pool(
        id=draw(ids),
        space_class=draw(st.sampled_from(SpaceClass)),
        capacity=capacity,
        quota=quota,
        walk_in_buffer=draw(st.integers(0, 10**6)),
        free=draw(st.integers(0, quota)),
        seen_ms=draw(st.none() | st.integers(0, 7 * 10**12)),
        connector=draw(st.none() | st.sampled_from(Connector)),
        power_kw=draw(st.none() | st.floats(0.001, 10_000)),
        bays=draw(st.sampled_from([(), tuple(f"A{k}" for k in range(capacity))]))
        if capacity < 5
        else (),
    )


lots = st.builds(
    Lot,
    id=ids,
    name=words,
    lon=st.floats(-180, 180),
    lat=st.floats(-90, 90),
    pools=st.lists(pools(), max_size=2, unique_by=lambda pool: pool.id).map(tuple),
    operator=words,
    kind=words,
    district=words,
    entrance_edge=words,
    max_height_cm=st.none() | st.integers(1, 10_000),
    permits=st.frozensets(ids, max_size=3),
    tariff=tariffs,
    opening=st.lists(hours, max_size=3).map(tuple),
    closed=st.booleans(),
)


def unlike(city: list[Lot]) -> bool:
    """Whether all ids are different."""
    keys = [pool.id for lot in city for pool in lot.pools]
    return len(set(keys)) == len(keys) and len({lot.id for lot in city}) == len(city)


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(city=st.lists(lots, max_size=3).filter(unlike))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, city: list[Lot]
) -> None:
    folder = tmp_path_factory.mktemp("lots")
    first, second = folder / "first.geojson", folder / "second.geojson"
    write_lots(city, first)
    found = read_lots(first)
    assert list(found) == city
    write_lots(found, str(second))
    assert second.read_bytes() == first.read_bytes()


def test_writing_replaces_the_whole_file_or_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_lots([Lot("a", "\ud800", 0, 0, ())], path)
    assert path.read_text() == "before"
    write_lots([], path)
    assert read_lots(path) == ()
    assert [item.name for item in tmp_path.iterdir()] == [path.name]
