"""The second engine: Woxi, in a process of its own, answers what Mathics3 lacks.

``talk`` has the bytes between a kernel and its engine, and reads prints and messages out of what
the engine writes. ``filter`` makes the filter of system calls that confines the engine.
``program`` is what runs in the engine's process; ``process`` starts it, asks it, and kills it.
This room imports :mod:`kernelbus.kernelhost.process.tree` and no other room. Begin reading at
``process``.
"""
