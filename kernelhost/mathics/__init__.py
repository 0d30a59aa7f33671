"""The embedded kernel: Mathics3 as a WSTP program of its own.

``python -m kernelbus.kernelhost.mathics -wstp -linkmode connect -linkprotocol TCPIP -linkname
port@host`` connects to the listener at that address and serves the packets of PROTOCOL.md section
8. The package imports ``wstp``, Mathics3 and parts of :mod:`kernelbus.kernelhost.process`, and
never ``bus``: a kernel knows nothing of pools.

Rooms, in the order in which one may import another:

``forms``
    Values and text: conversion between ``wstp`` and Mathics3, InputForm, OutputForm. No links, no
    packets; nothing is evaluated but a user's Format rules and Mathics3's own printing.
``engine``
    The second engine, Woxi, in a process of its own.
``library``
    What is added to Mathics3 and corrected in it.
``links``
    Links that kernel code opens, and the programs that it installs.
``parallel``
    Kernels of the server that work for this one.
``evaluation``
    One evaluation: loading Mathics3, interrupts, memory limit, output, result.
``packets``
    The protocol: the thread that reads the link, the main loop, dialogs.
``start``
    The command line, serving one link, initialisation, forking.

Begin reading at ``start.run``, then ``start.server``, ``packets.mainloop`` and
``evaluation.evaluator``.
"""

import os

__all__: list[str] = []

# Set this before numpy is imported: a kernel has no use for its threads, and a parent that forks
# kernels must have one thread only.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
