"""Training configuration: a YAML file, checked before anything runs."""

from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from model.build import PRESETS, NetworkConfig
from model.data import augment_ranges as ranges
from model.data.datasets import KEEP_ALL
from model.data.folds import FOLDS, FoldScheme, excluded_names, fold_classes
from model.data.mixture import PROCEDURAL, SetConfig
from model.losses import LossWeights
from model.training.augmentation import Augmentation
from model.training.source import Trained


class ConfigError(ValueError):
    """A training config is unreadable or wrong; the message says where."""


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# What both NumPy's and torch's generators take.
_Seed = Annotated[int, Field(ge=0, lt=2**63)]


class SetEntry(_Config):
    """One set of the mixture, see `model.data.mixture.SetConfig`."""

    name: str
    weight: Annotated[float, Field(ge=0)]
    keep: tuple[tuple[Annotated[int, Field(ge=0)], ...], Annotated[int, Field(ge=1)]] = KEEP_ALL
    min_share: Annotated[float, Field(gt=0, lt=1)] = 0.005
    per_class: Annotated[int, Field(ge=2)] = 120
    absent: bool = True

    @model_validator(mode="after")
    def _keeps_images(self) -> Self:
        residues, modulus = self.keep
        if not residues or max(residues) >= modulus:
            raise ValueError(f"`keep` takes remainders below {modulus}, at least one")
        if self.name == PROCEDURAL and self.keep != KEEP_ALL:
            raise ValueError("rendered images have no rest for evaluation: leave out `keep`")
        return self

    def as_set(self) -> SetConfig:
        """The data room's form of it."""
        return SetConfig(**self.model_dump())


class CacheEntry(_Config):
    """Views cached for each image and their sizes in pixels.

    The views have a seed of their own, so that runs of several seeds share one cache.
    """

    seed: _Seed = 0
    views: Annotated[int, Field(ge=1, le=64)] = 4
    label_side: Annotated[int, Field(ge=16)] = 169
    workers: Annotated[int, Field(ge=1)] = 2


class AugmentEntry(_Config):
    """Augmentation on the device, where nothing is cached (`cache: null`).

    Views that are cached are made by `model.data.augment` instead.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = ranges.ROTATION  # degrees to either side
    blur: Annotated[float, Field(ge=0, le=1)] = ranges.BLUR_CHANCE  # chance
    # Smallest share of the image that a crop keeps; 1: no crop.
    min_scale: Annotated[float, Field(gt=0, le=1)] = ranges.MIN_SCALE
    colour: Annotated[float, Field(ge=0, le=1)] = 1.0  # strength

    def as_augmentation(self) -> Augmentation:
        """The form that the device's augmentation takes."""
        return Augmentation(**self.model_dump())


class LoadingEntry(_Config):
    """How batches reach the device. It changes no result, so a resumed run may use another."""

    memory_gb: Annotated[float, Field(ge=0)] | None = (
        None  # for images; None: half of the free memory
    )
    workers: Annotated[int, Field(ge=1, le=64)] = 2  # threads
    ahead: Annotated[int, Field(ge=1, le=64)] = 4  # batches


class EpisodeMix(_Config):
    """Probabilities of the less common kinds of episodes."""

    absent: Annotated[float, Field(ge=0, lt=1)] = 0.05  # the query lacks the class
    same_image: Annotated[float, Field(ge=0, lt=1)] = 0.08  # two views of one image
    class_power: Annotated[float, Field(ge=0, le=1)] = 0.5  # 0 classes alike, 1 views alike

    @model_validator(mode="after")
    def _exclude_each_other(self) -> Self:
        if self.absent + self.same_image > 1:
            raise ValueError(
                "an episode is of one kind: absent and same_image are together above 1"
            )
        return self


class UnseenFold(_Config):
    """The test classes that a run excludes from every set, whatever their names there."""

    scheme: FoldScheme = "pascal"
    fold: Annotated[int, Field(ge=0, lt=FOLDS)]


class Parts(_Config):
    """Parts of the network; switched off for ablations alone."""

    saam: bool = True
    sdpm: bool = True
    prior: bool = True


class Stage(_Config):
    """A stage of training with fixed trainable parts and a poly schedule of its own.

    It lasts `steps`, or `epochs`; an epoch has as many episodes as the run has images, and is
    converted to steps when the images are counted. `backbone` names what is trained besides the
    head, at `backbone_lr`: `none`, `deep` (the layers after the cached features), or `all` (from
    pixels, even where there is a cache).
    """

    steps: Annotated[int, Field(ge=0)] = 0
    epochs: Annotated[float, Field(gt=0)] | None = None
    backbone: Trained
    lr: Annotated[float, Field(gt=0)]
    backbone_lr: Annotated[float, Field(ge=0)] = 0.0
    batch: Annotated[int, Field(ge=1)]
    warmup: Annotated[int, Field(ge=0)] = 0  # steps of a linear rise of the rate

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if bool(self.steps) == (self.epochs is not None):
            raise ValueError("a stage has either steps, above 0, or epochs")
        return self

    @model_validator(mode="after")
    def _trains_what_it_says(self) -> Self:
        if self.backbone != "none" and not self.backbone_lr:
            raise ValueError(
                f"`backbone: {self.backbone}` needs a backbone_lr above 0, or none of it trains"
            )
        if self.backbone == "none" and self.backbone_lr:
            raise ValueError("`backbone: none` trains nothing at a backbone_lr: leave it out")
        return self

    def in_steps(self, images: int) -> "Stage":
        """The same stage with its length in steps, at least one."""
        if self.epochs is None:
            return self
        steps = max(1, int(self.epochs * images / self.batch))
        return self.model_copy(update={"steps": steps, "epochs": None})


def _listed(value: object) -> object:
    """One path becomes a list of one; null, as in recorded recipes, an empty list."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str | Path) else value


class TrainConfig(_Config):
    """Everything that decides a training run."""

    preset: str
    # Bundles to start from, loaded in this order: each overwrites the weights that fit.
    start: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = ()
    parts: Parts = Parts()
    input_side: Annotated[int, Field(ge=65)]
    unseen: UnseenFold | None
    sets: Annotated[tuple[SetEntry, ...], Field(min_length=1)]
    cache: CacheEntry | None = CacheEntry()  # null: the backbone runs in every step
    augment: AugmentEntry = AugmentEntry()
    loading: LoadingEntry = LoadingEntry()
    episodes: EpisodeMix = EpisodeMix()
    shots: Annotated[int, Field(ge=1, le=10)] = 1
    strategy: Literal["integral", "separate"] = "separate"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    power: Annotated[float, Field(gt=0)] = 0.9
    precision: Literal["fp32", "bf16"] = "fp32"  # of the forward; losses and updates are fp32
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.998
    gradient_clip: Annotated[float, Field(gt=0)] | None = 5.0
    distillation_weight: Annotated[float, Field(ge=0)] = 50.0
    seed: _Seed = 0
    checkpoint_steps: Annotated[int, Field(gt=0)] = 200
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]

    @field_validator("preset")
    @classmethod
    def _is_known(cls, preset: str) -> str:
        if preset not in PRESETS:
            raise ValueError(f"no preset {preset}: there are {', '.join(PRESETS)}")
        return preset

    @field_validator("sets")
    @classmethod
    def _draws_from_a_set(cls, sets: tuple[SetEntry, ...]) -> tuple[SetEntry, ...]:
        if not any(entry.weight for entry in sets):
            raise ValueError("every set has a weight of 0: there is nothing to draw from")
        return sets

    @model_validator(mode="after")
    def _cached_features_stay_true(self) -> Self:
        depths = [("none", "deep", "all").index(stage.backbone) for stage in self.stages]
        if self.cache is not None and depths != sorted(depths):
            raise ValueError(
                "with a cache, stages train ever more of the backbone: none, then deep, then all; "
                "cached features are of the backbone as it was"
            )
        return self

    @model_validator(mode="after")
    def _augments_pixels(self) -> Self:
        # Compared by value: a run's record has every field, whether its recipe had it or not.
        if self.cache is not None and self.augment != AugmentEntry():
            raise ValueError(
                "cached views are augmented in a fixed way: `augment` needs `cache: null`"
            )
        return self

    @property
    def network(self) -> NetworkConfig:
        """The preset at the config's side, with the config's parts."""
        return replace(
            PRESETS[self.preset]().at_side(self.input_side),
            use_saam=self.parts.saam,
            use_sdpm=self.parts.sdpm,
            use_prior=self.parts.prior,
        )

    @property
    def label_side(self) -> int:
        """Side of the labels that the losses see, in pixels."""
        return self.input_side if self.cache is None else self.cache.label_side

    def in_steps(self, images: int) -> "TrainConfig":
        """The same recipe for a known number of training images: every stage has its steps."""
        stages = tuple(stage.in_steps(images) for stage in self.stages)
        return self.model_copy(update={"stages": stages})

    def check_world_size(self, world_size: int) -> None:
        """Require that every batch splits equally over the processes.

        Raises:
            ConfigError: one does not.
        """
        for stage in self.stages:
            if stage.batch % world_size:
                raise ConfigError(
                    f"a batch of {stage.batch} episodes cannot be shared by {world_size} processes"
                )

    @property
    def test_classes(self) -> tuple[str, ...]:
        """The classes of the unseen fold, by their names in its set."""
        return () if self.unseen is None else fold_classes(self.unseen.fold, self.unseen.scheme)

    @property
    def excluded_names(self) -> frozenset[str]:
        """Names of the classes that no image of the run may show."""
        return excluded_names(self.test_classes) if self.unseen else frozenset()

    def for_fold(self, fold: int) -> "TrainConfig":
        """The same recipe with another fold of its scheme unseen.

        Raises:
            ConfigError: the recipe leaves no fold out, or there is no such fold.
        """
        if self.unseen is None:
            raise ConfigError("a recipe with `unseen: null` has no folds")
        try:
            unseen = UnseenFold(scheme=self.unseen.scheme, fold=fold)
        except ValidationError as exc:
            raise ConfigError(f"no fold {fold}: there are 0 to {FOLDS - 1}") from exc
        return self.model_copy(update={"unseen": unseen})

    @property
    def loss_weights(self) -> LossWeights:
        """Loss weights with the config's distillation weight."""
        return LossWeights(distillation=self.distillation_weight)


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML's own loader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found = set[str]()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in found:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is there twice", key.start_mark
                )
            found.add(key.value)
        return super().construct_mapping(node, deep)


def load_config(path: Path) -> TrainConfig:
    """Read a YAML config.

    Raises:
        ConfigError: unreadable or not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return TrainConfig.model_validate(yaml.load(text, _UniqueKeys))  # noqa: S506
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is no UTF-8: save it as YAML in UTF-8") from exc
    except ValidationError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    except RecursionError as exc:
        raise ConfigError(f"cannot read {path}: it is nested too deeply") from exc
    except (OSError, yaml.YAMLError, ValueError) as exc:  # a date of a 13th month, for one
        raise ConfigError(f"cannot read {path}: {exc}") from exc
