"""Who may call what, and how a caller proves who he is.

- ``callers``: roles, and what is a caller's own.
- ``tokens``, ``token_file``: bearer tokens, kept as digests; the file that they are kept in.
- ``access``: the one table of who may make which call, on what, how large and how long.
- ``ownership``: whether what a request names is the caller's own.
- ``rates``: how often. ``certificates``: TLS, taken anew when the files change.
"""
