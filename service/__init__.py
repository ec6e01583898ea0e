"""Few-shot segmentation over HTTP: register supports once, segment many images."""
