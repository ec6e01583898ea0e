"""What a request to segment asks for, and what decides which pixels and classes count."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from service.schemas import SegmentForm
from service.sessions.resources import ModelResources
from service.sessions.selection import Selection
from service.sessions.thresholds import Thresholds


class ViewThresholds(NamedTuple):
    """The probability thresholds of a class in whole images, and in close-ups.

    search: by which the whole image tells where to take close-ups. It does not depend on the
        request, so that a higher threshold marks no more than a lower one.
    """

    whole: float
    close_up: float
    search: float


class SegmentRequest(NamedTuple):
    """What is asked for, and the network that answers it; `view_thresholds` by class."""

    resources: ModelResources
    form: SegmentForm
    selection: Selection
    thresholds: Thresholds
    view_thresholds: Mapping[str, ViewThresholds]

    @classmethod
    def of(cls, resources: ModelResources, form: SegmentForm, selection: Selection) -> Self:
        """A form, and what it selects."""
        thresholds, usual = Thresholds.asked(form, resources), Thresholds.unless_asked(resources)
        view_thresholds = {
            name: ViewThresholds(
                thresholds.of(supports),
                thresholds.of(supports, supports.close_up_or_self),
                usual.of(supports),
            )
            for name, supports in selection.classes.items()
        }
        return cls(resources, form, selection, thresholds, view_thresholds)

    @property
    def presence_threshold(self) -> float:
        """From which a class counts as present."""
        return self.resources.engine.manifest.presence_threshold

    @property
    def input_side(self) -> int:
        """Of the network, in pixels."""
        return self.resources.engine.manifest.input_side
