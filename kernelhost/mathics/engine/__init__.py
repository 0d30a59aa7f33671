"""The second engine: Woxi, in a process of its own, answers what Mathics3 lacks.

``delegation`` gives functions of the language rules that ask the engine; ``names`` reads the tables
that say which. ``sending`` writes an expression as a question,
``reading`` reads the answer. ``process`` starts the engine, asks it, and kills it; ``program`` is
what runs in its process, ``talk`` has the bytes between the two, and ``filter`` makes the filter of
system calls that confines it. This room imports Mathics3, ``forms`` and
:mod:`kernelbus.kernelhost.process.tree`. Begin reading at ``delegation``, or at ``process``.
"""
