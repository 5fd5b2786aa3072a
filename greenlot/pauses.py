"""Keeps a server's pauses short: what lives long is not looked at again and again.

Thousands of watchers are hundreds of thousands of objects. A collection that goes through all of
them stops every call; what it has found alive after all is set aside (``gc.freeze``), so that the
next one is short again.
"""

import gc
import sys
import time

SLOW_S = 0.02
"""A collection that took longer sets aside what it left."""
SWITCH_S = 0.001
"""How long a thread may keep others from running: a door that checks thousands of plans does."""


def keep_pauses_short() -> None:
    """Set the process up; call it once, when everything is loaded."""
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    begun = 0.0

    def seen(phase: str, info: dict[str, int]) -> None:
        nonlocal begun
        if info["generation"] == 0:
            return
        if phase == "start":
            begun = time.perf_counter()
        elif time.perf_counter() - begun > SLOW_S:
            gc.freeze()

    gc.callbacks.append(seen)
