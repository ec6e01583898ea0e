"""`POST /support`: what it answers and what it keeps."""

from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.engines import CountingEngine
from tests.service.http_api import (
    assert_problem,
    files,
    new_session,
    post_segment,
    post_support,
    running,
)
from tests.service.pictures import BLUE, RED, Picture, picture


async def test_new_session_answers_the_contract(client: httpx.AsyncClient) -> None:
    response = await post_support(client, [picture(), picture(seed=1)], "scratch")
    assert response.status_code == 201
    body = response.json()
    assert set(body) == {
        "session_id",
        "class_name",
        "shots",
        "adapted",
        "created",
        "expires_at",
        "model",
        "warnings",
        "report",
    }
    assert body["class_name"] == "scratch"
    assert body["shots"] == 2
    assert body["model"] == "fake@1"
    assert body["warnings"] == []
    created = datetime.fromisoformat(body["created"])
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    assert datetime.fromisoformat(body["expires_at"]) - created >= timedelta(seconds=3600)
    assert len(body["session_id"]) == 32


async def test_adaptation_is_asked_for_and_stays_with_the_class(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    del fake_engine
    async with running(create_app(settings)) as client:  # a real engine on the tiny bundle
        shown = [picture(seed=seed) for seed in range(3)]
        plain = await post_support(client, shown, "plain", adapt="false")
        session_id = plain.json()["session_id"]
        assert plain.json()["adapted"] is False
        # What an adapted class marks is what its masks say, here everything but the object.
        turned = [scene._replace(mask=~scene.mask) for scene in shown]
        fields = {"session_id": session_id, "adapt": "true"}
        assert (await post_support(client, turned, "ground", **fields)).json()["adapted"] is True
        more = await post_support(client, turned[:1], "ground", session_id=session_id)
        assert (more.json()["shots"], more.json()["adapted"]) == (4, True)
        query = picture(seed=9)
        answer = await post_segment(client, session_id, [query], classes="ground")
        (found,) = answer.json()["results"][0]["classes"]
        assert found["area"] == pytest.approx((~query.mask).sum(), rel=0.15)
        wrong = await post_support(client, shown, session_id=session_id, adapt="perhaps")
        assert_problem(wrong, 422, "invalid_request")


async def test_a_class_is_adapted_by_itself_where_that_marks_its_shots_better(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    del fake_engine
    # What is half as bright as the object is nearer to it than to the dark ground, yet not meant.
    shown = []
    for seed in range(6):
        scene = picture((240, 40, 40), seed=seed, box=(15, 20, 60, 60))
        scene.image[60:105, 90:150] = (170, 60, 60)
        shown.append(scene)
    async with running(create_app(settings)) as client:
        by_itself = await post_support(client, shown, "bright")
        session_id = by_itself.json()["session_id"]
        off = await post_support(client, shown, "off", session_id=session_id, adapt="false")
        assert (by_itself.json()["adapted"], off.json()["adapted"]) == (True, False)
        areas = []
        for name in ("bright", "off"):
            answer = await post_segment(
                client, session_id, [shown[0]], classes=name, threshold="model"
            )
            (found,) = answer.json()["results"][0]["classes"]
            areas.append(found["area"] / shown[0].mask.sum())
        assert areas[0] == pytest.approx(1, abs=0.3)
        assert areas[1] > areas[0] + 0.3


async def test_append_adds_shots_and_replace_exchanges_them(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture(), picture(seed=1)])
    appended = await post_support(client, [picture(seed=2)], session_id=session_id)
    assert appended.json()["shots"] == 3
    replaced = await post_support(client, [picture(BLUE)], session_id=session_id, mode="replace")
    assert replaced.json()["shots"] == 1
    result = (await post_segment(client, session_id, [picture(BLUE)])).json()["results"][0]
    assert result["classes"][0]["area"] == pytest.approx(60 * 80, rel=0.1)


@pytest.mark.parametrize("place", ["field", "header", "both"])
async def test_session_is_named_by_field_or_header(client: httpx.AsyncClient, place: str) -> None:
    session_id = await new_session(client, [picture()])
    shot = picture(seed=3)
    response = await client.post(
        "/support",
        data={"class_name": "thing"} | ({} if place == "header" else {"session_id": session_id}),
        files=files("images", [shot.image_png]) + files("masks", [shot.mask_png]),
        headers={} if place == "field" else {"X-Session-ID": session_id},
    )
    assert response.status_code == 201
    assert (response.json()["session_id"], response.json()["shots"]) == (session_id, 2)


async def test_field_and_header_must_agree(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()])
    response = await client.post(
        "/segment",
        data={"session_id": session_id},
        files=files("images", [picture().image_png]),
        headers={"X-Session-ID": session_id[::-1]},
    )
    assert assert_problem(response, 422, "invalid_request")["location"] == "session_id"


async def test_an_empty_header_names_no_session(client: httpx.AsyncClient) -> None:
    client.headers["X-Session-ID"] = ""
    response = await post_support(client, [picture()])
    assert response.status_code == 201
    assert response.json()["shots"] == 1


async def test_client_cannot_choose_a_session_id(client: httpx.AsyncClient) -> None:
    response = await post_support(client, [picture()], session_id="my-own-session")
    assert_problem(response, 404, "session_not_found")
    assert (await client.get("/sessions/my-own-session")).status_code == 404


async def test_session_ids_differ(client: httpx.AsyncClient) -> None:
    assert len({await new_session(client, [picture()]) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("box", "words"),
    [((5, 5, 2, 2), "under 0.05 %"), ((0, 0, 115, 160), "over 90 %")],
)
async def test_doubtful_mask_is_accepted_with_a_warning(
    client: httpx.AsyncClient, box: tuple[int, int, int, int], words: str
) -> None:
    response = await post_support(client, [picture(), picture(box=box)])
    assert response.status_code == 201
    (warning,) = response.json()["warnings"]
    assert warning.startswith("masks[1]")
    assert words in warning


async def test_failing_support_changes_nothing(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture()])
    empty = Picture(picture().image, np.zeros((120, 160), np.bool_))
    response = await post_support(client, [picture(BLUE), empty], session_id=session_id)
    assert assert_problem(response, 422, "empty_mask")["location"] == "masks[1]"
    assert (await client.get(f"/sessions/{session_id}")).json()["classes"] == [
        {"class_name": "thing", "shots": 1, "adapted": False}
    ]


async def test_limits_of_a_session_are_problems_and_lose_nothing(
    settings: Settings, fake_engine: FakeEngine
) -> None:
    bounded = settings.model_copy(update={"max_shots": 2, "max_classes": 1})
    async with running(create_app(bounded, engine=fake_engine)) as client:
        session_id = await new_session(client, [picture(), picture()])
        too_many_shots = await post_support(client, [picture()], session_id=session_id)
        assert "2 shots" in assert_problem(too_many_shots, 422, "limit_exceeded")["detail"]
        too_many_classes = await post_support(client, [picture()], "b", session_id=session_id)
        assert "1 classes" in assert_problem(too_many_classes, 422, "limit_exceeded")["detail"]
        session = (await client.get(f"/sessions/{session_id}")).json()
        assert session["classes"] == [{"class_name": "thing", "shots": 2, "adapted": False}]


async def test_one_spelling_is_one_class(client: httpx.AsyncClient) -> None:
    session_id = await new_session(client, [picture(RED)], "caf\u00e9")
    decomposed = await post_support(client, [picture(RED)], "cafe\u0301", session_id=session_id)
    assert decomposed.json()["shots"] == 2


async def post_once(
    client: httpx.AsyncClient, pictures: list[Picture], idempotency_key: str, **fields: str
) -> httpx.Response:
    """`POST /support` with an idempotency key."""
    return await client.post(
        "/support",
        data={"class_name": "thing", **fields},
        files=files("images", [p.image_png for p in pictures])
        + files("masks", [p.mask_png for p in pictures]),
        headers={"Idempotency-Key": idempotency_key},
    )


async def test_a_repeated_request_registers_nothing_again(
    client: httpx.AsyncClient, fake_engine: CountingEngine
) -> None:
    first = await post_once(client, [picture(box=(0, 0, 2, 3))], "made")
    encoded = fake_engine.encoded
    again = await post_once(client, [picture(box=(0, 0, 2, 3))], "made")
    assert (first.status_code, again.status_code) == (201, 201)
    told, told_again = first.json(), again.json()
    assert told["warnings"]
    assert told_again["expires_at"] >= told.pop("expires_at")
    assert told_again | told == told_again
    session_id = told["session_id"]
    assert fake_engine.encoded == encoded > 0
    for _ in range(3):
        added = await post_once(client, [picture(seed=2)], "added", session_id=session_id)
        assert added.json()["shots"] == 2
    await client.delete(f"/sessions/{session_id}/classes/thing")
    gone = await post_once(client, [picture(seed=2)], "added", session_id=session_id)
    assert_problem(gone, 404, "class_not_found")


async def test_an_idempotency_key_of_another_request_is_refused(client: httpx.AsyncClient) -> None:
    session_id = (await post_once(client, [picture()], "key")).json()["session_id"]
    for pictures, fields in (
        ([picture(seed=1)], {}),
        ([picture()], {"class_name": "other"}),
        ([picture()], {"session_id": session_id}),
    ):
        refused = await post_once(client, pictures, "key", **fields)
        assert_problem(refused, 422, "idempotency_key_reused")
    assert (await client.get(f"/sessions/{session_id}")).json()["classes"][0]["shots"] == 1


@pytest.mark.parametrize("idempotency_key", ["", "a b", "x" * 256, "\u00e9"])
async def test_an_idempotency_key_is_visible_ascii(
    client: httpx.AsyncClient, idempotency_key: str
) -> None:
    response = await client.post(
        "/support", headers=[(b"Idempotency-Key", idempotency_key.encode())]
    )
    problem = assert_problem(response, 422, "invalid_request")
    assert problem["errors"][0]["location"] == "header.Idempotency-Key"
