"""Between the engine's objects and the messages of traffic.v1, both ways."""

from google.protobuf.timestamp_pb2 import Timestamp

from traffic.bandwidth import Certificate, Status
from traffic.corridors import Corridor
from traffic.errors import InvalidInputError
from traffic.greenwave import GreenWave, PartBands
from traffic.plan import Stage, TimingPlan
from traffic.signals import Phase, Signal
from traffic.v1 import signal_timing_pb2 as pb

STATUSES = {
    Status.OPTIMAL: pb.Certificate.STATUS_OPTIMAL,
    Status.FEASIBLE: pb.Certificate.STATUS_FEASIBLE,
    Status.NO_BAND: pb.Certificate.STATUS_NO_BAND,
    Status.UNKNOWN: pb.Certificate.STATUS_UNKNOWN,
}


def signal_name(city_id: str, signal_id: str) -> str:
    """Return the resource name of a signal."""
    return f"cities/{city_id}/signals/{signal_id}"


def corridor_name(city_id: str, corridor_id: str) -> str:
    """Return the resource name of a corridor."""
    return f"cities/{city_id}/corridors/{corridor_id}"


def signal_id_from_name(name: str, *, where: str) -> str:
    """Return the signal id of a resource name, or raise InvalidInputError."""
    parts = name.split("/", 3)
    if len(parts) != 4 or parts[0] != "cities" or parts[2] != "signals" or not parts[3]:
        raise InvalidInputError(
            f"{name[:200]!r}; expected cities/{{city}}/signals/{{signal}}", where=where
        )
    return parts[3]


def timestamp_from_ms(time_ms: int) -> Timestamp:
    """Turn UTC epoch milliseconds into a Timestamp."""
    return Timestamp(seconds=time_ms // 1000, nanos=time_ms % 1000 * 1_000_000)


def ms_from_timestamp(time: Timestamp, *, where: str) -> int:
    """Turn a Timestamp into UTC epoch milliseconds, or raise InvalidInputError."""
    # The range of google.protobuf.Timestamp: years 1 to 9999.
    if not -62_135_596_800 <= time.seconds <= 253_402_300_799 or not 0 <= time.nanos < 10**9:
        raise InvalidInputError("not a valid timestamp", where=where)
    return time.seconds * 1000 + time.nanos // 1_000_000


def signal_to_proto(signal: Signal, city_id: str) -> pb.Signal:
    """Turn a signal into its message."""
    message = pb.Signal(
        name=signal_name(city_id, signal.id),
        display_name=signal.name,
        link_count=signal.link_count,
    )
    if signal.lon is not None and signal.lat is not None:
        message.location.CopyFrom(pb.LatLng(latitude=signal.lat, longitude=signal.lon))
    return message


def corridor_to_proto(corridor: Corridor, city_id: str) -> pb.Corridor:
    """Turn a corridor into its message."""
    return pb.Corridor(
        name=corridor_name(city_id, corridor.id),
        display_name=corridor.name,
        signals=[signal_name(city_id, key) for key in corridor.signal_ids],
        positions_m=corridor.positions_m,
    )


def plan_to_proto(plan: TimingPlan, city_id: str) -> pb.TimingPlan:
    """Turn a plan into its message, without the time in which it holds."""
    return pb.TimingPlan(
        signal=signal_name(city_id, plan.signal_id),
        cycle_s=plan.cycle_s,
        offset_s=plan.offset_s,
        coordinated_stage=plan.coordinated_stage,
        stages=[
            pb.Stage(
                name=stage.name,
                green_state=stage.green_state,
                green_s=stage.green_s,
                min_green_s=stage.min_green_s,
                intergreen=[
                    pb.IntergreenPhase(state=phase.state, duration_s=int(phase.duration_s))
                    for phase in stage.intergreen
                ],
            )
            for stage in plan.stages
        ],
    )


def plan_from_proto(message: pb.TimingPlan) -> TimingPlan:
    """Turn a message into a plan.

    Raises
    ------
    InvalidInputError
        The signal's name or a state is malformed.
    UnsafePlanError
        The plan breaks a rule of ``TimingPlan``.
    """
    return TimingPlan(
        signal_id=signal_id_from_name(message.signal, where="signal"),
        cycle_s=message.cycle_s,
        offset_s=message.offset_s,
        coordinated_stage=message.coordinated_stage,
        stages=tuple(
            Stage(
                name=stage.name,
                green_state=stage.green_state,
                green_s=stage.green_s,
                min_green_s=stage.min_green_s,
                intergreen=tuple(Phase(p.duration_s, p.state) for p in stage.intergreen),
            )
            for stage in message.stages
        ),
    )


def certificate_to_proto(certificate: Certificate) -> pb.Certificate:
    """Turn a certificate into its message."""
    return pb.Certificate(
        status=STATUSES[certificate.status],
        value=certificate.value,
        bound=certificate.bound,
        gap=certificate.gap,
        solve_s=certificate.solve_s,
        seed=certificate.seed,
    )


def wave_to_proto(
    wave: GreenWave, signal_ids: dict[str, tuple[str, ...]], city_id: str
) -> pb.OptimizeResult:
    """Turn a green wave into its message; ``signal_ids`` lists each corridor's signals."""
    return pb.OptimizeResult(
        cycle_s=wave.cycle_s,
        certificate=certificate_to_proto(wave.certificate),
        plans=[plan_to_proto(plan, city_id) for plan in wave.plans],
        corridors=[
            pb.CorridorBands(
                corridor=corridor_name(city_id, key),
                parts=[_part_to_proto(part, signal_ids[key], city_id) for part in parts],
            )
            for key, parts in wave.bands.items()
        ],
        kept=[
            pb.KeptSignal(signal=signal_name(city_id, key), reason=reason)
            for key, reason in wave.kept.items()
        ],
    )


def _part_to_proto(part: PartBands, signal_ids: tuple[str, ...], city_id: str) -> pb.BandPart:
    return pb.BandPart(
        signals=[signal_name(city_id, key) for key in signal_ids[part.first : part.last + 1]],
        band_out_s=part.band_out_s,
        band_in_s=part.band_in_s,
        start_out_s=part.start_out_s,
        start_in_s=part.start_in_s,
        speed_out_mps=part.speed_out_mps,
        speed_in_mps=part.speed_in_mps,
    )
