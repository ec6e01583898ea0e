"""What every use case works with."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from model.contract import Manifest
from service.engine import Engine
from service.errors import ModelMismatchError
from service.sessions.pixel_gate import PixelGate
from service.sessions.pool import CodecPool
from service.stores import SessionStore


@dataclass(frozen=True)
class Resources:
    """The siblings that the use cases bring together, and the numbers that bound them.

    engine: computes prototypes and logits.
    store: keeps prototypes.
    pool: threads for pixels.
    gate: bounds the pixels that those threads hold together.
    max_pixels: of one uploaded image or mask.
    max_shots: of one class, as the store has it.
    threshold_override: takes the place of the model's own threshold.
    max_tiles: of one image.
    tiling: places for images that are held at full size while their tiles are worked on.
    """

    engine: Engine
    store: SessionStore
    pool: CodecPool
    gate: PixelGate
    max_pixels: int
    max_shots: int
    threshold_override: float | None = None
    max_tiles: int = 512
    tiling: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    @property
    def model(self) -> str:
        """Name and revision of the network, as answers give it."""
        return model_name(self.engine.manifest)

    def require_model(self, model: str) -> None:
        """Refuse prototypes that another network made: this one would answer nonsense.

        Raises:
            ModelMismatchError.
        """
        if model != self.model:
            raise ModelMismatchError(
                f"the session was made by {model}, and {self.model} runs here; "
                "register its classes anew"
            )

    @property
    def threshold(self) -> float:
        """The probability a foreground pixel needs unless a request says otherwise."""
        if self.threshold_override is None:
            return self.engine.manifest.threshold
        return self.threshold_override


def model_name(manifest: Manifest) -> str:
    """Name and revision of a network."""
    return f"{manifest.name}@{manifest.revision}"


def to_datetime(instant: float) -> datetime:
    """Seconds since the epoch as a UTC time."""
    return datetime.fromtimestamp(instant, UTC)
