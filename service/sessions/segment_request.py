"""What a request to segment asks for, and what decides which pixels and classes count."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from service.schemas import SegmentForm
from service.sessions.resources import ModelResources
from service.sessions.selection import Selection
from service.sessions.thresholds import Thresholds


class Cut(NamedTuple):
    """The threshold of a class in images as a whole, and in what is looked at from near."""

    whole: float
    near: float


class SegmentRequest(NamedTuple):
    """What is asked for, and the network that answers it; `cuts` by class."""

    resources: ModelResources
    form: SegmentForm
    selection: Selection
    thresholds: Thresholds
    cuts: Mapping[str, Cut]

    @classmethod
    def of(cls, resources: ModelResources, form: SegmentForm, selection: Selection) -> Self:
        """A form, and what it selects."""
        thresholds = Thresholds.asked(form, resources)
        cuts = {
            name: Cut(thresholds.of(supports), thresholds.of(supports, supports.near))
            for name, supports in selection.classes.items()
        }
        return cls(resources, form, selection, thresholds, cuts)

    @property
    def least_presence(self) -> float:
        """From which a class counts as present."""
        return self.resources.engine.manifest.presence_threshold

    @property
    def input_side(self) -> int:
        """Of the network, in pixels."""
        return self.resources.engine.manifest.input_side
