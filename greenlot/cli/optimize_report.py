"""What ``signals optimize`` prints, for people and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from greenlot.plans import OptimizeReport
from traffic.corridors import Corridor
from traffic.delay.model import Estimate
from traffic.greenwave import GreenWave
from traffic.plan import TimingPlan


def plan_documents(plans: Sequence[TimingPlan]) -> list[dict[str, Any]]:
    """Return plans as plain data."""
    return [
        {
            "signal": plan.signal_id,
            "cycle_s": plan.cycle_s,
            "offset_s": plan.offset_s,
            "coordinated_stage": plan.coordinated_stage,
            "stages": [
                {
                    "name": stage.name,
                    "green_state": stage.green_state,
                    "green_s": stage.green_s,
                    "intergreen": [[p.duration_s, p.state] for p in stage.intergreen],
                }
                for stage in plan.stages
            ],
        }
        for plan in plans
    ]


def _estimate_document(estimate: Estimate) -> dict[str, float]:
    return {
        "signal_delay_s": estimate.delay_s,
        "stops": estimate.stops_each,
    }


def network_document(report: OptimizeReport, method: str) -> dict[str, Any]:
    """Return a network's plans, and what was estimated of them, as plain data for JSON."""
    found = report.network_plan
    return {
        "method": method,
        "cycle_s": found.cycle_s,
        "estimate": _estimate_document(found.estimate),
        "own_programs": _estimate_document(found.own),
        "oversaturated": list(found.oversaturated),
        "offsets": {
            "value_veh_s_per_cycle": found.offsets.value_veh_s,
            "bound_veh_s_per_cycle": found.offsets.bound_veh_s,
            "gap": found.offsets.gap,
        },
        "refined": None
        if report.simulated_s is None
        else {"delay_s": report.simulated_s, "simulations": report.simulations},
        "evaluations": found.evaluations,
        "seconds": report.seconds,
        "seed": found.seed,
        "plans": plan_documents(found.plans),
        "kept": dict(found.kept),
    }


def print_network(report: OptimizeReport, output: Path) -> None:
    """Print a network's plans in a few lines."""
    found = report.network_plan
    halved = sum(plan.cycle_s != found.cycle_s for plan in found.plans)
    also = f" ({halved} of them another one)" if halved else ""
    print(f"cycle {found.cycle_s} s{also}, {len(found.plans)} plans -> {output}")
    print(
        f"estimated time lost at signals: {found.estimate.delay_s:.1f} s a trip, "
        f"{found.estimate.stops_each:.2f} stops; own programs: {found.own.delay_s:.1f} s, "
        f"{found.own.stops_each:.2f} stops"
    )
    if found.offsets.value_veh_s:
        print(
            f"offsets: {found.offsets.value_veh_s:.0f} veh s a cycle between signals, "
            f"none below {found.offsets.bound_veh_s:.0f} with these splits (link by link)"
        )
    if report.simulated_s is not None:
        print(
            f"simulated delay after refinement: {report.simulated_s:.1f} s a trip "
            f"({report.simulations} runs)"
        )
    if found.oversaturated:
        print(
            "the demand is more than any plan found can serve in the window; "
            "this one serves most. Queues that remain: " + ", ".join(found.oversaturated)
        )
    for key, reason in found.kept.items():
        print(f"kept as it is: {key}: {reason}")
    print(f"{found.evaluations} plans judged, {report.seconds:.1f} s")


def wave_document(wave: GreenWave, corridors: list[Corridor]) -> dict[str, Any]:
    """Return a green wave as plain data for JSON."""
    certificate = wave.certificate
    return {
        "method": "band",
        "cycle_s": wave.cycle_s,
        "status": certificate.status.value,
        "value": certificate.value,
        "bound": certificate.bound,
        "gap": certificate.gap,
        "solve_s": certificate.solve_s,
        "seed": certificate.seed,
        "corridors": [
            {
                "id": corridor.id,
                "parts": [
                    {
                        "signals": list(corridor.signal_ids[part.first : part.last + 1]),
                        "band_out_s": part.band_out_s,
                        "band_in_s": part.band_in_s,
                    }
                    for part in wave.bands[corridor.id]
                ],
            }
            for corridor in corridors
        ],
        "plans": plan_documents(wave.plans),
        "kept": dict(wave.kept),
    }


def print_wave(wave: GreenWave, corridors: list[Corridor], output: Path) -> None:
    """Print a green wave in a few lines."""
    certificate = wave.certificate
    print(
        f"cycle {wave.cycle_s} s, {len(wave.plans)} plans -> {output}\n"
        f"bands {certificate.value:.3f} cycles of at most {certificate.bound:.3f} "
        f"({certificate.status.value}, {certificate.solve_s:.1f} s)"
    )
    for corridor in corridors:
        parts = wave.bands[corridor.id]
        for part in parts:
            ends = f"{corridor.signal_ids[part.first]} - {corridor.signal_ids[part.last]}"
            print(
                f"  {corridor.id}: {ends}: out {part.band_out_s:.1f} s, in {part.band_in_s:.1f} s"
            )
        if not parts:
            print(f"  {corridor.id}: no two signals that can be coordinated")
    for key, reason in wave.kept.items():
        print(f"  kept as it is: {key}: {reason}")
