"""Kernels for Python programs: `KernelPool`, an executor over several, and `connect`, one session.

``kernelpool`` is the executor, ``crew`` its threads (one for each kernel, all fed from one queue),
``kernellink`` one kernel over one blocking link, ``session`` a single kernel with its state, and
``values`` the Python values. `kernelbus` offers their public names. The room may import `wstp`, and
no other room of the shell. Begin reading at ``kernelpool``.
"""
