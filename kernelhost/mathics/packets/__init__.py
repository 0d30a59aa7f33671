"""The protocol of a kernel: packets, the thread that reads the link, the main loop, dialogs.

``intake`` reads the link and decides which evaluation an abort is for. ``mainloop`` answers
packets. ``dialogs`` asks the client in the middle of an evaluation. ``interfaces`` has the types
that these share, ``packets`` the names of packets and what they carry. This room imports ``wstp``,
``evaluation`` and ``forms``. Begin reading at ``mainloop``.
"""
