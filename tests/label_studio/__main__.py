"""`python -m tests.label_studio`: a real Label Studio and the service, from annotation to mask.

Makes two projects of the sample photographs (brush, polygons), annotates the supports by their
masks, waits for the webhooks to make shots of them, lets Label Studio ask for predictions, and
compares these, pixel by pixel, with what `POST /segment` answers. Exits with 1 when they differ.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from service.imaging import decode_rle, outer_polygons
from service.labelling_tools import parse_label_config
from service.labelling_tools.brush_rle import encode_brush
from service.labelling_tools.regions import Region, to_mask
from service.samples import Sample, queries, supports
from service.schemas import RleMask
from tests.label_studio.screenshot import photograph
from tests.service.pictures import iou
from tests.service.processes import serving, unused_port

TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 (of a throw-away Label Studio)
EMAIL, PASSWORD = "walk@example.com", "walk-through-1"
CLASS = "duck"
CONTROLS = {"brushlabels": "BrushLabels", "polygonlabels": "PolygonLabels"}
LEAST_IOU = {"brushlabels": 1.0, "polygonlabels": 0.95}
TIMEOUT_S = 120


def config_of(kind: str) -> str:
    """A label config with one control."""
    tag = CONTROLS[kind]
    return (
        f'<View><Image name="image" value="$image"/><{tag} name="tag" toName="image">'
        f'<Label value="{CLASS}" background="#ff4020"/></{tag}></View>'
    )


@contextmanager
def label_studio(program: Path, folder: Path) -> Iterator[httpx.Client]:
    """A client of a Label Studio of its own, on SQLite in a folder."""
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        # Both processes are on this machine, which Label Studio does not talk to by default.
        "SSRF_PROTECTION_ENABLED": "false",
        "ML_BLOCK_LOCAL_IP": "false",
    }
    command = [str(program), "start", "--no-browser", "--host", url]
    command += ["--internal-host", "127.0.0.1", "--port", str(port), "--user-token", TOKEN]
    command += ["--username", EMAIL, "--password", PASSWORD, "--enable-legacy-api-token"]
    with (folder / "label-studio.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    headers = {"Authorization": f"Token {TOKEN}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S) as client:
            _wait_until_up(client)
            yield client
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def _wait_until_up(client: httpx.Client) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if client.get("/health").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise SystemExit("Label Studio did not start; see its requirements file")


def api(client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """The answer of Label Studio's API."""
    response = client.request(method, path, **arguments)
    response.raise_for_status()
    return response.json()


def make_project(studio: httpx.Client, backend: str, kind: str) -> tuple[int, dict[str, int]]:
    """A project with all samples of the class and the backend; ids of tasks by sample."""
    project = api(
        studio, "POST", "/api/projects", json={"title": kind, "label_config": config_of(kind)}
    )["id"]
    tasks = {}
    for sample in (*supports(CLASS), *queries()[:3]):
        file = (f"{sample.name}.jpg", sample.jpeg(), "image/jpeg")
        api(studio, "POST", f"/api/projects/{project}/import", files={"file": file})
        listed = api(studio, "GET", "/api/tasks", params={"project": project})["tasks"]
        tasks[sample.name] = max(task["id"] for task in listed)
    api(studio, "POST", "/api/ml", json={"url": backend, "project": project, "title": "few-shot"})
    return project, tasks


def annotate(studio: httpx.Client, kind: str, sample: Sample, task: int) -> None:
    """Submit the sample's own mask."""
    mask = sample.mask(CLASS)
    height, width = mask.shape
    values: list[dict[str, Any]] = [{"format": "rle", "rle": encode_brush(mask)}]
    if kind == "polygonlabels":
        values = [
            {
                "points": [
                    [100 * x / width, 100 * y / height]
                    for x, y in zip(outline[::2], outline[1::2], strict=True)
                ],
                "closed": True,
            }
            for outline in outer_polygons(mask)
        ]
    result = [
        {
            "from_name": "tag",
            "to_name": "image",
            "type": kind,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {**value, kind: [CLASS]},
        }
        for value in values
    ]
    api(studio, "POST", f"/api/tasks/{task}/annotations/", json={"result": result})


def wait_for_shots(service: httpx.Client, project: int, shots: int) -> str:
    """The id of the project's session once webhooks have brought it that many shots."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        setup = service.post("/setup", json={"project": f"{project}.0"}).json()
        session = service.get(f"/sessions/{setup.get('session_id')}")
        if session.status_code == httpx.codes.OK:
            classes = session.json()["classes"]
            if [each["shots"] for each in classes] == [shots]:
                return str(setup["session_id"])
        time.sleep(0.3)
    raise SystemExit("no shots came by webhook")


def compare(
    studio: httpx.Client, service: httpx.Client, kind: str, session: str, sample: Sample, task: int
) -> float:
    """IoU of what Label Studio holds as prediction with what `POST /segment` answers."""
    (prediction,) = api(studio, "GET", f"/api/tasks/{task}")["predictions"][-1:]
    regions = [Region.model_validate(each) for each in prediction["result"]]
    config = parse_label_config(config_of(kind))
    mask = to_mask(regions, CLASS, config, max_pixels=10**8)
    answer = service.post(
        "/segment",
        data={"session_id": session, "absent": "drop"},
        files={"images": ("image", sample.jpeg())},
    ).json()
    return iou(mask, decode_rle(RleMask.model_validate(answer["results"][0]["classes"][0]["mask"])))


def walk(studio: httpx.Client, service: httpx.Client, table: Table, screenshot: Path) -> bool:
    """Both projects; whether all predictions are where they should be."""
    good = True
    for kind in CONTROLS:
        project, tasks = make_project(studio, str(service.base_url).rstrip("/"), kind)
        for sample in supports(CLASS):
            annotate(studio, kind, sample, tasks[sample.name])
        session = wait_for_shots(service, project, len(supports(CLASS)))
        for sample in queries()[:3]:
            found = compare(studio, service, kind, session, sample, tasks[sample.name])
            good &= found >= LEAST_IOU[kind]
            table.add_row(CONTROLS[kind], sample.name, f"{found:.4f}", str(LEAST_IOU[kind]))
        if kind == "brushlabels":
            page = f"/projects/{project}/data?task={tasks[queries()[1].name]}"
            photograph(str(studio.base_url), page, EMAIL, PASSWORD, screenshot)
    return good


def main(arguments: Sequence[str] | None = None) -> int:
    """1 where a prediction is not where `POST /segment` has it."""
    parser = argparse.ArgumentParser(prog="python -m tests.label_studio", description=__doc__)
    parser.add_argument("--label-studio", type=Path, required=True, help="its program")
    parser.add_argument("--screenshot", type=Path, default=Path("out/label-studio.png"))
    args = parser.parse_args(arguments)
    args.screenshot.parent.mkdir(parents=True, exist_ok=True)
    table = Table("control", "image", "IoU with POST /segment", "at least")
    with (
        tempfile.TemporaryDirectory(prefix="fss-label-studio-") as name,
        label_studio(args.label_studio, Path(name)) as studio,
    ):
        environment = {
            "FSS_LABEL_STUDIO_URL": str(studio.base_url).rstrip("/"),
            "FSS_LABEL_STUDIO_TOKEN": TOKEN,
        }
        with serving(Path(name) / "service.log", environment) as server:
            good = walk(studio, server.client, table, args.screenshot)
    Console().print(table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
