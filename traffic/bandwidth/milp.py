"""The band models as one mixed-integer program with absolute offsets, through OR-Tools MathOpt.

Little (1966), Little, Kelson & Gartner (1981): MAXBAND. Gartner et al. (1991): MULTIBAND. Zhang et
al. (2015): AM-BAND. All in cycles, z = 1/C. Instead of loop equations every signal has the start s
of its block on the common clock, every direction the time u at which its band's front (MAXBAND) or
its progression line passes the signal, and one integer says by how many whole cycles both differ.
Loops of a network close by themselves then.
"""

from dataclasses import dataclass, field

from ortools.math_opt.python import mathopt

ALWAYS_GREEN = 1 - 1e-9


@dataclass(slots=True)
class CorridorVariables:
    """The variables of one corridor."""

    front_out: list[mathopt.LinearTypes] = field(default_factory=list)
    front_in: list[mathopt.LinearTypes] = field(default_factory=list)
    t_out: list[mathopt.Variable] = field(default_factory=list)
    t_in: list[mathopt.Variable] = field(default_factory=list)
    start: list[mathopt.LinearTypes] = field(default_factory=list)
    choice: list[list[mathopt.Variable]] = field(default_factory=list)
    turns_out: list[mathopt.Variable | None] = field(default_factory=list)
    turns_in: list[mathopt.Variable | None] = field(default_factory=list)
    # MAXBAND: one (b, bb). Otherwise for each link (before, after) out and in.
    band: tuple[mathopt.LinearTypes, mathopt.LinearTypes] | None = None
    link_out: list[tuple[mathopt.LinearTypes, mathopt.LinearTypes]] = field(default_factory=list)
    link_in: list[tuple[mathopt.LinearTypes, mathopt.LinearTypes]] = field(default_factory=list)
