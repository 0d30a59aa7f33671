"""Kernels for Python programs: `Session`, one kernel, and `KernelPool`, an executor over several.

``session`` is one kernel with its state, and ``default`` the one of `kernelbus.evaluate`;
``attaching`` goes back to a kernel that exists, and ``missed`` is what it said meanwhile.
``kernelpool`` is the executor, ``crew`` its threads (one for each kernel, all fed from one queue).
``asynchronous`` has both for asyncio. They stand on ``kernellink``, one kernel over one blocking
link; ``said`` has messages and errors. ``values`` makes expressions of Python values and back, with
``numbers``, ``dates``, ``frames``, ``images`` and ``picture`` for the rarer ones. `kernelbus`
offers the public names. The room may import `wstp` and the room of the clients. Begin reading at
``session``.
"""
