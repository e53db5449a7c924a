"""Pictures without a drawing library: a raster, its lettering, axes, and the PNG of an explanation."""
