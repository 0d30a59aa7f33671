"""Everything a person types: the `kernelbus` command, its clients and operators' tools, and the
pool of kernels for Python programs, which `kernelbus` itself offers as `KernelPool`.
"""
