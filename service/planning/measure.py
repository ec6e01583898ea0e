"""Unit costs of the machine at hand, from a running service and the Redis that it would use.

Everything goes through the public API: stages are told by `Server-Timing`, what HTTP costs is the
rest, and sizes are those of archives. One request is asked at a time, so nothing waits in queues,
and no image is sent twice, so every one is encoded.
"""

import datetime
import platform
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import httpx
import numpy as np

from service.planning.measure_store import check_store_url, measure_store
from service.planning.pictures import HEIGHT, OBJECT_SHARE, WIDTH, Picture, pictures
from service.planning.profile import EngineCosts, HostCosts, Profile, ProfileError, WireCosts
from service.schemas import KEY_HEADER

_SESSIONS = ((1, 1), (4, 1), (1, 5), (4, 5))  # classes, shots
_BATCHES = (1, 8)
_MAX_BATCH = max(_BATCHES)
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


class _Sample(NamedTuple):
    images: int
    classes: int
    shots: int
    wall_ms: float
    answer_bytes: int
    stages: dict[str, float]


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
    return len(_SESSIONS) * len(_BATCHES) * options.repeats


def _measure(client: httpx.Client, options: MeasureOptions, advance: Callable[[], None]) -> Profile:
    drawn = pictures(np.random.default_rng(options.seed))
    samples: list[_Sample] = []
    archives: dict[tuple[int, int], bytes] = {}
    for classes, shots in _SESSIONS:
        session_id = _register(client, drawn, classes, shots)
        archives[classes, shots] = _checked(client.get(f"/sessions/{session_id}/archive")).content
        for images in _BATCHES:
            _segment(client, drawn, session_id, (images, classes, shots))  # plans its memory
            for _ in range(options.repeats):
                samples.append(_segment(client, drawn, session_id, (images, classes, shots)))
                advance()
        _checked(client.delete(f"/sessions/{session_id}"))
    bundle = _checked(client.get("/models")).json()["models"][0]
    device, precision = next(iter(bundle["devices"].items()))
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
        engine=_engine_costs(samples, "cpu" if device == "cpu" else "gpu"),
        host=_host_costs(samples, options.cores),
        wire=WireCosts(
            image_bytes=float(np.mean([len(next(drawn).jpeg) for _ in range(_MAX_BATCH)])),
            answer_bytes=float(np.mean([s.answer_bytes / (s.images * s.classes) for s in samples])),
        ),
        store=measure_store(options.redis_url, archives),
    )


def _register(client: httpx.Client, drawn: Iterator[Picture], classes: int, shots: int) -> str:
    session: dict[str, str] = {}
    for number in range(classes):
        supports = [next(drawn) for _ in range(shots)]
        files = [("images", ("i.jpg", each.jpeg)) for each in supports]
        files += [("masks", ("m.png", each.mask_png)) for each in supports]
        fields = {"class_name": f"class {number}", **session}
        answer = _checked(client.post("/support", data=fields, files=files)).json()
        session = {"session_id": answer["session_id"]}
    return session["session_id"]


def _segment(
    client: httpx.Client, drawn: Iterator[Picture], session_id: str, asked: tuple[int, int, int]
) -> _Sample:
    files = [("images", ("i.jpg", next(drawn).jpeg)) for _ in range(asked[0])]
    began = time.perf_counter()
    data = {"session_id": session_id, "mode": "whole"}  # each image once
    reply = _checked(client.post("/segment", data=data, files=files))
    wall_ms = 1000 * (time.perf_counter() - began)
    found = _TIMING.findall(reply.headers.get("server-timing", ""))
    stages = {name: float(milliseconds) for name, milliseconds in found}
    return _Sample(*asked, wall_ms, len(reply.content), stages)


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


def _engine_costs(samples: Sequence[_Sample], device: Literal["cpu", "gpu"]) -> EngineCosts:
    """What explains the stages of all requests best."""
    encode = _fit([(1, s.images) for s in samples], [s.stages["encode"] for s in samples])
    pairs = [s.images * s.classes for s in samples]
    rows = [(1, pair, pair * s.shots) for pair, s in zip(pairs, samples, strict=True)]
    head = _fit(rows, [s.stages["head"] for s in samples])
    return EngineCosts(
        device=device,
        max_batch=_MAX_BATCH,
        batch_ms=encode[0] + head[0],
        image_ms=encode[1],
        class_ms=head[1],
        shot_ms=head[2],
    )


def _host_costs(samples: Sequence[_Sample], cores: int) -> HostCosts:
    """What is left of the wall's time is HTTP; single images, since threads share several."""
    single = [s for s in samples if s.images == 1]
    rest = [s.wall_ms - sum(s.stages.values()) for s in single]
    return HostCosts(
        cores=cores,
        request_ms=max(0.0, float(np.median(rest))),
        decode_ms=float(np.median([s.stages["decode"] for s in single])),
        mask_ms=float(np.median([s.stages["mask"] / s.classes for s in single])),
    )


def _fit(rows: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Least squares without negative coefficients: what would be one is left out."""
    matrix, wanted = np.array(rows, np.float64), np.array(values)
    kept = list(range(matrix.shape[1]))
    while True:
        found = np.linalg.lstsq(matrix[:, kept], wanted, rcond=None)[0]
        if (found >= 0).all():
            break
        kept.pop(int(found.argmin()))
    return [float(found[kept.index(i)]) if i in kept else 0.0 for i in range(matrix.shape[1])]
