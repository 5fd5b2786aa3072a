"""What can be seen of the server from outside: numbers, and the ways of calls.

- ``calls``: the call that is under way, with its request id.
- ``statistics``: how many calls, how they ended, how long they took.
- ``metrics``: all of it for Prometheus. ``tracing``: calls as OpenTelemetry spans, if wanted.
"""
