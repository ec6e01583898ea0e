"""Classes of images unlike those of training are outlined by the colours of their pixels."""

import json
import secrets
import struct
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load, save

from model.contract import (
    PIXEL_CLASSIFIER_SIZE,
    PIXEL_FEATURES,
    Familiar,
    resize_image,
    write_manifest,
)
from model.runtime import BundleRuntime, image_vectors
from service.app import create_app
from service.settings import Settings
from tests.service.http_api import new_session, post_segment, post_support, running
from tests.service.pictures import BLUE, RED, Picture, iou, picture
from tests.service.tiny_bundle import SIDE, used_to, write_tiny_bundle

UNLIKE_ANY, LIKE_ALL = 1e-6, 10.0  # distances within which an image is familiar
STAIN, GROUND = (180, 70, 120), (150, 140, 150)


def cell(seed: int, *, side: int = 8 * SIDE) -> Picture:
    """A stained ring, whose width the network's cells of an eighth of the image cannot tell."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((side, side)) - side / 2
    distance = np.hypot(rows - rng.uniform(-20, 20), columns - rng.uniform(-20, 20)) / side
    mask = (distance > 0.22) & (distance < 0.30)
    noise = rng.normal(0, 6, (side, side, 3))
    image = np.where(mask[..., None], STAIN, GROUND) + noise
    return Picture(image.clip(0, 255).astype(np.uint8), mask)


SHOTS, UNSEEN = [cell(seed) for seed in range(3)], cell(9)


@pytest.fixture
async def client(
    tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service that knows images within the distance that a test asks for."""
    distance = getattr(request, "param", UNLIKE_ANY)
    bundle = used_to(write_tiny_bundle(tmp_path / "tiny"), distance)
    async with running(create_app(Settings(bundle=bundle))) as client:
        yield client


async def marked(client: httpx.AsyncClient, session_id: str, **fields: Any) -> float:
    """The IoU of what is found in an image that no shot shows."""
    answer = await post_segment(client, session_id, [UNSEEN], accept="image/png", **fields)
    found = np.asarray(Image.open(BytesIO(answer.raise_for_status().content)))
    return iou(found > 0, UNSEEN.mask)


@pytest.mark.parametrize("shots", [1, 3])
@pytest.mark.parametrize("mode", ["whole", "auto"])
async def test_an_outline_is_finer_than_cells(
    client: httpx.AsyncClient, shots: int, mode: str
) -> None:
    found = {}
    for adapt in ("false", "auto"):
        session_id = await new_session(client, SHOTS[:shots], adapt=adapt)
        found[adapt] = await marked(client, session_id, mode=mode)
    assert found["auto"] > 0.75
    assert found["auto"] > found["false"] + 0.1


@pytest.mark.parametrize("client", [LIKE_ALL], indirect=True)
@pytest.mark.parametrize(
    ("shots", "adapt", "classified"), [(1, "auto", False), (1, "true", True), (3, "auto", True)]
)
async def test_the_colours_of_a_single_photograph_are_not_believed(
    client: httpx.AsyncClient, shots: int, adapt: str, classified: bool
) -> None:
    session_id = await new_session(client, SHOTS[:shots], adapt=adapt)
    archive = (await client.get(f"/sessions/{session_id}/archive")).content
    assert any(name.endswith("pixel_classifier") for name in load(archive)) is classified


@pytest.mark.parametrize("mode", ["whole", "auto", "tiled"])
async def test_a_photograph_is_left_to_the_network_by_a_single_cell(
    tmp_path: Path, mode: str
) -> None:
    bundle, photograph = (
        write_tiny_bundle(tmp_path / "tiny"),
        picture(RED, height=8 * SIDE, width=8 * SIDE),
    )
    runtime = BundleRuntime(bundle, intra_op_threads=1)
    seen = [resize_image(each.image, SIDE) for each in (photograph, SHOTS[0])]
    like, unlike = image_vectors(runtime.encode(np.stack(seen)))
    distance = float(np.linalg.norm(like - unlike)) / 2
    known = Familiar(centre=tuple(like.tolist()), distance=distance)
    write_manifest(bundle, runtime.manifest.model_copy(update={"familiar": known}))
    async with running(create_app(Settings(bundle=bundle))) as client:
        found = {}
        for adapt in ("false", "auto", "true"):
            session_id = await new_session(client, SHOTS[:1], adapt=adapt)
            found[adapt] = [
                (await post_segment(client, session_id, [query], mode=mode, threshold="0.5")).json()
                for query in (photograph, UNSEEN)
            ]
    network, auto, forced = [
        [each["results"][0]["classes"][0]["mask"]["counts"] for each in found[adapt]]
        for adapt in ("false", "auto", "true")
    ]
    assert auto[0] == network[0] != forced[0]
    assert network[1] != auto[1]


async def test_it_goes_with_the_session(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, SHOTS, adapt="auto")
    archive = (await client.get(f"/sessions/{session_id}/archive")).content
    other = "A-z_" * 8
    moved = await client.put(
        f"/sessions/{other}/archive",
        content=archive,
        headers={"Content-Type": "application/vnd.fss.session+safetensors"},
    )
    assert moved.status_code == 201, moved.text
    assert await marked(client, other) == await marked(client, session_id)
    # A shot that comes later moves the prototypes alone, unless it brings an adaptation of its own.
    before = load(archive)["0.pixel_classifier"]
    later = [cell(seed) for seed in (5, 6, 7)]
    for adapt, kept in (("false", True), ("true", False)):
        await post_support(client, later, session_id=session_id, adapt=adapt)
        grown = load((await client.get(f"/sessions/{session_id}/archive")).content)
        assert np.array_equal(grown["0.pixel_classifier"], before) is kept


async def test_the_report_card_is_of_the_class_as_it_answers(client: httpx.AsyncClient) -> None:
    plain, adapted = [
        (await post_support(client, SHOTS, adapt=adapt)).json()["report"]["mean_iou"]
        for adapt in ("false", "auto")
    ]
    assert adapted > plain + 0.1


async def test_shots_that_come_later_are_judged_by_the_pixels_of_their_class(
    client: httpx.AsyncClient,
) -> None:
    session_id = await new_session(client, SHOTS, adapt="auto")
    later = [cell(seed) for seed in (5, 6)]
    report = (await post_support(client, later, session_id=session_id, adapt="false")).json()
    assert min(each["iou"] for each in report["report"]["shots"][3:]) > 0.7


def coloured(*, blue: float, bias: float) -> NDArray[np.float32]:
    """A pixel classifier by nothing but how much more blue than red a pixel is."""
    numbers = np.zeros(PIXEL_CLASSIFIER_SIZE, np.float32)
    numbers[0] = 1
    numbers[1 + PIXEL_FEATURES : 1 + 2 * PIXEL_FEATURES] = 1  # the features as they are
    terms = np.zeros((PIXEL_FEATURES + 1, PIXEL_FEATURES + 1), np.float32)
    terms[1, -1], terms[3, -1], terms[-1, -1] = -blue, blue, bias
    numbers[1 + 2 * PIXEL_FEATURES :] = terms[np.triu_indices(PIXEL_FEATURES + 1)]
    return numbers


BLUE_ALONE, ALL = coloured(blue=6, bias=-4), coloured(blue=0, bias=6)


async def taught(
    client: httpx.AsyncClient,
    shot: Picture,
    whole: NDArray[np.float32] | None,
    close_up: NDArray[np.float32] | None = None,
) -> str:
    """The id of a session whose class tells pixels so; the network tells what the shot marks."""
    learned = await new_session(client, [shot], adapt="true")
    archive = (await client.get(f"/sessions/{learned}/archive")).content
    tensors, length = load(archive), struct.unpack("<Q", archive[:8])[0]
    for name, classifier in (("0.", whole), ("0.close.", close_up)):
        tensors.pop(f"{name}pixel_classifier", None)
        if classifier is not None:
            assert f"{name}refit" in tensors
            tensors[f"{name}pixel_classifier"] = classifier
    edited = secrets.token_urlsafe(24)
    moved = await client.put(
        f"/sessions/{edited}/archive",
        content=save(tensors, json.loads(archive[8 : 8 + length])["__metadata__"]),
        headers={"Content-Type": "application/vnd.fss.session+safetensors"},
    )
    assert moved.status_code == 201, moved.text
    return edited


async def found(
    client: httpx.AsyncClient, session_id: str, query: Picture, mode: str
) -> NDArray[np.bool_]:
    answer = await post_segment(
        client, session_id, [query], accept="image/png", mode=mode, threshold="0.5"
    )
    return np.asarray(Image.open(BytesIO(answer.raise_for_status().content))) > 0


def red_and_blue(*boxes: tuple[int, int, int, int]) -> Picture:
    """256 x 256 pixels with a red box, and blue ones, which are the mask."""
    red, *blues = [
        picture(colour, height=8 * SIDE, width=8 * SIDE, box=box)
        for colour, box in zip((RED, *[BLUE] * (len(boxes) - 1)), boxes, strict=True)
    ]
    image = red.image
    for each in blues:
        image = np.where(each.mask[..., None], each.image, image)
    return Picture(image, np.logical_or.reduce([each.mask for each in blues]))


SMALL = picture(height=8 * SIDE, width=8 * SIDE, box=(100, 100, 21, 21))


async def test_tiles_of_a_small_class_are_told_by_the_pixels_of_its_close_ups(
    client: httpx.AsyncClient,
) -> None:
    session_id = await taught(client, SMALL, ALL, BLUE_ALONE)
    query = red_and_blue((0, 112, 256, 32), (30, 30, 70, 60), (140, 165, 80, 70))
    assert iou(await found(client, session_id, query, "tiled"), query.mask) > 0.8


async def test_close_ups_are_told_by_pixels_of_their_own(client: httpx.AsyncClient) -> None:
    session_id = await taught(client, SMALL, None, BLUE_ALONE)
    query = red_and_blue((96, 96, 64, 32), (108, 132, 40, 28))
    assert iou(await found(client, session_id, query, "auto"), query.mask) > 0.75


async def test_close_ups_are_taken_of_what_pixels_mark(client: httpx.AsyncClient) -> None:
    session_id = await taught(client, SMALL, BLUE_ALONE, BLUE_ALONE)
    query = red_and_blue((196, 196, 40, 40), (40, 43, 44, 50))
    whole, auto = [
        iou(await found(client, session_id, query, mode), query.mask) for mode in ("whole", "auto")
    ]
    assert auto > 0.85
    assert auto > whole + 0.1


async def test_an_image_much_larger_than_what_pixels_were_learned_of_is_tiled(
    client: httpx.AsyncClient,
) -> None:
    near = picture(height=2 * SIDE, width=2 * SIDE, box=(10, 10, 44, 44))
    session_id = await taught(client, near, BLUE_ALONE)
    # The network finds what is red. What is blue is so thin that only tiles show it.
    query = red_and_blue((40, 40, 176, 120), (40, 172, 176, 12))
    whole, auto, tiled = [
        await found(client, session_id, query, mode) for mode in ("whole", "auto", "tiled")
    ]
    assert not whole.any()
    assert iou(tiled, query.mask) > 0.5
    np.testing.assert_array_equal(auto, tiled)
