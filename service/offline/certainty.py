"""How sure a result is, so that a person looks at the least sure ones first."""

from service.schemas import ClassResult, ImageResult


def certainty(result: ImageResult, presence_threshold: float) -> float:
    """How sure a result is, in [0, 1]: as its least sure class; 1 where there is none."""
    return min((_of_class(each, presence_threshold) for each in result.classes), default=1.0)


def _of_class(found: ClassResult, threshold: float) -> float:
    """How far presence is from undecided, and where there is a mask how sure its pixels are."""
    if found.present:
        margin = (found.presence - threshold) / max(1 - threshold, 1e-6)
        return min(1.0, margin, found.score if found.area else 0.0)
    return min(1.0, (threshold - found.presence) / max(threshold, 1e-6))
