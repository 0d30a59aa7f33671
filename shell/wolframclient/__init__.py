"""The evaluators of `wolframclient`, with kernels of a server in the place of local ones.

``serializer`` makes expressions of `wstp` with wolframclient's own encoders, ``tokens`` gives
results to wolframclient's own consumers, ``result`` is the outcome of an evaluation, ``placing``
says which server is meant, ``controller`` runs one kernel in a thread, ``session`` and ``pool`` are
the classes that programs use; `kernelbus.wolframclient` offers them. The room may import `wstp`,
the room ``pool`` of the shell, and of the room ``clients`` its files of code. Begin reading at
``session``.
"""
