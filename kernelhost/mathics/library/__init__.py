"""What is added to Mathics3's functions, and what is corrected in them.

``functions`` defines missing functions from ``functions.m`` and ``developer.m``. ``corrections``
changes functions whose results are not the documented ones; ``numbers`` is about numbers.
``contexts``, ``messages``, ``inspection`` and ``programs`` are what client programs take for
granted. ``formats`` imports and exports; ``jsontext``, ``tables`` and ``wxf`` write and read a
format each. ``jlink`` is the package that J/Link programs call for images, which ``raster`` draws;
``netlink`` is that of .NET/Link. This room imports Mathics3, Pillow and ``forms``, and no other
room. Begin reading at ``functions``.
"""
