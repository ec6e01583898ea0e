"""`POST /segment` in tiles: small objects of large images."""

from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from model.contract import SupportSet
from service.app import create_app
from service.sessions.scale import WholeImageResult, tile_sides, tile_view
from service.sessions.tile_grid import Grid
from service.settings import Settings
from tests.service.engines import CountingEngine
from tests.service.http_api import (
    assert_problem,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import BLUE, GREEN, RED, Picture, iou, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = (300, 420, 21, 21)


def large(colour: tuple[int, int, int] = RED, box: tuple[int, int, int, int] = SMALL) -> Picture:
    """An image that is ten times as large as the support, with a small object."""
    return picture(colour, height=900, width=1200, box=box)


def near(colour: tuple[int, int, int] = RED) -> Picture:
    """A support of 120 x 120 pixels with an object as small as those of `large`."""
    return picture(colour, height=120, width=120, box=(51, 51, 21, 21))


def masks(response: httpx.Response) -> dict[str, NDArray[np.bool_]]:
    """Of the only image, by class."""
    (result,) = response.raise_for_status().json()["results"]
    return {
        each["class_name"]: np.asarray(coco_mask.decode(each["mask"]), np.bool_)
        for each in result["classes"]
    }


async def test_small_object_is_found_in_tiles_and_not_in_the_whole(
    client: httpx.AsyncClient,
) -> None:
    session_id, scene = await new_session(client, [near()]), large()
    found = {
        mode: masks(await post_segment(client, session_id, [scene], mode=mode))["thing"]
        for mode in ("whole", "tiled", "auto")
    }
    assert iou(found["whole"], scene.mask) < 0.4
    assert iou(found["tiled"], scene.mask) > 0.7
    np.testing.assert_array_equal(found["auto"], found["tiled"])


async def test_support_that_is_large_itself_is_seen_from_near(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [large(box=(700, 100, 21, 21))])
    scene = large()
    found = masks(await post_segment(client, session_id, [scene]))["thing"]
    assert iou(found, scene.mask) > 0.7


async def test_object_across_many_tiles_has_no_seams(client: httpx.AsyncClient) -> None:
    session_id, scene = await new_session(client, [near()]), large(box=(200, 150, 500, 900))
    found = masks(await post_segment(client, session_id, [scene], mode="tiled"))["thing"]
    assert iou(found, scene.mask) > 0.97
    assert found[215:685, 165:1035].all()


async def test_classes_of_several_scales_keep_their_own_pixels(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [near()], "red")
    wide = picture(BLUE, height=400, width=400, box=(100, 100, 200, 200))
    await post_support(client, [wide], "blue", session_id=session_id)
    red, blue = large(), large(BLUE, box=(500, 100, 200, 200))
    scene = Picture(np.where(blue.mask[..., None], blue.image, red.image), red.mask)
    asked = {"mode": "tiled", "threshold": "model"}
    found = masks(await post_segment(client, session_id, [scene], **asked))
    assert iou(found["red"], red.mask) > 0.7
    assert iou(found["blue"], blue.mask) > 0.9
    assert not (found["red"] & found["blue"]).any()


async def test_class_in_no_tile_is_absent(client: httpx.AsyncClient) -> None:
    session_id, ground = await new_session(client, [near()]), large(GREEN)
    (result,) = (await post_segment(client, session_id, [ground], mode="tiled")).json()["results"]
    (found,) = result["classes"]
    assert (found["present"], found["area"]) == (False, 0)
    dropped = await post_segment(client, session_id, [ground], mode="tiled", absent="drop")
    assert dropped.json()["results"][0]["classes"] == []


async def test_answers_are_at_full_size_in_every_output(client: httpx.AsyncClient) -> None:
    session_id, scene = await new_session(client, [near()]), large()
    (rle,) = masks(await post_segment(client, session_id, [scene])).values()
    shown = await post_segment(client, session_id, [scene], accept="image/png")
    labels = await post_segment(client, session_id, [scene], output="polygon")
    assert rle.shape == (900, 1200)
    assert shown.headers["content-type"] == "image/png"
    (polygons,) = (e["mask"] for e in labels.json()["results"][0]["classes"])
    (outline,) = coco_mask.frPyObjects(polygons, 900, 1200)
    assert iou(np.asarray(coco_mask.decode(outline), np.bool_), rle) > 0.95


@pytest.mark.parametrize(
    ("support", "query", "tiled"),
    [
        (near(), near(), False),  # as it was registered
        (near(), large(), True),  # a small object, in an image that is much larger
        (picture(), large(box=(100, 100, 700, 900)), False),  # a large object that the whole shows
        (picture(), large(), True),  # nothing that the whole shows
    ],
)
async def test_auto_tiles_where_it_helps(
    settings: Settings, support: Picture, query: Picture, tiled: bool
) -> None:
    engine = CountingEngine()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [support])
        (await post_segment(client, session_id, [query])).raise_for_status()
    assert engine.batches[0] == 1
    if tiled:  # and what is tiled is not looked at again besides
        input_side = engine.manifest.input_side
        view = tile_view(SupportSet((), side=120), input_side)
        side = tile_sides(
            "tiled",
            {"thing": WholeImageResult(view, found=False)},
            height=900,
            width=1200,
            input_side=input_side,
        )
        grid = Grid.over(900, 1200, *side, max_tiles=512)
        assert sum(engine.batches[1:]) == grid.tiles
    else:
        assert sum(engine.batches[1:]) <= 1


@pytest.mark.parametrize(
    ("side", "found", "fitted_side", "tiled"),
    [
        (500, True, None, True),
        (500, True, 500, False),
        (500, True, 350, False),
        (500, True, 300, True),  # shown smaller than it was learned
        (500, False, 500, True),
        (700, True, 700, True),  # much larger than the network's input
    ],
)
def test_an_image_as_those_in_which_pixels_were_classified_is_not_tiled(
    side: int, found: bool, fitted_side: int | None, tiled: bool
) -> None:
    view = tile_view(SupportSet((), side=500, close_up=SupportSet((), side=80)), 257)
    assert view.small
    result = WholeImageResult(view, found, fitted_side)
    sides = tile_sides("auto", {"thing": result}, height=side, width=side, input_side=257)
    assert bool(sides) == tiled


@pytest.mark.parametrize(
    ("side", "found", "fitted_side", "tiled"),
    [
        (1300, True, None, False),  # a large image may hold a large object
        (1300, True, 500, True),  # whose pixels tell of it at their own scale alone
        (1300, False, None, True),
        (1200, True, 500, False),  # not so much larger than the supports
    ],
)
def test_a_large_image_is_tiled_for_what_pixels_tell(
    side: int, found: bool, fitted_side: int | None, tiled: bool
) -> None:
    result = WholeImageResult(tile_view(SupportSet((), side=500), 257), found, fitted_side)
    sides = tile_sides("auto", {"thing": result}, height=side, width=side, input_side=257)
    assert bool(sides) == tiled


@pytest.mark.parametrize(
    ("whole", "close_up", "small"), [(300, 64, False), (600, 64, True), (3500, 64, True)]
)
def test_tiles_show_a_class_by_the_view_that_is_nearer_in_scale(
    whole: int, close_up: int, small: bool
) -> None:
    supports = SupportSet((), side=whole, close_up=SupportSet((), side=close_up))
    view = tile_view(supports, 257)
    assert view.small is small
    assert view.supports is (supports.close_up if small else supports)
    assert view.side == (171 if small else whole)  # tiles are never smaller


async def test_tiles_come_in_small_batches_and_are_bounded(settings: Settings) -> None:
    engine = CountingEngine()
    bounded = settings.model_copy(update={"max_tiles": 20})
    async with running(create_app(bounded, engine=engine)) as client:
        session_id, scene = await new_session(client, [near()]), large()
        found = await post_segment(client, session_id, [scene, near()], mode="tiled")
    assert [each["height"] for each in found.json()["results"]] == [900, 120]
    assert engine.batches[0] == 2  # both as wholes
    assert max(engine.batches[1:]) <= 8
    assert 20 < sum(engine.batches[1:]) <= 2 * 20


async def test_tiles_that_come_too_late_end_the_request(settings: Settings) -> None:
    engine = CountingEngine(max_calls=3)
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [near()])
        late = await post_segment(client, session_id, [large()], mode="tiled")
        assert_problem(late, 504, "deadline_exceeded")


class CostlyEngine(CountingEngine):
    """Knows that an image takes it three seconds, were it to come alone."""

    def cost_s(self, images: int, classes: int) -> float:
        return 3.0 * images * classes


@pytest.mark.parametrize("mode", ["tiled", "auto"])
async def test_tiles_that_can_only_come_too_late_are_not_begun(
    settings: Settings, mode: str
) -> None:
    engine = CostlyEngine()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [near()])
        late = await post_segment(client, session_id, [near(), large()], mode=mode)
        assert "mode=whole" in assert_problem(late, 504, "deadline_exceeded")["detail"]
        assert engine.batches == [2]  # both as wholes
        whole = await post_segment(client, session_id, [large()], mode="whole")
        assert whole.status_code == 200


@pytest.mark.parametrize("fields", [{"mode": "pyramid"}, {"mode": ""}])
async def test_unknown_mode_is_named(client: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    session_id = await new_session(client, [near()])
    response = await post_segment(client, session_id, [near()], **fields)
    assert "mode" in assert_problem(response, 422, "invalid_request")["detail"]
