"""Few-shot segmentation over HTTP: register supports once, segment many images."""

__version__ = "0.1.0"
