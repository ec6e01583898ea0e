"""What the command line shows in its help, quick to import."""

from typing import Literal

Routing = Literal["random", "affinity"]
DEFAULT_PROFILE = "base-int8-cpu2"
DEFAULT_SHARE = 0.2
