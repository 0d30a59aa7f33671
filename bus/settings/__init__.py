"""The configuration and the log, which every part reads.

``relaxedjson`` reads the file format; ``schema`` defines the keys and checks their values;
``config`` finds and loads the file and fills in the defaults; ``reload`` compares two
configurations while a part runs; ``logs`` sets up logging. The room imports
:mod:`kernelbus.bus.errors`, the limit of a frame's payload from :mod:`kernelbus.bus.channel.frames`
and marshmallow. Begin with ``config``.
"""
