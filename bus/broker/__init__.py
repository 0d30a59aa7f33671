"""The broker: it knows the parts, routes frames between them, and assigns kernels to clients.

``machine`` decides, over the state in ``tables`` and ``sessions``; ``administration`` carries out
orders of administrators and ``status`` describes the state; these five hold no socket, clock or
file. ``server`` does the I/O and ``journal`` keeps the sessions on disk. The room may import every
other room of the bus; nothing in the bus imports it. Begin with ``machine``.
"""
