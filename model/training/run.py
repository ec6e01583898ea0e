"""A training run: data, network, stages, log, checkpoints, resume."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from model.build import build_network, load_pretrained
from model.data.cache import CacheConfig, FeatureCache, build_cache
from model.data.folds import excluded_names, fold_classes
from model.data.mixture import allowed_images, open_set
from model.data.sampler import EpisodeSampler
from model.losses import LossTerms, episode_loss
from model.nets import SDAANet
from model.training.checkpoints import CHECKPOINT_FILE, restore_checkpoint, save_checkpoint
from model.training.config import Stage, TrainConfig
from model.training.feature_graph import feature_graph, weights_key
from model.training.schedule import locate, make_optimizer, moving_average, set_rate
from model.training.source import BatchSource

LOG_FILE = "log.jsonl"
_LOG_STEPS = 20


class Prepared(NamedTuple):
    """What a run trains on."""

    source: BatchSource
    excluded: tuple[str, ...]
    data: tuple[str, ...]


def prepare(config: TrainConfig, network: SDAANet, data_root: Path, cache_dir: Path) -> Prepared:
    """Open the sets, leave out test classes, and fill the feature cache."""
    entries = [entry.as_set() for entry in config.sets]
    sets = [open_set(entry, data_root, config.input_side) for entry in entries]
    fold = config.exclude_pascal_fold
    excluded = excluded_names(fold_classes(fold)) if fold is not None else frozenset()
    images = allowed_images(sets, excluded)
    views = CacheConfig(
        side=config.input_side,
        label_side=config.cache.label_side,
        views=config.cache.views,
        seed=config.cache.seed,
    )
    graph = feature_graph(network.backbone.eval(), config.input_side)
    cache: FeatureCache = build_cache(
        cache_dir,
        sets,
        images,
        graph,
        views,
        weights_key=weights_key(network.backbone),
        workers=config.cache.workers,
    )
    sampler = EpisodeSampler(
        cache,
        entries,
        shots=config.shots,
        seed=config.seed,
        absent=config.episodes.absent,
        same_image=config.episodes.same_image,
        class_power=config.episodes.class_power,
    )
    counts = [sum(image.set_index == i for image in images) for i in range(len(sets))]
    described = tuple(f"{d.name}: {count} images" for d, count in zip(sets, counts, strict=True))
    return Prepared(BatchSource(sampler, sets, images, views), tuple(sorted(excluded)), described)


class Run:
    """Trains a network through its stages; `resume` continues exactly where a run stopped.

    Args:
        config: the recipe.
        out: folder of log and checkpoint.
        data_root: folder of the sets.
        weights_dir: folder of the starting weights.
        cache_dir: folder of the feature cache.
    """

    def __init__(
        self, config: TrainConfig, *, out: Path, data_root: Path, weights_dir: Path, cache_dir: Path
    ) -> None:
        self.config, self.out = config, out
        self.network_config = config.network
        torch.manual_seed(config.seed)
        self.network = build_network(self.network_config, mask_side=config.cache.label_side)
        load_pretrained(self.network.backbone, weights_dir)
        self.prepared = prepare(config, self.network, data_root, cache_dir)
        update = moving_average(config.ema)
        self.average = AveragedModel(self.network, multi_avg_fn=update, use_buffers=False)
        self.averaged = cast(SDAANet, self.average.module)
        self.step, self.minutes, self.curve = 0, 0.0, list[dict[str, float]]()
        self._optimizer_state: dict[str, Any] | None = None

    def resume(self) -> None:
        """Continue from the checkpoint in the run's folder."""
        checkpoint = restore_checkpoint(self.out, network=self.network, average=self.averaged)
        progress = checkpoint["progress"]
        self.step, self.minutes = progress["step"], progress["minutes"]
        self.curve = progress["curve"]
        self.average.n_averaged.fill_(progress["averaged"])
        self._optimizer_state = checkpoint["optimizer"]

    def train(self, should_stop: Callable[[], bool]) -> None:
        """Run to the end of the stages, or until `should_stop`; leaves a checkpoint either way."""
        self.out.mkdir(parents=True, exist_ok=True)
        total = sum(stage.steps for stage in self.config.stages)
        with tqdm(total=total, initial=self.step, desc="train") as bar:
            while self.step < total and not should_stop():
                self._stage(bar, should_stop)

    def _stage(self, bar: "tqdm[Any]", should_stop: Callable[[], bool]) -> None:
        at = locate(self.config, self.step)
        stage = self.config.stages[at.stage]
        optimizer = make_optimizer(self.network, stage, self.config)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            self._optimizer_state = None
        self.network.train_mode()
        window: list[LossTerms] = []
        for step in range(at.step, stage.steps):
            started = time.monotonic()
            set_rate(optimizer, stage, step, self.config.power)
            window.append(self._update(optimizer, stage))
            self.step += 1
            self.minutes += (time.monotonic() - started) / 60
            bar.update()
            last = step + 1 == stage.steps
            if self.step % _LOG_STEPS == 0:
                self._log(window, bar)
                window = []
            if last:
                # The next stage has other parameter groups, an optimizer and an average of its own.
                self.average.n_averaged.zero_()
                self._save(None)
            elif should_stop() or self.step % self.config.checkpoint_steps == 0:
                self._save(optimizer)
            if should_stop():
                return

    def _update(self, optimizer: torch.optim.Optimizer, stage: Stage) -> LossTerms:
        backbone = self.network.backbone
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bf16"):
            batch = self.prepared.source.batch(self.step, stage.batch, backbone, stage.backbone)
            masks: Tensor = (batch.support_labels == 1).float()
            output = self.network.forward_training(batch.queries, batch.supports, masks)
        terms = episode_loss(
            output.float(),
            query_labels=batch.query_labels,
            support_labels=batch.support_labels,
            resize_mask=self.network.resize_mask,
            strategy=self.config.strategy,
            weights=self.config.loss_weights,
        )
        # Also of parameters that an earlier stage trained, or they would count in the clipping.
        self.network.zero_grad(set_to_none=True)
        terms.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_clip)
        optimizer.step()
        self.average.update_parameters(self.network)
        return LossTerms(*(term.detach() for term in terms))

    def _log(self, window: list[LossTerms], bar: "tqdm[Any]") -> None:
        means = {
            name: float(torch.stack([getattr(terms, name) for terms in window]).mean())
            for name in LossTerms._fields
        }
        entry = {"step": float(self.step), "minutes": round(self.minutes, 3), **means}
        self.curve.append(entry)
        bar.set_postfix(loss=f"{means['main']:.3f}")
        with (self.out / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        save_checkpoint(
            self.out,
            network=self.network,
            average=self.averaged,
            config=self.network_config,
            optimizer=None if optimizer is None else optimizer.state_dict(),
            progress={
                "step": self.step,
                "minutes": self.minutes,
                "averaged": int(self.average.n_averaged),
                "curve": self.curve,
                "training": self.config.model_dump_json(),
                "data": list(self.prepared.data),
                "excluded": list(self.prepared.excluded),
            },
        )


def has_checkpoint(out: Path) -> bool:
    """Whether a run left a checkpoint there."""
    return (out / CHECKPOINT_FILE).is_file()
