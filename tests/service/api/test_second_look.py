"""`POST /segment` looks again, in close-up, where an image shows little of a class."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from safetensors.numpy import load

import service.imaging
from model.contract import SupportSet, independent_shots
from model.runtime import Adapt
from service.app import create_app
from service.engine import Coverage, FakeEngine, ImageU8, Predictions
from service.errors import QueueFullError
from service.settings import Settings
from tests.service.engines import CountingEngine
from tests.service.http_api import assert_problem, new_session, post_segment, post_support, running
from tests.service.pictures import BLUE, RED, Picture, iou, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

Box = tuple[int, int, int, int]
LARGE: Box = (20, 20, 200, 260)
SMALL: Box = (101, 143, 27, 31)  # a cell of the whole is 8 x 10 pixels


def scene(*boxes: Box, colour: tuple[int, int, int] = RED) -> Picture:
    """240 x 320 pixels with an object in each box."""
    each = [picture(colour, height=240, width=320, box=box) for box in boxes]
    image, mask = each[0].image.copy(), np.logical_or.reduce([one.mask for one in each])
    for one in each[1:]:
        image[one.mask] = one.image[one.mask]
    return Picture(image, mask)


def found(response: httpx.Response, position: int = 0) -> dict[str, NDArray[np.bool_]]:
    """The masks of an image by class."""
    result = response.raise_for_status().json()["results"][position]
    return {
        each["class_name"]: np.asarray(coco_mask.decode(each["mask"]), np.bool_)
        for each in result["classes"]
    }


@pytest.mark.parametrize("support", [scene(SMALL), scene(LARGE)])
async def test_small_object_is_marked_more_finely(
    client: httpx.AsyncClient, support: Picture
) -> None:
    session_id, query = await new_session(client, [support]), scene(SMALL)
    whole, auto = [
        found(await post_segment(client, session_id, [query], mode=mode))["thing"]
        for mode in ("whole", "auto")
    ]
    assert iou(whole, query.mask) < 0.9
    assert iou(auto, query.mask) > 0.95


@pytest.mark.parametrize(
    ("query", "fields", "calls"),
    [
        (scene(LARGE), {}, [(1, 1)]),
        (scene(SMALL), {"mode": "whole"}, [(1, 1)]),
        (scene(SMALL), {}, [(1, 1), (1, 1)]),
        (scene(SMALL, (10, 10, 20, 20), (200, 280, 30, 30)), {}, [(1, 1), (3, 1)]),
        (scene(SMALL, colour=BLUE), {}, [(1, 1)]),  # not there
    ],
)
async def test_only_what_is_marked_and_small_is_looked_at_again(
    settings: Settings, query: Picture, fields: dict[str, Any], calls: list[tuple[int, int]]
) -> None:
    engine = CountingEngine()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(LARGE)])
        (await post_segment(client, session_id, [query], **fields)).raise_for_status()
    assert engine.calls == calls


async def test_a_higher_threshold_marks_no_more_and_changes_no_presence(settings: Settings) -> None:
    engine = CountingEngine()
    query = scene(SMALL, (10, 10, 20, 20))
    masks, presences = [], set[float]()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(LARGE)])
        for threshold in (0, 0.01, 0.3, 0.7, 0.99, 1):
            answer = await post_segment(client, session_id, [query], threshold=threshold)
            masks.append(found(answer)["thing"])
            presences.add(answer.json()["results"][0]["classes"][0]["presence"])
    assert engine.calls == 6 * [(1, 1), (2, 1)]  # the same windows each time
    assert masks[0].all()
    assert not masks[-1].any()
    assert all(not (higher & ~lower).any() for lower, higher in pairwise(masks))
    assert len(presences) == 1


async def test_every_object_of_every_class_in_every_image_is_marked(
    client: httpx.AsyncClient,
) -> None:
    session_id = await new_session(client, [scene(LARGE)], "red")
    await post_support(client, [scene(LARGE, colour=BLUE)], "blue", session_id=session_id)
    far: Box = (200, 280, 30, 33)
    red, blue = scene(SMALL, far), scene((11, 13, 29, 21), colour=BLUE)
    both = Picture(np.where(blue.mask[..., None], blue.image, red.image), red.mask)
    answer = await post_segment(client, session_id, [blue, both, scene(LARGE)])
    assert iou(found(answer, 0)["blue"], blue.mask) > 0.95
    assert not found(answer, 0)["red"].any()
    assert iou(found(answer, 1)["red"], red.mask) > 0.95
    assert iou(found(answer, 1)["blue"], blue.mask) > 0.95
    assert iou(found(answer, 2)["red"], scene(LARGE).mask) > 0.95


class DoubtfulEngine(CountingEngine):
    """Says how likely a class is in wholes, and in each window of a second look."""

    def __init__(self, whole: float, *near: float) -> None:
        super().__init__()
        self.presence = [(whole,), near]

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        predictions = await super().segment(images, classes)
        told = self.presence[min(len(self.calls), 2) - 1]
        return predictions._replace(presence=np.array(told, np.float32)[:, None])


@pytest.mark.parametrize(
    ("whole", "near", "presence"),
    [
        (0.6, [0.6], 0.6),
        (0.4, [0.8], 0.62),  # the mean of both, as logits
        (0.4, [0.1, 0.8], 0.62),  # of the likeliest window
        (0.35, [0.99], 0.594),  # by 1 at most
        (0.6, [0.01], 0.356),
        (0.9, [0.01], 0.768),
        (1.0, [1.0], 1.0),
    ],
)
async def test_windows_have_a_say_in_whether_a_class_is_there(
    settings: Settings, whole: float, near: list[float], presence: float
) -> None:
    query = scene(SMALL, (200, 280, 30, 33)) if len(near) == 2 else scene(SMALL)
    for absent in ("keep", "drop"):
        engine = DoubtfulEngine(whole, *near)
        async with running(create_app(settings, engine=engine)) as client:
            session_id = await new_session(client, [scene(LARGE)])
            response = await post_segment(client, session_id, [query], absent=absent)
        assert engine.calls == [(1, 1), (len(near), 1)]
        shown = response.raise_for_status().json()["results"][0]["classes"]
        if presence >= 0.5 or absent == "keep":
            assert shown[0]["presence"] == pytest.approx(presence, abs=1e-3)
            assert shown[0]["present"] is (presence >= 0.5)
        else:
            assert shown == []


@pytest.mark.parametrize("noise", [-3e-8, 0, 3e-8])
async def test_what_a_batch_changes_of_a_presence_decides_nothing(
    settings: Settings, noise: float
) -> None:
    engine = DoubtfulEngine(0.5 + noise)
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(LARGE)])
        answer = await post_segment(client, session_id, [scene(LARGE)], mode="whole")
    (shown,) = answer.json()["results"][0]["classes"]
    assert (shown["presence"], shown["present"]) == (0.5, True)


async def test_what_no_window_could_bring_back_is_looked_for_again_only_where_it_is_sent(
    settings: Settings,
) -> None:
    for absent, looks in (("drop", 1), ("keep", 2)):
        engine = DoubtfulEngine(0.2, 0.99)
        async with running(create_app(settings, engine=engine)) as client:
            session_id = await new_session(client, [scene(LARGE)])
            answer = await post_segment(client, session_id, [scene(SMALL)], absent=absent)
        assert len(engine.calls) == looks
        assert set(found(answer)) == ({"thing"} if absent == "keep" else set())


class PickyEngine(CountingEngine):
    """Says how likely the first class of several is, and that the others hardly are."""

    def __init__(self, first: float) -> None:
        super().__init__()
        self.first = first

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        predictions = await super().segment(images, classes)
        if len(classes) > 1:
            predictions.presence[:, 0], predictions.presence[:, 1:] = self.first, 0.1
        return predictions


@pytest.mark.parametrize("likely", [0.9, 0.4])
async def test_windows_are_first_for_what_is_present_or_could_be(
    settings: Settings, likely: float
) -> None:
    engine = PickyEngine(likely)
    red = scene((10, 10, 60, 60), (10, 150, 60, 60), (150, 10, 60, 60))
    blue = scene((101, 113, 21, 17), (101, 203, 21, 17), (11, 263, 21, 17), colour=BLUE)
    query = Picture(np.where(blue.mask[..., None], blue.image, red.image), red.mask)
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(LARGE)], "red")
        for name in ("blue", "blue too"):
            await post_support(client, [scene(LARGE, colour=BLUE)], name, session_id=session_id)
        near = found(await post_segment(client, session_id, [query]))
        assert engine.calls == [(1, 3), (3, 1), (3, 1)]
        whole = found(await post_segment(client, session_id, [query], mode="whole"))
    assert iou(near["red"], red.mask) > iou(whole["red"], red.mask)


async def test_windows_of_an_image_are_bounded_and_the_smallest_go_first(
    settings: Settings,
) -> None:
    engine = CountingEngine()
    red = scene((10, 10, 60, 60), (10, 150, 60, 60), (150, 10, 60, 60))
    blue = scene((101, 113, 21, 17), (101, 203, 21, 17), (11, 263, 21, 17), colour=BLUE)
    query = Picture(np.where(blue.mask[..., None], blue.image, red.image), red.mask)
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(LARGE)], "red")
        for name in ("blue", "blue too"):
            await post_support(client, [scene(LARGE, colour=BLUE)], name, session_id=session_id)
        near = found(await post_segment(client, session_id, [query]))
        assert engine.calls == [(1, 3), (3, 1), (3, 1)]  # 8 at most, and all of a class or none
        whole = found(await post_segment(client, session_id, [query], mode="whole"))
    np.testing.assert_array_equal(near["red"], whole["red"])
    assert iou(near["blue"], blue.mask) > 0.95 > iou(whole["blue"], blue.mask)


async def test_each_window_is_of_its_own_image_however_many_there_are(
    settings: Settings,
) -> None:
    engine = CountingEngine()
    queries = [
        scene((10 + 12 * k, 10, 20, 20), (150 - 9 * k, 150, 25, 20), (40, 280 - 9 * k, 30, 30))
        for k in range(5)
    ]
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(LARGE)])
        answer = await post_segment(client, session_id, queries)
    assert engine.calls == [(5, 1), (8, 1), (7, 1)]
    for k, query in enumerate(queries):
        assert iou(found(answer, k)["thing"], query.mask) > 0.95


async def test_windows_are_asked_about_with_the_view_from_near(settings: Settings) -> None:
    engine = CountingEngine()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(SMALL)])
        (await post_segment(client, session_id, [scene(SMALL)])).raise_for_status()
    assert engine.sides == [[277], [64]]  # of 240 x 320 pixels, and of the close-up


class RefusingEngine(CountingEngine):
    """Has no place for a second look at one of two classes, and is slow with the other."""

    def __init__(self) -> None:
        super().__init__()
        self.withdrawn = 0

    async def segment(
        self, images: Sequence[ImageU8], classes: Sequence[SupportSet]
    ) -> Predictions:
        if not self.calls:
            return await super().segment(images, classes)
        self.calls.append((len(images), len(classes)))
        if len(self.calls) == 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.withdrawn += 1
                raise
        raise QueueFullError("too many images wait")


async def test_where_one_look_is_refused_the_others_are_withdrawn(settings: Settings) -> None:
    engine = RefusingEngine()
    both = scene(SMALL)
    blue = scene((200, 280, 30, 33), colour=BLUE)
    both = Picture(np.where(blue.mask[..., None], blue.image, both.image), both.mask)
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(LARGE)], "red")
        await post_support(client, [scene(LARGE, colour=BLUE)], "blue", session_id=session_id)
        response = await post_segment(client, session_id, [both])
        assert_problem(response, 503, "queue_full")
        await asyncio.sleep(0)
        assert engine.withdrawn == 1


async def test_without_a_cache_the_image_is_read_once_more(settings: Settings) -> None:
    uncached = settings.model_copy(update={"decode_cache_bytes": 0})
    async with running(create_app(uncached, engine=FakeEngine())) as client:
        session_id = await new_session(client, [scene(LARGE)])
        answer = await post_segment(client, session_id, [scene(SMALL)])
    assert iou(found(answer)["thing"], scene(SMALL).mask) > 0.95


async def test_image_seen_lately_is_not_decoded_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def watch(name: str) -> None:
        decode = getattr(service.imaging, name)

        def watched(data: bytes, *arguments: Any, **options: Any) -> Any:
            decoded.append(len(data))
            return decode(data, *arguments, **options)

        monkeypatch.setattr(f"service.sessions.uploads.{name}", watched)

    watch("decode_image")
    watch("decode_reduced")
    async with running(create_app(settings, engine=FakeEngine())) as client:
        session_id = await new_session(client, [scene(LARGE)])
        decoded.clear()
        first = await post_segment(client, session_id, [scene(SMALL)])
        assert len(decoded) == 2  # the whole, and then the window
        again = await post_segment(client, session_id, [scene(SMALL)])
        assert len(decoded) == 2
    assert first.json() == again.json()


class WordyEngine(CountingEngine):
    """Leaves six hundred bytes of tokens of every view."""

    async def register(
        self, images: Sequence[ImageU8], masks: Sequence[Coverage], *, adapt: Adapt = False
    ) -> SupportSet:
        learned = await super().register(images, masks, adapt=adapt)
        shots = [shot._replace(tokens=shot.tokens.repeat(100, axis=0)) for shot in learned.shots]
        return replace(learned, shots=tuple(shots))


@pytest.mark.parametrize(("box", "views", "kept"), [(LARGE, 1, 624), (SMALL, 2, 1020)])
async def test_both_views_of_a_support_share_its_room(
    settings: Settings, box: Box, views: int, kept: int
) -> None:
    engine = WordyEngine()
    async with running(create_app(settings, engine=engine)) as client:
        session_id = await new_session(client, [scene(box)], report="false")
        archive = await client.get(f"/sessions/{session_id}/archive")
    assert engine.encoded == views + 2  # its portrait and the mirror image
    arrays = load(archive.raise_for_status().content)
    vectors = ("affinity", "guided", "gate", "tokens", "identities")
    assert sum(a.nbytes for name, a in arrays.items() if name.endswith(vectors)) == kept
    assert kept <= engine.manifest.max_shot_bytes


async def test_class_is_recognised_by_near_views_of_its_objects(settings: Settings) -> None:
    async with running(create_app(settings, engine=FakeEngine())) as client:
        session_id = await new_session(client, [scene(SMALL), scene(LARGE)])
        archive = await client.get(f"/sessions/{session_id}/archive")
    arrays = load(archive.raise_for_status().content)
    tokens, *views = (
        next(a for name, a in arrays.items() if name.endswith(f"0.{end}"))
        for end in ("tokens", "identities", "close.identities")
    )
    red = np.array(RED) / np.linalg.norm(RED)
    for identities in views:
        assert identities.shape == (2, 3)
        likeness = identities.astype(np.float64) @ red
        assert likeness[0] > 0.999 > float(tokens[0] @ red)


async def test_objects_of_one_image_count_as_one_shot_of_their_class(
    client: httpx.AsyncClient,
) -> None:
    red, blue = scene((20, 20, 200, 120)), scene((20, 180, 200, 120), colour=BLUE)
    image = np.where(blue.mask[..., None], blue.image, red.image)
    shots = [Picture(image, red.mask), Picture(image, blue.mask), scene(LARGE)]
    session_id = await new_session(client, shots)
    archive = await client.get(f"/sessions/{session_id}/archive")
    arrays = load(archive.raise_for_status().content)
    identities = next(a for name, a in arrays.items() if name.endswith("0.identities"))
    assert independent_shots(identities.astype(np.float32)) == pytest.approx(9 / 5)
    mean = np.mean([np.array(c) / np.linalg.norm(c) for c in (RED, BLUE)], axis=0)
    np.testing.assert_allclose(identities[:2], [mean, mean], atol=0.02)
