"""One evaluation: loading Mathics3, evaluating with it, interrupting it, limiting its memory.

``loading`` makes a Mathics3 that a kernel can use. ``evaluator`` evaluates one expression or input.
``interrupts`` raises aborts and time limits in it, ``memory`` keeps it below a limit, ``terminal``
lets it talk to a client, and ``identity`` makes forked kernels differ. This room imports Mathics3,
``forms``, ``library`` and ``links``, whose functions it defines; it knows no packets. Begin reading
at ``evaluator``.
"""
