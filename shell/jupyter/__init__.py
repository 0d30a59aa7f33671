"""The kernel of Jupyter notebooks: `kernelbus jupyter install`, and the program that it names.

=================== ============================================================================
``kernel``          the program's `ipykernel` class: Jupyter's requests in, replies out
``cells``           runs a cell: magics, statements, outputs as they come, questions to the person
``session``         owns the attachment to a server: attach, enter, evaluate, abort, detach
``binding``         which session a notebook has: its profile, and the lock that one kernel holds
``naming``          what a notebook's session is called (sans-IO)
``missed``          what a notebook missed, and where it belongs (sans-IO)
``unseen``          what a page does not have that was loaded again (sans-IO)
``orders``          what `%kernel` says (sans-IO)
``steering``        carries `%kernel` out
``timing``          `%%timeit` (sans-IO)
``assistant``       completes and explains names, asks the kernel when it has time
``history``         what has been entered, in a database
``conversation``    reads the packets of a kernel (sans-IO)
``magics``          the lines of a cell that begin with % (sans-IO), and the table of what they do
``completion``      what may stand at a cursor (sans-IO; ``places`` finds what is there)
``inspection``      what is told about a name (sans-IO)
``completeness``    whether a text may be run (sans-IO)
``kernelcode``      code for the kernel, in a context of its own (sans-IO)
``gathering``       printed text in few messages (sans-IO)
``rendering``       how outputs become MIME bundles (sans-IO)
``kernelspec``      what Jupyter reads about the kernel (sans-IO)
``install``         `kernelbus jupyter install`, `list`, `remove`
``starting``        starts a server for this user where there is none
=================== ============================================================================

The room may import the clients' room, and of the others how the status is written. Nothing here is
imported by other rooms but by ``shell.main``, and ``rendering`` by ``shell.ipython``. Begin reading
at ``session``.
"""
