"""Ranges of the augmentation, shared by cached views and by batches on the device.

A ± range is that far to either side of no change.
"""

ROTATION = 10.0  # ± degrees
MIN_SCALE = 0.35  # smallest share of the image that a crop keeps
LOG_ASPECT = 0.2  # ± of a crop
ANCHOR = (0.2, 0.8)  # position in the crop of an object pixel that it is sure to hold
GREY_CHANCE = 0.08
SATURATION = 0.4  # ± factor
CONTRAST = 0.3  # ± factor
BRIGHTNESS = 25.0  # ± of 255
BALANCE = 0.1  # ± factor of each channel
BLUR_CHANCE = 0.25
BLUR_SIGMA = (0.4, 1.4)  # pixels
