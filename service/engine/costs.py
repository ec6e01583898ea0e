"""What work on a device costs, as a running mean."""

from collections.abc import Sequence

from service.engine.lane import Lane, Payload, Result, WorkItem
from service.telemetry import StageName

_NEWEST_SHARE = 0.1  # of the latest request, in the running mean


class Costs:
    """Running means of what an image costs the encoder, and a pair the head, in seconds."""

    def __init__(self) -> None:
        self._unit_s: dict[StageName, float] = {}

    def cost_s(self, images: int, pairs: int) -> float:
        """Seconds of the device that a request would take, by what others took lately.

        Args:
            images: to encode.
            pairs: of an image and a class, which the head predicts.
        """
        encode_s, head_s = self._unit_s.get("encode", 0.0), self._unit_s.get("head", 0.0)
        return images * encode_s + pairs * head_s

    def adaptation_s(self, shots: int) -> float:
        """Seconds of the device that a refit would take: an encoding and a head for each shot.

        A single shot is joined by its mirror image.
        """
        return 2 * max(2, shots) * self._unit_s.get("adapt", 0.0)

    def learn(
        self,
        name: StageName,
        lane: Lane[Payload, Result],
        items: Sequence[WorkItem[Payload, Result]],
    ) -> None:
        """Take note of what a request's items cost in a lane, under the name of their stage."""
        unit_s = sum(item.cost_s for item in items) / sum(
            lane.weigh(item.payload) for item in items
        )
        known_s = self._unit_s.get(name, unit_s)
        self._unit_s[name] = known_s + _NEWEST_SHARE * (unit_s - known_s)
