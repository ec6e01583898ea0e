"""Segments many images in the background."""
