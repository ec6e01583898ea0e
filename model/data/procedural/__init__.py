"""Procedural surface defects: endless labelled inspection images for episodes.

A class keeps its outline, polarity and material, while surface, size, place, count, contrast and
light vary; unlabelled defects of other classes lie about, so "whatever stands out" is no answer.
"""

from model.data.procedural.rendering import DEFECT_CLASSES, render_defect

__all__ = ["DEFECT_CLASSES", "render_defect"]
