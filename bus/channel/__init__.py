"""The reliable channel between a client's link and a kernel: ordered bytes over unreliable frames.

``frames`` defines the unit that travels on the bus and its 64-byte header; ``channel`` is the state
machine of one end and does no I/O, ``pace`` keeps the queue before a slow reader short;
``multiplexer`` joins all channels of a part to the event loop and to a transport. The room imports
:mod:`kernelbus.bus.errors` and the standard library only. Begin with ``channel``.
"""
