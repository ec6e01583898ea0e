"""The minimum probability of a pixel of a class, in each of the views it is looked for in."""

from typing import NamedTuple, Self

from model.contract import SupportSet, logit
from service.schemas import SegmentForm
from service.sessions.judging import class_threshold
from service.sessions.resources import ModelResources


class ThresholdRule(NamedTuple):
    """How a request sets the thresholds of its classes.

    common: that of all classes; if `calibrated`, that of the classes that have none of their own.
    """

    common: float
    calibrated: bool

    @classmethod
    def unless_asked(cls, resources: ModelResources) -> Self:
        """That of a request that asks for none: an operator's goes before calibrated ones."""
        return cls(resources.threshold, calibrated=resources.threshold_override is None)

    @classmethod
    def asked(cls, form: SegmentForm, resources: ModelResources) -> Self:
        """That of a request; a number is for all classes."""
        if form.threshold is None:
            return cls.unless_asked(resources)
        if isinstance(form.threshold, float):
            return cls(form.threshold, calibrated=False)
        return cls(resources.threshold, calibrated=form.threshold == "calibrated")

    def of(self, supports: SupportSet) -> float:
        """The threshold of a class in whole images."""
        return class_threshold(supports, self.common) if self.calibrated else self.common


class ClassThresholds(NamedTuple):
    """The probability thresholds of a class in whole images, in close-ups and in tiles.

    search: by which the whole image tells where to take close-ups. It does not depend on the
        request, so that a higher threshold marks no more than a lower one.
    """

    whole: float
    close_up: float
    tiles: float
    search: float

    @classmethod
    def of(
        cls, supports: SupportSet, tiled: SupportSet, *, asked: ThresholdRule, usual: ThresholdRule
    ) -> Self:
        """Those of a class.

        A view with a refit has the model's own threshold, which the refit was made for; any other
        view has the one that was calibrated on the whole shots.

        Args:
            supports: the class.
            tiled: the view of it that tiles are segmented with.
            asked: the rule of the request.
            usual: the rule of a request that asks for no threshold.
        """
        whole = asked.of(supports)

        def seen_in(view: SupportSet) -> float:
            return whole if view.refit is None else asked.common

        return cls(
            whole=whole,
            close_up=seen_in(supports.close_up_or_self),
            tiles=seen_in(tiled),
            search=whole if asked == usual else usual.of(supports),
        )

    @property
    def close_up_shift(self) -> float:
        """What to add to logits of close-ups, so that the threshold of the whole is right there."""
        if self.close_up == self.whole:  # whose logit is infinite where it is 0 or 1
            return 0.0
        return logit(self.whole) - logit(self.close_up)
