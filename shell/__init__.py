"""What people and Python programs use: the `kernelbus` command, and the library behind `kernelbus`.

=============== ============================================================================
``clients``     `kernelbus eval`, `repl`, `connect` and `discover`: one kernel for a person
``jupyter``     `kernelbus jupyter`: the kernel of notebooks
``pool``        `KernelPool` and `connect` for Python programs
``operations``  the server's processes, and `status`, `check-config` and `keys` for operators
``admin``       `kernelbus shell`
=============== ============================================================================

``main`` alone knows the command line and imports all rooms; nothing imports it. Beside the rooms
stand small modules that several of them need (``address``, ``commands``, ``defaults``, ``exits``,
``extras``, ``state``). The part may import all others. Begin reading at ``main``.
"""
