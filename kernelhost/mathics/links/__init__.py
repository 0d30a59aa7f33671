"""Links that kernel code opens: ``LinkCreate``, ``LinkConnect``, ``LinkRead`` and their like.

``table`` holds the open links of a kernel. ``functions`` defines the functions of the language for
them, and ``install`` calls functions of programs (``Install``). This room imports ``wstp``,
Mathics3 and ``forms``, and no other room: what it needs of aborts and of the kernel's own link it
is given. Begin reading at ``table``.
"""
