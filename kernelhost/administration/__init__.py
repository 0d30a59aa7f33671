"""What a kernel host does for administrators: carry out orders, report its state, and send traces.

The room imports `kernelbus.bus`, `wstp`, and of the kernel host `kernel`, `pools`, `session` and
`process`; it reaches the host through the Protocol
:class:`~kernelbus.kernelhost.administration.orders.OrderedHost` and through callables. Begin
reading at :mod:`kernelbus.kernelhost.administration.orders`.
"""
