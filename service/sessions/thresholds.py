"""The minimum probability of a pixel of a class, as a request asks for it."""

from typing import NamedTuple, Self

from model.contract import SupportSet
from service.schemas import SegmentForm
from service.sessions.judging import class_threshold
from service.sessions.resources import ModelResources


class Thresholds(NamedTuple):
    """Those of the classes of a request.

    common: that of all classes; if `calibrated`, that of the classes that have none of their own.
    """

    common: float
    calibrated: bool

    @classmethod
    def unless_asked(cls, resources: ModelResources) -> Self:
        """Those of a request that asks for none: an operator's go before calibrated ones."""
        return cls(resources.threshold, calibrated=resources.threshold_override is None)

    @classmethod
    def asked(cls, form: SegmentForm, resources: ModelResources) -> Self:
        """Those of a request; a number is for all classes."""
        if form.threshold is None:
            return cls.unless_asked(resources)
        if isinstance(form.threshold, float):
            return cls(form.threshold, calibrated=False)
        return cls(resources.threshold, calibrated=form.threshold == "calibrated")

    def of(self, supports: SupportSet, view: SupportSet | None = None) -> float:
        """The threshold of a class in what one of its views shows; None: the view of the whole.

        A view with a refit has the model's own threshold, which the refit was made for; any other
        view has the one that was calibrated on the whole shots.
        """
        if not self.calibrated:
            return self.common
        if view is None or view.refit is None:
            view = supports
        return class_threshold(view, self.common)
