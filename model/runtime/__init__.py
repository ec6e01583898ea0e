"""Runs a bundle's graphs with onnxruntime, synchronously and without torch."""

from model.runtime.bundle import BundleRuntime, Encoded

__all__ = ["BundleRuntime", "Encoded"]
