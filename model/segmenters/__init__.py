"""Segmenters for the episode loop: a bundle as it is served, the eager network, and a baseline.

Whatever depends on nothing but an image, or on an image and its mask, is computed once as long as
it fits in memory. A list of 1,000 five-shot episodes draws some 400 images 6,000 times.
"""

from model.segmenters.bundle import BundleSegmenter
from model.segmenters.eager import EagerSegmenter
from model.segmenters.nearest_prototype import NearestPrototypeSegmenter

__all__ = ["BundleSegmenter", "EagerSegmenter", "NearestPrototypeSegmenter"]
