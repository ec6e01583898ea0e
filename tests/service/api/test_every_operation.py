"""Whatever the committed OpenAPI document allows or forbids, the service answers as it says there.

Schemathesis makes the requests, boundary values first and then by chance. It cannot know images
and sessions, so every second valid request is given real ones, and reaches its success.
"""

import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
import schemathesis
import uvicorn
from schemathesis import Case, GenerationMode, SerializationContext
from schemathesis.checks import negative_data_rejection
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import allow_header_conformance
from schemathesis.transport.serialization import Binary

from service.access import key_line, new_key
from service.api.routes import jobs
from service.app import create_app
from service.engine import FakeEngine
from service.schemas import ARCHIVE_MEDIA_TYPE
from service.settings import Settings
from tests.service.http_api import files
from tests.service.imaging.samples import blob, every_file
from tests.service.pictures import picture, png

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"
# A schema cannot say what an image is or which sessions there are, so valid data may be refused.
CONFIG = """
seed = 20260101
[generation]
deterministic = true
database = "none"
max-examples = 15
with-security-parameters = false
[auth.openapi.header]
api_key = "{key}"
[checks.positive_data_acceptance]
enabled = false
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 406, 409, 413, 415, 422]
"""
KEY = new_key()
KEY_HEADER = {"X-API-Key": KEY}
CLASS_NAME = "thing"
FORM = "multipart/form-data"
# pycocotools is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
# Stored upright, so that one mask fits all.
UPRIGHT = ("jpeg", "png", "webp-lossless", "bmp")
IMAGES = [Binary(data) for name, data in every_file() if name in UPRIGHT]
MASK = Binary(png(blob().astype("uint8") * 255))

AnyCase: TypeAlias = Case[Any]

DOCUMENT = json.loads(COMMITTED.read_text(encoding="utf-8"))
schema = schemathesis.openapi.from_dict(
    DOCUMENT, config=SchemathesisConfig.from_str(CONFIG.format(key=KEY))
)
reached: set[tuple[str, int]] = set()
numbers: defaultdict[str, Iterator[int]] = defaultdict(count)


@schemathesis.serializer(ARCHIVE_MEDIA_TYPE)
def as_it_is(_: SerializationContext, body: Any) -> bytes:
    """A session's file: bytes already, or what is none."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole application over the fake engine, on a port of the system's choice."""
    keys = tmp_path_factory.mktemp("access") / "keys"
    keys.write_text(key_line("tester", KEY))
    settings = Settings(api_keys_file=keys, jobs_dir=tmp_path_factory.mktemp("jobs"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create_app(settings, engine=FakeEngine()), log_config=None)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(jobs, "_POLL_S", 0.01)  # of events, by which the end of jobs is known
            thread.start()
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def client(base_url: str) -> Iterator[httpx.Client]:
    """What makes sessions and jobs; one alone, since each client reads all certificates anew."""
    with httpx.Client(base_url=base_url, headers=KEY_HEADER) as client:
        yield client


def existing_session(client: httpx.Client) -> str:
    scene = picture()
    uploads = files("images", [scene.image_png]) + files("masks", [scene.mask_png])
    fields = {"class_name": CLASS_NAME}
    response = client.post("/support", data=fields, files=uploads)
    return str(response.json()["session_id"])


def ended_job(client: httpx.Client) -> str:
    fields, uploads = {"session_id": existing_session(client)}, files("images", [MASK.data])
    job_id = str(client.post("/jobs", data=fields, files=uploads).json()["job_id"])
    client.get(f"/jobs/{job_id}/events")
    return job_id


def make_real(case: AnyCase, client: httpx.Client) -> bool:
    """Give a request the session and images it needs, if it is valid; whether it was given.

    The first valid one to an operation and every second after that: which values come depends on
    the constants of whatever modules are imported by then, and their number on those.
    """
    valid = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if not valid or next(numbers[case.operation.label]) % 2:
        return False
    if "session_id" in case.path_parameters:
        case.path_parameters["session_id"] = existing_session(client)
    if "job_id" in case.path_parameters:
        case.path_parameters["job_id"] = ended_job(client)
    if "name" in case.path_parameters:
        case.path_parameters["name"] = CLASS_NAME
    if case.media_type == ARCHIVE_MEDIA_TYPE:
        case.body = client.get(f"/sessions/{case.path_parameters['session_id']}/archive").content
    if isinstance(case.body, dict) and case.media_type == FORM:
        case.headers.pop("X-Session-ID", None)
        case.body = real_form(case.body, existing_session(client))
    return True


def real_form(body: dict[str, Any], session_id: str) -> dict[str, Any]:
    """The form with as many real images, masks to them, and a session that has its classes."""
    asked = len(body.get("images", [None]))  # a job may come without, as an archive or a folder
    images = [IMAGES[number % len(IMAGES)] for number in range(asked)]
    changed = {**body, "images": images, "session_id": session_id}
    changed.pop("archive", None)
    changed.pop("folder", None)
    if "masks" in body:
        changed["masks"] = [MASK] * len(images)
    if "classes" in body:
        changed["classes"] = [CLASS_NAME]
    return changed


@schema.parametrize()
def test_operation(case: AnyCase, base_url: str, client: httpx.Client) -> None:
    real = make_real(case, client)
    response = case.call(base_url=base_url)
    reached.add((case.operation.label, response.status_code))
    excluded = []
    if real:  # bodies with bytes are none that it can validate, so it takes them for invalid ones
        excluded.append(negative_data_rejection)
    if case.path.endswith("/report"):  # a class may be named "a/report", and be deleted there
        excluded.append(allow_header_conformance)
    case.validate_response(response, excluded_checks=excluded)


def test_every_operation_succeeded_and_was_refused() -> None:
    successes = {
        (f"{method.upper()} {path}", int(min(operation["responses"])))
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert len(successes) >= 8
    assert successes <= reached
    for label in ("POST /support", "POST /segment"):
        assert {(label, 422), (label, 413), (label, 415)} <= reached
