"""The embedded kernel: Mathics3 as a WSTP program of its own.

``python -m kernelbus.kernelhost.mathics -wstp -linkmode connect -linkprotocol TCPIP -linkname
port@host`` connects to whoever listens there and serves the packets of PROTOCOL.md section 8. It
uses ``wstp`` and never ``bus``: a kernel knows nothing of pools.

What each module may know:

========================== ================================================================================
``options``                the command line
``reals``, ``inputform``   numbers and expressions as text; no links, no evaluation
``convert``                expressions of ``wstp`` to and from those of Mathics3
``startup``                loads Mathics3 and mends it; makes no thread, link or signal handler
``identity``               what makes forked kernels different from each other
``interrupts``             the one place that raises exceptions in a running evaluation
``terminal``               ``Input``, ``Dialog`` and their like, and standard output, in terms of a client; no links, no packets
``evaluator``              one evaluation: its output as it happens, its result whatever happens
``packets``                the names of packets, and what they carry
``dialogs``                the client that evaluations ask: questions, dialogs and the interrupt menu as packets
``mainloop``               packets in, packets out; knows a link only as something to put expressions on
``intake``                 the thread that reads the link, and what arrives in which order
``server``                 joins them for one link, and the exit statuses
``preparation``            a pool's initialisation, run in a parent before it forks
``nursery``                that parent: it forks kernels; no thread, loop or link of its own
========================== ================================================================================
"""

import os

__all__: list[str] = []

# Before numpy is imported: its threads would be of no use here, and must not exist where a kernel
# is forked.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
