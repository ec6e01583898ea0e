"""How much of its image a mask marks, and what is said where that is odd.

The files of a request and the report of a class are judged here by the same number, and told of in
the same words, so that nobody hears of it twice.
"""

from collections.abc import Mapping

from service.schemas import WarningCode

_NEARLY_EMPTY, _TINY, _NEARLY_FULL = 0.0005, 0.005, 0.9  # shares of the image

SIZE_MESSAGES: Mapping[WarningCode, str] = {
    "nearly_empty_mask": f"the mask covers under {100 * _NEARLY_EMPTY:g} % of the image",
    "tiny_mask": f"the mask covers under {100 * _TINY:g} % of the image",
    "nearly_full_mask": f"the mask covers over {100 * _NEARLY_FULL:g} % of the image",
}


def size_code(area: float) -> WarningCode | None:
    """What there is to warn of.

    Args:
        area: share of the image that is object, as the network sees it.
    """
    if area < _NEARLY_EMPTY:
        return "nearly_empty_mask"
    if area < _TINY:
        return "tiny_mask"
    return "nearly_full_mask" if area > _NEARLY_FULL else None
