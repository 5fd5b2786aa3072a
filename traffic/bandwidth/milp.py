"""The band models as one mixed-integer program, through OR-Tools MathOpt.

Little (1966) and Little, Kelson & Gartner (1981): MAXBAND. Gartner et al. (1991): MULTIBAND. Zhang
et al. (2015): AM-BAND. All in cycles, z = 1/C. The front of a band (MAXBAND) or the progression
line (the others) passes signal i when its outbound green is x_i old, and its inbound green y_i;
phi_i = delta_i + y_i - x_i is then by how much the inbound line passes later than the outbound
one, delta_i the same of the greens. From link to link

    phi_{i+1} = phi_i - (t_i + tt_i) + (tau_{i+1} + ttau_i) z + m_i,    m_i integer,

which is Little's loop equation. Where roads share junctions these get offsets on the common clock,
and one more integer for each stretch of a road between two of them closes all loops.
"""

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ortools.math_opt.python import mathopt

from traffic.bandwidth.problem import ALWAYS_GREEN, Problem, Road

# A linear expression of MathOpt, which does not type its arithmetic.
Linear: TypeAlias = Any
Span = tuple[float, float]


@dataclass(slots=True)
class RoadVariables:
    """The variables of one road, by signal or link."""

    t_out: list[mathopt.Variable] = field(default_factory=list)
    t_in: list[mathopt.Variable] = field(default_factory=list)
    x: list[mathopt.Variable] = field(default_factory=list)
    y: list[mathopt.Variable] = field(default_factory=list)
    choice: list[list[mathopt.Variable]] = field(default_factory=list)
    delta: list[Linear] = field(default_factory=list)
    turns: list[mathopt.Variable] = field(default_factory=list)
    # (before the line, after it) out and in: one pair for MAXBAND (before = 0), else one a link.
    band_out: list[tuple[Linear, mathopt.Variable]] = field(default_factory=list)
    band_in: list[tuple[Linear, mathopt.Variable]] = field(default_factory=list)


class BandModel:
    """The program of a problem over a range of z; more constraints may be added to ``model``.

    Parameters
    ----------
    problem
        What to maximise.
    z
        Range of 1 / cycle; None = the problem's.
    """

    def __init__(self, problem: Problem, z: Span | None = None) -> None:
        self.problem = problem
        self.model = mathopt.Model(name=problem.method)
        self.span = z if z is not None else problem.z
        self.z = self.model.add_variable(lb=self.span[0], ub=self.span[1], name="z")
        self.roads = [self._road(road) for road in problem.roads]
        shared = problem.shared()
        self.offset = {j: self.model.add_variable(lb=0.0, ub=1.0) for j in shared}
        self.stretches: dict[tuple[int, int], mathopt.Variable] = {}
        for r, road in enumerate(problem.roads):
            self._join(r, road, [i for i, j in enumerate(road.junction) if j in shared])
        self.values = [
            self._objective(road, variables)
            for road, variables in zip(problem.roads, self.roads, strict=True)
        ]
        self.model.maximize(mathopt.fast_sum(self.values))

    def integers(self) -> list[mathopt.Variable]:
        """All integer variables, in an order that depends on the problem alone."""
        found: list[mathopt.Variable] = []
        for variables in self.roads:
            found += [variable for pick in variables.choice for variable in pick]
            found += variables.turns
        return found + list(self.stretches.values())

    def _road(self, road: Road) -> RoadVariables:
        variables = RoadVariables()
        self._times(road, variables)
        self._bands(road, variables)
        for i in range(road.n):
            self._signal(road, variables, i)
        for i in range(road.n - 1):
            self._turn(road, variables, i)
        return variables

    def _times(self, road: Road, variables: RoadVariables) -> None:
        """Travel times between fastest and slowest, neighbours alike enough."""
        model, z = self.model, self.z
        sides = (
            (variables.t_out, road.fast_out_s, road.slow_out_s),
            (variables.t_in, road.fast_in_s, road.slow_in_s),
        )
        for times, fast_s, slow_s in sides:
            for fast, slow in zip(fast_s, slow_s, strict=True):
                t = model.add_variable(lb=fast * self.span[0], ub=slow * self.span[1])
                if fast == slow:
                    model.add_linear_constraint(t == fast * z)
                else:
                    model.add_linear_constraint(t >= fast * z)
                    model.add_linear_constraint(t <= slow * z)
                times.append(t)
            if math.isfinite(road.change_s_per_m):
                slowness = [t / length for t, length in zip(times, road.length_m, strict=True)]
                for a, b in itertools.pairwise(slowness):
                    model.add_linear_constraint(b - a <= road.change_s_per_m * z)
                    model.add_linear_constraint(a - b <= road.change_s_per_m * z)

    def _bands(self, road: Road, variables: RoadVariables) -> None:
        count = 1 if self.problem.method == "maxband" else road.n - 1
        for bands in (variables.band_out, variables.band_in):
            for _ in range(count):
                after = self.model.add_variable(lb=0, ub=1)
                before: Linear = 0.0
                if self.problem.method == "multiband":
                    before = after
                elif self.problem.method == "amband":
                    before = self.model.add_variable(lb=0, ub=1)
                if self.problem.method != "maxband":
                    # No band is wider than the cycle, where greens never end either.
                    self.model.add_linear_constraint(before + after <= 1)
                bands.append((before, after))

    def _signal(self, road: Road, variables: RoadVariables, i: int) -> None:
        """Place the lines of one signal within its greens, with the bands of its links."""
        model, z = self.model, self.z
        pick = [model.add_binary_variable() for _ in road.starts[i]]
        model.add_linear_constraint(mathopt.fast_sum(pick) == 1)
        variables.choice.append(pick)
        deltas = [back - out for out, back in road.starts[i]]
        variables.delta.append(mathopt.fast_sum(p * d for p, d in zip(pick, deltas, strict=True)))
        count = len(variables.band_out)
        links = {0} if count == 1 else {max(0, i - 1), min(i, count - 1)}
        sides = (
            (variables.x, road.green_out[i], road.queue_out_s[i], variables.band_out),
            (variables.y, road.green_in[i], road.queue_in_s[i], variables.band_in),
        )
        for counts, (lines, green, queue_s, bands) in zip(road.counts, sides, strict=True):
            line = model.add_variable(lb=0.0, ub=1.0)
            lines.append(line)
            if not counts or green >= ALWAYS_GREEN:
                continue
            line.upper_bound = green
            for link in sorted(links):
                before, after = bands[link]
                if self.problem.method != "maxband":
                    model.add_linear_constraint(line - before >= 0)
                model.add_linear_constraint(line + after + queue_s * z <= green)

    def _turn(self, road: Road, variables: RoadVariables, i: int) -> None:
        """Write the loop equation of link ``i``, its integer as tight as the bounds allow."""
        queue_s = float(road.queue_out_s[i + 1] + road.queue_in_s[i])
        low, high = self._phase(road, variables, i)
        low_next, high_next = self._phase(road, variables, i + 1)
        steps = [(road.fast_out_s[i] + road.fast_in_s[i] - queue_s) * end for end in self.span] + [
            (road.slow_out_s[i] + road.slow_in_s[i] - queue_s) * end for end in self.span
        ]
        least = math.ceil(low_next - high + min(steps) - 1e-9)
        most = math.floor(high_next - low + max(steps) + 1e-9)
        # Where no turn fits the equation cannot hold, which is for the solver to say.
        turns = self.model.add_integer_variable(lb=least, ub=max(least, most))
        variables.turns.append(turns)
        self.model.add_linear_constraint(
            variables.delta[i + 1] + variables.y[i + 1] - variables.x[i + 1]
            == variables.delta[i]
            + variables.y[i]
            - variables.x[i]
            - variables.t_out[i]
            - variables.t_in[i]
            + queue_s * self.z
            + turns
        )

    def _phase(self, road: Road, variables: RoadVariables, i: int) -> Span:
        deltas = [back - out for out, back in road.starts[i]]
        return (
            min(deltas) - variables.x[i].upper_bound,
            max(deltas) + variables.y[i].upper_bound,
        )

    def _join(self, r: int, road: Road, shared: list[int]) -> None:
        """Tie the offsets of the junctions that a road shares, one after the other."""
        variables = self.roads[r]
        for i, j in itertools.pairwise(shared):
            travel = mathopt.fast_sum(variables.t_out[i:j])
            queue_s = float(road.queue_out_s[i + 1 : j + 1].sum())
            turns = self.model.add_integer_variable(lb=-math.inf)
            fast, slow = road.fast_out_s[i:j].sum(), road.slow_out_s[i:j].sum()
            turns.lower_bound = math.floor((fast - queue_s) * self.span[0]) - 5
            turns.upper_bound = math.ceil(slow * self.span[1]) + 5
            self.stretches[r, i] = turns
            self.model.add_linear_constraint(
                self._green_out(r, road, j) + variables.x[j] + turns
                == self._green_out(r, road, i) + variables.x[i] + travel - queue_s * self.z
            )

    def _green_out(self, r: int, road: Road, i: int) -> Linear:
        """When the outbound green of a shared junction begins, up to whole cycles."""
        pick = self.roads[r].choice[i]
        return (
            self.offset[road.junction[i]]
            + road.block[i]
            + mathopt.fast_sum(p * out for p, (out, _) in zip(pick, road.starts[i], strict=True))
        )

    def _objective(self, road: Road, variables: RoadVariables) -> Linear:
        """Weighted value of a road's bands; MAXBAND's ratio of both directions."""
        if self.problem.method != "maxband":
            return road.weight * mathopt.fast_sum(
                weight * (before + after)
                for weights, bands in (
                    (road.weight_out, variables.band_out),
                    (road.weight_in, variables.band_in),
                )
                for weight, (before, after) in zip(weights, bands, strict=True)
                if weight
            )
        b, bb = variables.band_out[0][1], variables.band_in[0][1]
        k = road.inbound_weight
        if road.direction == "out":
            return road.weight * b
        if road.direction == "in":
            return road.weight * bb
        if k == 1:
            self.model.add_linear_constraint(b == bb)
        else:
            self.model.add_linear_constraint((1 - k) * bb - (1 - k) * k * b >= 0)
        return road.weight * (b + k * bb)
