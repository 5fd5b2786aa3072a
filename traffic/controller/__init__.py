"""A signal controller, second by second: what its lamps show, and what it does without a server.

Pure code: the clock, the link and the lamps belong to whoever steps it (``traffic/client``,
``scenarios``).
"""
