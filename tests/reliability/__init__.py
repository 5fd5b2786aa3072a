"""Kills, crashes, concurrent histories and load: real servers, real databases.

gRPC's own fork handlers can stop a child that is forked while calls are under way before it comes
to its exec; nothing here forks for anything else.
"""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
