"""Adaptation of a class to its supports: the head's last layer, and the pixels below its answer."""

from typing import NamedTuple

from model.runtime.bundle import Float
from model.runtime.leave_one_out import LeaveOneOutPredictions, SupportImages
from model.runtime.pixel_fit import choose_pixel_classifier
from model.runtime.refit import Adapt, choose_refit


class Adaptation(NamedTuple):
    """What corrects the network's answer for a class; None: nothing does.

    refit: (R,) as in `model.contract.graphs.HEAD`.
    pixel_classifier: (Q,) as `model.runtime.pixel_classifier` packs it; only beside a refit.
    unfamiliar: they are only for images unlike those of training.
    """

    refit: Float | None = None
    pixel_classifier: Float | None = None
    unfamiliar: bool = False


def adapt_to(
    supports: SupportImages,
    predictions: LeaveOneOutPredictions,
    adapt: Adapt,
    *,
    threshold: float,
) -> Adaptation:
    """What corrects the network's answer for the class of some supports.

    By `auto`, pixels are classified in a single image only if it is unlike those of training: the
    colours of a photograph tell little of a class. What was learned from such an image is not for
    photographs, in which it is worse than the network alone.

    Args:
        supports: the images.
        predictions: of each by the others.
        adapt: always, never, or as far as that helps on supports that were held out.
        threshold: foreground probability from which a pixel is marked.
    """
    refit = choose_refit(predictions, adapt, threshold=threshold)
    if refit is None:
        return Adaptation()
    classifier, familiar = None, adapt == "auto" and predictions.familiar
    if not (familiar and predictions.single):
        classifier = choose_pixel_classifier(
            supports, refit.held_out, threshold=threshold, familiar=familiar
        )
    return Adaptation(
        refit.weights,
        None if classifier is None else classifier.packed(),
        unfamiliar=adapt == "auto" and predictions.single and not predictions.familiar,
    )
