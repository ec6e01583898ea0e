"""Image containers: format, header, and the reduced file that a decoder gets.

Each module reads one format far enough to know size and orientation, and rewrites the file
without metadata. Profiles, comments, thumbnails, animation and all but the first page never
reach Pillow, whose cost on them an attacker can choose.
"""

from service.imaging.containers.formats import JPEG, Format, identify
from service.imaging.containers.source import Source

__all__ = ["JPEG", "Format", "Source", "identify"]
