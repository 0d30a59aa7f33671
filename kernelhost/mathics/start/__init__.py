"""Start and end of a kernel: options, serving one link, initialisation, forking.

``options`` reads the command line. ``run`` is one kernel's process, from its arguments to its exit
status, and ``server`` serves its link. ``nursery`` is the preloaded parent that forks kernels;
``preparation`` runs a pool's initialisation in it. This room imports all other rooms, and
:mod:`kernelbus.kernelhost.process.initialisation`. Begin reading at ``run``.
"""
