"""The frontend: the link server that WSTP programs connect to.

``server`` accepts links and is a member of the bus; ``link`` is one client's link with its states;
``sieve`` separates commands to the server from expressions for the kernel; ``commands`` and
``answers`` are the command language; ``delivery`` counts what a client has received, ``reader``
guesses what it has read, and ``census`` is what a frontend reports of itself. The room
``discovery`` advertises and finds servers by DNS-SD.
The package imports :mod:`kernelbus.bus` and ``wstp``; only ``discovery`` imports zeroconf and
ifaddr. Begin with ``link``.
"""
