"""The control messages: what the parts, the broker and administrators tell each other as JSON.

``messages`` defines what parts and broker exchange, ``reports`` what describes the state of the
server, ``orders`` what an administrator can order; ``schema`` makes and keeps the schema of each,
``codec`` encodes, decodes and checks. ``histogram`` counts latencies and ``naming`` resolves typed
names and ids. The room may import ``errors``, and ``naming`` the settings' schema; it does no I/O.
Begin with ``messages``.
"""
