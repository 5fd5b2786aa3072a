"""The documents about bands: conventions worked out by hand, and every answer checked again."""

import copy
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from tests.traffic.io.band_checker import check_answer, validator
from tests.traffic.io.band_examples import ALL_PATTERNS, crossing, no_band, plain, street
from traffic.band_answer import answer_bands
from traffic.bandwidth import Range
from traffic.errors import InvalidInputError
from traffic.io.band_documents import question, read_question, schema
from traffic.io.band_plan_document import answer_document
from traffic.io.band_question_document import question_document

Document = dict[str, Any]


def solved(document: Document, **options: Any) -> Document:
    """The answer to a question, as JSON gives it back, checked."""
    found = answer_document(answer_bands(question(document), time_limit_s=20, **options))
    answer: Document = json.loads(json.dumps(found, allow_nan=False))
    cycle = options.get("cycle_s")
    check_answer(document, answer, cycle_s=None if cycle is None else [cycle.low, cycle.high])
    return answer


def start(answer: Document, k: int, side: str = "out") -> float:
    begin: float = answer["signals"][k][f"green_{side}"][0]
    return begin


def test_two_signals_have_the_band_of_the_textbook() -> None:
    """G - dist(T, multiples of 1/2) = 0.5 - 0.1 at T = 40 s of 100 s."""
    answer = solved(plain(0, 400))
    assert answer["status"] == answer["integer_plan"]["status"] == "optimal"
    assert answer["band_out_s"] == pytest.approx(40)
    assert answer["band_in_s"] == pytest.approx(40)
    assert answer["objective"] == pytest.approx(0.8)
    assert answer["efficiency"] == pytest.approx(0.4)
    assert answer["attainability"] == pytest.approx(0.8)
    assert (start(answer, 1) - start(answer, 0)) % 100 == pytest.approx(50)


def test_offset_is_the_start_of_the_outbound_green_and_larger_is_later() -> None:
    """One way at 10 m/s over 300 m with equal greens: the second green starts 30 s later."""
    out = solved(plain(0, 300, direction="out"))
    assert out["objective"] == pytest.approx(0.5)
    assert out["signals"][0]["offset_s"] == 0
    assert out["signals"][1]["offset_s"] == pytest.approx(30)
    back = solved(plain(0, 300, direction="in"))
    assert back["band_in_s"] == pytest.approx(50)
    assert (start(back, 0, "in") - start(back, 1, "in")) % 100 == pytest.approx(30)


@pytest.mark.parametrize(
    ("pattern", "later_s"),
    [
        # The block of 60 s: out 40 s, in 50 s, outbound left 10 s, inbound left 20 s.
        ("lead-lead", -10),  # out from s + 20, in from s + 10
        ("lead-lag", 10),  # out from s, in from s + 10
        ("lag-lead", -20),  # out from s + 20, in from s
        ("lag-lag", 0),  # both from s
    ],
)
def test_patterns_place_the_greens_in_the_block(pattern: str, later_s: float) -> None:
    """How much later than the outbound green the inbound one begins."""
    document = plain(0, 400)
    for signal in document["signals"]:
        signal |= {"green_out": 0.4, "green_in": 0.5, "left_out": 0.1, "left_in": 0.2}
        signal["patterns"] = [pattern]
    answer = solved(document)
    for plan in (answer, answer["integer_plan"]):
        for k in (0, 1):
            assert plan["signals"][k]["pattern"] == pattern
            assert (start(plan, k, "in") - start(plan, k)) % 100 == pytest.approx(later_s % 100)


def test_without_patterns_both_lefts_lead() -> None:
    document = plain(0, 400)
    for signal in document["signals"]:
        signal |= {"left_out": 0.1, "left_in": 0.1}
    assert {s["pattern"] for s in solved(document)["signals"]} == {"lead-lead"}


def test_centre_offset_is_inbound_minus_outbound() -> None:
    """Greens of 50 and 30 s, centres 10 s apart: in starts at 25 + 10 - 15 = 20 s after out."""
    document = plain(0, 400)
    document["signals"][1] |= {"green_in": 0.3, "center_offset_share": 0.1}
    answer = solved(document)
    assert (start(answer, 1, "in") - start(answer, 1)) % 100 == pytest.approx(20)
    assert (start(answer, 0, "in") - start(answer, 0)) % 100 == pytest.approx(0)


def test_a_queue_goes_first_and_takes_its_time_off_the_band() -> None:
    """u_2 = u_1 + 30 - 5 and [u_2, u_2 + b + 5] green: b = 45, and the green starts at u_2."""
    document = plain(0, 300, direction="out")
    document["signals"][1]["queue_out_s"] = 5
    answer = solved(document)
    assert answer["band_out_s"] == pytest.approx(45)
    # The first green of 50 s has 5 s to spare: u_1 is 0 to 5 s after its start.
    assert 25 - 1e-6 <= answer["signals"][1]["offset_s"] <= 30 + 1e-6


def test_a_queue_at_a_directions_first_signal_means_nothing() -> None:
    document = plain(0, 400)
    document["signals"][0]["queue_out_s"] = document["signals"][1]["queue_in_s"] = 20
    assert solved(document)["band_out_s"] == pytest.approx(40)


@pytest.mark.parametrize(
    ("k", "out_s", "in_s", "objective"),
    [
        # T = 1/4, g = 1/2: b + bb = 1/2 whatever the offset.
        (0.5, 100 / 3, 50 / 3, 5 / 12),  # bb >= b / 2
        (2, 50 / 3, 100 / 3, 5 / 6),  # bb <= 2 b
        (1, 25, 25, 0.5),
        (0, 50, 0, 0.5),
    ],
)
def test_the_inbound_weight_shares_the_bands_out(
    k: float, out_s: float, in_s: float, objective: float
) -> None:
    answer = solved(plain(0, 250, inbound_weight=k))
    assert answer["objective"] == pytest.approx(objective, abs=1e-5)
    assert answer["band_out_s"] == pytest.approx(out_s, abs=1e-3)
    assert answer["band_in_s"] == pytest.approx(in_s, abs=1e-3)


def test_whole_seconds_keep_the_ratio_that_the_weight_asks_for() -> None:
    """At k = 1/2 whole seconds give 33 and 17: 0.33 + 0.085; 34 and 16 would count as 32 and 16."""
    plan = solved(plain(0, 250, inbound_weight=0.5))["integer_plan"]
    assert (plan["band_out_s"], plan["band_in_s"]) == pytest.approx((33, 17))
    assert plan["objective"] == pytest.approx(0.415)


def test_links_count_by_their_volumes() -> None:
    """(V/S)^p of 900/3600 and 450/3600 at p = 2 with full bands of 50 s: 0.5 (1/16 + 1/64)."""
    links = [{"volume_out_vph": 900, "volume_in_vph": 450, "saturation_vph": 3600}]
    document = plain(0, 500, links=links, p=2)
    answer = solved(document, method="amband")
    assert answer["objective"] == pytest.approx(0.5 * (1 / 16 + 1 / 64))
    (link,) = answer["links"]
    assert link["band_out_veh"] == pytest.approx(50)
    assert link["volume_out_veh"] == pytest.approx(25)
    assert link["volume_in_veh"] == pytest.approx(12.5)


def test_speeds_of_a_link_beat_those_of_the_corridor() -> None:
    document = plain(0, 400, links=[{"speed_out_mps": 8, "speed_in_mps": None}])
    (link,) = solved(document)["links"]
    assert link["speed_out_mps"] == pytest.approx(8)
    assert link["speed_in_mps"] == pytest.approx(10)


def test_a_cycle_that_is_given_beats_the_documents() -> None:
    assert solved(plain(0, 400), cycle_s=Range(90, 90))["cycle_s"] == 90
    # Half a cycle apart at 80 s.
    answer = solved(plain(0, 400), cycle_s=Range(60, 120))
    assert answer["cycle_s"] == pytest.approx(80, abs=1e-3)
    assert answer["objective"] == pytest.approx(1)


def test_no_whole_second_in_the_range_leaves_no_integer_plan() -> None:
    answer = solved(plain(0, 400, cycle_s=90.5))
    assert answer["status"] == "optimal"
    assert answer["integer_plan"] is None


def test_no_band_is_an_answer_with_a_proof_and_no_parts() -> None:
    answer = solved(no_band())
    assert answer["status"] == "no_band"
    assert (answer["objective"], answer["bound"], answer["gap"]) == (0, 0, 0)
    for key in ("band_out_s", "band_in_s", "cycle_s", "efficiency", "attainability"):
        assert answer[key] is None
    assert answer["proof"].endswith("pair bound: a and b alone allow none")
    assert answer["integer_plan"] is None
    assert answer["parted"] is None


def test_where_no_band_runs_through_its_parts_have_bands() -> None:
    """Both pairs are half a cycle apart; between them lie three quarters of one."""
    document = plain(0, 500, 1250, 1750, green=0.2)
    answer = solved(document)
    assert answer["status"] == "no_band"
    parts = answer["parted"]["corridors"]
    assert [[s["id"] for s in part["signals"]] for part in parts] == [["a", "b"], ["c", "d"]]
    assert [part["band_out_s"] for part in parts] == pytest.approx([20, 20])


@pytest.mark.parametrize("method", ["maxband", "multiband", "amband"])
@pytest.mark.parametrize(
    "top",
    [
        {},
        {"inbound_weight": 0.4, "p": 2},
        {"inbound_weight": 3},
        {"direction": "out"},
        {"direction": "in"},
        {"slowness_change_s_per_m": 0.004},
        {"cycle_s": 77},
    ],
    ids=str,
)
def test_every_claim_of_a_corridors_answer_holds(method: str, top: Document) -> None:
    document = street(**top)
    document["signals"][2] |= {"queue_out_s": 3, "queue_in_s": 2}
    document["signals"][3] |= {"queue_out_s": 4, "center_offset_share": 0.07}
    answer = solved(document, method=method)
    assert answer["status"] == "optimal"
    assert ("line_out_s" in answer["signals"][0]) == (method != "maxband")


@pytest.mark.parametrize("seed", range(6))
def test_every_claim_holds_of_random_corridors(seed: int) -> None:
    rng = random.Random(seed)
    document = street(
        cycle_s=[rng.uniform(50, 70), rng.uniform(80, 110)], speed_mps=rng.uniform(9, 15)
    )
    for k, signal in enumerate(document["signals"]):
        signal["position_m"] = 450 * k + rng.uniform(0, 300)
        more = rng.uniform(-0.1, 0.15)
        signal["green_out"] += more
        signal["green_in"] += more
        signal["patterns"] = rng.sample(ALL_PATTERNS, rng.randint(1, 4))
        signal["queue_out_s"] = rng.choice([0, 0, rng.uniform(0, 6)])
        signal["queue_in_s"] = rng.choice([0, 0, rng.uniform(0, 6)])
    solved(document, method=rng.choice(["maxband", "multiband", "amband"]))


@pytest.mark.parametrize("method", ["maxband", "multiband", "amband"])
def test_every_claim_of_a_networks_answer_holds(method: str) -> None:
    answer = solved(crossing(), method=method)
    assert [road["id"] for road in answer["corridors"]] == ["EW", "NS"]
    assert [item["id"] for item in answer["junctions"]] == ["a", "x", "b", "c", "d"]


def test_a_network_of_one_road_is_a_network() -> None:
    document = crossing(junctions=[])
    del document["corridors"][1]
    assert solved(document)["corridors"][0]["served"]


def put(document: Document, path: str, value: Any) -> Document:
    changed = copy.deepcopy(document)
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    spot: Any = changed
    for step in way:
        spot = spot[step]
    spot[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("cycle_s", 0, "cycle_s"),
        ("cycle_s", 1, "cycle_s"),
        ("cycle_s", [100, 60], "cycle_s"),
        ("cycle_s", [60, 80, 100], "cycle_s"),
        ("cycle_s", None, "cycle_s"),
        ("cycle", 90, "cycle"),
        ("speed_mps", [0, 10], "speed_mps[0]"),
        ("speed_mps", math.inf, "speed_mps"),
        ("slowness_change_s_per_m", -0.1, "slowness_change_s_per_m"),
        ("direction", "up", "direction"),
        ("inbound_weight", -1, "inbound_weight"),
        ("p", "1", "p"),
        ("links", [{}], "links"),
        ("links.1.saturation_vph", 0, "links[1].saturation_vph"),
        ("links.2.volume_in_vph", -3, "links[2].volume_in_vph"),
        ("links.2.speed_in_mps", True, "links[2].speed_in_mps"),
        ("signals", [], "signals"),
        ("signals.0.id", "s1", "signals[1].id"),
        ("signals.0.id", "", "signals[0].id"),
        ("signals.1.id", 7, "signals[1].id"),
        ("signals.1.name", "\ud800", "signals[1].name"),
        ("signals.2.position_m", 100, "signals[2].position_m"),
        ("signals.2.position_m", math.nan, "signals[2].position_m"),
        ("signals.3.green_out", 1.2, "signals[3].green_out"),
        ("signals.3.green_in", 0, "signals[3].green_in"),
        ("signals.3.green_in", "0.4", "signals[3].green_in"),
        ("signals.3.green_in", None, "signals[3].green_in"),
        ("signals.1.left_out", 0.2, "signals[1].left_out"),
        ("signals.0.center_offset_share", 0.1, "signals[0].center_offset_share"),
        ("signals.3.center_offset_share", 2, "signals[3].center_offset_share"),
        ("signals.3.patterns", [], "signals[3].patterns"),
        ("signals.3.patterns", ["lead"], "signals[3].patterns[0]"),
        ("signals.3.patterns", ["lag-lag", "lag-lag"], "signals[3].patterns"),
        ("signals.4.queue_in_s", -1, "signals[4].queue_in_s"),
        ("signals.4.quene_in_s", 1, "signals[4].quene_in_s"),
        ("signals.4.a\nb", 1, 'signals[4]["a\\nb"]'),
    ],
)
def test_a_wrong_field_of_a_corridor_is_named(path: str, value: Any, where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        question(put(street(), path, value))
    assert caught.value.where == where
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("corridors", [], "corridors"),
        ("corridors.0.cycle_s", 90, "corridors[0].cycle_s"),
        ("corridors.1.id", "EW", "corridors[1].id"),
        ("corridors.1.weight", -1, "corridors[1].weight"),
        ("corridors.1.signals.2.green_in", 1.2, "corridors[1].signals[2].green_in"),
        ("corridors.1.signals.2.position_m", 5, "corridors[1].signals[2].position_m"),
        ("junctions", [], "junctions"),
        ("junctions.0.id", "nowhere", "junctions[0].id"),
        ("junctions.0.blocks.1.corridor", "XX", "junctions[0].blocks[1].corridor"),
        ("junctions.0.blocks.1.start_share", 0.2, "junctions[0].blocks[1].start_share"),
        ("junctions.0.blocks.1.start_share", None, "junctions[0].blocks[1].start_share"),
        ("junctions.0.blocks", [{"corridor": "EW", "start_share": 0}], "junctions[0].blocks"),
    ],
)
def test_a_wrong_field_of_a_network_is_named(path: str, value: Any, where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        question(put(crossing(), path, value))
    assert caught.value.where == where


@pytest.mark.parametrize("missing", ["id", "position_m", "green_out", "green_in"])
def test_a_missing_field_is_named(missing: str) -> None:
    document = street()
    del document["signals"][2][missing]
    with pytest.raises(InvalidInputError, match="is missing") as caught:
        question(document)
    assert caught.value.where == f"signals[2].{missing}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"[]", "expected an object"),
        (b'{"signals": ', "not JSON"),
        (b'{"id": "\xe4"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"cycle_s": 90, "cycle_s": 60}', "cycle_s: stands twice"),
        (b'{"cycle_s": NaN}', "cycle_s: nan"),
        (b'{"cycle_s": 1e999}', "cycle_s: inf"),
        (b'{"cycle_s": 1' + b"0" * 5000 + b"}", "cycle_s: inf"),
    ],
)
def test_a_file_that_is_no_question_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "question.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_question(path)
    assert str(path) in caught.value.where


def test_a_directory_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="directory"):
        read_question(tmp_path)
    huge = tmp_path / "huge.json"
    with huge.open("wb") as stream:
        stream.truncate(65 * 2**20)
    with pytest.raises(InvalidInputError, match="larger than 64 MiB"):
        read_question(huge)


def test_the_schemas_are_schemas_and_agree_on_what_a_corridor_is() -> None:
    for name in ("corridor", "network", "band_plan"):
        validator(name).check_schema(schema(name))
    for part in ("signal", "link"):
        assert schema("corridor")["$defs"][part] == schema("network")["$defs"][part]
    alone, inside = schema("corridor")["properties"], schema("network")["$defs"]["corridor"]
    shared = alone.keys() - {"cycle_s", "id"}
    assert inside["properties"].keys() == alone.keys() - {"cycle_s"} | {"weight"}
    assert all(alone[key] == inside["properties"][key] for key in shared)
    assert alone["cycle_s"] == schema("network")["properties"]["cycle_s"]


@pytest.mark.parametrize(
    "document",
    [
        plain(0, 400),
        street(direction="in", p=2, inbound_weight=0.5, slowness_change_s_per_m=0.01, name="大街"),
        crossing(),
        no_band(),
    ],
    ids=["plain", "street", "crossing", "no_band"],
)
def test_a_question_that_is_written_is_read_as_the_same(document: Document) -> None:
    asked = question(document)
    assert question(question_document(asked)) == asked


EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def test_the_examples_of_the_docs_are_answered_as_the_page_says() -> None:
    """The figures in docs/bandwidth.md."""
    textbook = json.loads((EXAMPLES / "textbook.json").read_text(encoding="utf-8"))
    answer = solved(textbook)
    assert answer["band_out_s"] == pytest.approx(22.45045, abs=1e-4)
    assert answer["integer_plan"]["band_out_s"] == pytest.approx(22.45045, abs=1e-4)
    answer = solved(textbook, cycle_s=Range(60, 120))
    assert answer["cycle_s"] == pytest.approx(87.27, abs=0.005)
    assert answer["band_in_s"] == pytest.approx(32.66, abs=0.005)
    assert answer["integer_plan"]["cycle_s"] == 87
    assert answer["integer_plan"]["band_in_s"] == pytest.approx(31.49, abs=0.005)
    crossed = json.loads((EXAMPLES / "crossing.json").read_text(encoding="utf-8"))
    assert solved(crossed)["status"] == "optimal"


def test_the_docs_link_to_the_schemas() -> None:
    for name in ("corridor", "network", "band_plan"):
        linked = EXAMPLES.parent / "schemas" / f"{name}.schema.json"
        assert json.loads(linked.read_text(encoding="utf-8")) == schema(name)
