"""Pictures: graphics, plots, charts and images, as SVG and as pixels.

``drawing`` says what a picture is as an expression, and makes SVG of expressions. ``functions`` has
the plots and charts that the second engine draws. ``exporting`` has Export and Rasterize.
``raster`` makes pixels of SVG and of text. Begin reading at ``drawing``.
"""
