"""Whether a concurrent history could have happened one call after the other.

Wing and Gong's search (1993) with Lowe's memory of configurations already seen (2017): choose a
call that no unfinished call precedes, apply it to the model, go on; go back where the model does
not give the answer that was observed. A call whose answer was never seen may have happened at any
time after it was made, or not at all.
"""

import itertools
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

State = Hashable
Step = Callable[[Any, Any, Any], Sequence[Any]]
"""``step(state, call, answer)``: the states that the model may be in after the call, if it answers
so; none = it cannot. ``answer`` None = not seen: all that may follow."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call as its caller saw it: made at ``begin``, answered at ``end``.

    Times are of one clock, in any unit. ``end`` None = never answered.
    """

    call: Any
    answer: Any
    begin: int
    end: int | None


def is_linearizable(history: Sequence[Operation], initial: State, step: Step) -> bool:
    """Tell whether a history has an order that the model allows and that real time allows."""
    operations = sorted(history, key=lambda operation: operation.begin)
    everything = (1 << len(operations)) - 1
    must = sum(1 << k for k, operation in enumerate(operations) if operation.end is not None)
    seen: set[tuple[int, State]] = set()
    stack = [(0, initial)]
    while stack:
        done, state = stack.pop()
        if done & must == must:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        open_ends = [
            operation.end
            for k, operation in enumerate(operations)
            if not done >> k & 1 and operation.end is not None
        ]
        earliest_end = min(open_ends, default=None)
        for k, operation in enumerate(operations):
            if earliest_end is not None and operation.begin > earliest_end:
                break
            if done >> k & 1:
                continue
            answer = None if operation.end is None else operation.answer
            for after in step(state, operation.call, answer):
                stack.append((done | 1 << k, after))
    return everything == 0


class Recorder:
    """Notes calls as their callers see them, by a counter that all of them share."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._ticks = itertools.count()

    async def note(self, call: Any, work: Awaitable[Any]) -> Any:
        """Note a call and what it is answered."""
        begin = next(self._ticks)
        answer = await work
        self.operations.append(Operation(call, answer, begin, next(self._ticks)))
        return answer

    def told(self) -> str:
        """The history in the order of its calls, one a line: for a test's message."""
        lines = sorted(self.operations, key=lambda operation: operation.begin)
        return "\n".join(f"{o.begin:4} {o.end:4} {o.call} -> {o.answer}" for o in lines)
