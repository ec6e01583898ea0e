"""What a network was trained on, as a line of its record."""

import re
from typing import NamedTuple, Self

_LINE = re.compile(r"(?P<name>.+?): (?P<images>\d+) images( \((?P<classes>.+)\))?")


class TrainedSet(NamedTuple):
    """A set in a training, as a line such as `parts: 48 images (bolt; valve)`.

    classes: names of those that were asked for; empty where they are not recorded, as by earlier
        releases.
    """

    name: str
    images: int
    classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        classes = f" ({'; '.join(self.classes)})" if self.classes else ""
        return f"{self.name}: {self.images} images{classes}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """The set of a line; of one in another form only the name, before its last colon."""
        match = _LINE.fullmatch(line)
        if match is None:
            return cls(line.rpartition(":")[0], 0)
        classes = match["classes"].split("; ") if match["classes"] else ()
        return cls(match["name"], int(match["images"]), tuple(classes))
