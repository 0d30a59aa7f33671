"""What is added to Mathics3's functions, and what is corrected in them.

``functions`` defines missing functions from ``functions.m``. ``corrections`` changes functions
whose results are not the documented ones. ``jlink`` is the package that J/Link programs call for
images, which ``raster`` draws; ``netlink`` is that of .NET/Link. This room imports Mathics3 and
Pillow, and no other room. Begin reading at ``functions``.
"""
