"""One step: from a drawn batch to changed weights."""

import torch
from torch import Tensor

from model.data.sampler import EpisodeSampler
from model.losses import LossCounts, LossTerms, count_labels, episode_loss
from model.nets import SDAANet
from model.training.config import Stage, TrainConfig
from model.training.distributed import DistributedContext
from model.training.source import BatchSource, LoadedBatch


class Stepper:
    """Loads batches and trains on them, as one of the processes of a run.

    Args:
        config: the recipe.
        context: the device, and which share of every batch is this process's.
        sampler: which episodes.
        source: their tensors.
        network: to train.
    """

    def __init__(
        self,
        config: TrainConfig,
        context: DistributedContext,
        sampler: EpisodeSampler,
        source: BatchSource,
        network: SDAANet,
    ) -> None:
        self._config, self._context, self._network = config, context, network
        self._sampler, self._source = sampler, source

    def load(self, number: int, stage: Stage) -> LoadedBatch:
        """This process's share of batch `number`, a pure function of recipe and number."""
        drawn = self._sampler.batch(number, stage.batch)
        drawn = drawn.part(self._context.rank, self._context.world_size)
        loaded = self._source.load(drawn, stage.backbone)
        return loaded.pinned() if self._context.on_cuda else loaded

    def train_step(
        self, loaded: LoadedBatch, stage: Stage, optimizer: torch.optim.Optimizer
    ) -> LossTerms:
        """Forward, backward and update; returns this process's terms."""
        terms = self._terms(loaded.to(self._context.device), stage)
        # Gradients that an earlier stage left are dropped too, or clipping would count them.
        self._network.zero_grad(set_to_none=True)
        terms.total.backward()  # type: ignore[no-untyped-call]
        self._context.average_gradients(self._network.parameters())
        if self._config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._config.gradient_clip)
        optimizer.step()
        return LossTerms(*(term.detach() for term in terms))

    def _terms(self, loaded: LoadedBatch, stage: Stage) -> LossTerms:
        network, precise = self._network, self._config.precision == "fp32"
        with torch.autocast(self._context.device.type, torch.bfloat16, enabled=not precise):
            batch = self._source.encode(loaded, network.backbone, stage.backbone)
            masks: Tensor = (batch.support_labels == 1).float()
            output = network.forward_training(batch.queries, batch.supports, masks)
        counts = count_labels(batch.query_labels, batch.support_labels)
        return episode_loss(
            output.float(),
            query_labels=batch.query_labels,
            support_labels=batch.support_labels,
            # With counts of each process's own, a pixel's weight would depend on its process.
            counts=LossCounts(*self._context.mean(torch.stack(counts)).unbind()),
            resize_mask=network.resize_mask,
            strategy=self._config.strategy,
            weights=self._config.loss_weights,
        )
