"""Parallel computation: ``ParallelTable``, ``LaunchKernels`` and their like.

``workers`` holds the kernels that a kernel has taken from its server for parallel work, and gives
them tasks. ``definitions`` defines there what is defined here. ``functions`` defines the functions
of the language. ``shared`` defines those for symbols that kernels share, which ``sharing`` has the
master keep. This room imports ``wstp``, Mathics3, ``forms``, ``library`` and
``native``, and no other room.
Begin reading at ``workers``.
"""
