"""One kernel's session: what passes between the kernel and its clients, and what is kept of it.

The room imports `wstp` and `kernelbus.bus`; it reaches its kernel through the Protocols
:class:`~kernelbus.kernelhost.session.session.SessionKernel` and
:class:`~kernelbus.kernelhost.session.abort.Abortable`, and knows neither processes nor pools. The
modules `gate`, `output`, `conversation`, `ladder`, `trace` and `excerpt` are sans-IO. Begin reading
at :mod:`kernelbus.kernelhost.session.session`.
"""
