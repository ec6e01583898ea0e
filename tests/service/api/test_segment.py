"""`POST /segment`: masks at the image's own size, in every encoding."""

import base64
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from tests.service.http_api import assert_problem, files, new_session, post_segment, post_support
from tests.service.pictures import BLUE, GREEN, RED, Picture, iou, picture

# pycocotools answers NumPy 2's question for a copy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZES = [(120, 160), (61, 47), (1, 1), (1, 300), (3, 2000), (700, 500)]


def decoded(mask: Any, height: int, width: int) -> NDArray[np.bool_]:
    """A mask of any encoding as an array."""
    if isinstance(mask, str):
        return np.asarray(np.asarray(Image.open(BytesIO(base64.b64decode(mask)))) == 255)
    if isinstance(mask, list):
        if not mask:
            return np.zeros((height, width), np.bool_)
        mask = coco_mask.merge(coco_mask.frPyObjects(mask, height, width))
    return np.asarray(coco_mask.decode(mask), np.bool_)


def two_objects() -> Picture:
    """A red and a blue rectangle; the mask is that of the red one."""
    red, blue = picture(RED, box=(10, 10, 50, 60)), picture(BLUE, box=(70, 90, 40, 60))
    return Picture(np.where(blue.mask[..., None], blue.image, red.image), red.mask)


@pytest.fixture
async def session_id(client: httpx.AsyncClient) -> str:
    """A session that knows `red`, then `blue`."""
    session_id = await new_session(client, [picture(RED)], "red")
    response = await post_support(client, [picture(BLUE)], "blue", session_id=session_id)
    assert response.status_code == 201
    return session_id


@pytest.mark.parametrize("output", ["rle", "png", "polygon"])
async def test_masks_of_every_output_find_their_objects(
    client: httpx.AsyncClient, session_id: str, output: str
) -> None:
    scene = two_objects()
    response = await post_segment(client, session_id, [scene], output=output)
    assert response.status_code == 200
    body = response.json()
    assert (body["session_id"], body["model"]) == (session_id, "fake@1")
    (result,) = body["results"]
    assert (result["height"], result["width"]) == scene.mask.shape
    assert [found["class_name"] for found in result["classes"]] == ["red", "blue"]
    red, blue = (decoded(found["mask"], *scene.mask.shape) for found in result["classes"])
    assert iou(red, scene.mask) > 0.9
    assert iou(blue, picture(BLUE, box=(70, 90, 40, 60)).mask) > 0.85


async def test_polygons_are_the_very_masks_holes_and_all(
    client: httpx.AsyncClient, session_id: str
) -> None:
    red, blue = picture(RED), picture(BLUE, box=(50, 60, 20, 30))
    scene = Picture(np.where(blue.mask[..., None], blue.image, red.image), red.mask & ~blue.mask)
    exact, drawn = [
        (await post_segment(client, session_id, [scene], output=output)).json()["results"][0]
        for output in ("rle", "polygon")
    ]
    for mask, polygons in zip(exact["classes"], drawn["classes"], strict=True):
        expected = decoded(mask["mask"], 120, 160)
        assert expected.any()
        np.testing.assert_array_equal(decoded(polygons["mask"], 120, 160), expected)
    assert not decoded(drawn["classes"][0]["mask"], 120, 160)[60, 75]  # the blue one's place


async def test_figures_agree_with_the_mask(client: httpx.AsyncClient, session_id: str) -> None:
    found = (await post_segment(client, session_id, [two_objects()])).json()["results"][0]
    for entry in found["classes"]:
        mask = decoded(entry["mask"], 120, 160)
        rows, columns = np.nonzero(mask)
        assert entry["area"] == mask.sum()
        assert entry["bbox"] == [
            columns.min(),
            rows.min(),
            np.ptp(columns) + 1,
            np.ptp(rows) + 1,
        ]
        assert 0.5 < entry["score"] <= 1


async def test_pixels_belong_to_one_class_at_most(
    client: httpx.AsyncClient, session_id: str
) -> None:
    response = await post_segment(client, session_id, [two_objects()], threshold="0")
    first, second = response.json()["results"][0]["classes"]
    covered = decoded(first["mask"], 120, 160).astype(int) + decoded(second["mask"], 120, 160)
    assert (covered == 1).all()  # at threshold 0 no pixel is background


async def test_threshold_one_leaves_background_alone(
    client: httpx.AsyncClient, session_id: str
) -> None:
    response = await post_segment(client, session_id, [two_objects()], threshold="1")
    for entry in response.json()["results"][0]["classes"]:
        assert (entry["area"], entry["bbox"], entry["score"]) == (0, None, 0.0)
        assert not decoded(entry["mask"], 120, 160).any()


async def test_absent_class_is_listed_empty(client: httpx.AsyncClient, session_id: str) -> None:
    ground = picture(GREEN)
    entries = (await post_segment(client, session_id, [ground])).json()["results"][0]["classes"]
    assert [(entry["class_name"], entry["area"]) for entry in entries] == [("red", 0), ("blue", 0)]


@pytest.mark.parametrize("asked", [["blue"], ["blue", "blue"], ["blue", "red"]])
async def test_classes_filter_in_the_order_of_the_session(
    client: httpx.AsyncClient, session_id: str, asked: list[str]
) -> None:
    response = await post_segment(client, session_id, [two_objects()], classes=asked)
    names = [entry["class_name"] for entry in response.json()["results"][0]["classes"]]
    assert names == [name for name in ("red", "blue") if name in asked]


async def test_unknown_class_is_named(client: httpx.AsyncClient, session_id: str) -> None:
    response = await post_segment(client, session_id, [picture()], classes=["red", "pink"])
    assert "'pink'" in assert_problem(response, 404, "class_not_found")["detail"]


@pytest.mark.parametrize(("height", "width"), SIZES)
async def test_any_size_comes_back_at_its_own_size(
    client: httpx.AsyncClient, session_id: str, height: int, width: int
) -> None:
    scene = picture(RED, height=height, width=width, box=(0, 0, height, width))
    response = await post_segment(client, session_id, [scene])
    (result,) = response.json()["results"]
    assert (result["height"], result["width"]) == (height, width)
    assert result["classes"][0]["mask"]["size"] == [height, width]
    assert result["classes"][0]["area"] == height * width


async def test_results_follow_the_order_of_the_images(
    client: httpx.AsyncClient, session_id: str
) -> None:
    scenes = [picture(RED, height=50 + i, box=(5, 5, 30 + i, 60)) for i in range(16)]
    results = (await post_segment(client, session_id, scenes)).json()["results"]
    assert [result["height"] for result in results] == [50 + i for i in range(16)]
    for scene, result in zip(scenes, results, strict=True):
        mask = decoded(result["classes"][0]["mask"], *scene.mask.shape)
        assert iou(mask, scene.mask) > 0.85


async def test_label_map_is_an_index_png(client: httpx.AsyncClient, session_id: str) -> None:
    await post_support(
        client, [picture(GREEN)], "gr\u00fcn, wei\u00df/\u732b", session_id=session_id
    )
    response = await post_segment(client, session_id, [two_objects()], accept="image/png")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-session-id"] == session_id
    names = [unquote(name) for name in response.headers["x-class-names"].split(",")]
    assert names == ["red", "blue", "gr\u00fcn, wei\u00df/\u732b"]
    image = Image.open(BytesIO(response.content))
    assert image.mode == "P"
    labels = np.asarray(image)
    assert labels.shape == (120, 160)
    assert iou(labels == 1, two_objects().mask) > 0.9


async def test_label_map_agrees_with_the_masks(client: httpx.AsyncClient, session_id: str) -> None:
    scene = two_objects()
    as_json = await post_segment(client, session_id, [scene])
    as_png = await post_segment(client, session_id, [scene], accept="image/png")
    labels = np.asarray(Image.open(BytesIO(as_png.content)))
    for number, entry in enumerate(as_json.json()["results"][0]["classes"], start=1):
        np.testing.assert_array_equal(labels == number, decoded(entry["mask"], 120, 160))


async def test_label_map_is_for_one_image(client: httpx.AsyncClient, session_id: str) -> None:
    response = await post_segment(client, session_id, [picture()] * 2, accept="image/png")
    assert_problem(response, 406, "not_acceptable")


async def test_session_is_needed(client: httpx.AsyncClient) -> None:
    response = await client.post("/segment", files=files("images", [picture().image_png]))
    assert assert_problem(response, 422, "invalid_request")["location"] == "session_id"


async def test_session_without_classes_is_told_apart(
    client: httpx.AsyncClient, session_id: str
) -> None:
    for name in ("red", "blue"):
        assert (await client.delete(f"/sessions/{session_id}/classes/{name}")).status_code == 204
    response = await post_segment(client, session_id, [picture()])
    assert_problem(response, 409, "empty_session")


async def test_absent_classes_are_said_or_left_out(
    client: httpx.AsyncClient, session_id: str
) -> None:
    scene = picture(BLUE)
    kept = (await post_segment(client, session_id, [scene])).json()["results"][0]["classes"]
    assert [(found["class_name"], found["present"]) for found in kept] == [
        ("red", False),
        ("blue", True),
    ]
    assert kept[0]["presence"] < 0.5 < kept[1]["presence"]
    dropped = await post_segment(client, session_id, [scene], absent="drop")
    (found,) = dropped.json()["results"][0]["classes"]
    assert found == kept[1]


async def test_a_label_map_without_absent_classes_keeps_the_numbers(
    client: httpx.AsyncClient, session_id: str
) -> None:
    answer = await post_segment(
        client, session_id, [picture(BLUE)], accept="image/png", absent="drop", threshold=0
    )
    assert unquote(answer.headers["x-class-names"]) == "red,blue"
    # Threshold 0 gives every pixel to its best class; of those that are there, that is blue.
    assert set(np.unique(np.asarray(Image.open(BytesIO(answer.content))))) == {2}


async def test_an_image_that_holds_no_class_is_background_at_any_threshold(
    client: httpx.AsyncClient, session_id: str
) -> None:
    fields: dict[str, Any] = {"absent": "drop", "threshold": 0}
    scene = picture(GREEN)
    answer = await post_segment(client, session_id, [scene], **fields)
    assert answer.json()["results"][0]["classes"] == []
    png = await post_segment(client, session_id, [scene], accept="image/png", **fields)
    assert not np.asarray(Image.open(BytesIO(png.content))).any()
