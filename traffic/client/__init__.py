"""The client side of ``SignalTimingService``, as a signal controller needs it."""
