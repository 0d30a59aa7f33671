"""Hosts kernels: pools, kernel processes and their links, and the embedded kernel."""
