"""Profiles of GPUs nobody has measured: arithmetic over peak speed, marked as estimates."""

from typing import NamedTuple

from service.planning.defaults import DEFAULT_SHARE
from service.planning.profile import EngineCosts, Profile, ProfileError
from service.planning.registration import counted_registration

_MAX_BATCH = 8
_LAUNCH_MS = 1.0


class NetworkCosts(NamedTuple):
    """Giga floating-point operations, 2 for a multiply-add, and bytes of a typical shot."""

    encode: float
    class_: float
    shot: float
    shot_bytes: float


# r50: counted by hand at 473 px, 67 + 108 to stage 4, 104 a class; the prior of a shot is
# 3600 positions x 700 tokens x 2048 channels. lite and base: counted by torch's FlopCounterMode at
# 337 and 257 px; the shots of lite have 74 tokens, those of base 108.
NETWORKS = {
    "lite": NetworkCosts(2.92, 2.34, 0.023, 31_350.0),
    "base": NetworkCosts(23.1, 5.27, 0.075, 70_350.0),
    "r50": NetworkCosts(175.0, 104.0, 10.3, 2_900_000.0),
}
# TFLOP/s of dense fp16 by the makers' data sheets.
PEAK_TFLOPS = {"t4": 65.0, "l4": 121.0, "a10": 125.0, "a100": 312.0, "h100": 989.0, "h200": 989.0}


def estimate(
    base: Profile, network: str, gpu: str, *, share: float = DEFAULT_SHARE, cores: int = 8
) -> Profile:
    """A profile for a GPU; what the host and Redis do is taken from a measured one.

    Args:
        base: measured.
        network: of `NETWORKS`.
        gpu: of `PEAK_TFLOPS`.
        share: of the peak that the network reaches.
        cores: of the host, for each GPU.

    Raises:
        ProfileError: network or GPU is not known.
    """
    if network not in NETWORKS or gpu not in PEAK_TFLOPS:
        raise ProfileError(
            f"no figures for {network} on {gpu}: networks are {', '.join(NETWORKS)}, "
            f"GPUs {', '.join(PEAK_TFLOPS)}"
        )
    work, speed = NETWORKS[network], PEAK_TFLOPS[gpu] * share  # GFLOP per ms
    engine = EngineCosts(
        device="gpu",
        max_batch=_MAX_BATCH,
        batch_ms=_LAUNCH_MS,
        image_ms=work.encode / speed,
        class_ms=work.class_ / speed,
        shot_ms=work.shot / speed,
    )
    assumptions = (
        f"{gpu} reaches {share:.0%} of {PEAK_TFLOPS[gpu]:g} TFLOP/s (fp16, dense)",
        f"{work.encode:g} GFLOP an image, {work.class_:g} a class, {work.shot:g} a shot, "
        f"{_LAUNCH_MS:g} ms a batch",
        "registrations as encodings and heads that were counted",
        f"host, HTTP and Redis as measured on {base.machine}, {cores} cores a GPU",
    )
    return Profile(
        name=f"{network}-fp16-{gpu}",
        model=network,
        precision="fp16",
        machine=f"one {gpu} and {cores} cores",
        origin="estimated, not measured",
        date=base.date,
        assumptions=assumptions,
        engine=engine,
        host=base.host.model_copy(update={"cores": cores}),
        registration=counted_registration(engine, base.registration),
        wire=base.wire,
        store=base.store.model_copy(update={"shot_bytes": work.shot_bytes}),
    )
