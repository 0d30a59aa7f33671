"""Keys: how machines prove to each other on the bus who they are, and whom a broker admits.

``keys`` holds the two text files of one machine; ``curve`` decides which endpoints need keys and
which keys a part shows; ``zap`` reads and writes ZeroMQ's questions about connections (RFC 27);
``admission`` answers them. The room imports :mod:`kernelbus.bus.settings`,
:mod:`kernelbus.bus.errors` and pyzmq. It opens no socket but to test whether an address is this
machine's: :mod:`kernelbus.bus.transport.zeromq` applies what it decides. Begin with ``curve``.
"""
