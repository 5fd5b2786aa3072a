"""Bounds on each road's objective for many ranges of z at once, whatever its speeds and method."""

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np

from traffic.bandwidth.chains import FixedLines
from traffic.bandwidth.problem import ALWAYS_GREEN, Floats, Method, Road
from traffic.bandwidth.reach import Reach
from traffic.bandwidth.tents import Boxes, Tents

# Steps of the outbound band at which the inbound one is bounded when both are not equal.
SLICES = 8
# Phases at which a plan is looked for.
PHASES = 96


class Limits(Protocol):
    """Bounds of one road's objective; ``reach_s`` is how fast phases move with z (0: never)."""

    reach_s: float

    def most(self, z0: Floats, z1: Floats) -> Floats:
        """Bound the objective in each range [z0, z1], (m,); negative where no band exists."""


def cheapest(road: Road, method: Method) -> float:
    """Bound the objective by the greens alone, at any cycle."""
    if method == "maxband":
        return road.value(float(road.green_out.min()), float(road.green_in.min()))
    sides = (road.green_out, road.weight_out), (road.green_in, road.weight_in)
    return float(sum(np.minimum(green[1:], green[:-1]) @ weight for green, weight in sides))


def limits_of(road: Road, method: Method, over: Callable[[], bool] = lambda: False) -> Limits:
    """Choose the bound that suits a road; ``over`` says when a cheaper one must do."""
    if method == "maxband":
        if road.direction != "both":
            return OneWay(road)
        return FixedSpeed(road) if road.speeds_fixed else FreeSpeed(road)
    if method == "multiband" and road.direction == "both" and road.speeds_fixed:
        return FixedLines(road, cheapest(road, method), over)
    return Links(road)


class OneWay:
    """One direction alone: every offset can serve it, so the shortest green is the band."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self.reach_s = 0.0

    def most(self, z0: Floats, z1: Floats) -> Floats:
        """Bound the objective in each range."""
        del z1
        road = self.road
        out = road.direction == "out"
        green = road.green_out if out else road.green_in
        queue_s = road.queue_out_s if out else road.queue_in_s
        room = green - queue_s * z0[:, None]
        room[:, green >= ALWAYS_GREEN] = 1.0
        least: Floats = room.min(axis=1)
        return least


class Links:
    """A link's band is no wider than the shorter green at its ends."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self.reach_s = 0.0

    def most(self, z0: Floats, z1: Floats) -> Floats:
        """Bound the objective in each range."""
        del z1
        road = self.road
        total = np.zeros(z0.size)
        for green, queue_s, weight in (
            (road.green_out, road.queue_out_s, road.weight_out),
            (road.green_in, road.queue_in_s, road.weight_in),
        ):
            room = green - queue_s * z0[:, None]
            room[:, green >= ALWAYS_GREEN] = 1.0
            total += np.maximum(np.minimum(room[:, 1:], room[:, :-1]), 0.0) @ weight
        return total


class FixedSpeed:
    """Tents over (F, z), F on a grid that is as fine as the range of z makes sense."""

    def __init__(self, road: Road) -> None:
        self.tents = Tents(road)
        self.reach_s = self.tents.reach_s

    def most(self, z0: Floats, z1: Floats) -> Floats:
        """Bound the objective in each range."""
        widest = float((z1 - z0).max()) if z0.size else 0.0
        moved = self.reach_s * widest
        count = int(np.clip(math.ceil(2 / max(moved, 1e-9)), 16, 96))
        f = (np.arange(count) + 0.5) / count
        shape = (z0.size, count)
        boxes = Boxes(
            np.broadcast_to(f, shape).ravel(),
            np.broadcast_to(((z0 + z1) / 2)[:, None], shape).ravel(),
            np.full(z0.size * count, 0.5 / count),
            np.broadcast_to(((z1 - z0) / 2)[:, None], shape).ravel(),
        )
        most: Floats = self.tents.value(boxes, slack=True).reshape(shape).max(axis=1)
        return most

    def peak(self, z0: float, z1: float) -> tuple[float, float]:
        """Value the best phase in the middle of a range of z, and say which it is."""
        f = (np.arange(PHASES) + 0.5) / PHASES
        none = np.zeros(PHASES)
        value = self.tents.value(Boxes(f, np.full(PHASES, (z0 + z1) / 2), none, none), slack=False)
        top = int(value.argmax())
        return float(value[top]), float(f[top])


class FreeSpeed:
    """Walks from arc to arc."""

    def __init__(self, road: Road) -> None:
        self.reach = Reach(road)
        self.road = road
        self.reach_s = float((self.reach.long_s - self.reach.short_s).mean())

    def most(self, z0: Floats, z1: Floats) -> Floats:
        """Bound the objective in each range."""
        if self.road.inbound_weight == 1:
            return 2 * self.reach.most_equal(z0, z1, np.ones_like(z0))
        caps = self.reach.caps(z0)
        best = np.full(z0.shape, -1.0)
        for k in range(SLICES):
            low, high = caps[:, 0] * k / SLICES, caps[:, 0] * (k + 1) / SLICES
            bb = self.reach.most_in(z0, z1, low, caps[:, 1])
            value = np.array(
                [self.road.value(h, w) if w >= 0 else -1.0 for h, w in zip(high, bb, strict=True)]
            )
            best = np.maximum(best, value)
        return best
