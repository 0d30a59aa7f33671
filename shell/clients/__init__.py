"""The clients that people use at a terminal or in scripts: eval, repl, connect, discover.

``choice`` decides which kernel is meant (a fresh one, a named one, or a profile's) and attaches it;
``session`` is the link with that kernel, which counts its packets, and ``profile`` keeps the count.
``eval``, ``repl`` and ``connect`` stand on these. The room may import `wstp`, the discovery of the
frontend and the bus's settings, and no other room of the shell. Begin reading at ``choice``.
"""
