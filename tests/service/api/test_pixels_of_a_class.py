"""Classes of images unlike those of training are outlined by the colours of their pixels."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from service.app import create_app
from service.settings import Settings
from tests.service.http_api import new_session, post_segment, post_support, running
from tests.service.pictures import Picture, iou
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
async def test_photographs_are_left_to_the_network(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, SHOTS, adapt="auto")
    archive = (await client.get(f"/sessions/{session_id}/archive")).content
    assert not any(name.endswith("pixel_classifier") for name in load(archive))
    forced = await new_session(client, SHOTS, adapt="true")
    archive = (await client.get(f"/sessions/{forced}/archive")).content
    assert any(name.endswith("pixel_classifier") for name in load(archive))


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
