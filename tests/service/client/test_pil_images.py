"""PIL images and masks: the same to the client as the paths they were opened from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.client import Client
from tests.service.pictures import picture, with_alpha

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHOT = picture()


def alpha_mask() -> Image.Image:
    return with_alpha("RGB", np.uint8(255) * SHOT.mask)


def deep_shot() -> Image.Image:
    return Image.fromarray(SHOT.image[:, :, 0].astype(np.uint16) * 257)


def jpeg_mask() -> Image.Image:
    return Image.fromarray(np.where(SHOT.mask, np.uint8(200), np.uint8(60)))


@pytest.mark.parametrize(
    ("image", "mask", "image_kind", "mask_kind"),
    [
        (deep_shot, alpha_mask, "png", "png"),
        (lambda: with_alpha("RGB", np.uint8(255) * ~SHOT.mask), jpeg_mask, "png", "jpg"),
        (lambda: Image.fromarray(SHOT.image), alpha_mask, "webp", "webp"),
        (lambda: Image.fromarray(SHOT.image[:, :, 0] / np.float32(300)), jpeg_mask, "tif", "jpg"),
    ],
)
def test_a_service_answers_alike_to_paths_and_opened_files(
    url: str,
    tmp_path: Path,
    image: Callable[[], Image.Image],
    mask: Callable[[], Image.Image],
    image_kind: str,
    mask_kind: str,
) -> None:
    shown, truth = tmp_path / f"a.{image_kind}", tmp_path / f"a.thing.{mask_kind}"
    image().save(shown)
    mask().save(truth)
    answers = []
    with Client(url) as client, Image.open(shown) as opened, Image.open(truth) as opened_truth:
        forms: list[tuple[Any, Any]] = [(shown, truth), (opened, opened_truth)]
        for shot, marked in forms:
            session = client.session()
            session.register("thing", shot, marked)
            answers += [session.segment(shown)["thing"], session.segment(opened)["thing"]]
    assert answers[0].area
    for answer in answers[1:]:
        assert np.array_equal(answer.mask, answers[0].mask)
        assert answer.presence == answers[0].presence
