"""What crosses from training to serving: tensors, prototypes, manifest, resizing. No torch."""

from model.contract.geometry import resize_image, resize_mask, upsample_logits
from model.contract.graphs import ENCODER, GRAPHS, HEAD, PROTOTYPE, GraphSpec, TensorSpec
from model.contract.manifest import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    GraphFile,
    InvalidBundleError,
    Manifest,
    MissingTierError,
    Precision,
    Tier,
    TrainingRecord,
    file_sha256,
    load_manifest,
)
from model.contract.prototype import (
    JUDGEMENT_SIZE,
    HeadInputs,
    SupportPrototype,
    SupportSet,
    collate_classes,
    thin_tokens,
)

__all__ = [
    "ENCODER",
    "FORMAT_VERSION",
    "GRAPHS",
    "HEAD",
    "JUDGEMENT_SIZE",
    "MANIFEST_FILE",
    "PROTOTYPE",
    "GraphFile",
    "GraphSpec",
    "HeadInputs",
    "InvalidBundleError",
    "Manifest",
    "MissingTierError",
    "Precision",
    "SupportPrototype",
    "SupportSet",
    "TensorSpec",
    "Tier",
    "TrainingRecord",
    "collate_classes",
    "file_sha256",
    "load_manifest",
    "resize_image",
    "resize_mask",
    "thin_tokens",
    "upsample_logits",
]
