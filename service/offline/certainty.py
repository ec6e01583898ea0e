"""The certainty of a result: people review the least certain ones first."""

from service.schemas import ClassResult, ImageResult


def certainty(result: ImageResult, presence_threshold: float) -> float:
    """The certainty of a result, in [0, 1]: that of its least certain class; 1 without classes."""
    return min((_of_class(each, presence_threshold) for each in result.classes), default=1.0)


def _of_class(found: ClassResult, threshold: float) -> float:
    """The margin of the presence score to its threshold; at most the score of the mask."""
    if found.present:
        margin = (found.presence - threshold) / max(1 - threshold, 1e-6)
        return min(1.0, margin, found.score if found.area else 0.0)
    return min(1.0, (threshold - found.presence) / max(threshold, 1e-6))
