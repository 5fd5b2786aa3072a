"""Reads a SUMO network (``.net.xml``, also gzipped) into a road graph."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml import sax
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

import pyproj

from traffic.errors import InvalidInputError
from traffic.network import Connection, Junction, Movement, RoadEdge, RoadGraph
from traffic.signals import CROSSING, Phase, Program, Signal, SignalLink

CAR = "passenger"
LonLat = Callable[[float, float], tuple[float | None, float | None]]


def read_network(path: Path) -> RoadGraph:
    """Read a network.

    Edges that no car may use are left out of the graph; their signal links stay. Rail signals
    get the kind ``rail``.

    Raises
    ------
    InvalidInputError
        The file is missing, no SUMO network, broken or contradictory; ``where`` is FILE:LINE.
    """
    handler = _NetHandler(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            sax.parse(stream, handler)
    except sax.SAXParseException as error:
        where = f"{path}:{error.getLineNumber()}"
        raise InvalidInputError(f"not well-formed XML: {error.getMessage()}", where=where) from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInputError(f"cannot be read: {reason}", where=str(path)) from None
    if not handler.is_net:
        raise InvalidInputError("no <net> element; expected a SUMO network", where=str(path))
    try:
        return _Builder(handler).build()
    except InvalidInputError as error:
        if error.where.startswith(str(path)):
            raise
        raise InvalidInputError(str(error), where=str(path)) from None


@dataclass(slots=True)
class _Row:
    """An element with its attributes, its line and the elements inside it."""

    tag: str
    line: int
    attributes: Mapping[str, str]
    rows: list["_Row"] = field(default_factory=list)


class _NetHandler(ContentHandler):
    """Collects the elements that matter, each with its line."""

    WANTED = frozenset({"edge", "junction", "connection", "tlLogic", "location"})
    INNER = frozenset({"lane", "param", "request", "phase"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.is_net = False
        self.rows: dict[str, list[_Row]] = {tag: [] for tag in self.WANTED}
        self._outer: _Row | None = None
        self._depth = 0
        self._locator: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self._depth += 1
        line = (self._locator.getLineNumber() or 0) if self._locator else 0
        if self._depth == 1:
            if name != "net":
                raise InvalidInputError(
                    f"<{name}>; expected <net>, a SUMO network", where=f"{self.path}:{line}"
                )
            self.is_net = True
        elif self._depth == 2 and name in self.WANTED:
            self._outer = _Row(name, line, dict(attrs.items()))
            self.rows[name].append(self._outer)
        elif self._depth == 3 and name in self.INNER and self._outer is not None:
            self._outer.rows.append(_Row(name, line, dict(attrs.items())))

    def endElement(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 1:
            self._outer = None


class _Builder:
    """Turns the collected elements into a graph."""

    def __init__(self, net: _NetHandler) -> None:
        self._net = net
        self._path = net.path
        self._lon_lat = self._projection()
        # Length of each lane, internal ones and crossings too.
        self._lane_length_m: dict[str, float] = {}
        self._edges: dict[str, RoadEdge] = {}
        self._edge_names: dict[str, str] = {}
        # Internal lane -> (junction, index in the junction's request matrix).
        self._request_of: dict[str, tuple[str, int]] = {}
        # (junction, request index) -> request indices that conflict.
        self._foes: dict[tuple[str, int], frozenset[int]] = {}
        # The same for those that have the right of way over it.
        self._prior: dict[tuple[str, int], frozenset[int]] = {}
        self._lane_speed_mps: dict[str, float] = {}
        # Internal lane -> the internal lane behind it.
        self._goes_on: dict[str, str] = {}
        self._rail: set[str] = set()

    def build(self) -> RoadGraph:
        """Return the graph."""
        junctions = self._junctions()
        for row in self._net.rows["edge"]:
            self._edge(row)
        for row in self._net.rows["connection"]:
            start = self._text(row, "from")
            if start.startswith(":") and "via" in row.attributes:
                self._goes_on[f"{start}_{self._text(row, 'fromLane')}"] = row.attributes["via"]
        movements = self._movements()
        signals = self._signals(junctions)
        return RoadGraph(
            tuple(junctions.values()),
            tuple(self._edges.values()),
            movements,
            signals,
            self._connections(),
        )

    def _text(self, row: _Row, key: str) -> str:
        if key not in row.attributes:
            name = row.attributes.get("id", "")
            self._fail(row, f"<{row.tag} {name}> has no {key}".replace(" >", ">"))
        return row.attributes[key]

    def _number(self, row: _Row, key: str, *, least: float | None = None) -> float:
        text = self._text(row, key)
        try:
            value = float(text)
        except ValueError:
            self._fail(row, f"{key}={text!r}; expected a number")
        if value != value or (least is not None and value < least):
            self._fail(row, f"{key}={text!r}; expected at least {least}")
        return value

    def _index(self, row: _Row, key: str) -> int:
        text = self._text(row, key)
        if not text.isdigit():
            self._fail(row, f"{key}={text!r}; expected a whole number from 0")
        return int(text)

    def _fail(self, row: _Row, message: str) -> None:
        raise InvalidInputError(message, where=f"{self._path}:{row.line}")

    def _projection(self) -> LonLat:
        rows = self._net.rows["location"]
        text = rows[0].attributes.get("projParameter", "!") if rows else "!"
        if text in {"!", "-", "."}:
            return lambda x_m, y_m: (None, None)
        offset = self._text(rows[0], "netOffset").split(",")
        try:
            dx_m, dy_m = (float(part) for part in offset)
            projection = pyproj.Proj(text)
        except (ValueError, pyproj.exceptions.CRSError) as error:
            raise InvalidInputError(
                f"unusable projection: {error}", where=f"{self._path}:{rows[0].line}"
            ) from None

        def lon_lat(x_m: float, y_m: float) -> tuple[float, float]:
            lon, lat = projection(x_m - dx_m, y_m - dy_m, inverse=True)
            return float(lon), float(lat)

        return lon_lat

    def _junctions(self) -> dict[str, Junction]:
        junctions: dict[str, Junction] = {}
        for row in self._net.rows["junction"]:
            kind = row.attributes.get("type", "")
            if kind == "internal":
                continue
            junction_id = self._text(row, "id")
            x_m, y_m = self._number(row, "x"), self._number(row, "y")
            junctions[junction_id] = Junction(junction_id, x_m, y_m, *self._lon_lat(x_m, y_m))
            if kind.startswith("rail"):
                self._rail.add(junction_id)
            for k, lane in enumerate(row.attributes.get("intLanes", "").split()):
                self._request_of[lane] = (junction_id, k)
            for request in row.rows:
                if request.tag == "request":
                    place = (junction_id, self._index(request, "index"))
                    self._foes[place] = _ones(self._text(request, "foes"))
                    self._prior[place] = _ones(request.attributes.get("response", ""))
        return junctions

    def _edge(self, row: _Row) -> None:
        edge_id = self._text(row, "id")
        lanes = [inner for inner in row.rows if inner.tag == "lane"]
        for lane in lanes:
            lane_id = self._text(lane, "id")
            self._lane_length_m[lane_id] = self._number(lane, "length", least=0)
            self._lane_speed_mps[lane_id] = self._number(lane, "speed", least=0)
        if row.attributes.get("function", "normal") not in {"normal", "connector"}:
            return
        self._edge_names[edge_id] = row.attributes.get("name", "")
        for_cars = [lane for lane in lanes if _permits_cars(lane.attributes)]
        if not for_cars:
            return
        params = {
            inner.attributes.get("key"): inner.attributes.get("value", "")
            for inner in row.rows
            if inner.tag == "param"
        }
        shape = row.attributes.get("shape") or for_cars[0].attributes.get("shape", "")
        self._edges[edge_id] = RoadEdge(
            id=edge_id,
            from_junction=self._text(row, "from"),
            to_junction=self._text(row, "to"),
            name=self._edge_names[edge_id],
            ref=params.get("ref", ""),
            length_m=max(0.1, self._number(for_cars[0], "length")),
            lanes=len(for_cars),
            speed_limit_mps=max(0.1, max(self._number(lane, "speed") for lane in for_cars)),
            shape=self._shape(row, shape),
        )

    def _shape(self, row: _Row, text: str) -> tuple[tuple[float, float], ...]:
        try:
            points = [tuple(float(part) for part in point.split(",")) for point in text.split()]
            return tuple((point[0], point[1]) for point in points)
        except (ValueError, IndexError):
            self._fail(row, f"shape={text[:40]!r}; expected x,y pairs")
        return ()

    def _movements(self) -> tuple[Movement, ...]:
        lanes: dict[tuple[str, str], dict[str, None]] = {}
        first: dict[tuple[str, str], _Row] = {}
        links: dict[tuple[str, str], set[int]] = {}
        for row in self._net.rows["connection"]:
            turn = (self._text(row, "from"), self._text(row, "to"))
            if turn[0] not in self._edges or turn[1] not in self._edges:
                continue
            first.setdefault(turn, row)
            lanes.setdefault(turn, {})[self._text(row, "fromLane")] = None
            if "tl" in row.attributes:
                links.setdefault(turn, set()).add(self._index(row, "linkIndex"))
        return tuple(
            Movement(
                from_edge=turn[0],
                to_edge=turn[1],
                direction=first[turn].attributes.get("dir", "s"),
                from_lanes=tuple(sorted(int(lane) for lane in lanes[turn])),
                signal_id=first[turn].attributes.get("tl"),
                link_indices=tuple(sorted(links.get(turn, ()))),
            )
            for turn in first
        )

    def _ways(self, via: str) -> tuple[str, ...]:
        """Follow a way over the places where its drivers wait inside the junction.

        A junction's request matrix names the last of these internal lanes.
        """
        ways = [via] if via else []
        while ways and (after := self._goes_on.get(ways[-1])) is not None and after not in ways:
            ways.append(after)
        return tuple(ways)

    def _connections(self) -> tuple[Connection, ...]:
        """Ways from lane to lane for cars, each with the ways that it meets."""
        rows = [
            row
            for row in self._net.rows["connection"]
            if row.attributes["from"] in self._edges and row.attributes["to"] in self._edges
        ]
        at: dict[tuple[str, int], int] = {}
        for k, row in enumerate(rows):
            ways = self._ways(row.attributes.get("via", ""))
            if ways and ways[-1] in self._request_of:
                at[self._request_of[ways[-1]]] = k
        return tuple(self._connection(row, at) for row in rows)

    def _connection(self, row: _Row, at: Mapping[tuple[str, int], int]) -> Connection:
        ways = self._ways(row.attributes.get("via", ""))
        place = self._request_of.get(ways[-1] if ways else "", ("", -1))

        def met(others: frozenset[int]) -> frozenset[int]:
            return frozenset(at[place[0], k] for k in others if (place[0], k) in at)

        limit_mps = self._edges[row.attributes["from"]].speed_limit_mps
        return Connection(
            from_edge=row.attributes["from"],
            from_lane=self._index(row, "fromLane"),
            to_edge=row.attributes["to"],
            to_lane=self._index(row, "toLane"),
            direction=row.attributes.get("dir", "s"),
            signal_id=row.attributes.get("tl"),
            link_index=self._index(row, "linkIndex") if "tl" in row.attributes else -1,
            length_m=max(0.1, sum(self._lane_length_m.get(way, 0.0) for way in ways)),
            speed_mps=max(
                0.1, min([self._lane_speed_mps.get(way, limit_mps) for way in ways] or [limit_mps])
            ),
            yields_to=met(self._prior.get(place, frozenset())),
            foes=met(self._foes.get(place, frozenset())),
        )

    def _signals(self, junctions: Mapping[str, Junction]) -> tuple[Signal, ...]:
        rows: dict[str, list[_Row]] = {}
        for row in self._net.rows["connection"]:
            if "tl" in row.attributes:
                rows.setdefault(row.attributes["tl"], []).append(row)
        programs: dict[str, list[Program]] = {}
        for row in self._net.rows["tlLogic"]:
            programs.setdefault(self._text(row, "id"), []).append(self._program(row))
        return tuple(
            self._signal(signal_id, rows.get(signal_id, []), programs.get(signal_id, []), junctions)
            for signal_id in dict.fromkeys([*programs, *rows])
        )

    def _program(self, row: _Row) -> Program:
        phases = []
        for inner in row.rows:
            if inner.tag != "phase":
                continue
            least = inner.attributes.get("minDur")
            try:
                phases.append(
                    Phase(
                        self._number(inner, "duration"),
                        self._text(inner, "state"),
                        self._number(inner, "minDur", least=0) if least is not None else None,
                    )
                )
            except InvalidInputError as error:
                if error.where.startswith(str(self._path)):
                    raise
                self._fail(inner, str(error))
        if len({len(phase.state) for phase in phases}) > 1:
            self._fail(row, f"phases of {self._text(row, 'id')} differ in their number of links")
        # "begin" ties a program to the start of a simulation; on the street there is none.
        has_offset = row.attributes.get("offset", "begin") != "begin"
        return Program(
            id=row.attributes.get("programID", ""),
            phases=tuple(phases),
            offset_s=self._number(row, "offset") if has_offset else 0.0,
            kind=row.attributes.get("type", "static"),
        )

    def _signal(
        self,
        signal_id: str,
        rows: list[_Row],
        programs: list[Program],
        junctions: Mapping[str, Junction],
    ) -> Signal:
        links: list[SignalLink] = []
        # Where each link stands in the request matrix of its junction.
        places: list[tuple[int, str, int]] = []
        for row in rows:
            link = self._link(row)
            links.append(link)
            ways = self._ways(row.attributes.get("via", ""))
            lane = ways[-1] if ways else f"{link.to_edge}_{link.to_lane}"
            if lane in self._request_of:
                places.append((link.index, *self._request_of[lane]))
        widths = [len(phase.state) for program in programs for phase in program.phases[:1]]
        count = max([*widths, *(link.index + 1 for link in links), 1])
        foes = _met(places, self._foes, count)
        homes = dict.fromkeys(junction for _, junction, _ in places)
        found = [junctions[home] for home in homes if home in junctions]
        return Signal(
            id=signal_id,
            name=self._signal_name(links) or signal_id,
            lon=_mean([home.lon for home in found]),
            lat=_mean([home.lat for home in found]),
            links=tuple(sorted(links, key=lambda link: (link.index, link.from_edge))),
            foes=foes,
            programs=tuple(programs),
            kind="rail" if not programs or homes.keys() & self._rail else "road",
            yields_to=_met(places, self._prior, count),
        )

    def _link(self, row: _Row) -> SignalLink:
        to_edge, to_lane = self._text(row, "to"), self._index(row, "toLane")
        crossing_lane = f"{to_edge}_{to_lane}"
        is_crossing = to_edge.startswith(":") and crossing_lane in self._request_of
        way = crossing_lane if is_crossing else row.attributes.get("via", "")
        return SignalLink(
            index=self._index(row, "linkIndex"),
            from_edge=self._text(row, "from"),
            to_edge=to_edge,
            from_lane=self._index(row, "fromLane"),
            to_lane=to_lane,
            direction=CROSSING if is_crossing else row.attributes.get("dir", "?"),
            length_m=self._lane_length_m.get(way, 0.0),
        )

    def _signal_name(self, links: list[SignalLink]) -> str:
        names = (self._edge_names.get(link.from_edge, "") for link in links)
        return "/".join(sorted({name for name in names if name}))


def _ones(bits: str) -> frozenset[int]:
    """Places of the ones in a row of a request matrix, which is written from the right."""
    return frozenset(k for k, bit in enumerate(reversed(bits)) if bit == "1")


def _permits_cars(lane: Mapping[str, str]) -> bool:
    if "allow" in lane:
        return bool({CAR, "all", "private"} & set(lane["allow"].split()))
    return not {CAR, "all"} & set(lane.get("disallow", "").split())


def _met(
    places: list[tuple[int, str, int]],
    matrix: Mapping[tuple[str, int], frozenset[int]],
    count: int,
) -> tuple[frozenset[int], ...]:
    """For each link index, the other indices that its rows of the matrices name."""
    met: list[set[int]] = [set() for _ in range(count)]
    for index, junction, place in places:
        named = matrix.get((junction, place), frozenset())
        met[index].update(
            other
            for other, other_junction, other_place in places
            if other_junction == junction and other_place in named and other != index
        )
    return tuple(frozenset(group) for group in met)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
