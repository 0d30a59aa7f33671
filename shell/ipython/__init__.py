"""`%load_ext kernelbus`: the magics %wl and %%wl of IPython, in notebooks of Python.

``magics`` has them, and ``options`` reads what stands before their code. The room may import the
rooms ``pool`` and ``clients``, and ``rendering`` of ``jupyter``. Begin reading at ``magics``.
"""
