"""What a request to segment asks for, and what decides which pixels and classes count."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from model.contract import SupportSet
from service.schemas import SegmentForm
from service.sessions.resources import ModelResources
from service.sessions.scale import TileView, tile_view
from service.sessions.thresholds import ClassThresholds, ThresholdRule


class AskedClass(NamedTuple):
    """A class that is looked for, by its name: as a whole, in close-ups, and in tiles."""

    name: str
    supports: SupportSet
    tile_view: TileView
    thresholds: ClassThresholds


class SegmentRequest(NamedTuple):
    """What is asked for, and the network that answers it; `classes` by name, in their order."""

    resources: ModelResources
    form: SegmentForm
    classes: Mapping[str, AskedClass]

    @classmethod
    def of(
        cls, resources: ModelResources, form: SegmentForm, classes: Mapping[str, SupportSet]
    ) -> Self:
        """A form, and the classes that it asks for."""
        asked = ThresholdRule.asked(form, resources)
        usual = ThresholdRule.unless_asked(resources)

        def ask(name: str, supports: SupportSet) -> AskedClass:
            view = tile_view(supports, resources.engine.manifest.input_side)
            thresholds = ClassThresholds.of(supports, view.supports, asked=asked, usual=usual)
            return AskedClass(name, supports, view, thresholds)

        return cls(resources, form, {name: ask(name, each) for name, each in classes.items()})

    @property
    def presence_threshold(self) -> float:
        """From which a class counts as present."""
        return self.resources.engine.manifest.presence_threshold

    @property
    def input_side(self) -> int:
        """Of the network, in pixels."""
        return self.resources.engine.manifest.input_side
