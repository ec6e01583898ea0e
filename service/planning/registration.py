"""What registering a class costs with the defaults: judged, and adapted where that helps.

A shot is encoded four times: whole, mirrored, as a portrait, and as a query of the other shots,
from which the head's refit and the report card predict it. The only shot of a class is predicted
from its mirror image, so that is learned and encoded too. Small objects, which are learned in
close-up as well, cost half as much again; they are not counted here.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from service.planning.profile import EngineCosts, RegistrationCosts
from service.telemetry import StageName

_SHOTS = 5
_ON_DEVICE: tuple[StageName, ...] = ("encode", "prototype", "head")


class TimedRegistration(NamedTuple):
    """A class of `shots` that was registered; stages: milliseconds by their names."""

    shots: int
    wall_ms: float
    stages: dict[StageName, float]


def measured_registration(
    timed: Sequence[TimedRegistration], engine: EngineCosts
) -> RegistrationCosts:
    """What explains registrations of one shot and of several.

    Args:
        timed: of both kinds, one at a time.
        engine: of the same service.
    """
    one = [each for each in timed if each.shots == 1]
    more = [each for each in timed if each.shots > 1]
    # Threads share the files of several shots, so that their milliseconds are not those of a core.
    file_ms = median(each.stages.get("decode", 0) + each.stages.get("report", 0) for each in one)
    lone_device_ms, lone_host_ms = _median_ms(one, engine)
    device_ms, host_ms = _median_ms(more, engine)
    return RegistrationCosts(
        device_shot_ms=device_ms,
        device_lone_ms=max(0.0, lone_device_ms - device_ms),
        host_shot_ms=file_ms + host_ms,
        host_lone_ms=max(0.0, lone_host_ms - host_ms),
    )


def _median_ms(timed: Sequence[TimedRegistration], engine: EngineCosts) -> tuple[float, float]:
    """For each shot, milliseconds of the device, and of the host without its files."""
    costs = [_split_ms(each, engine) for each in timed]
    device_ms = median(device / each.shots for (device, _), each in zip(costs, timed, strict=True))
    host_ms = median(host / each.shots for (_, host), each in zip(costs, timed, strict=True))
    return device_ms, max(0.0, host_ms)


def _split_ms(timed: TimedRegistration, engine: EngineCosts) -> tuple[float, float]:
    """Of the stage `adapt` the device has what encoding and head would take, the host the fit."""
    stages, adapt_ms = timed.stages, timed.stages.get("adapt", 0.0)
    queries_ms = min(adapt_ms, _queries_ms(engine, timed.shots))
    device_ms = queries_ms + sum(stages.get(name, 0.0) for name in _ON_DEVICE)
    return device_ms, timed.wall_ms - sum(stages.values()) + adapt_ms - queries_ms


def counted_registration(engine: EngineCosts, host: RegistrationCosts) -> RegistrationCosts:
    """For a device on which no registration was timed; the host's are another profile's."""
    device_ms = _counted_ms(engine, _SHOTS) / _SHOTS
    lone_ms = max(0.0, _counted_ms(engine, 1) - device_ms)
    update = {"device_shot_ms": device_ms, "device_lone_ms": lone_ms}
    return host.model_copy(update=update)


def _counted_ms(engine: EngineCosts, shots: int) -> float:
    """Milliseconds of the device for a class, its encodings in full batches with others."""
    mirrors = 2 if shots == 1 else 0  # one for the refit, one for the report card
    learned_ms = (3 * shots + mirrors) * (engine.batch_ms / engine.max_batch + engine.image_ms)
    others = max(1, shots - 1)
    # Predicted for the report card: from the others with and without the refit, and from itself.
    judged_ms = shots * (3 * engine.class_ms + (2 * others + 1) * engine.shot_ms)
    return learned_ms + _queries_ms(engine, shots) + judged_ms


def _queries_ms(engine: EngineCosts, shots: int) -> float:
    """Milliseconds of the device for each shot as a query of the others, for the refit."""
    images = max(2, shots)
    return 1000 * engine.batch_s(images, 1, images - 1)
