"""Both clients against a real service over HTTP."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service import errors as service_errors
from service.client import AsyncClient, Client, ClientError, Session
from service.client import errors as client_errors
from service.client.errors import (
    ClassNotFoundError,
    CorruptImageError,
    DeadlineExceededError,
    InvalidFileError,
    InvalidInputError,
    InvalidRequestError,
    MaskSizeMismatchError,
    SessionNotFoundError,
    error_of,
)
from tests.service.client.scripted_server import Answer, Scripted, problem, scripted
from tests.service.pictures import BLUE, iou, picture

# pycocotools answers NumPy 2's question for a copy in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHOT = picture()
QUERY = picture(seed=7, box=(20, 60, 50, 70))


@pytest.mark.parametrize("form", ["path", "text", "bytes", "array", "pil"])
def test_images_and_masks_in_every_form(url: str, tmp_path: Path, form: str) -> None:
    image, mask = tmp_path / "a.png", tmp_path / "a.thing.png"
    image.write_bytes(SHOT.image_png)
    mask.write_bytes(SHOT.mask_png)
    forms: dict[str, tuple[Any, Any]] = {
        "path": (image, mask),
        "text": (str(image), str(mask)),
        "bytes": (SHOT.image_png, SHOT.mask_png),
        "array": (SHOT.image, SHOT.mask),
        "pil": (Image.fromarray(SHOT.image), Image.fromarray(SHOT.mask)),
    }
    shown, truth = forms[form]
    with Client(url) as client:
        session = client.session()
        answer = session.register("thing", shown, truth)
        assert (answer.session_id, answer.shots) == (session.id, 1)
        found = session.segment(QUERY.image)["thing"]
    assert found.mask.dtype == np.bool_
    assert found.mask.shape == QUERY.mask.shape
    assert found.area == np.count_nonzero(found.mask)
    assert iou(found.mask, QUERY.mask) > 0.8


def test_a_pil_image_is_sent_as_displayed(url: str) -> None:
    buffer = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(SHOT.image).save(buffer, "PNG", exif=exif)
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        answers = [session.segment(Image.open(buffer)), session.segment(buffer.getvalue())]
    height, width = SHOT.mask.shape
    assert [(each.height, each.width) for each in answers] == [(width, height)] * 2
    assert np.array_equal(answers[0]["thing"].mask, answers[1]["thing"].mask)


def test_many_images_in_order_past_those_of_no_use(url: str, tmp_path: Path) -> None:
    good = [picture(seed=i, box=(10 + i, 20, 60, 80)) for i in range(20)]
    broken, missing = SHOT.image_png[:200], tmp_path / "missing.png"
    images = [each.image for each in good]
    bad = [broken, missing, "a\0b.jpg", 7]
    mixed: list[Any] = [*images[:5], bad[0], *images[5:17], *bad[1:], *images[17:]]
    failures: list[tuple[object, ClientError]] = []
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        found = list(session.segment_many(mixed, on_failure=lambda *each: failures.append(each)))
        with pytest.raises(ClientError):
            list(session.segment_many(mixed))
    assert [image is each for (image, _), each in zip(found, images, strict=True)] == [True] * 20
    for (_, answer), each in zip(found, good, strict=True):
        assert iou(answer["thing"].mask, each.mask) > 0.8
    assert [image for image, _ in failures] == bad
    kinds = [CorruptImageError, *[InvalidInputError] * 3]
    assert [type(error) for _, error in failures] == kinds


async def test_the_image_at_fault_among_many_is_named_by_its_path_or_position(
    url: str, tmp_path: Path
) -> None:
    """Not by its index in a request of 16, which nobody sees."""
    good: list[Any] = [QUERY.image_png] * 37
    broken = tmp_path / "broken.png"
    broken.write_bytes(SHOT.image_png[:200])
    missing = tmp_path / "missing.png"
    failures = []
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        for bad, name, kind in (
            (broken, str(broken), CorruptImageError),
            (SHOT.image_png[:200], "images[37]", CorruptImageError),
            (str(missing), str(missing), InvalidInputError),
        ):
            images = [*good, bad, *good]
            with pytest.raises(kind) as raised:
                list(session.segment_many(images))
            assert str(raised.value).startswith(f"{name}: ")
            assert str(raised.value).count(name) == 1
            assert raised.value.location == "images[37]"
            list(session.segment_many(images, on_failure=lambda _, each: failures.append(each)))
            assert (type(failures[-1]), str(failures[-1])) == (kind, str(raised.value))
            async with AsyncClient(url) as client_:
                many = client_.session(session.id).segment_many(images)
                with pytest.raises(kind) as raised_:
                    _ = [each async for each in many]
            assert str(raised_.value) == str(raised.value)


def test_images_that_take_too_long_together_are_asked_for_apart() -> None:
    late: Answer = (504, problem(504, "deadline_exceeded"), {})
    empty = {"height": 120, "width": 160, "classes": []}
    found: Answer = (200, {"session_id": "s", "model": "m", "results": [empty]}, {})
    script = Scripted(late, found, late, late, found)  # of three, of the first, of two, of each
    images = [picture(seed=seed).image for seed in range(3)]
    failures: list[tuple[object, ClientError]] = []
    with scripted(script) as url, Client(url) as client:
        many = client.session("s").segment_many(
            images, on_failure=lambda *each: failures.append(each)
        )
        assert [id(image) for image, _ in many] == [id(images[0]), id(images[2])]
    assert len(script.asked) == 5
    ((image, error),) = failures
    assert image is images[1]
    assert isinstance(error, DeadlineExceededError)


def test_a_service_that_is_stuck_is_not_asked_for_every_image() -> None:
    script = Scripted((504, problem(504, "deadline_exceeded"), {}))
    failures: list[object] = []
    with scripted(script) as url, Client(url) as client:
        images = [SHOT.image] * 16
        many = client.session("s").segment_many(images, on_failure=lambda *e: failures.append(e))
        with pytest.raises(DeadlineExceededError):
            list(many)
    assert len(script.asked) == 6  # of 16, 8, 4 and 2 images, and of each of two
    assert failures == []


def test_classes_registered_at_once_are_of_one_session(url: str) -> None:
    names = [f"class {number}" for number in range(6)]
    with Client(url) as client, ThreadPoolExecutor(len(names)) as pool:
        session = client.session()
        list(pool.map(lambda name: session.register(name, SHOT.image, SHOT.mask), names))
        assert {each.class_name for each in session.describe().classes} == set(names)


async def test_classes_registered_at_once_are_of_one_session_asynchronously(url: str) -> None:
    names = ["one", "two", "three"]
    async with AsyncClient(url) as client:
        session = client.session()
        with pytest.raises(MaskSizeMismatchError):  # and begins none
            await session.register("none", SHOT.image, np.ones((5, 5), np.bool_))
        await asyncio.gather(*(session.register(name, SHOT.image, SHOT.mask) for name in names))
        assert {each.class_name for each in (await session.describe()).classes} == set(names)


def test_progress_is_shown_on_standard_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        list(session.segment_many([QUERY.image] * 3, progress=True))
    captured = capsys.readouterr()
    assert "3/3" in captured.err
    assert captured.out == ""


def test_a_session_from_its_beginning_to_its_end(url: str) -> None:
    with Client(url) as client:
        session = client.session()
        with pytest.raises(InvalidInputError, match="register one first"):
            session.describe()
        session.register("thing", [SHOT.image, QUERY.image], [SHOT.mask, QUERY.mask])
        blue = picture(BLUE)
        session.register("blue / sky?", blue.image, blue.mask)
        names = [each.class_name for each in session.describe().classes]
        assert names == ["thing", "blue / sky?"]
        archive = session.archive()
        session.delete_class("blue / sky?")
        assert len(session.describe().classes) == 1
        session.delete()
        with pytest.raises(SessionNotFoundError, match="register its classes again, or restore"):
            session.describe()
        copy = client.session()
        restored = copy.restore(archive)
        assert [each.class_name for each in restored.classes] == names
        answer = copy.segment(blue.image, classes=["blue / sky?"], threshold=0.5)
        assert list(answer.classes) == ["blue / sky?"]
        assert np.array_equal(answer.label_map == 1, answer["blue / sky?"].mask)


def test_shots_are_reported_on_and_calibrate_a_threshold(url: str) -> None:
    shots = [picture(seed=seed) for seed in range(3)]
    with Client(url) as client:
        session = client.session()
        images, masks = [each.image for each in shots], [each.mask for each in shots]
        answer = session.register("a thing", images, masks, adapt=False)
        assert answer.report is not None
        assert len(answer.report.shots) == 3
        assert session.report("a thing") == answer.report
        calibrated = session.segment(QUERY.image, threshold="calibrated")
        same = session.segment(QUERY.image, threshold=answer.report.threshold)
        assert np.array_equal(calibrated.label_map, same.label_map)
        assert session.register("quiet", images, masks, report=False).report is None


def test_large_images_are_looked_at_in_tiles_when_asked(url: str) -> None:
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        large = picture(height=900, width=1200, box=(600, 800, 40, 40))
        whole, tiled = (session.segment(large.image, mode=mode) for mode in ("whole", "tiled"))
    assert iou(tiled["thing"].mask, large.mask) > iou(whole["thing"].mask, large.mask)


def test_refusals_are_typed_and_say_where(url: str) -> None:
    with Client(url) as client:
        session = client.session()
        small = np.ones((5, 5), np.bool_)
        with pytest.raises(MaskSizeMismatchError) as raised:
            session.register("thing", [SHOT.image, SHOT.image], [SHOT.mask, small])
        assert (raised.value.status, raised.value.location) == (422, "masks[1]")
        session.register("thing", SHOT.image, SHOT.mask)
        with pytest.raises(ClassNotFoundError):
            session.segment(SHOT.image, classes=["other"])
        with pytest.raises(InvalidFileError) as raised_:
            session.segment(SHOT.image_png[:200])
        assert (type(raised_.value), raised_.value.location) == (CorruptImageError, "images[0]")


@pytest.mark.parametrize(
    "ask",
    [
        lambda session: session.segment(SHOT.image, threshold=5),
        lambda session: session.segment(SHOT.image, mode="x"),
        lambda session: session.register("x" * 65, SHOT.image, SHOT.mask),
    ],
)
def test_a_field_at_fault_is_no_file(url: str, ask: Callable[[Session], object]) -> None:
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        with pytest.raises(InvalidRequestError) as raised:
            ask(session)
    assert type(raised.value) is InvalidRequestError


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        ("nowhere.jpg", SHOT.mask, r"nowhere\.jpg: No such file"),
        (SHOT.image.astype(np.float32), SHOT.mask, "uint8"),
        (SHOT.image, SHOT.mask.astype(np.int64), "bool or uint8"),
        (SHOT.image[:0], SHOT.mask, r"uint8 .* not uint8 of \(0,"),
        (SHOT.image, SHOT.mask[:0, :0], r"not bool of \(0, 0\)"),
        ("a\0b.jpg", SHOT.mask, r"'a\\x00b\.jpg' cannot name a file"),
        (SHOT.image, Path("\ud800.png"), r"'\\ud800\.png' cannot name a file"),
        ([SHOT.image] * 17, [SHOT.mask] * 17, "1 to 16"),
        ([SHOT.image] * 2, SHOT.mask, "2 images, but 1 masks"),
        (7, SHOT.mask, "not int"),
        (b"", SHOT.mask, "the file is empty"),
        (SHOT.image, "/dev/null", "/dev/null: the file is empty"),
    ],
)
def test_what_cannot_be_sent_is_told_without_asking(
    image: object, mask: object, message: str
) -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(InvalidInputError, match=message):
        client.session().register("thing", image, mask)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.session("\udcff").segment(SHOT.image),
        lambda client: client.session("\udcff").describe(),
        lambda client: client.session("s").register("\udcff", SHOT.image, SHOT.mask),
        lambda client: client.session("s").segment(SHOT.image, classes=["\udcff"]),
        lambda client: client.session("\udcff").create_job([SHOT.image]),
        lambda client: client.job("\udcff").status(),
        lambda client: client.job("").status(),
    ],
)
def test_what_is_no_text_is_no_id_and_no_name(ask: Callable[[Client], object]) -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(InvalidInputError, match="is not a valid id or name"),
    ):
        ask(client)


@pytest.mark.parametrize(
    "ask",
    [
        lambda session: session.segment(SHOT.image, classes="duck"),
        lambda session: list(session.segment_many([SHOT.image], classes="duck")),
        lambda session: session.segment_request([SHOT.image], classes="duck"),
        lambda session: session.create_job([SHOT.image], classes="duck"),
        lambda session: session.create_job([SHOT.image], formats="coco"),
    ],
)
def test_one_text_is_not_the_names_of_its_letters(ask: Callable[[Session], object]) -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(InvalidInputError, match="are several texts"),
    ):
        ask(client.session("s"))


ONE = [
    pytest.param("a.png", "str", id="text"),
    pytest.param(SHOT.image_png, "bytes", id="bytes"),
    pytest.param(Path("a.png"), "PosixPath", id="path"),
    pytest.param(Image.fromarray(SHOT.image), "Image", id="pil"),
    pytest.param(SHOT.image, r"array of \(120, 160, 3\)", id="rgb"),
    pytest.param(SHOT.image[..., 0], r"array of \(120, 160\)", id="grey"),
]


@pytest.mark.parametrize(("image", "kind"), ONE)
async def test_one_image_is_not_many_images(image: Any, kind: str) -> None:
    """Else its rows, or the letters of its path, would be segmented."""
    refused = f"images are several, such as .image., not one {kind}"
    script = Scripted((500, problem(500, "internal_error"), {}))
    with scripted(script) as url:
        with Client(url) as client:
            session = client.session("s")
            with pytest.raises(InvalidInputError, match=refused):
                list(session.segment_many(image))
            with pytest.raises(InvalidInputError, match=refused):
                session.segment_request(image)
            if not isinstance(image, str | Path):  # a folder or a zip file
                with pytest.raises(InvalidInputError, match=refused):
                    session.create_job(image)
        async with AsyncClient(url) as client_:
            session_ = client_.session("s")
            with pytest.raises(InvalidInputError, match=refused):
                _ = [each async for each in session_.segment_many(image)]
            with pytest.raises(InvalidInputError, match=refused):
                await session_.segment_request(image)
            if not isinstance(image, str | Path):
                with pytest.raises(InvalidInputError, match=refused):
                    await session_.create_job(image)
    assert script.asked == []


def test_one_array_may_hold_many_images(url: str) -> None:
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        images: Any = np.stack([QUERY.image] * 3)
        found = list(session.segment_many(images, batch=2))
    assert [iou(each["thing"].mask, QUERY.mask) > 0.8 for _, each in found] == [True] * 3


@pytest.mark.parametrize(
    ("options", "taken"),
    [({"batch": 1, "concurrency": 1}, 1), ({"batch": 2, "concurrency": 1}, 2), ({}, 48)],
)
async def test_a_result_comes_after_few_images_of_a_camera(
    url: str, options: dict[str, Any], taken: int
) -> None:
    """A line that waits for a result before its next exposure must not wait for ever."""
    exposures = []

    def camera() -> Iterator[Any]:
        for _ in range(100):
            exposures.append(1)
            yield QUERY.image_png

    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        for number, _ in enumerate(session.segment_many(camera(), **options)):
            assert len(exposures) <= taken * (number + 1)
            if number == 2:
                break
    exposures.clear()
    async with AsyncClient(url) as client_:
        async for _ in client_.session(session.id).segment_many(camera(), **options):
            assert len(exposures) <= taken
            break


@pytest.mark.parametrize("batch", [0, 17])
async def test_a_batch_is_as_large_as_a_request_may_be(batch: int) -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(InvalidInputError, match=f"batch is 1 to 16, not {batch}"),
    ):
        list(client.session("s").segment_many([SHOT.image], batch=batch))
    async with AsyncClient("http://127.0.0.1:9") as client_:
        with pytest.raises(InvalidInputError, match=f"batch is 1 to 16, not {batch}"):
            _ = [_ async for _ in client_.session("s").segment_many([SHOT.image], batch=batch)]


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("absent", lambda session: session.segment(SHOT.image, absent=True)),
        ("mode", lambda session: list(session.segment_many([SHOT.image], mode=None))),
        ("instances", lambda session: session.create_job([SHOT.image], instances=1)),
        ("class_name", lambda session: session.register(3, SHOT.image, SHOT.mask)),
        ("classes", lambda session: session.segment(SHOT.image, classes=[3])),
    ],
)
def test_a_value_that_is_no_text_is_told_by_its_name(
    name: str, ask: Callable[[Session], object]
) -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(InvalidInputError, match=f"{name} is a text, not "),
    ):
        ask(client.session("s"))


async def test_one_text_is_not_the_names_of_its_letters_asynchronously() -> None:
    async with AsyncClient("http://127.0.0.1:9") as client:
        session = client.session("s")
        with pytest.raises(InvalidInputError, match="are several texts"):
            await session.segment(SHOT.image, classes="duck")
        with pytest.raises(InvalidInputError, match="are several texts"):
            _ = [each async for each in session.segment_many([SHOT.image], classes="duck")]


def test_a_file_at_fault_is_named_once() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(InvalidInputError) as raised:
        client.session("s").segment("a.jpg")
    assert raised.value.location == "images[0]"
    assert raised.value.told_of("a.jpg") == "a.jpg: No such file or directory"


async def test_what_cannot_be_sent_is_told_asynchronously() -> None:
    async with AsyncClient("http://127.0.0.1:9") as client:
        for image, mask in (("a\0b.jpg", SHOT.mask), (SHOT.image, SHOT.mask[:0])):
            with pytest.raises(InvalidInputError):
                await client.session().register("thing", image, mask)


@pytest.mark.parametrize("concurrency", [0, -1])
async def test_images_cannot_be_asked_for_by_nobody(concurrency: int) -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(InvalidInputError, match="concurrency is 1 or more"),
    ):
        list(client.session("s").segment_many([SHOT.image], concurrency=concurrency))
    async with AsyncClient("http://127.0.0.1:9") as client_:
        many = client_.session("s").segment_many([SHOT.image], concurrency=concurrency)
        with pytest.raises(InvalidInputError, match="concurrency is 1 or more"):
            _ = [each async for each in many]


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://host", "http://", "http://[::"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InvalidInputError, match="no address"):
        Client(address)


@pytest.mark.parametrize("key", ["secret ", " secret", "sec\nret", "s\u00e9cret"])
def test_a_key_that_is_none_is_not_repeated(key: str) -> None:
    with pytest.raises(InvalidInputError, match="the key holds") as raised:
        Client("http://127.0.0.1:9", key=key)
    assert key.strip() not in str(raised.value)


def test_an_id_with_a_space_behind_it_is_unknown(url: str) -> None:
    with Client(url) as client, pytest.raises(SessionNotFoundError):
        client.session("s ").describe()


async def test_the_asynchronous_client_answers_alike(url: str, tmp_path: Path) -> None:
    images: list[np.ndarray | Path | str] = [picture(seed=i).image for i in range(20)]
    images[3:3] = [tmp_path / "missing.png", "a\0b.jpg"]
    failures = []
    with Client(url) as client:
        session = client.session()
        session.register("thing", SHOT.image, SHOT.mask)
        blocking = [found for _, found in session.segment_many(images, on_failure=lambda *_: None)]
    async with AsyncClient(url) as client_:
        assert (await client_.models())[0].name == "fake"
        same = client_.session(session.id)
        many = same.segment_many(images, on_failure=lambda *each: failures.append(each))
        awaited = [found async for _, found in many]
        one = await same.segment(images[0])
        fresh = client_.session()
        await fresh.register("thing", SHOT.image, SHOT.mask)
        await fresh.delete()
        with pytest.raises(SessionNotFoundError):
            await fresh.describe()
    assert len(failures) == 2
    for ours, theirs in zip([*awaited, one], [*blocking, blocking[0]], strict=True):
        assert np.array_equal(ours["thing"].mask, theirs["thing"].mask)


def test_every_refusal_of_a_request_has_its_class() -> None:
    import httpx

    request = httpx.Request("GET", "http://service")

    def codes(kind: type[service_errors.ServiceError]) -> set[tuple[int, str]]:
        own = {(kind.status, kind.code)}
        return own.union(*(codes(child) for child in kind.__subclasses__()))

    for status, code in codes(service_errors.ServiceError):
        answer = httpx.Response(status, json=problem(status, code), request=request)
        error = error_of(answer)
        assert isinstance(error, client_errors.ApiError)
        if status < 500 and code not in {
            "malformed_body",
            "unsupported_media_type",
            "not_acceptable",
            "image_missing",  # of single images of a job, told in its status
            "image_changed",
        }:
            assert vars(type(error))["code"] == code


def test_importing_the_client_imports_nothing_that_serves() -> None:
    look = "import sys, service.client; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert "service.client" in loaded
    assert not {"fastapi", "starlette", "uvicorn", "onnxruntime", "cv2"} & loaded
