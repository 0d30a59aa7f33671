"""The pools of one kernel host: how many kernels to keep, who gets which, and what is counted.

Every module here is sans-IO: no process, socket, clock or randomness. Events come in with `now`,
actions go out. The room imports `kernelbus.bus` for the configuration and for the forms of reports,
and nothing else of the kernel host. Begin reading at :mod:`kernelbus.kernelhost.pools.pool`.
"""
