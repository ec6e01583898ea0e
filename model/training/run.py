"""A training run: data, network, stages, log, checkpoints, resume."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from pydantic import ValidationError
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from model.build import CheckpointError, build_network, load_pretrained, load_start
from model.contract import load_manifest
from model.data.datasets import DatasetError
from model.losses import LossTerms
from model.nets import SDAANet
from model.training.checkpoints import (
    CHECKPOINT_FILE,
    read_run,
    restore_networks,
    save_checkpoint,
)
from model.training.config import ConfigError, Stage, TrainConfig
from model.training.distributed import DistributedContext, choose_device
from model.training.divergence import require_finite_losses, require_finite_weights
from model.training.log import RunLog
from model.training.prefetch import Prefetcher
from model.training.preparation import prepare
from model.training.schedule import (
    Position,
    ema_update,
    locate,
    make_optimizer,
    schedule_step,
    set_rate,
    total_steps,
)
from model.training.source import LoadedBatch
from model.training.step import Stepper

_LOG_STEPS = 20
_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Run:
    """Trains a network through its stages; `resume` continues exactly where a run stopped.

    Args:
        config: the recipe.
        out: folder of log and checkpoint.
        data_root: folder of the sets.
        weights_dir: folder of the starting weights.
        cache_dir: folder of the feature cache.
        budget_minutes: of training, the cache's filling aside, that the schedule is scaled to.
        context: device and processes; this process alone on the best device unless given.
        compiled: compile the pass through a frozen backbone (`cache: null`), which takes a C++
            compiler; results then differ in rounding.
        clock: seconds.

    Raises:
        ConfigError: the processes cannot share a batch.
        model.build.CheckpointError: a bundle of `start` cannot be started from.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        out: Path,
        data_root: Path,
        weights_dir: Path,
        cache_dir: Path,
        budget_minutes: float | None = None,
        context: DistributedContext | None = None,
        compiled: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.out, self.budget_minutes, self._clock = out, budget_minutes, clock
        self.context = context or DistributedContext(device=choose_device("auto"))
        config.check_world_size(self.context.world_size)
        self.network_config = config.network
        torch.manual_seed(config.seed)
        try:
            self.network = build_network(self.network_config, mask_side=config.label_side)
        except ValueError as exc:  # such as an input side that its backbone cannot take
            raise ConfigError(str(exc)) from exc
        self.started, self._inherited, self._excluded = _load_bundles(self.network, config)
        given = {name.removeprefix("backbone.") for name in self.started}
        with self.context.rank_zero_first():  # it may have to download them
            load_pretrained(self.network.backbone, weights_dir, given=given)
        self.prepared = prepare(
            config, self.network, data_root, cache_dir, self.context, compiled=compiled
        )
        self.config = config.in_steps(self.prepared.images)
        self.context.move_network(self.network, repeatable=config.precision == "fp32")
        if not self.context.is_rank_zero:  # whose dropout would else equal the first's
            torch.manual_seed(config.seed + self.context.rank)
        update = ema_update(config.ema)
        self._stepper = Stepper(
            self.config, self.context, self.prepared.sampler, self.prepared.source, self.network
        )
        self.ema = AveragedModel(self.network, multi_avg_fn=update, use_buffers=False)
        self.ema_network = cast(SDAANet, self.ema.module)
        self.step, self.episodes, self.minutes, self.waited_minutes = 0, 0, 0.0, 0.0
        self.curve = list[dict[str, float]]()
        self._optimizer_state: tuple[int, dict[str, Any]] | None = None

    def resume(self) -> None:
        """Continue from the folder's checkpoint, to its time budget unless there is a new one.

        Raises:
            model.build.CheckpointError: no checkpoint, a damaged one, or one of another recipe,
                since the record names the data and unseen classes of one recipe alone; or a budget
                that returns to a stage whose cached features are of an earlier backbone.
        """
        checkpoint = read_run(self.out)
        self._refuse_other_recipe(checkpoint)
        restore_networks(checkpoint, network=self.network, ema_network=self.ema_network)
        self.context.restore_generator(checkpoint["rng"])
        progress = checkpoint["progress"]
        self.step, self.minutes = progress["step"], progress["minutes"]
        self.episodes = progress["episodes"]
        self.curve = progress["curve"]
        self.ema.n_averaged.fill_(progress["averaged"])
        self.waited_minutes = progress["waited"]
        # The optimizer of a finished run is that of its last stage.
        last_stage = len(self.config.stages) - 1
        stopped_at = min(self._schedule(progress["budget"]).stage, last_stage)
        if self.budget_minutes is None:
            self.budget_minutes = progress["budget"]
        if self.config.cache is not None and self._schedule(self.budget_minutes).stage < stopped_at:
            raise CheckpointError(
                f"{self.budget_minutes:g} minutes would take the run in {self.out} back to a stage "
                "whose cached features are of the backbone as it was then; give it fewer"
            )
        if checkpoint["optimizer"] is not None:
            self._optimizer_state = stopped_at, checkpoint["optimizer"]

    def _refuse_other_recipe(self, checkpoint: dict[str, Any]) -> None:
        # Validated, so that what the recipe did not know yet has its default.
        try:
            made_by = TrainConfig.model_validate_json(checkpoint["progress"]["training"])
        except ValidationError as exc:
            raise CheckpointError(
                f"the recipe of the run in {self.out} is an earlier release's; "
                "start in another --out"
            ) from exc
        then, now = (recipe.model_dump(exclude={"loading"}) for recipe in (made_by, self.config))
        other = sorted(key for key in now if now[key] != then[key])
        if other:
            raise CheckpointError(
                f"the run in {self.out} has another recipe: {', '.join(other)} differ; "
                "resume with the same, or start in another --out"
            )

    @property
    def wait_share(self) -> float:
        """Share of the training time spent waiting for data."""
        return self.waited_minutes / self.minutes if self.minutes else 0.0

    def _schedule_step(self) -> float:
        return schedule_step(self.config, self.step, self.minutes, self.budget_minutes)

    def _schedule(self, budget_minutes: float | None) -> Position:
        return locate(
            self.config, schedule_step(self.config, self.step, self.minutes, budget_minutes)
        )

    def train(self, should_stop: Callable[[], bool]) -> None:
        """Run to the end of the stages, or until `should_stop`; writes a checkpoint either way.

        If one of several processes should stop, all of them do.

        Raises:
            DivergedError: a loss or a weight is not finite; the last good checkpoint is kept.
            model.data.datasets.DatasetError: an image cannot be read any more; a process that
                trains alone has written a checkpoint of the steps before.
        """
        self.out.mkdir(parents=True, exist_ok=True)
        total = total_steps(self.config)
        start = min(self._schedule_step(), total)
        first = self.context.is_rank_zero
        with (
            RunLog(self.out, self.step) if first else nullcontext() as log,
            tqdm(
                total=total, initial=start, desc="train", bar_format=_BAR, disable=not first
            ) as bar,
        ):
            while self._schedule_step() < total and not self._agreed(should_stop, 0.0)[0]:
                self._stage(log, bar, should_stop)

    def _agreed(self, should_stop: Callable[[], bool], minutes: float) -> tuple[bool, float]:
        """Whether any process should stop, and the minutes that the slowest one counts."""
        stop, longest = self.context.largest(float(should_stop()), minutes)
        return bool(stop), longest

    def _batches(self, stage: Stage) -> Prefetcher[LoadedBatch]:
        return Prefetcher(
            lambda number: self._stepper.load(number, stage),
            first=self.step,
            ahead=self.config.loading.ahead,
            workers=self.config.loading.workers,
            enter_thread=self.context.enter_thread,
        )

    def _stage(self, log: RunLog | None, bar: "tqdm[Any]", should_stop: Callable[[], bool]) -> None:
        at = self._schedule(self.budget_minutes)
        stage = self.config.stages[at.stage]
        optimizer = self._optimizer(at)
        self.network.train_mode()
        window: list[LossTerms] = []
        first = self.step
        last = stop = False
        with self._batches(stage) as batches:
            mark = self._clock()
            while not (last or stop):
                set_rate(
                    optimizer, stage, self._schedule(self.budget_minutes).step, self.config.power
                )
                try:
                    loaded = self._wait_for(batches)
                except (DatasetError, OSError):  # a file that was whole when the run began
                    self._keep_steps(first, window, optimizer, log, bar)
                    raise
                window.append(self._stepper.train_step(loaded, stage, optimizer))
                self.ema.update_parameters(self.network)
                self.step += 1
                self.episodes += stage.batch
                # Includes the time for writing logs and checkpoints.
                mark, before = self._clock(), mark
                # Asked once: a signal that comes later waits for the next step and its checkpoint.
                stop, minutes = self._agreed(should_stop, (mark - before) / 60)
                self.minutes += minutes
                bar.update(min(self._schedule_step(), total_steps(self.config)) - bar.n)
                last = self._schedule(self.budget_minutes).stage != at.stage
                saves = last or stop or self.step % self.config.checkpoint_steps == 0
                if saves or self.step % _LOG_STEPS == 0:  # no checkpoint lacks what led to it
                    self._log(window, log, bar)
                    window = []
                if last and at.stage < len(self.config.stages) - 1:
                    # The next stage has other parameter groups, its own optimizer and average.
                    self.ema.n_averaged.zero_()
                    self._save(None)
                elif saves:
                    self._save(optimizer)

    def _keep_steps(
        self,
        first: int,
        window: list[LossTerms],
        optimizer: torch.optim.Optimizer,
        log: RunLog | None,
        bar: "tqdm[Any]",
    ) -> None:
        """Write a checkpoint if there were steps since `first`, before an error ends the run."""
        # Other processes exchange values only behind a step, which this one does not reach.
        if self.step == first or self.context.world_size > 1:
            return
        if window:
            self._log(window, log, bar)
        self._save(optimizer)

    def _optimizer(self, at: Position) -> torch.optim.Optimizer:
        """The optimizer of a stage, with its state if the run was resumed within that stage."""
        optimizer = make_optimizer(self.network, self.config.stages[at.stage], self.config)
        if self._optimizer_state is not None:
            # Another budget may have moved the run to a stage with other parameter groups.
            if self._optimizer_state[0] == at.stage:
                optimizer.load_state_dict(self._optimizer_state[1])
            else:
                self.ema.n_averaged.zero_()
            self._optimizer_state = None
        return optimizer

    def _wait_for(self, batches: Prefetcher[LoadedBatch]) -> LoadedBatch:
        asked = self._clock()
        loaded = next(batches)
        self.waited_minutes += (self._clock() - asked) / 60
        return loaded

    def _log(self, window: list[LossTerms], log: RunLog | None, bar: "tqdm[Any]") -> None:
        table = torch.stack([torch.stack(terms) for terms in window])  # (steps, terms)
        means = dict(
            zip(LossTerms._fields, self.context.mean(table.mean(dim=0)).tolist(), strict=True)
        )
        require_finite_losses(means.values(), first=self.step - len(window) + 1, last=self.step)
        if log is None:
            return
        entry = {"step": float(self.step), "minutes": round(self.minutes, 3), **means}
        entry["data_wait"] = round(self.wait_share, 4)
        self.curve.append(entry)
        bar.set_postfix(
            step=self.step, loss=f"{means['main']:.3f}", data_wait=f"{self.wait_share:.0%}"
        )
        log.write(entry)

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        # The average has taken in the weights of every step.
        require_finite_weights(self.ema_network.parameters(), step=self.step)
        generators = self.context.generator_states()
        if not self.context.is_rank_zero:
            return
        save_checkpoint(
            self.out,
            network=self.network,
            ema_network=self.ema_network,
            config=self.network_config,
            optimizer=None if optimizer is None else optimizer.state_dict(),
            generators=generators,
            progress={
                "step": self.step,
                "episodes": self.episodes,
                "minutes": self.minutes,
                "budget": self.budget_minutes,
                "waited": self.waited_minutes,
                "averaged": int(self.ema.n_averaged),
                "curve": self.curve,
                "training": self.config.model_dump_json(),
                "data": list(dict.fromkeys([*self.prepared.data, *self._inherited])),
                "excluded": list(self._excluded),
            },
        )


class _Start(NamedTuple):
    """What a network got from the bundles of `start`.

    tensors: names of those that were loaded.
    data: the sets that the bundles were trained on.
    excluded: class names that neither this run nor any of the bundles has seen.
    """

    tensors: frozenset[str]
    data: tuple[str, ...]
    excluded: tuple[str, ...]


def _load_bundles(network: SDAANet, config: TrainConfig) -> _Start:
    """Load the bundles of `start`, one over the other, in place."""
    tensors, data, excluded = frozenset[str](), list[str](), config.excluded_names
    for bundle in config.start:
        tensors |= set(load_start(network, bundle, unseen=config.test_classes))
        before = load_manifest(bundle).training
        data += () if before is None else before.data
        # A name that a bundle may have seen is not left out, though no image of this run shows it.
        excluded &= frozenset(() if before is None else before.excluded_classes)
    return _Start(tensors, tuple(data), tuple(sorted(excluded)))


def has_checkpoint(out: Path) -> bool:
    """Whether a run left a checkpoint there."""
    return (out / CHECKPOINT_FILE).is_file()
