"""Pictures: graphics, plots, charts and images, as SVG and as pixels.

``raster`` makes pixels of SVG and of text. Begin reading at ``raster``.
"""
