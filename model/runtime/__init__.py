"""Runs a bundle's graphs with onnxruntime, synchronously and without torch."""

from model.runtime.bundle import BundleRuntime, Encoded, HeadOutput
from model.runtime.refit import fit_refit, support_cells

__all__ = ["BundleRuntime", "Encoded", "HeadOutput", "fit_refit", "support_cells"]
