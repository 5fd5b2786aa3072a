"""What a WAUT of an additional file makes a signal show around each of its switches."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from traffic.errors import InvalidInputError
from traffic.signals import Phase, Program

Switches = tuple[tuple[float, str], ...]
"""``(at_s, program)`` in order; the first one's time is 0: SUMO cannot begin before."""


def read_switches(root: ET.Element, path: Path) -> dict[str, Switches]:
    """Read which program each signal of a WAUT runs from when on.

    Raises
    ------
    InvalidInputError
        An attribute is missing or malformed, a WAUT does not exist, or SUMO would change phases at
        a switch by itself (a ``procedure``): nobody but SUMO knows what is shown then.
    """
    try:
        days: dict[str, Switches] = {}
        for waut in root.iter("WAUT"):
            since_s = float(waut.get("refTime", "0"))
            rows = sorted(
                (since_s + float(row.attrib["time"]), row.attrib["to"])
                for row in waut.iter("wautSwitch")
            )
            first_s = min([0.0, *(at_s for at_s, _ in rows)])
            days[waut.attrib["id"]] = ((first_s, waut.attrib["startProg"]), *rows)
        found: dict[str, Switches] = {}
        for row in root.iter("wautJunction"):
            if row.get("procedure"):
                raise InvalidInputError(
                    f"procedure {row.get('procedure')!r}; expected switches at once",
                    where=f"{path}: wautJunction {row.get('junctionID', '')!r}",
                )
            found[row.attrib["junctionID"]] = days[row.attrib["wautID"]]
    except KeyError as error:
        raise InvalidInputError(f"no {error.args[0]!r} in a WAUT", where=str(path)) from None
    except ValueError as error:
        raise InvalidInputError(f"in a WAUT: {error}", where=str(path)) from None
    return found


def whole_programs(programs: Mapping[str, Program], switches: Switches) -> tuple[str, ...]:
    """Return the programs that run for longer than their cycle at some time."""
    ends_s = [*(at_s for at_s, _ in switches[1:]), *([float("inf")] if switches else [])]
    return tuple(
        dict.fromkeys(
            name
            for (at_s, name), until_s in zip(switches, ends_s, strict=True)
            if until_s - at_s > programs[name].cycle_s
        )
    )


def stretches(programs: Mapping[str, Program], switches: Switches) -> Iterator[list[Phase]]:
    """Yield what is shown around each switch.

    From two cycles before until the program that follows has run for two cycles; a program that
    ends before (a transition) is followed by the next, so that it is seen whole.
    """
    for k in range(1, len(switches)):
        at_s, _ = switches[k]
        before = programs[switches[k - 1][1]]
        first_s = max(switches[k - 1][0], at_s - 2 * before.cycle_s)
        rows = list(_running(before, first_s, at_s))
        for j in range(k, len(switches)):
            from_s, name = switches[j]
            until_s = switches[j + 1][0] if j + 1 < len(switches) else float("inf")
            enough_s = from_s + 2 * programs[name].cycle_s
            rows += _running(programs[name], from_s, min(until_s, enough_s))
            if until_s >= enough_s:
                break
        yield rows


def require_programs(
    signal_id: str,
    programs: Mapping[str, Program],
    switches: Sequence[tuple[float, str]],
    where: str,
) -> None:
    """Refuse a switch to a program that the file does not hold, or that shows nothing."""
    for _, name in switches:
        if name not in programs or not programs[name].phases:
            raise InvalidInputError(
                f"signal {signal_id!r} switches to the unknown program {name!r}", where=where
            )


def _running(program: Program, begin_s: float, end_s: float) -> Iterator[Phase]:
    """What a program shows in ``[begin_s, end_s)`` of SUMO's time."""
    at_s = begin_s - (begin_s - program.offset_s) % program.cycle_s
    while at_s < end_s:
        for phase in program.phases:
            inside_s = min(at_s + phase.duration_s, end_s) - max(at_s, begin_s)
            if inside_s > 1e-9:
                yield Phase(inside_s, phase.state)
            at_s += phase.duration_s
