"""Kernel processes: finding the program, starting or forking it, initialising it, and its memory.

The room imports `wstp.expr` and, of `kernelbus.bus`, only `settings`; it knows neither pools nor
sessions. Begin reading at :mod:`kernelbus.kernelhost.process.starting` for any kernel, and at
:mod:`kernelbus.kernelhost.process.nursery` for embedded kernels, which are forked.
"""
