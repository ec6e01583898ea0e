"""A training run: data, network, stages, log, checkpoints, resume."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from model.build import CheckpointError, build_network, load_pretrained
from model.losses import LossTerms, episode_loss
from model.nets import SDAANet
from model.training.checkpoints import (
    CHECKPOINT_FILE,
    read_run,
    restore_checkpoint,
    save_checkpoint,
)
from model.training.config import Stage, TrainConfig
from model.training.log import RunLog
from model.training.preparation import prepare
from model.training.schedule import (
    Position,
    locate,
    make_optimizer,
    moving_average,
    schedule_step,
    set_rate,
    total_steps,
)

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
        budget: minutes of training, the cache's filling aside, that the schedule is scaled to.
        clock: seconds.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        out: Path,
        data_root: Path,
        weights_dir: Path,
        cache_dir: Path,
        budget: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.out, self.budget, self._clock = config, out, budget, clock
        self.network_config = config.network
        torch.manual_seed(config.seed)
        self.network = build_network(self.network_config, mask_side=config.cache.label_side)
        load_pretrained(self.network.backbone, weights_dir)
        self.prepared = prepare(config, self.network, data_root, cache_dir)
        update = moving_average(config.ema)
        self.average = AveragedModel(self.network, multi_avg_fn=update, use_buffers=False)
        self.averaged = cast(SDAANet, self.average.module)
        self.step, self.episodes, self.minutes, self.waited = 0, 0, 0.0, 0.0
        self.curve = list[dict[str, float]]()
        self._optimizer_state: tuple[int, dict[str, Any]] | None = None

    def resume(self) -> None:
        """Continue from the folder's checkpoint, to its time budget unless there is a new one.

        Raises:
            model.build.CheckpointError: none there, damaged, or made by another recipe, whose data
                and unseen classes the record would then not tell.
        """
        checkpoint = read_run(self.out)
        self._refuse_other_recipe(checkpoint)
        restore_checkpoint(checkpoint, network=self.network, average=self.averaged)
        progress = checkpoint["progress"]
        self.step, self.minutes = progress["step"], progress["minutes"]
        self.episodes = progress["episodes"]
        self.curve = progress["curve"]
        self.average.n_averaged.fill_(progress["averaged"])
        self.waited = progress["waited"]
        stopped_at = self._schedule(progress["budget"]).stage
        if self.budget is None:
            self.budget = progress["budget"]
        if checkpoint["optimizer"] is not None:
            self._optimizer_state = stopped_at, checkpoint["optimizer"]

    def _refuse_other_recipe(self, checkpoint: dict[str, Any]) -> None:
        made_by = json.loads(checkpoint["progress"]["training"])
        now = self.config.model_dump(mode="json")
        other = sorted(key for key in now if now[key] != made_by.get(key))
        if other:
            raise CheckpointError(
                f"the run in {self.out} has another recipe: {', '.join(other)} differ; "
                "resume with the same, or start in another --out"
            )

    @property
    def wait_share(self) -> float:
        """Share of the training time spent waiting for data."""
        return self.waited / self.minutes if self.minutes else 0.0

    def _schedule_step(self) -> float:
        return schedule_step(self.config, self.step, self.minutes, self.budget)

    def _schedule(self, budget: float | None) -> Position:
        return locate(self.config, schedule_step(self.config, self.step, self.minutes, budget))

    def train(self, should_stop: Callable[[], bool]) -> None:
        """Run to the end of the stages, or until `should_stop`; leaves a checkpoint either way."""
        self.out.mkdir(parents=True, exist_ok=True)
        total = total_steps(self.config)
        start = min(self._schedule_step(), total)
        with (
            RunLog(self.out, self.step) as log,
            tqdm(total=total, initial=start, desc="train", bar_format=_BAR) as bar,
        ):
            while self._schedule_step() < total and not should_stop():
                self._stage(log, bar, should_stop)

    def _stage(self, log: RunLog, bar: "tqdm[Any]", should_stop: Callable[[], bool]) -> None:
        at = self._schedule(self.budget)
        stage = self.config.stages[at.stage]
        optimizer = make_optimizer(self.network, stage, self.config)
        if self._optimizer_state is not None:
            # Another budget may have moved the run to a stage with other parameter groups.
            if self._optimizer_state[0] == at.stage:
                optimizer.load_state_dict(self._optimizer_state[1])
            self._optimizer_state = None
        self.network.train_mode()
        window: list[LossTerms] = []
        last = stop = False
        mark = self._clock()
        while not (last or stop):
            set_rate(optimizer, stage, self._schedule(self.budget).step, self.config.power)
            window.append(self._update(optimizer, stage))
            self.step += 1
            self.episodes += stage.batch
            # From mark to mark, so that writing logs and checkpoints counts as well.
            mark, before = self._clock(), mark
            self.minutes += (mark - before) / 60
            bar.update(min(self._schedule_step(), total_steps(self.config)) - bar.n)
            last = self._schedule(self.budget).stage != at.stage
            if self.step % _LOG_STEPS == 0:
                self._log(window, log, bar)
                window = []
            # Asked once: a signal that comes later waits for the next step and its checkpoint.
            stop = should_stop()
            if last:
                # The next stage has other parameter groups, an optimizer and an average of its own.
                self.average.n_averaged.zero_()
                self._save(None)
            elif stop or self.step % self.config.checkpoint_steps == 0:
                self._save(optimizer)

    def _update(self, optimizer: torch.optim.Optimizer, stage: Stage) -> LossTerms:
        source, backbone = self.prepared.source, self.network.backbone
        asked = self._clock()
        loaded = source.load(self.step, stage.batch, stage.backbone)
        self.waited += (self._clock() - asked) / 60
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.precision == "bf16"):
            batch = source.encode(loaded, backbone)
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

    def _log(self, window: list[LossTerms], log: RunLog, bar: "tqdm[Any]") -> None:
        means = {
            name: float(torch.stack([getattr(terms, name) for terms in window]).mean())
            for name in LossTerms._fields
        }
        entry = {"step": float(self.step), "minutes": round(self.minutes, 3), **means}
        entry["data_wait"] = round(self.wait_share, 4)
        self.curve.append(entry)
        bar.set_postfix(
            step=self.step, loss=f"{means['main']:.3f}", data_wait=f"{self.wait_share:.0%}"
        )
        log.write(entry)

    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        save_checkpoint(
            self.out,
            network=self.network,
            average=self.averaged,
            config=self.network_config,
            optimizer=None if optimizer is None else optimizer.state_dict(),
            progress={
                "step": self.step,
                "episodes": self.episodes,
                "minutes": self.minutes,
                "budget": self.budget,
                "waited": self.waited,
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
