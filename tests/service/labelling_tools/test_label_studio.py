"""The ML backend's contract, through HTTP, beside a Label Studio of the same shape."""

import asyncio
import gzip
import threading
import time
import tracemalloc
from pathlib import Path

import httpx
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from service.access import key_line, new_key
from service.app import create_app
from service.engine import OnnxEngine
from service.labelling_tools import mirror, parse_label_config
from service.labelling_tools import studio as studio_client
from service.labelling_tools.brush_rle import decode_brush
from service.settings import Settings
from tests.service.http_api import (
    assert_problem,
    post_segment,
    running,
)
from tests.service.labelling_tools.fake_studio import (
    CONFIG,
    PERSONAL,
    TOKEN,
    Studio,
    label_studio,
)
from tests.service.labelling_tools.project import (
    PICTURES,
    UID,
    annotation,
    backend,
    box,
    brush,
    classes,
    controls,
    images_asked_for,
    polygon,
    predict,
    region,
    send_webhook,
    set_up,
    shots,
    task,
)
from tests.service.lost_device import lose_device
from tests.service.pictures import iou

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


async def test_annotations_become_shots_once(client: httpx.AsyncClient, studio: Studio) -> None:
    await set_up(client)
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    for _ in range(3):
        await send_webhook(client)
    assert await shots(client) == [1]
    studio.tasks.append(task(1, annotation(2, brush(PICTURES[1]))))
    await send_webhook(client)
    assert await shots(client) == [2]
    studio.tasks[0]["annotations"][0] |= {"updated_at": "2026-01-02"}
    await send_webhook(client, "ANNOTATION_UPDATED")
    assert await shots(client) == [2]
    studio.tasks.pop()
    await send_webhook(client, "ANNOTATIONS_DELETED")
    assert await shots(client) == [1]


async def test_version_changes_with_the_shots(client: httpx.AsyncClient, studio: Studio) -> None:
    before = (await set_up(client))["model_version"]
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    await send_webhook(client)
    after = (await set_up(client))["model_version"]
    assert before != after == (await set_up(client))["model_version"]


async def test_brush_is_what_segment_answers(client: httpx.AsyncClient, studio: Studio) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    session = (await set_up(client))["session_id"]
    answer = (await predict(client, "/data/upload/1/2.png")).json()
    (result,) = answer["results"][0]["result"]
    assert (result["from_name"], result["to_name"], result["type"]) == (
        "tag",
        "image",
        "brushlabels",
    )
    assert result["value"]["brushlabels"] == ["thing"]
    found = decode_brush(result["value"]["rle"], *PICTURES[2].mask.shape)
    segmented = (await post_segment(client, session, [PICTURES[2]])).json()["results"][0]
    expected = coco_mask.decode(segmented["classes"][0]["mask"]).astype(np.bool_)
    assert (found == expected).all()
    assert iou(found, PICTURES[2].mask) > 0.7


async def test_polygons_and_boxes_where_the_config_asks(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    for kind, tag in (("polygonlabels", "PolygonLabels"), ("rectanglelabels", "RectangleLabels")):
        studio.config = CONFIG.replace("BrushLabels", tag)
        box = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0}
        points = [[25, 25], [75, 25], [75, 75], [25, 75]]
        value = {"points": points} if kind == "polygonlabels" else box
        drawn = region(kind, PICTURES[0], {**value, kind: ["thing"]})
        studio.tasks = [task(0, annotation(1, drawn, at=kind))]
        await send_webhook(client)
        answer = (await predict(client, "/data/upload/1/2.png", config=studio.config)).json()
        (result,) = answer["results"][0]["result"]
        assert result["type"] == kind
        got = result["value"]
        if kind == "polygonlabels":
            assert got["closed"]
            low, high = np.min(got["points"], axis=0), np.max(got["points"], axis=0)
        else:
            low = np.array([got["x"], got["y"]])
            high = low + np.array([got["width"], got["height"]])
        assert np.abs(low - 25).max() < 7
        assert np.abs(high - 75).max() < 7


async def test_session_is_the_same_after_a_restart(settings: Settings, studio: Studio) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    found = []
    for _ in range(2):
        async with running(backend(settings, studio)) as client:
            found.append(await set_up(client))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/data/x.png",
        "file:///etc/passwd",
        "//evil.example/data/x.png",
        "/data/../api/users",
        "/data/%2e%2e/api/users",
        "/api/current-user/whoami",
        "http://user@{host}/data/x.png",
        "http://{host}.evil.example/data/x.png",
        "s3://bucket/x.png",
        "data:image/png;base64,!!!",
        "data:image/png;base64,\u00e9",
        pytest.param("/data/" + 70_000 * "x", id="longer than addresses are"),
        None,
        {"a": 1},
    ],
)
async def test_images_from_elsewhere_are_refused(
    client: httpx.AsyncClient, studio: Studio, address: object
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    await set_up(client)
    studio.asked.clear()
    if isinstance(address, str):
        address = address.replace("{host}", studio.url.removeprefix("http://"))
    assert_problem(await predict(client, address), 422, "invalid_request")
    assert studio.asked == []


async def test_a_huge_address_is_not_taken_apart(client: httpx.AsyncClient, studio: Studio) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    await set_up(client)
    started = time.process_time()
    address = "/data/" + "%25" * 5_000_000
    assert (
        "too long"
        in assert_problem(await predict(client, address), 422, "invalid_request")["detail"]
    )
    assert time.process_time() - started < 2


async def test_redirects_are_not_followed(client: httpx.AsyncClient, studio: Studio) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    studio.redirects["/data/away"] = f"{studio.url}/data/upload/1/2.png"
    assert_problem(await predict(client, "/data/away"), 502, "label_studio_failed")


async def test_compressed_images_are_not_unpacked(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    await set_up(client)
    studio.images["/data/packed.png"] = gzip.compress(PICTURES[2].image_png)
    studio.encodings["/data/packed.png"] = "gzip"
    answer = await predict(client, "/data/packed.png")
    assert "compressed" in assert_problem(answer, 502, "label_studio_failed")["detail"]


async def test_what_is_drawn_in_tasks_to_predict_is_not_looked_at(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    data = {"image": "/data/upload/1/2.png"}
    tasks = [{"id": 1, "data": data, "annotations": [1] * 100_000}]
    request = {"tasks": tasks, "project": UID, "label_config": CONFIG}
    answer = await client.post("/predict", json=request)
    assert len(answer.json()["results"][0]["result"]) == 1


async def test_one_error_is_told_of_a_list_of_errors(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    request = {"tasks": [1] * 1000, "project": UID, "label_config": CONFIG}
    problem = assert_problem(await client.post("/predict", json=request), 422, "invalid_request")
    assert problem["detail"].startswith("tasks.0: ")
    assert "tasks.1" not in problem["detail"]


async def change(client: httpx.AsyncClient, key: str, project: int) -> int:
    """The status of a webhook for a project of a key's owner."""
    event = {"action": "ANNOTATION_CREATED", "project": {"id": project}}
    return (await client.post("/webhook", json=event, auth=("fss", key))).status_code


def two_keys(file: Path) -> tuple[str, str]:
    keys = new_key(), new_key()
    file.write_text("".join(key_line(f"owner-{n}", key) + "\n" for n, key in enumerate(keys)))
    return keys


async def test_owners_take_turns(settings: Settings, studio: Studio, tmp_path: Path) -> None:
    alice, bob = two_keys(tmp_path / "keys")
    asked, released = threading.Event(), threading.Event()

    def hold_the_first(path: str) -> None:
        if path == "/api/projects/1":
            asked.set()
            released.wait(20)

    studio.before = hold_the_first
    async with running(backend(settings, studio, api_keys_file=tmp_path / "keys")) as client:
        assert await change(client, alice, 1) == 202
        assert await asyncio.to_thread(asked.wait, 20)
        assert {await change(client, alice, project) for project in range(2, 12)} == {202}
        assert await change(client, bob, 20) == 202
        released.set()
        answer = await client.post("/setup", json={"project": "20.1"}, auth=("fss", bob))
        assert answer.json()["session_id"]
    projects = [path for path, _ in studio.asked if path.startswith("/api/projects/")]
    assert projects.index("/api/projects/20") <= 2


async def test_projects_of_one_owner_leave_places_to_others(
    settings: Settings, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_MAX_RUNNING_OF_OWNER", 2)
    alice, bob = two_keys(tmp_path / "keys")
    released = threading.Event()
    studio.before = lambda _: released.wait(20)
    async with running(backend(settings, studio, api_keys_file=tmp_path / "keys")) as client:
        statuses = [await change(client, alice, project) for project in (1, 2, 3)]
        assert statuses == [202, 202, 503]
        assert await change(client, bob, 3) == 202
        released.set()


async def test_one_bad_task_among_several_is_empty(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    answer = (await predict(client, "/data/none.png", "/data/upload/1/2.png")).json()
    assert [len(each["result"]) for each in answer["results"]] == [0, 1]


async def test_a_wait_that_grows_meanwhile_leaves_no_task_empty(
    client: httpx.AsyncClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    await set_up(client)
    await send_webhook(client)
    waits = iter([0.0, 0.0])  # the request may come, and is admitted
    monkeypatch.setattr(OnnxEngine, "wait_s", lambda *_: next(waits, 99.0))
    answer = (await predict(client, "/data/upload/1/1.png", "/data/upload/1/2.png")).json()
    assert [len(each["result"]) for each in answer["results"]] == [1, 1]


async def test_odd_annotations_keep_no_other_from_being_learned(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    odd = brush(PICTURES[1])
    odd["value"]["rle"] = [1, 2, 3]
    studio.tasks = [
        task(1, annotation(2, odd), annotation(3, {"from_name": "tag", "type": 5})),
        task(0, annotation(1, brush(PICTURES[0])), annotation(4, brush(PICTURES[0]))),
    ]
    studio.tasks[1]["annotations"][1]["was_cancelled"] = True
    assert await shots(client) == [1]


async def test_labels_of_another_control_are_not_learned(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.config = controls(BrushLabels=["cat"], PolygonLabels=["cat", "dog"])
    studio.tasks = [task(0, annotation(1, polygon("cat"), polygon("dog")))]
    for _ in range(3):
        await send_webhook(client)
        assert await classes(client) == {"dog": 1}
    assert images_asked_for(studio) == 1


async def test_an_image_that_is_gone_and_holds_nothing_to_learn_stops_no_update(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.config = controls(BrushLabels=["cat"], PolygonLabels=["cat", "dog"])
    studio.tasks = [task(404, annotation(1, polygon("cat")))]
    assert await classes(client) == {}
    studio.tasks.append(task(0, annotation(2, polygon("dog"))))
    await send_webhook(client)
    assert await classes(client) == {"dog": 1}


async def test_masks_with_nothing_to_learn_are_looked_at_once(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.config = controls(RectangleLabels=["all", "none", "some"])
    everything, nothing = box("all", 0, 0, 100, 100), box("none", 25, 25, 0, 0)
    studio.tasks = [
        task(0, annotation(1, everything, nothing, box("some", 25, 25, 50, 50))),
        task(404, annotation(2, everything, nothing)),
    ]
    for _ in range(3):
        await send_webhook(client)
        assert await classes(client) == {"some": 1}
    assert images_asked_for(studio) == 1


async def test_masks_of_many_labels_are_never_there_at_once(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    names = [f"label {number}" for number in range(40)]
    studio.config = controls(RectangleLabels=names)
    drawn = [box(name, 0, 0, 100, 100) for name in names]
    for each in drawn:
        each |= {"original_height": 2000, "original_width": 2000}
    studio.tasks = [task(0, annotation(1, *drawn))]
    tracemalloc.start()
    try:
        assert await classes(client) == {}
        assert tracemalloc.get_traced_memory()[1] < 60_000_000  # of 40 masks of 4 MB
    finally:
        tracemalloc.stop()


async def test_a_page_of_tasks_with_endless_values_is_not_parsed(
    client: httpx.AsyncClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    assert await shots(client) == [1]
    monkeypatch.setattr(studio_client, "_MAX_JSON_PARTS", 50)
    studio.tasks.append(task(1, annotation(2, brush(PICTURES[1]))))
    studio.tasks[0]["data"]["more"] = [[]] * 50
    await send_webhook(client)
    assert await shots(client) == [1]  # as it was


async def test_what_one_control_cannot_teach_another_may(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.config = controls(PolygonLabels=["thing"], RectangleLabels=["thing"])
    empty = region("polygonlabels", PICTURES[0], {"polygonlabels": ["thing"]})
    drawn = [empty | {"from_name": "polygonlabels"}, box("thing", 25, 25, 50, 50)]
    studio.tasks = [task(0, annotation(1, *drawn))]
    assert await classes(client) == {}
    studio.config = controls(RectangleLabels=["thing"])
    await send_webhook(client, "PROJECT_UPDATED")
    assert await classes(client) == {"thing": 1}


@pytest.mark.parametrize("why", [404, 403, 410, "redirected", "too large"])
async def test_an_image_that_is_not_delivered_keeps_no_other_from_being_learned(
    settings: Settings, studio: Studio, why: int | str
) -> None:
    lost = "/data/upload/1/1.png"
    if isinstance(why, int):
        studio.statuses[lost] = why
    elif why == "redirected":
        studio.redirects[lost] = f"{studio.url}/data/upload/1/2.png"
    else:
        studio.images[lost] += bytes(300_000)
    studio.tasks = [
        task(1, annotation(2, brush(PICTURES[1]))),
        task(0, annotation(1, brush(PICTURES[0]))),
    ]
    async with running(backend(settings, studio, max_body_bytes=200_000)) as client:
        assert await shots(client) == [1]
        assert_problem(await predict(client, lost), 502, "label_studio_failed")


async def test_a_class_whose_images_are_all_gone_stays_as_it_was(
    client: httpx.AsyncClient, studio: Studio
) -> None:
    studio.tasks = [task(1, annotation(1, brush(PICTURES[1])))]
    assert await shots(client) == [1]
    studio.statuses["/data/upload/1/1.png"] = 403
    studio.tasks = [task(1, annotation(2, brush(PICTURES[1])))]  # drawn again
    await send_webhook(client)
    assert await shots(client) == [1]
    studio.tasks = []
    await send_webhook(client)
    assert await shots(client) == []


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
async def test_a_label_studio_that_is_in_trouble_changes_no_session(
    client: httpx.AsyncClient, studio: Studio, status: int
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    assert await shots(client) == [1]
    studio.statuses["/data/upload/1/1.png"] = status
    studio.tasks = [
        task(1, annotation(2, brush(PICTURES[1]))),
        task(2, annotation(3, brush(PICTURES[2]))),
    ]
    await send_webhook(client)
    assert await shots(client) == [1]
    del studio.statuses["/data/upload/1/1.png"]
    assert await shots(client) == [2]  # though nobody has annotated since


async def test_a_label_studio_that_asks_before_it_answers_is_not_waited_for(
    client: httpx.AsyncClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As projects do that evaluate predictions automatically whenever tasks are listed."""
    monkeypatch.setattr(mirror, "_FOLLOW_WAIT_S", 0.2)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    answers: list[int] = []

    def evaluate(path: str) -> None:
        if path == "/api/tasks":
            asking = asyncio.run_coroutine_threadsafe(predict(client, "/data/upload/1/2.png"), loop)
            answers.append(asking.result(timeout=5).status_code)
            loop.call_soon_threadsafe(asked.set)

    studio.before = evaluate
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    first = await predict(client, "/data/upload/1/2.png")
    assert (first.status_code, answers) == (200, [503])  # there was no session yet
    studio.tasks.append(task(1, annotation(2, brush(PICTURES[1]))))
    asked.clear()
    await send_webhook(client)
    await asked.wait()
    monkeypatch.setattr(mirror, "_FOLLOW_WAIT_S", 60)
    assert await shots(client) == [2]
    assert answers == [503, 200]


@pytest.mark.parametrize("path", ["/api/projects/1", "/api/tasks", "/api/token/refresh/"])
async def test_what_is_not_answered_of_a_project_is_a_failure(
    settings: Settings, studio: Studio, path: str
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    studio.statuses[path] = 404
    async with running(backend(settings, studio, label_studio_token=PERSONAL)) as client:
        assert_problem(await predict(client, "/data/none.png"), 502, "label_studio_failed")


@pytest.mark.parametrize("path", ["/api/projects/1", "/api/tasks"])
@pytest.mark.parametrize("status", [403, 404])
async def test_a_project_that_is_refused_is_asked_for_once(
    client: httpx.AsyncClient, studio: Studio, path: str, status: int
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    assert await shots(client) == [1]
    studio.statuses[path] = status
    studio.asked.clear()
    await send_webhook(client)
    assert await shots(client) == await shots(client) == [1]  # as it was
    assert [asked for asked, _ in studio.asked].count(path) == 1


async def test_a_project_outlasts_a_lost_device(
    client: httpx.AsyncClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    failed = lose_device(monkeypatch)
    await set_up(client)
    assert len(failed) == 3  # then the worker has loaded the bundle anew


async def test_nothing_waits_after_the_last_attempt(
    client: httpx.AsyncClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_ATTEMPTS", 1)
    monkeypatch.setattr(mirror, "_RETRY_PAUSE_S", 60)
    studio.statuses["/api/tasks"] = 503
    answer = await client.post("/setup", json={"project": UID})
    assert_problem(answer, 502, "label_studio_failed")


async def test_the_oldest_of_many_failures_waits_for_its_next_webhook(
    client: httpx.AsyncClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_MAX_FAILED", 1)
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    assert await shots(client, "1.0") == await shots(client, "2.0") == [1]
    studio.statuses["/api/tasks"] = 503
    studio.tasks.append(task(1, annotation(2, brush(PICTURES[1]))))
    for project in (1, 2):
        await send_webhook(client, project=project)
    assert await shots(client, "2.0") == [1]
    del studio.statuses["/api/tasks"]
    assert await shots(client, "2.0") == [2]
    assert await shots(client, "1.0") == [1]
    await send_webhook(client)
    assert await shots(client, "1.0") == [2]


async def test_hostile_messages(client: httpx.AsyncClient, studio: Studio) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><View>&a;</View>'
    for config in (bomb, "<View>", ""):
        answer = await predict(client, "/data/upload/1/0.png", config=config)
        assert_problem(answer, 422, "invalid_request")
    for body in ({"project": "../1"}, {"project": 1}, {}, [1]):
        assert_problem(await client.post("/setup", json=body), 422, "invalid_request")
    event = {"action": "ANNOTATION_CREATED", "project": {"id": "x"}}
    assert_problem(await client.post("/webhook", json=event), 422, "invalid_request")


async def test_tokens_go_to_label_studio_alone(settings: Settings, studio: Studio) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    with label_studio() as other:
        other.images["/pictures/2.png"] = PICTURES[2].image_png
        app = backend(
            settings,
            studio,
            label_studio_token=PERSONAL,
            label_studio_image_origins=(other.url,),
        )
        async with running(app) as client:
            assert (await predict(client, f"{other.url}/pictures/2.png")).status_code == 200
        assert other.asked == [("/pictures/2.png", None)]
    sent = dict(studio.asked)
    assert sent["/api/token/refresh/"] is None
    assert sent["/api/tasks"] == "Bearer fresh-access"


async def test_an_access_token_that_is_revoked_is_replaced(
    settings: Settings, studio: Studio
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    async with running(backend(settings, studio, label_studio_token=PERSONAL)) as client:
        assert await shots(client) == [1]
        studio.access = "another"
        studio.asked.clear()
        assert (await predict(client, "/data/upload/1/2.png")).status_code == 200
        assert [path for path, _ in studio.asked] == [
            "/data/upload/1/2.png",
            "/api/token/refresh/",
            "/data/upload/1/2.png",
        ]


@pytest.mark.parametrize(("token", "attempts"), [(TOKEN, 1), (PERSONAL, 2)])
async def test_an_image_that_no_token_opens_is_given_up(
    settings: Settings, studio: Studio, token: str, attempts: int
) -> None:
    studio.tasks = [task(0, annotation(1, brush(PICTURES[0])))]
    studio.statuses["/data/upload/1/2.png"] = 401
    async with running(backend(settings, studio, label_studio_token=token)) as client:
        assert await shots(client) == [1]
        answer = await predict(client, "/data/upload/1/2.png")
        assert_problem(answer, 502, "label_studio_failed")
    assert [path for path, _ in studio.asked].count("/data/upload/1/2.png") == attempts


async def test_a_key_is_the_basic_password(
    settings: Settings, studio: Studio, tmp_path: Path
) -> None:
    key = new_key()
    keys = tmp_path / "keys"
    keys.write_text(key_line("someone", key) + "\n")
    async with running(backend(settings, studio, api_keys_file=keys)) as client:
        assert (await client.get("/health")).json()["status"] == "UP"
        request = {"project": UID}
        assert_problem(await client.post("/setup", json=request), 401, "unauthorized")
        for auth, status in ((("fss", key), 200), (("fss", "no"), 401)):
            assert (await client.post("/setup", json=request, auth=auth)).status_code == status
        malformed = {"Authorization": "Basic !"}
        answer = await client.post("/setup", json=request, headers=malformed)
        assert answer.status_code == 401


async def test_off_unless_set(settings: Settings) -> None:
    async with running(create_app(settings)) as client:
        for path in ("/setup", "/predict", "/webhook"):
            assert (await client.post(path, json={})).status_code == 404
    with pytest.raises(ValueError, match="FSS_LABEL_STUDIO_TOKEN"):
        Settings(label_studio_url="http://studio")


def test_a_config_of_many_controls_is_read_at_once() -> None:
    controls = "".join(
        f'<{kind} name="{n}" toName="i"><Label value="{n % 6000}"/></{kind}>'
        for n in range(6_500)
        for kind in ("RectangleLabels", "BrushLabels")
    )
    began = time.perf_counter()
    config = parse_label_config(f'<View><Image name="i" value="$i"/>{controls}</View>')
    assert time.perf_counter() - began < 1
    assert list(config.controls)[:501] == [*map(str, range(499, -1, -1)), "5999"]
    assert config.controls["499"].name == "499"  # the first of two, and the most exact
    assert {control.kind for control in config.controls.values()} == {"brushlabels"}
