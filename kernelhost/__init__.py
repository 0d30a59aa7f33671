"""The kernel host: pools of kernels, their processes, and the sessions that clients have with them.

A kernel host starts kernels, initialises them, keeps some of them ready, and joins each of them to
the client that the broker names. It may import `wstp` and `kernelbus.bus`.

| room or module | what it holds |
|---|---|
| `host` | one host: carries out what the pools decide and what the broker asks for |
| `kernel` | one kernel: its process and its link, from start to end |
| `pools` | the policy: how many kernels, who gets which, what is counted |
| `process` | kernel processes: starting, forking, initialising, and their memory |
| `session` | what passes between one kernel and its clients, and what is kept of it |
| `administration` | administrators' orders, and reports and traces for the broker |
| `mathics` | the embedded kernel, a WSTP program of its own that knows nothing of the bus |

Rooms depend on each other in one direction: `pools`, `process` and `session` stand side by side,
`kernel` uses `process` and `session`, `administration` uses `kernel` and `pools`, and `host` puts
everything together. `mathics` takes only :mod:`kernelbus.kernelhost.process.initialisation`.
Begin reading at :mod:`kernelbus.kernelhost.host`.
"""
