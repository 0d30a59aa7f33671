"""Discovery by DNS-SD over multicast DNS: advertising servers, pools and brokers, and finding them.

``services`` decides what is announced and where; ``found`` decides what can be believed of what
others announce; both are plain functions. ``advertise`` announces and ``browse`` listens;
``adapters`` lists this machine's network interfaces. The room imports ``kernelbus.bus.protocol``
(the status of pools), zeroconf and ifaddr. Importing ``advertise`` or ``browse`` loads zeroconf, so
only a process that advertises or looks for servers imports them, and only when it begins to. Begin
with ``services``.
"""
