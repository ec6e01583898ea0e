"""What decides the masks of a run."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from model.contract import Manifest, Precision
from service.engine import Engine
from service.image_files import ImageLike, MaskLike, image_file, mask_file
from service.schemas import Absent, Adapt, LookMode, Threshold
from service.settings import Settings

Supports = Mapping[str, tuple[Sequence[ImageLike], Sequence[MaskLike]]]
"""Images and masks of each class; one without any is not looked for, and numbered all the same."""


class LabelOptions(NamedTuple):
    """What the fields of the same names mean in `POST /support` and `POST /segment`."""

    threshold: Threshold = None
    mode: LookMode = "auto"
    absent: Absent = "keep"
    adapt: Adapt = "auto"


def run_identity(
    engine: Engine, supports: Supports, options: LabelOptions, settings: Settings
) -> dict[str, str]:
    """Everything but the images that decides the masks; equal for runs that may share results.

    Raises:
        UnusableInputError: a support cannot be read.
    """
    manifest = engine.manifest
    # Of one revision there may be other graphs, and other numbers beside them.
    own = manifest.model_dump_json(exclude={"metrics", "tiers", "training"}).encode()
    return {
        "model": f"{manifest.model} ({hashlib.blake2b(own, digest_size=6).hexdigest()})",
        "precision": ",".join(
            _graphs(manifest, each) for each in sorted(set(engine.devices.values()))
        ),
        "supports": _digest(supports),
        **{name: str(value) for name, value in options._asdict().items()},
        # By the names under which a person sets them, to whom a change is told.
        "FSS_THRESHOLD": str(settings.threshold),
        "FSS_MAX_TILES": str(settings.max_tiles),
    }


def _graphs(manifest: Manifest, precision: Precision) -> str:
    """A precision, and which graphs those are: a tier may be made again."""
    files = [graph.sha256 for _, graph in sorted(manifest.graphs_of(precision).items())]
    return f"{precision} ({hashlib.blake2b(''.join(files).encode(), digest_size=6).hexdigest()})"


def _digest(supports: Supports) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, (images, masks) in supports.items():
        pairs = zip(images, masks, strict=True)
        files = [part for image, mask in pairs for part in (image_file(image), mask_file(mask))]
        for part in (name.encode(), *files):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()
