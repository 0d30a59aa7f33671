"""The bus: what joins frontends, the broker and kernel hosts, and what every part shares.

A frontend and a kernel host exchange a client's bytes over a *channel*; the *broker* between them
routes its frames. The rooms, in the order in which they build on each other:

* :mod:`kernelbus.bus.errors`: the tree of errors.
* :mod:`kernelbus.bus.channel`: frames, the channel's state machine, and the multiplexer that joins
  channels to a transport.
* :mod:`kernelbus.bus.settings`: the configuration file, its schema, reloading, and logging. Every
  part reads them.
* :mod:`kernelbus.bus.security`: keys, CURVE, and who is admitted.
* :mod:`kernelbus.bus.protocol`: the control messages and their schemas.
* :mod:`kernelbus.bus.transport`: how frames get to the broker and back, by a call or by ZeroMQ.
* :mod:`kernelbus.bus.membership`: how a frontend or a kernel host joins a broker and comes back
  after a break. :mod:`kernelbus.bus.predecessors` keeps which parts of this machine have ended
  without leaving. :mod:`kernelbus.bus.everypart` carries out the orders that go to every part.
* :mod:`kernelbus.bus.client`: the blocking client for administrators.
* :mod:`kernelbus.bus.broker`: the broker: its state machine, its tables, its journal and its
  process.

The bus imports pyzmq, marshmallow and tenacity; it imports neither ``wstp`` nor another part of
kernelbus. Begin with :mod:`kernelbus.bus.channel.channel` for the data path, and with
:mod:`kernelbus.bus.broker.machine` for the broker.
"""
