"""A Label Studio project in a test: what is drawn in it, and what its backend is asked."""

from typing import Any

import httpx

from service.app import create_app
from service.labelling_tools.brush_rle import encode_brush
from service.settings import Settings
from tests.service.labelling_tools.fake_studio import CONFIG, TOKEN, Studio
from tests.service.pictures import Picture, picture

PICTURES = [picture(seed=seed) for seed in range(3)]
UID = "1.1795558458"


def backend(settings: Settings, studio: Studio, **more: Any) -> Any:
    options = {"label_studio_url": studio.url, "label_studio_token": TOKEN, **more}
    return create_app(Settings(**settings.model_dump() | options))


def brush(drawn: Picture) -> dict[str, Any]:
    value = {"format": "rle", "rle": encode_brush(drawn.mask), "brushlabels": ["thing"]}
    return region("brushlabels", drawn, value)


def region(kind: str, drawn: Picture, value: dict[str, Any]) -> dict[str, Any]:
    height, width = drawn.mask.shape
    return {
        "id": "r1",
        "from_name": "tag",
        "to_name": "image",
        "type": kind,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    }


def task(number: int, *annotations: dict[str, Any]) -> dict[str, Any]:
    data = {"image": f"/data/upload/1/{number}.png"}
    return {"id": number, "project": 1, "data": data, "annotations": list(annotations)}


def annotation(number: int, *regions: dict[str, Any], at: str = "2026-01-01") -> dict[str, Any]:
    return {"id": number, "updated_at": at, "was_cancelled": False, "result": list(regions)}


async def send_webhook(
    client: httpx.AsyncClient, action: str = "ANNOTATION_CREATED", project: int = 1
) -> None:
    # With what Label Studio sends besides, none of which is believed.
    event = {"action": action, "project": {"id": project, "title": "x"}, "annotation": {"id": 9}}
    answer = await client.post("/webhook", json=event)
    assert answer.status_code == 202, answer.text


async def set_up(client: httpx.AsyncClient, uid: str = UID) -> dict[str, Any]:
    request = {"project": uid, "schema": CONFIG, "hostname": "http://evil", "access_token": "x"}
    answer = await client.post("/setup", json=request | {"extra_params": None})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def predict(
    client: httpx.AsyncClient, *images: object, config: str = CONFIG
) -> httpx.Response:
    tasks = [{"id": number, "data": {"image": image}} for number, image in enumerate(images)]
    request = {"tasks": tasks, "project": UID, "label_config": config, "params": {"context": None}}
    return await client.post("/predict", json=request)


async def classes(client: httpx.AsyncClient, uid: str = UID) -> dict[str, int]:
    session = await client.get(f"/sessions/{(await set_up(client, uid))['session_id']}")
    return {each["class_name"]: each["shots"] for each in session.json()["classes"]}


async def shots(client: httpx.AsyncClient, uid: str = UID) -> list[int]:
    return list((await classes(client, uid)).values())


def controls(**labels: list[str]) -> str:
    """A config of a control for each kind, which has the kind's name."""
    tags = "".join(
        f'<{kind} name="{kind.lower()}" toName="image">'
        + "".join(f'<Label value="{label}"/>' for label in values)
        + f"</{kind}>"
        for kind, values in labels.items()
    )
    return f'<View><Image name="image" value="$image"/>{tags}</View>'


def box(label: str, *corner_and_size: float) -> dict[str, Any]:
    value = dict(zip(("x", "y", "width", "height"), corner_and_size, strict=True))
    drawn = region("rectanglelabels", PICTURES[0], value | {"rectanglelabels": [label]})
    return drawn | {"from_name": "rectanglelabels"}


def polygon(label: str) -> dict[str, Any]:
    points = [[25, 25], [75, 25], [75, 75], [25, 75]]
    drawn = region("polygonlabels", PICTURES[0], {"points": points, "polygonlabels": [label]})
    return drawn | {"from_name": "polygonlabels"}


def images_asked_for(studio: Studio) -> int:
    return sum(path.startswith("/data/") for path, _ in studio.asked)
