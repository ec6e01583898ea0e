"""What single operations cost on one kind of machine, as a small JSON file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.units import MIB

PROFILES = Path(__file__).resolve().parent / "profiles"

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class ProfileError(Exception):
    """A profile is missing or not valid; the message says what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineCosts(_Part):
    """Milliseconds of one device.

    A batch of B images, each asked for P classes of K shots, takes
    `batch_ms + B * (image_ms + P * (class_ms + K * shot_ms))`, and a close-up as much as another
    image of one class.
    """

    device: Literal["cpu", "gpu"]
    max_batch: Count
    batch_ms: Cost
    image_ms: Cost
    class_ms: Cost
    shot_ms: Cost

    def batch_s(
        self, images: float, classes: int, shots: int, encoded: float = 1.0, close_ups: float = 0.0
    ) -> float:
        """Seconds of a batch.

        Args:
            images: B.
            classes: P.
            shots: K.
            encoded: the share of the images that were not seen before.
            close_ups: of each image.
        """
        pair_ms = self.class_ms + shots * self.shot_ms
        image_ms = (1 + close_ups) * encoded * self.image_ms + (classes + close_ups) * pair_ms
        return (self.batch_ms + images * image_ms) / 1000


class RegistrationCosts(_Part):
    """Milliseconds of the device, and of one core beside it, to register a class.

    shot: of each shot. lone: what the only shot of a class takes beyond that.
    """

    device_shot_ms: Cost
    device_lone_ms: Cost
    host_shot_ms: Cost
    host_lone_ms: Cost

    def device_s(self, shots: int) -> float:
        """Seconds of the device for a class."""
        return (shots * self.device_shot_ms + (shots == 1) * self.device_lone_ms) / 1000

    def host_s(self, shots: int) -> float:
        """Core seconds for a class: HTTP, decoding, the fit of the head, and the report card."""
        return (shots * self.host_shot_ms + (shots == 1) * self.host_lone_ms) / 1000


class HostCosts(_Part):
    """Milliseconds of one core beside the device, and the cores of one replica."""

    cores: Count
    request_ms: Cost
    decode_ms: Cost
    mask_ms: Cost

    def request_s(self, images: int, classes: int, close_ups: float = 0.0) -> float:
        """Core seconds of a request: HTTP, decoding, and writing the masks of every class.

        A close-up is cut from an image that is decoded again.
        """
        image_ms = (1 + close_ups) * self.decode_ms + classes * self.mask_ms
        return (self.request_ms + images * image_ms) / 1000


class WireCosts(_Part):
    """Bytes between a client and a replica: of an image, and of one class's answer to it."""

    image_bytes: Cost
    answer_bytes: Cost


class StoreCosts(_Part):
    """What a session is in Redis, and microseconds of the core of Redis.

    memory_factor: bytes of Redis for one of a session's arrays.
    touch_us, touch_bytes: of the script that every request runs, both ways.
    fetch_us, fetch_us_per_mib: of a session that a replica has no copy of.
    """

    shot_bytes: Cost
    session_bytes: Cost
    memory_factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    touch_us: Cost
    touch_bytes: Cost
    fetch_us: Cost
    fetch_us_per_mib: Cost

    def content_bytes(self, classes: int, shots: int) -> float:
        """Bytes of a session as it travels."""
        return self.session_bytes + classes * shots * self.shot_bytes

    def fetch_s(self, content_bytes: float) -> float:
        """Seconds of the core of Redis to hand out a session."""
        return (self.fetch_us + self.fetch_us_per_mib * content_bytes / MIB) / 1e6


class Profile(_Part):
    """Unit costs with where they are from; `estimated` never reads as measured."""

    format_version: Literal[2] = 2
    name: str
    model: str
    precision: str
    machine: str
    origin: Literal["measured", "estimated, not measured"]
    date: str
    assumptions: tuple[str, ...] = ()
    engine: EngineCosts
    host: HostCosts
    registration: RegistrationCosts
    wire: WireCosts
    store: StoreCosts


def shipped_profiles() -> list[str]:
    """Names of those that come with the service."""
    return sorted(path.stem for path in PROFILES.glob("*.json"))


def load_profile(name_or_path: str) -> Profile:
    """A shipped profile by its name, or one from a file.

    Raises:
        ProfileError.
    """
    shipped = name_or_path in shipped_profiles()
    path = PROFILES / f"{name_or_path}.json" if shipped else Path(name_or_path)
    try:
        return Profile.model_validate_json(path.read_bytes())
    except OSError as exc:
        known = ", ".join(shipped_profiles())
        raise ProfileError(
            f"no profile {name_or_path}: give a file that `fss plan-measure` wrote, "
            f"or one of {known}"
        ) from exc
    except ValidationError as exc:
        raise ProfileError(f"{name_or_path} is not a profile: measure it again\n{exc}") from exc
