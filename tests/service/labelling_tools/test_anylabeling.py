"""What X-AnyLabeling's remote server client sends, through HTTP."""

import base64
from pathlib import Path

import httpx
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from service.access import key_line, new_key
from service.app import create_app
from service.imaging import encode_rle
from service.labelling_tools import to_shapes
from service.schemas import ClassResult, ImageResult
from service.settings import Settings
from tests.service.http_api import assert_problem, new_session, running
from tests.service.pictures import Picture, iou, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PARAMS = {"conf_threshold": 0.0, "iou_threshold": 0.0, "epsilon_factor": 0.001}


def data_uri(shown: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(shown.image_png).decode()


async def test_a_session_is_a_model(settings: Settings) -> None:
    shown = picture(seed=1)
    async with running(create_app(settings)) as client:
        session = await new_session(client, [picture()])
        models = (await client.get(f"/sessions/{session}/v1/models")).json()["data"]
        assert list(models) == [session]
        assert "thing" in models[session]["display_name"]
        assert {"name": "button_run", "value": None} in models[session]["widgets"]
        request = {"model": session, "image": data_uri(shown), "params": PARAMS}
        for server in ("", f"/sessions/{session}"):
            answer = (await client.post(f"{server}/v1/predict", json=request)).json()
            (shape,) = answer["data"]["shapes"]
            assert (shape["label"], shape["shape_type"]) == ("thing", "polygon")
            outline = [value for point in shape["points"] for value in point]
            drawn = coco_mask.decode(coco_mask.frPyObjects([outline], *shown.mask.shape))[..., 0]
            assert iou(drawn > 0, shown.mask) > 0.7
        coarse = request | {"params": PARAMS | {"epsilon_factor": 1}}
        answer = (await client.post("/v1/predict", json=coarse)).json()
        (rough,) = answer["data"]["shapes"]
        assert 3 <= len(rough["points"]) < len(shape["points"])
        sure = request | {"params": {"conf_threshold": 1.0}}
        assert (await client.post("/v1/predict", json=sure)).json()["data"]["shapes"] == []


def test_what_people_edit_are_outlines_without_slits() -> None:
    mask = np.zeros((20, 30), np.bool_)
    mask[2:12, 3:23] = mask[12:15, 23:26] = True
    mask[5:8, 6:9] = False
    rle = encode_rle(mask)
    found = ClassResult(
        class_name="thing",
        present=True,
        presence=1.0,
        score=1.0,
        area=int(mask.sum()),
        bbox=(3, 2, 23, 13),
        mask=rle,
    )
    result = ImageResult(height=20, width=30, classes=[found])
    (shape,) = to_shapes(result, min_score=0, tolerance=0)
    assert len(shape["points"]) == 8  # of two rectangles that touch by a corner, and no hole


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"image": "data:image/png;base64,!!"}, 422),
        ({"image": base64.b64encode(b"no image").decode()}, 415),
        ({"params": {"epsilon_factor": 7}}, 422),
        ({"model": "unknown"}, 404),
    ],
)
async def test_bad_requests(settings: Settings, changed: dict[str, object], status: int) -> None:
    async with running(create_app(settings)) as client:
        session = await new_session(client, [picture()])
        request = {"model": session, "image": data_uri(picture()), "params": {}} | changed
        answer = await client.post("/v1/predict", json=request)
        assert answer.status_code == status
        assert_problem(answer, status, answer.json()["code"])


async def test_a_body_of_countless_values_is_refused_unread(settings: Settings) -> None:
    nested = "[" * 2000 + "]" * 2000
    async with running(create_app(settings)) as client:
        for values in (nested, "[" + "[[0]]," * 2000 + "0]"):
            body = f'{{"model": "a", "image": "b", "other": {values}}}'
            headers = {"Content-Type": "application/json"}
            answer = await client.post("/v1/predict", content=body, headers=headers)
            problem = assert_problem(answer, 422, "invalid_request")
            assert problem["detail"] == "the body has more than 1000 values"


async def test_sessions_are_not_listed_and_keys_come_as_token(
    settings: Settings, tmp_path: Path
) -> None:
    key = new_key()
    keys = tmp_path / "keys"
    keys.write_text(key_line("someone", key) + "\n")
    app = create_app(Settings(**settings.model_dump() | {"api_keys_file": keys}))
    async with running(app) as client:
        assert_problem(await client.get("/v1/models"), 401, "unauthorized")
        answer: httpx.Response = await client.get("/v1/models", headers={"Token": key})
        assert answer.json() == {"success": True, "data": {}}
