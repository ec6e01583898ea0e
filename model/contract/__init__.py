"""What crosses from training to serving: tensors, prototypes, manifest, resizing. No torch."""

from model.contract.errors import BundleKeyError, InvalidBundleError, MissingTierError
from model.contract.geometry import resize_image, resize_mask, upsample_logits
from model.contract.graphs import ENCODER, GRAPHS, HEAD, PROTOTYPE, GraphSpec, TensorSpec
from model.contract.logits import clipped_logit, logit, sigmoid
from model.contract.manifest import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    Familiar,
    GraphFile,
    Manifest,
    Precision,
    Tier,
    TrainingRecord,
    file_sha256,
    load_manifest,
    read_graph,
    write_manifest,
)
from model.contract.prototype import (
    JUDGEMENT_SIZE,
    PIXEL_CLASSIFIER_SIZE,
    PIXEL_FEATURES,
    GateFusion,
    HeadInputs,
    SupportPrototype,
    SupportSet,
    collate_classes,
    independent_shots,
    thin_tokens,
)
from model.contract.replacing import replace_text
from model.contract.signature import SIGNATURE_FILE, BundleKey

__all__ = [
    "ENCODER",
    "FORMAT_VERSION",
    "GRAPHS",
    "HEAD",
    "JUDGEMENT_SIZE",
    "MANIFEST_FILE",
    "PIXEL_CLASSIFIER_SIZE",
    "PIXEL_FEATURES",
    "PROTOTYPE",
    "SIGNATURE_FILE",
    "BundleKey",
    "BundleKeyError",
    "Familiar",
    "GateFusion",
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
    "clipped_logit",
    "collate_classes",
    "file_sha256",
    "independent_shots",
    "load_manifest",
    "logit",
    "read_graph",
    "replace_text",
    "resize_image",
    "resize_mask",
    "sigmoid",
    "thin_tokens",
    "upsample_logits",
    "write_manifest",
]
