"""A person's whole path over the shipped bundle: from an empty page to a COCO JSON."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools.coco import COCO

from service.samples import SAMPLES, Sample, image_path
from tests.browser.conftest import Visit
from tests.service.pictures import iou
from tests.service.processes import serving

pytestmark = [
    pytest.mark.browser,
    # Raised by pycocotools' own code.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SHOTS = ["support_pit_1", "support_pit_2"]
QUERIES = ["query_5_steel", "query_6_brass", "query_9_clean"]
LONGEST_S = 120
MOST_CLICKS = 40
LIVE_S = 5  # an eighth of a second where nothing else runs


@pytest.fixture(scope="module")
def shipped_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("shipped") / "log", {"FSS_DEVICES": "cpu"}) as server:
        yield str(server.client.base_url)


def rows_of(mask: NDArray[np.bool_]) -> list[list[tuple[float, float]]]:
    """Brush strokes across each part of a mask, as a steady hand would make them."""
    height, width = mask.shape
    strokes = []
    for y in range(10, height, 20):
        columns = np.flatnonzero(mask[y])
        for part in np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1):
            if part.size > 12:
                left, right = part[0] + 6, part[-1] - 6
                strokes.append([(left / width, y / height), (right / width, y / height)])
    return strokes


def test_from_an_empty_page_to_coco_json(visit: Visit, shipped_url: str) -> None:
    page = visit(shipped_url)
    began = time.monotonic()
    page.choose("#shot-files", [image_path(SAMPLES, name) for name in SHOTS])
    for name in SHOTS:
        page.editor()
        page.slide("#brush-size", 26)
        for stroke in rows_of(Sample(SAMPLES, name).mask("pit")):
            page.paint(stroke)
        page.close_editor("done")
    page.type("#class-name", "pit")
    page.register()
    page.choose("#query-files", [image_path(SAMPLES, name) for name in QUERIES])
    page.found(len(QUERIES))
    path = page.download("#take-coco", "annotations.json")
    seconds = time.monotonic() - began
    assert seconds < LONGEST_S
    assert page.clicks < MOST_CLICKS

    coco = COCO(path)
    images = {image["file_name"]: image["id"] for image in coco.loadImgs(coco.getImgIds())}
    assert list(images) == [f"{name}.jpg" for name in QUERIES]
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["pit"]
    for name in QUERIES[:2]:
        (annotation,) = coco.loadAnns(coco.getAnnIds(images[f"{name}.jpg"]))
        mask = coco.annToMask(annotation).astype(bool)
        assert iou(mask, Sample(SAMPLES, name).mask("pit")) > 0.4
        assert annotation["area"] == mask.sum()
    assert not coco.getAnnIds(images["query_9_clean.jpg"])
    assert page.complaints() == []


def test_the_sample_shows_a_result_after_two_clicks(visit: Visit, shipped_url: str) -> None:
    page = visit(shipped_url)
    page.click(".intro .try-sample")
    page.until(lambda: len(page.all(".card")) == 5)
    page.register()
    assert page.clicks == 2
    page.found(5)
    scores = page.texts(".find-score")
    # The clean one: told absent, or present with nothing that is marked.
    assert scores.pop() in {"not here", "nothing above the threshold"}
    assert all(int(score.split()[1]) > 60 for score in scores)


def test_moving_the_threshold_feels_live(visit: Visit, shipped_url: str) -> None:
    page = visit(shipped_url)
    page.click(".intro .try-sample")
    page.register()
    page.found(5)
    before = page.texts(".find-score")[0]
    began = time.monotonic()
    page.slide("#threshold", 0.7)
    page.until(lambda: page.texts(".find-score")[0] != before)
    assert time.monotonic() - began < LIVE_S
    assert page.one("#threshold-value").text == "0.70"
