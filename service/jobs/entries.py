"""How many entries a zip or a folder of images may have."""

MAX_ENTRIES_PER_IMAGE = 10
"""Most entries for each image that a job may have; more are refused."""
