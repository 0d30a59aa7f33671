"""The transports: they carry frames between a part and its broker.

``interface`` is the contract that parts and the broker rely on; ``call`` implements it inside one
process and ``zeromq`` over tcp, ipc and inproc; ``zmqsocket`` runs one ZeroMQ socket in the event
loop. The room imports :mod:`kernelbus.bus.channel.frames`, :mod:`kernelbus.bus.security`,
:mod:`kernelbus.bus.errors` and pyzmq. Begin with ``interface``.
"""
