"""kernelbus: a server for long-lived Wolfram Language kernels, and what Python programs use of it.
"""
