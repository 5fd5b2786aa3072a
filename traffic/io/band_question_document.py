"""Writes questions about green bands as the documents that ``read_question`` reads."""

from typing import Any

from traffic.bandwidth import Corridor, CorridorLink, CorridorSignal, Network, Range


def question_document(question: Corridor | Network) -> dict[str, Any]:
    """Write a corridor or a network down; what is as usual is left out."""
    if isinstance(question, Corridor):
        return _corridor(question)
    document: dict[str, Any] = {
        "cycle_s": _range(question.cycle_s),
        "corridors": [
            _corridor(item.corridor) | ({} if item.weight == 1 else {"weight": item.weight})
            for item in question.corridors
        ],
    }
    if question.junctions:
        document["junctions"] = [
            {
                "id": junction.id,
                "blocks": [
                    {"corridor": block.corridor, "start_share": block.start_share}
                    for block in junction.blocks
                ],
            }
            for junction in question.junctions
        ]
    return document


def _corridor(corridor: Corridor) -> dict[str, Any]:
    usual = Corridor(corridor.signals, speed_mps=Range(1, 1))
    fields: dict[str, Any] = {
        "id": corridor.id,
        "name": corridor.name,
        "cycle_s": _range(corridor.cycle_s),
        "speed_mps": _range(corridor.speed_mps),
    }
    document = {key: value for key, value in fields.items() if value not in ("", None)}
    for key in ("slowness_change_s_per_m", "direction", "inbound_weight", "p"):
        value = getattr(corridor, key)
        if value != getattr(usual, key):
            document[key] = value
    if corridor.links:
        document["links"] = [_link(link) for link in corridor.links]
    document["signals"] = [_signal(signal) for signal in corridor.signals]
    return document


def _link(link: CorridorLink) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "speed_out_mps": _range(link.speed_out_mps),
        "speed_in_mps": _range(link.speed_in_mps),
        "volume_out_vph": link.volume_out_vph,
        "volume_in_vph": link.volume_in_vph,
        "saturation_vph": link.saturation_vph,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _signal(signal: CorridorSignal) -> dict[str, Any]:
    document: dict[str, Any] = {"id": signal.id}
    if signal.name:
        document["name"] = signal.name
    for key in ("position_m", "green_out", "green_in"):
        document[key] = getattr(signal, key)
    for key in ("left_out", "left_in", "center_offset_share", "queue_out_s", "queue_in_s"):
        if getattr(signal, key) != 0:
            document[key] = getattr(signal, key)
    if signal.patterns != ("lead-lead",):
        document["patterns"] = list(signal.patterns)
    return document


def _range(value: Range | None) -> float | list[float] | None:
    if value is None:
        return None
    return value.low if value.fixed else [value.low, value.high]
