"""Unit costs of the machine at hand, from a running service and the Redis that it would use.

Everything goes through the public API: stages are told by `Server-Timing`, what HTTP costs is the
rest, and sizes are those of archives. One request is asked at a time, so nothing waits in queues,
and no image is sent twice, so every one is encoded. The classes are registered with the defaults.
"""

import datetime
import platform
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import numpy as np

from service.planning.measure_store import check_store_url, measure_store
from service.planning.pictures import HEIGHT, OBJECT_SHARE, WIDTH, Picture, pictures
from service.planning.profile import Profile, ProfileError, WireCosts
from service.planning.registration import TimedRegistration, measured_registration
from service.planning.unit_costs import BATCHES, MAX_BATCH, Sample, engine_costs, host_costs
from service.schemas import KEY_HEADER
from service.telemetry import StageName

_SESSIONS = ((1, 1), (4, 1), (1, 5), (4, 5))  # classes, shots
_Files = list[tuple[str, tuple[str, bytes]]]
_TIMING = re.compile(r"(\w+);dur=([\d.]+)")


class MeasureOptions(NamedTuple):
    """What is measured and how long.

    url: of the service; cores: that one replica of it has; repeats: of every kind of request.
    """

    url: str
    redis_url: str
    name: str
    cores: int
    machine: str
    key: str | None = None
    repeats: int = 10
    seed: int = 0


def measure(options: MeasureOptions, advance: Callable[[], None] = lambda: None) -> Profile:
    """A profile of a service that nobody else uses meanwhile.

    Args:
        options: see `MeasureOptions`.
        advance: called after every request that was timed.

    Raises:
        ProfileError: the service or Redis cannot be asked.
    """
    check_store_url(options.redis_url)
    headers = {KEY_HEADER: options.key} if options.key else {}
    try:
        url = httpx.URL(options.url)
    except httpx.InvalidURL as exc:
        raise ProfileError(f"the service's address is not valid: {exc}") from exc
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
            return _measure(client, options, advance)
    except httpx.HTTPError as exc:
        raise ProfileError(f"{_without_password(url)} could not be measured: {exc}") from exc


def steps(options: MeasureOptions) -> int:
    """How often `advance` will be called."""
    return len(_SESSIONS) * len(BATCHES) * options.repeats


def _measure(client: httpx.Client, options: MeasureOptions, advance: Callable[[], None]) -> Profile:
    drawn = pictures(np.random.default_rng(options.seed))
    samples: list[Sample] = []
    registered: list[TimedRegistration] = []
    archives: dict[tuple[int, int], bytes] = {}
    for classes, shots in _SESSIONS:
        session_id, timed = _register(client, drawn, classes, shots)
        registered += timed
        archives[classes, shots] = _checked(client.get(f"/sessions/{session_id}/archive")).content
        for images in BATCHES:
            _segment(client, drawn, session_id, (images, classes, shots))  # plans its memory
            for _ in range(options.repeats):
                samples.append(_segment(client, drawn, session_id, (images, classes, shots)))
                advance()
        _checked(client.delete(f"/sessions/{session_id}"))
    bundle = _checked(client.get("/models")).json()["models"][0]
    device, precision = next(iter(bundle["devices"].items()))
    engine = engine_costs(samples, "cpu" if device == "cpu" else "gpu")
    return Profile(
        name=options.name,
        model=bundle["model"],
        precision=precision,
        machine=f"{options.machine} ({platform.system()})",
        origin="measured",
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        assumptions=(
            f"one request at a time, {HEIGHT} x {WIDTH} JPEG, object on {OBJECT_SHARE:.0%} of it",
        ),
        engine=engine,
        host=host_costs(samples, options.cores),
        registration=measured_registration(registered, engine),
        wire=WireCosts(
            image_bytes=float(np.mean([len(next(drawn).jpeg) for _ in range(MAX_BATCH)])),
            answer_bytes=float(np.mean([s.answer_bytes / (s.images * s.classes) for s in samples])),
        ),
        store=measure_store(options.redis_url, archives),
    )


def _register(
    client: httpx.Client, drawn: Iterator[Picture], classes: int, shots: int
) -> tuple[str, list[TimedRegistration]]:
    """A new session's id, and what each of its classes took."""
    session: dict[str, str] = {}
    timed = []
    for number in range(classes):
        supports = [next(drawn) for _ in range(shots)]
        files = [("images", ("i.jpg", each.jpeg)) for each in supports]
        files += [("masks", ("m.png", each.mask_png)) for each in supports]
        fields = {"class_name": f"class {number}", **session}
        reply, wall_ms = _timed(client, "/support", fields, files)
        timed.append(TimedRegistration(shots, wall_ms, _stages(reply)))
        session = {"session_id": reply.json()["session_id"]}
    return session["session_id"], timed


def _segment(
    client: httpx.Client, drawn: Iterator[Picture], session_id: str, asked: tuple[int, int, int]
) -> Sample:
    files = [("images", ("i.jpg", next(drawn).jpeg)) for _ in range(asked[0])]
    data = {"session_id": session_id, "mode": "whole"}  # each image once
    reply, wall_ms = _timed(client, "/segment", data, files)
    return Sample(*asked, wall_ms, len(reply.content), _stages(reply))


def _timed(
    client: httpx.Client, path: str, fields: dict[str, str], files: _Files
) -> tuple[httpx.Response, float]:
    """A good answer, and the milliseconds it took."""
    began = time.perf_counter()
    reply = _checked(client.post(path, data=fields, files=files))
    return reply, 1000 * (time.perf_counter() - began)


def _stages(reply: httpx.Response) -> dict[StageName, float]:
    """Milliseconds of the server's stages by their names."""
    found = _TIMING.findall(reply.headers.get("server-timing", ""))
    return {name: float(milliseconds) for name, milliseconds in found}


def _checked(reply: httpx.Response) -> httpx.Response:
    """A good answer.

    Raises:
        ProfileError: names what the service said.
    """
    if reply.is_success:
        return reply
    told: Any = reply.json() if "json" in reply.headers.get("content-type", "") else {}
    detail = told.get("detail", reply.reason_phrase)
    url = _without_password(reply.request.url)
    raise ProfileError(f"{url} answered {reply.status_code}: {detail}")


def _without_password(url: httpx.URL) -> httpx.URL:
    return url.copy_with(userinfo=b"")
