"""The administrators' shell, `kernelbus shell`, on cmd2.

``app`` runs the lines; ``looking``, ``live`` and ``steering`` are its commands, which see the shell
as ``commands`` describes it. ``targets`` finds what a command is about and says what would be lost,
``names`` completes names, ``parsing`` reads lines and arguments. The room may import the bus's
client and protocol, and ``operations`` for tables and the status. Begin reading at ``app``.
"""
