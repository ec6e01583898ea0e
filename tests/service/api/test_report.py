"""`POST /support` with a report card, `GET .../report`, and thresholds calibrated by it."""

from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr

from service.app import create_app
from service.engine import FakeEngine
from service.settings import Settings
from tests.service.http_api import assert_problem, post_segment, post_support, running
from tests.service.pictures import BLUE, RED, Picture, picture
from tests.service.redis_server import RedisServer

SHOTS = [picture(seed=seed, box=(20 + 9 * seed, 30, 60, 70)) for seed in range(3)]


def masked(mask_box: tuple[int, int, int, int]) -> Picture:
    """A picture whose mask is another box than the object's."""
    return SHOTS[0]._replace(mask=picture(box=mask_box).mask)


async def codes(client: httpx.AsyncClient, pictures: list[Picture], shot: int | None) -> set[str]:
    """Codes of the warnings about one shot of a new class."""
    report = (await post_support(client, pictures)).json()["report"]
    return {warning["code"] for warning in report["warnings"] if warning["shot"] == shot}


async def test_good_shots_predict_each_other(client: httpx.AsyncClient) -> None:
    report = (await post_support(client, SHOTS)).json()["report"]
    assert [shot["predicted_from"] for shot in report["shots"]] == [2, 2, 2]
    assert min(shot["iou"] for shot in report["shots"]) > 0.9
    assert report["mean_iou"] > 0.9
    assert report["unjudged"] == []
    assert 0 < report["threshold"] < 1


async def test_a_single_shot_is_predicted_from_its_mirror_image(client: httpx.AsyncClient) -> None:
    report = (await post_support(client, SHOTS[:1])).json()["report"]
    (shot,) = report["shots"]
    assert (shot["predicted_from"], shot["suspicion"]) == (0, None)
    assert shot["iou"] > 0.9
    assert report["warnings"] == []
    assert "Add shots" in report["suggestion"]


@pytest.mark.parametrize(
    ("box", "code"),
    [
        ((60, 80, 2, 3), "nearly_empty_mask"),
        ((60, 80, 7, 8), "tiny_mask"),
        ((0, 0, 119, 159), "nearly_full_mask"),
        ((0, 0, 120, 155), "nearly_full_mask"),
    ],
)
async def test_masks_of_odd_size(
    client: httpx.AsyncClient, box: tuple[int, int, int, int], code: str
) -> None:
    assert code in await codes(client, [masked(box)], 0)


async def test_of_a_tiny_object_nothing_is_asked_that_the_service_does_itself(
    client: httpx.AsyncClient,
) -> None:
    report = (await post_support(client, [masked((60, 80, 7, 8))])).json()["report"]
    assert "Leave shots[0] if" in report["suggestion"]
    assert "Crop" not in report["suggestion"]


async def test_a_mask_that_touches_every_border(client: httpx.AsyncClient) -> None:
    cross = SHOTS[0].mask.copy()
    cross[50:60], cross[:, 70:80] = True, True
    assert await codes(client, [SHOTS[0]._replace(mask=cross)], 0) == {"touches_every_border"}


@pytest.mark.parametrize("others", [0, 2])
async def test_an_inverted_mask(client: httpx.AsyncClient, others: int) -> None:
    inverted = SHOTS[2]._replace(mask=~SHOTS[2].mask)
    pictures = [*SHOTS[:others], inverted]
    answer = (await post_support(client, pictures)).json()
    report = answer["report"]
    found = {(warning["shot"], warning["code"]) for warning in report["warnings"]}
    assert (others, "probably_inverted") in found
    assert answer["warnings"] == [warning["message"] for warning in report["warnings"]]
    told = f"shots[{others}]: the mask seems to mark the background instead of the object"
    assert told in [warning["message"] for warning in report["warnings"]]
    assert f"Swap object and background in the mask of shots[{others}]." in report["suggestion"]


@pytest.mark.parametrize("count", [2, 3])
async def test_masks_that_are_all_inverted_agree_and_are_found_all_the_same(
    client: httpx.AsyncClient, count: int
) -> None:
    # One object lies on the border, so that its mask alone would not betray itself.
    shots = [*SHOTS[: count - 1], picture(box=(60, 0, 60, 100))]
    inverted = [each._replace(mask=~each.mask) for each in shots]
    report = (await post_support(client, inverted)).json()["report"]
    found = [each["shot"] for each in report["warnings"] if each["code"] == "probably_inverted"]
    assert found == list(range(count))
    assert "nothing needs to be done" not in report["suggestion"]
    right = (await post_support(client, shots)).json()["report"]
    assert "probably_inverted" not in {each["code"] for each in right["warnings"]}


async def test_a_shifted_mask(client: httpx.AsyncClient) -> None:
    shifted = SHOTS[2]._replace(mask=np.roll(SHOTS[2].mask, (-30, 35), (0, 1)))
    assert await codes(client, [*SHOTS[:2], shifted], 2) == {"probably_shifted"}


async def test_a_shot_of_another_class(client: httpx.AsyncClient) -> None:
    assert await codes(client, [*SHOTS, picture(BLUE, seed=9)], 3) == {"unlike_others"}


async def test_shots_that_disagree(client: httpx.AsyncClient) -> None:
    assert "low_agreement" in await codes(client, [picture(RED), picture(BLUE)], None)


async def test_a_single_shot_that_is_not_found_in_its_own_image(client: httpx.AsyncClient) -> None:
    scene = picture(RED)
    half = scene.mask & (np.arange(scene.mask.shape[1]) % 8 == 0)
    report = (await post_support(client, [scene._replace(mask=half)])).json()["report"]
    assert report["shots"][0]["iou"] < 0.3
    (told,) = [each for each in report["warnings"] if each["code"] == "low_agreement"]
    assert told["message"].startswith("the shot is found poorly in its own image: IoU 0.")
    assert "with adapt=true" in report["suggestion"]
    assert "low_agreement" not in await codes(client, [scene], None)


async def test_appended_shots_are_judged_from_those_that_were_there(
    client: httpx.AsyncClient,
) -> None:
    first = (await post_support(client, SHOTS[:2])).json()
    session = first["session_id"]
    second = (await post_support(client, SHOTS[2:], session_id=session)).json()["report"]
    assert [shot["predicted_from"] for shot in second["shots"]] == [1, 1, 2]
    assert second["shots"][0]["iou"] == first["report"]["shots"][0]["iou"]
    answer = await post_support(client, SHOTS[:1], session_id=session, report="false")
    assert answer.json()["report"] is None
    later = (await client.get(f"/sessions/{session}/classes/thing/report")).json()
    assert later == {**second, "unjudged": [3]}


async def test_a_repeated_shot_is_told_and_is_no_evidence(client: httpx.AsyncClient) -> None:
    answer = (await post_support(client, [SHOTS[0], SHOTS[1], SHOTS[0]])).json()
    assert [shot["predicted_from"] for shot in answer["report"]["shots"]] == [1, 2, 1]
    (warning,) = answer["warnings"]
    assert warning.startswith("images[2]: the same image and mask as images[0]")
    alone = (await post_support(client, [SHOTS[0], SHOTS[0]])).json()
    assert [shot["predicted_from"] for shot in alone["report"]["shots"]] == [0, 0]
    again = (await post_support(client, SHOTS[:1], session_id=answer["session_id"])).json()
    assert again["report"]["shots"][3]["predicted_from"] == 1
    remasked = SHOTS[0]._replace(mask=SHOTS[1].mask)
    assert (await post_support(client, [SHOTS[0], remasked])).json()["warnings"] == []


@pytest.mark.parametrize("others", [0, 1])
async def test_objects_of_one_image_are_judged_as_if_one_mask_marked_them(
    client: httpx.AsyncClient, others: int
) -> None:
    halves = [picture(box=(30, left, 60, 40)) for left in (20, 100)]
    image = np.where(halves[1].mask[..., None], halves[1].image, halves[0].image)
    apart = [Picture(image, half.mask) for half in halves]
    joined = Picture(image, halves[0].mask | halves[1].mask)
    of_both = (await post_support(client, [*apart, *SHOTS[:others]])).json()["report"]
    of_one = (await post_support(client, [joined, *SHOTS[:others]])).json()["report"]
    first, second = of_both["shots"][:2]
    assert first["iou"] == second["iou"] == of_one["shots"][0]["iou"] > 0.9
    assert first["predicted_from"] == second["predicted_from"] == others
    assert of_both["warnings"] == of_one["warnings"] == []
    assert of_both["threshold"] == pytest.approx(of_one["threshold"], abs=0.1)
    if others:
        assert of_both["shots"][2]["predicted_from"] == 2
        assert of_both["shots"][2]["iou"] == pytest.approx(of_one["shots"][1]["iou"], abs=0.01)


@pytest.mark.parametrize("copies", [2, 3, 5, 16])
async def test_copies_of_one_shot_are_told_what_a_single_one_is(
    client: httpx.AsyncClient, copies: int
) -> None:
    single = (await post_support(client, SHOTS[:1])).json()["report"]
    report = (await post_support(client, SHOTS[:1] * copies)).json()["report"]
    assert {shot["predicted_from"] for shot in report["shots"]} == {0}
    assert report["suggestion"] == single["suggestion"]


async def test_only_shots_that_differ_make_enough_of_them(client: httpx.AsyncClient) -> None:
    repeated = (await post_support(client, [*SHOTS[:2], *SHOTS[:2]])).json()
    assert "Add shots" in repeated["report"]["suggestion"]
    session = repeated["session_id"]
    report = (await post_support(client, SHOTS[2:], session_id=session)).json()["report"]
    assert "nothing needs to be done" in report["suggestion"]


async def test_a_class_without_a_report_says_so(client: httpx.AsyncClient) -> None:
    session = (await post_support(client, SHOTS, report="false")).json()["session_id"]
    response = await client.get(f"/sessions/{session}/classes/thing/report")
    assert_problem(response, 404, "report_not_found")
    response = await client.get(f"/sessions/{session}/classes/nothing/report")
    assert_problem(response, 404, "class_not_found")


async def test_an_adapted_class_is_judged(client: httpx.AsyncClient) -> None:
    report = (await post_support(client, SHOTS, adapt="true")).json()["report"]
    assert min(shot["iou"] for shot in report["shots"]) > 0.9


async def test_an_adapted_class_is_cut_where_the_model_is(client: httpx.AsyncClient) -> None:
    plain, adapted = [
        (await post_support(client, SHOTS, adapt=adapt)).json() for adapt in ("false", "true")
    ]
    own = (await client.get("/models")).json()["models"][0]["threshold"]
    assert plain["report"]["threshold"] != own
    assert adapted["report"]["threshold"] == own


async def test_reports_move_with_the_archive(client: httpx.AsyncClient) -> None:
    known = (await post_support(client, SHOTS, "a/b")).json()
    archive = await client.get(f"/sessions/{known['session_id']}/archive")
    other = f"/sessions/{'x' * 32}"
    headers = {"Content-Type": archive.headers["content-type"]}
    assert (
        await client.put(f"{other}/archive", content=archive.content, headers=headers)
    ).status_code == 201
    assert (await client.get(f"{other}/classes/a%2Fb/report")).json() == known["report"]


@pytest.mark.redis
async def test_reports_outlive_the_service(
    redis_server: RedisServer, prefix: str, tiny_bundle: Path
) -> None:
    settings = Settings(
        bundle=tiny_bundle,
        store_url=SecretStr(redis_server.url),
        store_prefix=prefix,
        intra_op_threads=1,
    )
    async with running(create_app(settings, engine=FakeEngine())) as client:
        known = (await post_support(client, SHOTS[:2])).json()
        session = known["session_id"]
        known = (await post_support(client, SHOTS[2:], session_id=session)).json()
    async with running(create_app(settings, engine=FakeEngine())) as client:
        answer = await client.get(f"/sessions/{session}/classes/thing/report")
    assert answer.json() == known["report"]


async def test_a_calibrated_threshold_is_the_class_s_own(client: httpx.AsyncClient) -> None:
    known = (await post_support(client, SHOTS)).json()
    session, own = known["session_id"], known["report"]["threshold"]
    await post_support(client, [picture(BLUE)], "other", session_id=session, report="false")
    calibrated = await post_segment(client, session, SHOTS, threshold="calibrated", classes="thing")
    by_number = await post_segment(client, session, SHOTS, threshold=str(own), classes="thing")
    assert calibrated.json() == by_number.json()
    by_itself = await post_segment(client, session, SHOTS, classes="thing")
    assert by_itself.json() == calibrated.json()
    unjudged = await post_segment(client, session, SHOTS, threshold="calibrated", classes="other")
    plain = await post_segment(client, session, SHOTS, threshold="model", classes="other")
    assert unjudged.json() == plain.json()
    assert_problem(
        await post_segment(client, session, SHOTS, threshold="best"), 422, "invalid_request"
    )


async def test_a_label_map_names_what_it_holds(client: httpx.AsyncClient) -> None:
    session = (await post_support(client, [picture(BLUE)], "blue")).json()["session_id"]
    await post_support(client, [picture(RED)], "red", session_id=session)
    query = [picture(RED, seed=5)]
    kept = await post_segment(client, session, query, accept="image/png")
    assert (kept.headers["x-class-names"], labels(kept)) == ("blue,red", {0, 2})
    dropped = await post_segment(client, session, query, accept="image/png", absent="drop")
    assert (dropped.headers["x-class-names"], labels(dropped)) == ("blue,red", {0, 2})
    ground = [Picture(picture(box=(0, 0, 0, 0)).image, SHOTS[0].mask)]
    empty = await post_segment(client, session, ground, accept="image/png", absent="drop")
    assert (empty.headers["x-class-names"], labels(empty)) == ("blue,red", {0})


async def test_every_class_of_every_answer_tells_whether_it_is_there(
    client: httpx.AsyncClient,
) -> None:
    session = (await post_support(client, [picture(BLUE)], "blue")).json()["session_id"]
    await post_support(client, [picture(RED)], "red", session_id=session)
    answer = (await post_segment(client, session, [picture(RED), picture(BLUE)])).json()
    found = [[(c["class_name"], c["present"]) for c in r["classes"]] for r in answer["results"]]
    assert found == [[("blue", False), ("red", True)], [("blue", True), ("red", False)]]
    assert all(0 <= c["score"] <= 1 for r in answer["results"] for c in r["classes"])


def labels(response: httpx.Response) -> set[int]:
    with Image.open(BytesIO(response.content)) as image:
        return {int(value) for value in np.unique(np.asarray(image))}
