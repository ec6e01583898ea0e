"""Which classes an update learns, from what, and what it fetches for that."""

from typing import Any

import httpx
import numpy as np
import pytest
from safetensors.numpy import load

from service.labelling_tools import class_learner
from service.sessions import learn_as_registered
from service.settings import Settings
from tests.service.http_api import new_session, running
from tests.service.labelling_tools.fake_studio import Studio
from tests.service.labelling_tools.project import (
    PICTURES,
    annotation,
    backend,
    box,
    brush,
    classes,
    controls,
    polygon,
    send_webhook,
    set_up,
    shots,
    task,
)
from tests.service.pictures import Picture, picture

# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BOX = (25, 25, 50, 50)


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of shots of each class that is learned, as it is."""
    counted: list[int] = []

    async def learn(resources: Any, supports: Any) -> Any:
        counted.append(len(supports))
        return await learn_as_registered(resources, supports)

    monkeypatch.setattr(class_learner, "learn_as_registered", learn)
    return counted


def image_of(number: int) -> str:
    return f"/data/upload/1/{number}.png"


def images_asked(studio: Studio) -> list[str]:
    """The images that were fetched since the last call, in order."""
    found = [path for path, _ in studio.asked if path.startswith("/data/")]
    studio.asked.clear()
    return found


async def archive(client: httpx.AsyncClient, session_id: str) -> dict[str, np.ndarray[Any, Any]]:
    return dict(load((await client.get(f"/sessions/{session_id}/archive")).content))


async def test_a_class_is_what_its_shots_register_in_one_request(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    small = picture(height=400, width=400, box=(60, 300, 40, 40), seed=5)  # learned in close-up too
    drawn: list[Picture] = [small, PICTURES[1], PICTURES[2], PICTURES[2]]
    for number, each in enumerate(drawn):
        studio.images[image_of(number)] = each.image_png
        studio.tasks.append(task(number, annotation(number, brush(each), at=f"2026-01-0{number}")))
    kept = (await set_up(client))["session_id"]
    session_id = await new_session(client, drawn[::-1])
    found, expected = await archive(client, kept), await archive(client, session_id)
    assert found.keys() == expected.keys()
    for part in (".close.", ".refit", ".judgements"):
        assert any(part in name for name in found), part
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


async def test_only_classes_whose_shots_changed_are_learned(
    settings: Settings, studio: Studio, learned: list[int]
) -> None:
    studio.config = controls(PolygonLabels=["cat", "dog"])
    studio.tasks = [
        task(0, annotation(1, polygon("cat"), polygon("dog"), at="2026-01-01")),
        task(1, annotation(2, polygon("cat"), at="2026-01-02")),
    ]
    async with running(backend(settings, studio)) as client:
        assert await classes(client) == {"cat": 2, "dog": 1}
        assert learned == [2, 1]
        await send_webhook(client)
        studio.tasks.append(task(2, annotation(3, polygon("dog"), at="2026-01-03")))
        await send_webhook(client)
        assert await classes(client) == {"cat": 2, "dog": 2}
        assert learned == [2, 1, 2]
        studio.tasks.pop()
        await send_webhook(client, "TASKS_DELETED")
        assert await classes(client) == {"cat": 2, "dog": 1}
        assert learned == [2, 1, 2]  # as it was known with these shots


async def test_shots_beyond_the_newest_change_nothing(
    settings: Settings, studio: Studio, learned: list[int]
) -> None:
    studio.tasks = [
        task(number, annotation(number, brush(PICTURES[number]), at=f"2026-01-0{number}"))
        for number in range(3)
    ]
    async with running(backend(settings, studio, label_studio_shots=2)) as client:
        assert await shots(client) == [2]
        assert images_asked(studio) == [image_of(2), image_of(1)]
        oldest = studio.tasks.pop(0)
        await send_webhook(client)
        assert await shots(client) == [2]
        assert learned == [2]
        studio.tasks = [oldest, studio.tasks[1]]
        await send_webhook(client)
        assert await shots(client) == [2]
        assert learned == [2, 2]
        assert images_asked(studio) == [image_of(0)]


async def test_an_image_is_fetched_once_for_all_that_is_learned_from_it(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.config = controls(RectangleLabels=["cat", "dog", "owl"])
    regions = [box(label, *BOX) for label in ("cat", "dog", "owl")]
    studio.tasks = [task(0, annotation(1, *regions))]
    assert await classes(client) == {"cat": 1, "dog": 1, "owl": 1}
    assert images_asked(studio) == [image_of(0)]
    studio.tasks.append(task(1, annotation(2, regions[1])))
    await send_webhook(client)
    assert await classes(client) == {"cat": 1, "dog": 2, "owl": 1}
    assert images_asked(studio) == [image_of(1)]


async def test_what_is_drawn_again_is_drawn_on_the_image_that_is_there(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    assert await shots(client) == [1]
    other = picture(height=100, width=100, box=(20, 20, 50, 50))
    studio.images[image_of(0)] = other.image_png
    studio.tasks = [task(0, annotation(1, brush(other), at="2026-01-02"))]
    kept = (await set_up(client))["session_id"]
    await send_webhook(client)
    assert await shots(client) == [1]
    found, expected = (
        await archive(client, kept),
        await archive(client, await new_session(client, [other])),
    )
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


async def test_a_shot_whose_image_is_gone_is_left_out_when_its_class_changes(
    settings: Settings, studio: Studio, learned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_learner, "_MAX_FILE_BYTES", 0)
    studio.tasks = [task(n, annotation(n, brush(PICTURES[n]))) for n in range(2)]
    async with running(backend(settings, studio)) as client:
        assert await shots(client) == [2]
        studio.statuses[image_of(0)] = 404
        await send_webhook(client)
        assert await shots(client) == [2]  # nothing is learned, so nothing is missed
        studio.tasks.append(task(2, annotation(2, brush(PICTURES[2]))))
        for _ in range(3):
            images_asked(studio)
            await send_webhook(client)
            assert await shots(client) == [2]
        assert learned == [2, 2]
        assert images_asked(studio) == [image_of(0)]  # in case it is there again


async def test_an_image_that_is_not_delivered_is_learned_once_it_is(
    client: httpx.AsyncClient, studio: Studio, learned: list[int]
) -> None:
    studio.statuses[image_of(1)] = 403
    studio.tasks = [task(n, annotation(n, brush(PICTURES[n]))) for n in range(2)]
    for _ in range(3):
        await send_webhook(client)
        assert await shots(client) == [1]
    assert learned == [1]
    assert images_asked(studio).count(image_of(0)) == 1
    del studio.statuses[image_of(1)]
    await send_webhook(client)
    assert await shots(client) == [2]
    assert learned == [1, 2]


@pytest.mark.parametrize("broken", [b"no image", picture(height=10, width=10).image_png])
async def test_an_image_that_does_not_fit_is_fetched_once_an_update(
    client: httpx.AsyncClient, studio: Studio, broken: bytes
) -> None:
    studio.config = controls(RectangleLabels=["cat", "dog", "owl"])
    studio.images[image_of(1)] = broken
    regions = [box(label, *BOX) for label in ("cat", "dog", "owl")]
    studio.tasks = [task(n, annotation(n, *regions)) for n in range(2)]
    assert await classes(client) == {"cat": 1, "dog": 1, "owl": 1}
    assert sorted(images_asked(studio)) == [image_of(0), image_of(1)]
    studio.images[image_of(1)] = PICTURES[1].image_png
    await send_webhook(client)
    assert await classes(client) == {"cat": 2, "dog": 2, "owl": 2}
    assert images_asked(studio) == [image_of(1)]


async def test_classes_that_were_learned_outlast_a_failure(
    client: httpx.AsyncClient, studio: Studio, learned: list[int]
) -> None:
    studio.config = controls(RectangleLabels=["cat", "dog"])
    studio.tasks = [
        task(0, annotation(1, box("cat", *BOX))),
        task(1, annotation(2, box("dog", *BOX))),
    ]
    studio.statuses[image_of(1)] = 503
    answer = await client.post("/setup", json={"project": "1"})
    assert answer.status_code == 502, answer.text
    assert learned == [1]  # in several attempts
    del studio.statuses[image_of(1)]
    assert await classes(client) == {"cat": 1, "dog": 1}
    assert learned == [1, 1]
